"""One PPP link: LCP, both authentications and IPCP put together (RFC 1661 3).

Sans-IO, and the same class at both ends of the line. Frames are L2TP payloads; IP packets are not
its business, the data plane carries them.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

from control.errors import DecodeError
from control.ppp.automaton import State
from control.ppp.config import LinkConfig, check_address
from control.ppp.events import (
    Event,
    LcpOpened,
    LinkClosed,
    NetworkClosed,
    NetworkOpened,
)
from control.ppp.frame import Frame, Protocol, decode_frame, decode_packet, encode_frame
from control.ppp.ipcp import UNKNOWN, IpcpPolicy
from control.ppp.lcp import Lcp
from control.ppp.mutual import MutualAuthentication
from control.ppp.negotiation import Negotiation, Signal
from control.ppp.phase import PHASES, Change, Phase, Work
from control.ppp.randomness import Randomness

RENEGOTIATIONS: Final = 10
"""Times a peer may take an open layer down again before its network has stayed open for the
negotiation deadline."""

_STAGES: Final = {
    Phase.ESTABLISH: "lcp",
    Phase.AUTHENTICATE: "authentication",
    Phase.NETWORK: "ipcp",
}
_QUIET: Final = (State.INITIAL, State.STARTING, State.CLOSED, State.STOPPED)
"""LCP states in which nothing is left to wait for once the link is to end."""


class Link:
    """One end of a PPP link. Every NetworkOpened is followed by one NetworkClosed, and the last
    event is one LinkClosed."""

    def __init__(self, config: LinkConfig, rng: Randomness) -> None:
        self.phase = Phase.DEAD
        self.counters: Counter[str] = Counter()
        """Frames received, and what was dropped, by reason."""
        self._config = config
        self._lcp = Lcp(config, rng, self.counters)
        self._authentication = MutualAuthentication(config, rng, self.counters)
        self._addresses = IpcpPolicy(config, self.counters)
        self._ipcp = Negotiation("ipcp", config, self._addresses, self.counters)
        self._frames: list[bytes] = []
        self._events: deque[Event] = deque()
        self._ending: LinkClosed | None = None
        self._finished = False
        self._network_since: float | None = None
        self._renegotiations = 0
        self._deadline: float | None = None
        self._authentication_deadline: float | None = None

    @property
    def lcp_state(self) -> State:
        return self._lcp.state

    @property
    def ipcp_state(self) -> State:
        return self._ipcp.state

    @property
    def local_address(self) -> str:
        """Our address as far as it is known; empty: not yet."""
        address = self._addresses.local_address
        return "" if address == UNKNOWN else address

    @property
    def peer_address(self) -> str:
        return self._addresses.peer_address

    def open(self, now: float) -> None:
        """The call is connected: negotiate. Once in a link's life; later calls do nothing."""
        if self._finished or self.phase is not Phase.DEAD:
            return
        self._deadline = now + self._config.negotiation_deadline
        self._change(Change.UP, now)
        self._lcp.open(now)
        self._ipcp.open(now)
        self._advance(now)

    def close(self, now: float, reason: str = "") -> None:
        """Terminate the link; LinkClosed follows when the peer has agreed or stayed silent."""
        if not self._finished:
            self._end(LinkClosed("local", reason or "closed"), now)
            self._advance(now)

    def lower_down(self, now: float) -> None:
        """The carrier is gone: the link is closed at once, without a frame."""
        if self._finished:
            return
        self._ending = self._ending or LinkClosed("peer", "the carrier is gone")
        self._lcp.down(now)
        self._finish(now)
        self._frames.clear()

    def receive_frame(self, frame: bytes, now: float) -> None:
        """Take an L2TP payload, with or without FF 03. Never raises; what is no use is counted."""
        self.counters["received"] += 1
        if self._finished or self.phase is Phase.DEAD:
            self.counters["not_running"] += 1
            return
        try:
            self._dispatch(decode_frame(frame), now)
        except DecodeError:
            self.counters["malformed"] += 1
        self._advance(now)

    def authentication_result(
        self,
        request: int,
        accepted: bool,
        now: float,
        *,
        message: str = "",
        peer_address: str = "",
    ) -> None:
        """Answer an AuthenticationRequested; an old request is ignored. `peer_address` is what the
        peer has to use. Raises LocalProtocolError if that is no IPv4 address."""
        if peer_address:
            check_address(peer_address)
        if self._finished or not self._authentication.result(request, accepted, message, now):
            return
        if peer_address:
            self._addresses.assigned = peer_address
        self._advance(now)

    def handle_timer(self, now: float) -> None:
        """Do whatever is due at `now`."""
        if self._finished or self.phase is Phase.DEAD:
            return
        self._lcp.handle_timer(now)
        self._authentication.handle_timer(now)
        self._ipcp.handle_timer(now)
        self._advance(now)
        for deadline in (self._deadline, self._authentication_deadline):
            if deadline is not None and now >= deadline and not self._finished:
                stage = _STAGES.get(self.phase, "lcp")
                self._end(LinkClosed(stage, f"{stage} is not complete in time"), now, abrupt=True)
                self._advance(now)

    def get_timer(self) -> float | None:
        """Seconds at which handle_timer has something to do; None: only input can change things."""
        if self._finished or self.phase is Phase.DEAD:
            return None
        timers = (
            self._lcp.get_timer(),
            self._authentication.get_timer(),
            self._ipcp.get_timer(),
            self._deadline,
            self._authentication_deadline,
        )
        return min((timer for timer in timers if timer is not None), default=None)

    def next_event(self) -> Event | None:
        return self._events.popleft() if self._events else None

    def frames_to_send(self) -> list[bytes]:
        frames, self._frames = self._frames, []
        return frames

    def _dispatch(self, frame: Frame, now: float) -> None:
        """Give a frame to its protocol, if the phase has it (RFC 1661 3.4 to 3.7)."""
        protocol = frame.protocol
        if protocol == Protocol.LCP:
            self._lcp.receive(decode_packet(frame.information), now)
        elif protocol == Protocol.IP:
            self.counters["data"] += 1
        elif protocol in (Protocol.PAP, Protocol.CHAP):
            if self.phase not in (Phase.AUTHENTICATE, Phase.NETWORK):
                self.counters["early"] += 1
            elif self._authentication.uses(protocol):
                packet = decode_packet(frame.information)
                self._authentication.receive(protocol, packet, now)
            else:
                self.counters["not_negotiated"] += 1
        elif self.phase is not Phase.NETWORK:
            self.counters["early"] += 1
        elif protocol == Protocol.IPCP:
            self._ipcp.receive(decode_packet(frame.information), now)
        else:
            self.counters["unknown_protocol"] += 1
            self._lcp.reject_protocol(protocol, frame.information, now)

    def _advance(self, now: float) -> None:
        """Carry signals and packets between the layers until nothing moves."""
        moving = True
        while moving and not self._finished:
            self._collect()
            moving = self._carry(now)
        self._collect()

    def _carry(self, now: float) -> bool:
        """Do one thing that a layer asks for; False if there is none."""
        if (signal := self._lcp.next_signal()) is not None:
            self._follow_lcp(signal, now)
        elif (signal := self._ipcp.next_signal()) is not None:
            self._follow_ipcp(signal, now)
        elif (event := self._authentication.next_event()) is not None:
            self._events.append(event)
        elif self._lcp.rejected:
            self._take_rejected(self._lcp.rejected.popleft(), now)
        elif self._ending is None and (failure := self._failure()) is not None:
            self._end(failure, now, abrupt=failure.stage == "echo")
        elif self.phase is Phase.AUTHENTICATE and self._authentication.complete:
            self._change(Change.AUTHENTICATED, now)
        else:
            return False
        return True

    def _failure(self) -> LinkClosed | None:
        return self._lcp.failure or self._authentication.failure or self._addresses.failure

    def _follow_lcp(self, signal: Signal, now: float) -> None:
        if signal is Signal.UP:
            policy = self._lcp.policy
            self._ipcp.peer_mru = policy.peer_mru
            self._events.append(
                LcpOpened(policy.peer_mru, policy.send_acfc, policy.send_pfc, policy.peer_accm)
            )
            self._change(Change.OPENED, now)
        elif signal is Signal.FINISHED:
            self._finish(now)
        elif self._lcp.state in (State.REQ_SENT, State.ACK_SENT):
            self._change(Change.RENEGOTIATE, now)
            self._count_renegotiation(now)
        else:
            self._ending = self._ending or self._lcp.negotiation.ending
            self._deadline = None
            self._change(Change.CLOSE, now)

    def _follow_ipcp(self, signal: Signal, now: float) -> None:
        if signal is Signal.FINISHED:
            self._end(self._ipcp.ending or LinkClosed("ipcp", "IPCP is finished"), now)
        elif signal is Signal.DOWN:
            self._count_renegotiation(now)
            self._lose_network(now)
        else:
            self._addresses.check()
            if self._addresses.failure is None:
                self._deadline = None
                self._network_since = now
                self._events.append(NetworkOpened(self.local_address, self.peer_address))

    def _take_rejected(self, protocol: int, now: float) -> None:
        if protocol == Protocol.IPCP:
            self._end(LinkClosed("ipcp", "the peer rejects IPCP"), now)
        elif self._authentication.uses(protocol) and not self._authentication.complete:
            self._end(LinkClosed("authentication", "the peer rejects what it agreed to"), now)

    def _count_renegotiation(self, now: float) -> None:
        since = self._network_since
        if since is not None and now - since >= self._config.negotiation_deadline:
            self._renegotiations = 0
        self._renegotiations += 1
        if self._renegotiations > RENEGOTIATIONS:
            self._end(LinkClosed("lcp", "the peer never stops negotiating"), now)

    def _change(self, change: Change, now: float) -> None:
        row = PHASES.step(self.phase, change)
        self.phase = row.next
        for work in row.actions:
            match work:
                case Work.START_AUTHENTICATION:
                    self._addresses.assigned = self._config.peer_address
                    policy = self._lcp.policy
                    self._authentication.start(policy.demanded, policy.claimed, now)
                    self._authentication_deadline = now + self._config.authentication_deadline
                case Work.START_NETWORK:
                    self._authentication_deadline = None
                    self._ipcp.up(now)
                case Work.STOP:
                    self._authentication_deadline = None
                    self._authentication.stop(now)
                    self._ipcp.down(now)
                    while self._ipcp.next_signal() is not None:
                        pass
                    self._lose_network(now)

    def _lose_network(self, now: float) -> None:
        if self._network_since is not None:
            self._network_since = None
            self._events.append(NetworkClosed())
            if self._ending is None:
                self._deadline = now + self._config.negotiation_deadline

    def _end(self, why: LinkClosed, now: float, *, abrupt: bool = False) -> None:
        """Terminate, for the first reason given; `abrupt`: the peer is not waited for."""
        self._ending = self._ending or why
        self._deadline = None
        self._lcp.close(now, self._ending.reason)
        self._change(Change.CLOSE, now)
        if abrupt or self._lcp.state in _QUIET:
            self._finish(now)

    def _finish(self, now: float) -> None:
        self._collect()
        self._finished = True
        ending = self._ending or self._lcp.negotiation.ending
        self._change(Change.DOWN, now)
        self._events.append(ending or LinkClosed("lcp", "LCP is finished"))

    def _collect(self) -> None:
        for packet in self._lcp.packets_to_send():
            self._frames.append(encode_frame(Protocol.LCP, packet))
        acfc = self._lcp.policy.send_acfc
        for protocol, packet in self._authentication.packets_to_send():
            self._frames.append(encode_frame(protocol, packet, acfc=acfc))
        for packet in self._ipcp.packets_to_send():
            self._frames.append(encode_frame(Protocol.IPCP, packet, acfc=acfc))
