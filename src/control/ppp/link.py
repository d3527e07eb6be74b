"""One PPP link: LCP, both authentications and the NCPs put together (RFC 1661 3).

Sans-IO, and the same class at both ends of the line. Frames are L2TP payloads; IP packets are not
its business, the data plane carries them.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from control.deadlines import earliest
from control.errors import DecodeError
from control.ppp.automaton import State
from control.ppp.config import LinkConfig, check_address, read_identifier
from control.ppp.events import Event, LcpOpened, LinkClosed, NetworkRefused
from control.ppp.frame import Frame, Protocol, decode_frame, decode_packet, encode_frame
from control.ppp.lcp import Lcp
from control.ppp.mutual import MutualAuthentication
from control.ppp.network import Ipv4, Network, Networks
from control.ppp.outbox import Outbox, Signal
from control.ppp.phase import PHASES, Change, Phase, Work
from control.ppp.randomness import Randomness

RENEGOTIATIONS: Final = 10
"""Times a peer may take an open layer down again before its network has stayed open for the
negotiation deadline."""

_STAGES: Final = {
    Phase.ESTABLISH: "lcp",
    Phase.AUTHENTICATE: "authentication",
    Phase.TERMINATE: "lcp",
}
"""Where negotiation stands still; in the network phase it is an NCP."""
_DATA: Final[dict[int, str]] = {Protocol.IP: "ipv4", Protocol.IPV6: "ipv6"}
"""Packets of these are the data plane's business."""
_QUIET: Final = (State.INITIAL, State.STARTING, State.CLOSED, State.STOPPED)
"""LCP states in which nothing is left to wait for once the link is to end."""


class Link:
    """One end of a PPP link. Every NetworkOpened is followed by one NetworkClosed, every Ipv6Opened
    by one Ipv6Closed, and the last event is one LinkClosed. `counters` may be shared by links."""

    __slots__ = (
        "_authentication",
        "_authentication_deadline",
        "_box",
        "_config",
        "_deadline",
        "_ending",
        "_finished",
        "_frames",
        "_lcp",
        "_networks",
        "_renegotiations",
        "_up_since",
        "counters",
        "phase",
    )

    def __init__(
        self, config: LinkConfig, rng: Randomness, counters: Counter[str] | None = None
    ) -> None:
        self.phase = Phase.DEAD
        self.counters: Counter[str] = Counter() if counters is None else counters
        """Frames received, and what was dropped, by reason."""
        self._config = config
        self._box = Outbox(self.counters)
        self._lcp = Lcp(config, rng, self._box)
        self._authentication = MutualAuthentication(config, rng, self._box)
        self._networks = Networks(config, rng, self._box)
        self._frames: tuple[bytes, ...] = ()
        self._ending: LinkClosed | None = None
        self._finished = False
        self._up_since: float | None = None
        """When the networks that the link is for were open; None: they are not."""
        self._renegotiations = 0
        self._deadline: float | None = None
        self._authentication_deadline: float | None = None

    @property
    def lcp_state(self) -> State:
        return self._lcp.state

    def network_state(self, name: str) -> State | None:
        """State of the NCP of `ipv4` or `ipv6`; None: it is not negotiated."""
        network = self._networks.named(name)
        return network.negotiation.state if network is not None else None

    @property
    def local_address(self) -> str:
        """Our IPv4 address as far as it is known; empty: not yet."""
        network = self._networks.named("ipv4")
        return network.local_address if isinstance(network, Ipv4) else ""

    @property
    def peer_address(self) -> str:
        network = self._networks.named("ipv4")
        return network.addresses.peer_address if isinstance(network, Ipv4) else ""

    def open(self, now: float) -> None:
        """The call is connected: negotiate. Once in a link's life; later calls do nothing."""
        if self._finished or self.phase is not Phase.DEAD:
            return
        self._deadline = now + self._config.negotiation_deadline
        self._change(Change.UP, now)
        self._lcp.open(now)
        self._networks.open(now)
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
        self._frames = ()

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
        accepted: bool | None,
        now: float,
        *,
        message: str = "",
        peer_address: str = "",
        ipv6: bool = False,
        peer_identifier: str = "",
        dns: tuple[str, ...] = (),
    ) -> None:
        """Answer an AuthenticationRequested; an old request is ignored. `accepted` None: nobody can
        tell, which refuses a peer that has not been accepted before. Before the networks come up
        `peer_address` and `peer_identifier` say what the peer has to use, `ipv6` that IPV6CP is
        wanted, and `dns` goes before the configured name servers. Raises LocalProtocolError if one
        is no IPv4 address or interface identifier."""
        for address in filter(None, (peer_address, *dns)):
            check_address(address)
        number = read_identifier(peer_identifier) if peer_identifier else 0
        if self._finished or not self._authentication.result(request, accepted, message, now):
            return
        if self.phase is Phase.AUTHENTICATE and accepted:
            if ipv6:
                self._networks.want_ipv6(now)
            self._networks.assign(
                peer_address or self._config.peer_address,
                number or self._networks.configured_identifier,
                dns,
            )
        self._advance(now)

    def handle_timer(self, now: float) -> None:
        """Do whatever is due at `now`."""
        if self._finished or self.phase is Phase.DEAD:
            return
        self._lcp.handle_timer(now)
        self._authentication.handle_timer(now)
        self._networks.handle_timer(now)
        self._advance(now)
        for deadline in (self._deadline, self._authentication_deadline):
            if deadline is not None and now >= deadline and not self._finished:
                stage = _STAGES.get(self.phase) or self._networks.missing()
                heard = stage != "lcp" or self._lcp.negotiation.heard
                kind = "timeout" if heard else "silent"
                why = LinkClosed(stage, f"{stage} is not complete in time", kind)
                self._end(why, now, abrupt=True)
                self._advance(now)

    def get_timer(self) -> float | None:
        """Seconds at which handle_timer has something to do; None: only input can change things."""
        if self._finished or self.phase is Phase.DEAD:
            return None
        found = earliest(
            self._lcp.get_timer(),
            self._authentication.get_timer(),
            self._deadline,
            self._authentication_deadline,
        )
        for network in self._networks.all:
            when = network.negotiation.get_timer()
            if when is not None and (found is None or when < found):
                found = when
        return found

    def next_event(self) -> Event | None:
        return self._box.events.pop(0) if self._box.events else None

    def frames_to_send(self) -> list[bytes]:
        frames, self._frames = self._frames, ()
        return list(frames)

    def _dispatch(self, frame: Frame, now: float) -> None:
        """Give a frame to its protocol, if the phase has it (RFC 1661 3.4 to 3.7)."""
        protocol = frame.protocol
        if protocol == Protocol.LCP:
            self._lcp.receive(decode_packet(frame.information), now)
        elif self._networks.named(_DATA.get(protocol, "")) is not None:
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
        elif (network := self._networks.of_protocol(protocol)) is not None:
            network.negotiation.receive(decode_packet(frame.information), now)
        else:
            self.counters["unknown_protocol"] += 1
            self._lcp.reject_protocol(protocol, frame.information, now)

    def _advance(self, now: float) -> None:
        """Carry signals and packets between the layers until nothing moves."""
        self._collect()
        while not self._finished and self._carry(now):
            self._collect()

    def _carry(self, now: float) -> bool:
        """Do one thing that a layer asks for; False if there is none."""
        if self._box.signals:
            protocol, signal = self._box.signals.pop(0)
            network = self._networks.of_protocol(protocol)
            if protocol == Protocol.LCP:
                self._follow_lcp(signal, now)
            elif network is not None:
                self._follow_network(network, signal, now)
        elif self._lcp.rejected:
            protocol, *rest = self._lcp.rejected
            self._lcp.rejected = tuple(rest)
            self._take_rejected(protocol, now)
        elif (failed := self._networks.failed()) is not None:
            self._do_without(*failed, now)
        elif self._ending is None and (failure := self._failure()) is not None:
            self._end(failure, now, abrupt=failure.stage == "echo")
        elif self.phase is Phase.AUTHENTICATE and self._authentication.complete:
            self._change(Change.AUTHENTICATED, now)
        else:
            return False
        return True

    def _failure(self) -> LinkClosed | None:
        return self._lcp.failure or self._authentication.failure

    def _follow_lcp(self, signal: Signal, now: float) -> None:
        if signal is Signal.UP:
            policy = self._lcp.policy
            self._networks.set_peer_mru(policy.peer_mru)
            self._lcp.identify()
            self._box.events.append(
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

    def _follow_network(self, network: Network, signal: Signal, now: float) -> None:
        if signal is Signal.FINISHED:
            why = network.negotiation.ending or LinkClosed(network.stage, "the peer ended it")
            self._do_without(network, why, now)
        elif signal is Signal.DOWN:
            self._count_renegotiation(now)
            self._lose(network, now)
        else:
            network.policy.check()
            if network.policy.failure is None:
                network.is_open = True
                self._box.events.append(network.opened())
                self._check_up(now)

    def _do_without(self, network: Network, why: LinkClosed, now: float) -> None:
        """A network does not come up: the link goes on if it is any use without."""
        if self._ending is not None or not self._networks.dispensable(network):
            network.policy.failure = None
            self._end(why, now)
            return
        self._lose(network, now)
        self._networks.remove(network)
        self._box.events.append(NetworkRefused(why.stage, why.reason))

    def _check_up(self, now: float) -> None:
        """One more network is open: the link may be of use now."""
        if self._up_since is None and self._networks.is_up:
            self._deadline = None
            self._up_since = now

    def _take_rejected(self, protocol: int, now: float) -> None:
        network = self._networks.of_protocol(protocol)
        if network is not None:
            what = f"the peer rejects {Protocol(protocol).name}"
            self._do_without(network, LinkClosed(network.stage, what, "rejected"), now)
        elif self._authentication.uses(protocol) and not self._authentication.complete:
            self._end(LinkClosed("authentication", "the peer rejects what it agreed to"), now)

    def _count_renegotiation(self, now: float) -> None:
        since = self._up_since
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
                    self._networks.forget_assigned()
                    policy = self._lcp.policy
                    self._authentication.start(policy.demanded, policy.claimed, now)
                    self._authentication_deadline = now + self._config.authentication_deadline
                case Work.START_NETWORK:
                    self._authentication_deadline = None
                    self._networks.up(now)
                case Work.STOP:
                    self._authentication_deadline = None
                    self._authentication.stop(now)
                    self._networks.down(now)
                    for network in self._networks.all:
                        self._lose(network, now)

    def _lose(self, network: Network, now: float) -> None:
        if not network.is_open:
            return
        network.is_open = False
        self._box.events.append(network.closed())
        if self._up_since is not None and not self._networks.is_up:
            self._up_since = None
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
        self._box.events.append(ending or LinkClosed("lcp", "LCP is finished"))

    def _collect(self) -> None:
        packets = self._box.packets
        if packets:
            acfc = self._lcp.policy.send_acfc
            self._frames += tuple(
                [encode_frame(kind, packet, acfc=acfc) for kind, packet in packets]
            )
            packets.clear()
