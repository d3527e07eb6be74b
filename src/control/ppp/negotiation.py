"""One negotiation: the automaton of RFC 1661 4 with its counters, timer and packets 1 to 7.

LCP and each NCP own one; what their options mean is the policy's affair. RFC 1661 5.1 to 5.6.
Beyond the RFC, against peers that never stop (4.5 asks for loop detection): replies are limited in
rate, and a negotiation that is refused too often ends like one that is never answered.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Final

from control.errors import DecodeError
from control.ppp.automaton import NEGOTIATING, TABLE, TIMED, Action, Event, State
from control.ppp.config import DEFAULT_MRU, LinkConfig
from control.ppp.events import LinkClosed
from control.ppp.frame import Packet
from control.ppp.options import Option, decode_options, encode_options
from control.ppp.outbox import Outbox, Signal
from control.ppp.policy import Answer, Policy
from control.ppp.rate import take


class Code(IntEnum):
    """Packets that every control protocol has."""

    CONFIGURE_REQUEST = 1
    CONFIGURE_ACK = 2
    CONFIGURE_NAK = 3
    CONFIGURE_REJECT = 4
    TERMINATE_REQUEST = 5
    TERMINATE_ACK = 6
    CODE_REJECT = 7


REPLY_RATE: Final = 20.0
REPLY_BURST: Final = 40
"""Replies a second, and at once, of one protocol: far above what an honest peer can need."""

REFUSALS: Final = 4
"""Times Max-Failure: refusals of one side without agreement after which negotiation ends."""

_CRITICAL: Final = frozenset(Code)
_REASON_OCTETS: Final = 64


class Negotiation:
    """The automaton of the control protocol with this number. `name` is the stage its failures
    carry."""

    __slots__ = (
        "_acknowledged",
        "_box",
        "_config",
        "_identifier",
        "_naks",
        "_opened_at",
        "_policy",
        "_reason",
        "_refusals_sent",
        "_refusals_taken",
        "_refused",
        "_replies_at",
        "_request",
        "_request_identifier",
        "_restarts",
        "_timer",
        "ending",
        "heard",
        "name",
        "peer_mru",
        "protocol",
        "state",
    )

    def __init__(
        self, name: str, protocol: int, config: LinkConfig, policy: Policy, box: Outbox
    ) -> None:
        self.name = name
        self.protocol = protocol
        self.state = State.INITIAL
        self.peer_mru = DEFAULT_MRU
        self.heard = False
        """Anything of the peer's came."""
        self.ending: LinkClosed | None = None
        """Why the layer finished or is about to."""
        self._config = config
        self._policy = policy
        self._box = box
        self._replies_at = 0.0
        """When as many replies may be given as at first."""
        self._timer: float | None = None
        self._restarts = 0
        self._identifier = 0
        self._request_identifier = 0
        self._request: bytes | None = None
        """Options of the request that waits for its reply."""
        self._naks = 0
        self._refusals_sent = 0
        self._refusals_taken = 0
        self._acknowledged = b""
        """The request that let us open, as long as a copy of it may come."""
        self._refused: Packet | None = None
        self._opened_at = 0.0
        self._reason = b""

    def open(self, now: float) -> None:
        self._step(Event.OPEN, now)

    def close(self, now: float, reason: str = "") -> None:
        self._reason = reason.encode("ascii", "replace")[:_REASON_OCTETS]
        self._step(Event.CLOSE, now)

    def up(self, now: float) -> None:
        """The layer below can carry packets."""
        if self.state in (State.INITIAL, State.STARTING):
            self._step(Event.UP, now)

    def down(self, now: float) -> None:
        """The layer below is gone."""
        if self.state not in (State.INITIAL, State.STARTING):
            self._step(Event.DOWN, now)

    def receive(self, packet: Packet, now: float) -> None:
        """Take any packet but those of LCP's link maintenance."""
        if self.state in (State.INITIAL, State.STARTING):
            self._box.counters["early"] += 1
            return
        self.heard = True
        try:
            self._dispatch(packet, now)
        except DecodeError:
            # RFC 1661 5 and 6: discarded without affecting the automaton.
            self._box.counters["malformed"] += 1

    def reject(self, now: float, reason: str) -> None:
        """RXJ-: the peer does not know something that we cannot do without."""
        self.ending = LinkClosed(self.name, reason)
        self._step(Event.RXJ_MINUS, now)

    def maintain(self, now: float) -> bool:
        """RXR: link maintenance arrived. Whether an Echo-Request is to be answered."""
        return Action.SER in self._step(Event.RXR, now)

    def send(self, code: int, identifier: int, data: bytes = b"") -> None:
        self._box.packets.append((self.protocol, Packet(code, identifier, data).encode()))

    def next_identifier(self) -> int:
        self._identifier = (self._identifier + 1) & 0xFF
        return self._identifier

    def handle_timer(self, now: float) -> None:
        if self._acknowledged and self.state is State.OPENED and self._is_settled(now):
            self._acknowledged = b""
        if self._timer is None or now < self._timer:
            return
        if self._restarts > 0:
            self._step(Event.TO_PLUS, now)
        else:
            self._give_up(now, "the peer does not answer")

    def get_timer(self) -> float | None:
        return self._timer

    def _dispatch(self, packet: Packet, now: float) -> None:
        match packet.code:
            case Code.CONFIGURE_REQUEST:
                self._take_request(packet, now)
            case Code.CONFIGURE_ACK:
                if self._is_reply(packet) and packet.data == self._request:
                    self._request = None
                    self._step(Event.RCA, now)
                else:
                    self._box.counters["stale_reply"] += 1
            case Code.CONFIGURE_NAK | Code.CONFIGURE_REJECT:
                self._take_refusal(packet, now)
            case Code.TERMINATE_REQUEST:
                if self._may_reply(now):
                    text = packet.data[:_REASON_OCTETS].decode("ascii", "backslashreplace")
                    stage = "peer" if self.name == "lcp" else self.name
                    self.ending = LinkClosed(stage, f"the peer terminated {self.name}: {text!r}")
                    self._step(Event.RTR, now, packet)
            case Code.TERMINATE_ACK:
                self._step(Event.RTA, now)
            case Code.CODE_REJECT:
                self._take_code_reject(packet, now)
            case _:
                self._box.counters["unknown_code"] += 1
                if self._may_reply(now):
                    self._step(Event.RUC, now, packet)

    def _take_request(self, packet: Packet, now: float) -> None:
        options = decode_options(packet.data)
        if not self._may_reply(now):
            return
        if self._is_repeated(packet, now):
            self._box.counters["repeated_request"] += 1
            self.send(Code.CONFIGURE_ACK, packet.identifier, packet.data)
            return
        answer = self._policy.judge(options)
        if not answer.rejects and self._naks >= self._config.max_failure:
            asked = tuple(option for option, _ in answer.naks if option is not None)
            answer = Answer(rejects=asked)
        if not (answer.naks or answer.rejects):
            self._step(Event.RCR_PLUS, now, packet)
        elif (
            self.state in NEGOTIATING and self._refusals_sent >= REFUSALS * self._config.max_failure
        ):
            self._give_up(now, "the peer insists on what we refuse")
        else:
            self._step(Event.RCR_MINUS, now, packet, answer)

    def _is_repeated(self, packet: Packet, now: float) -> bool:
        """Whether this is a copy of the request that was acknowledged just before we opened: the
        line doubled it, or our Ack was lost. It says nothing new, so the link need not restart."""
        return (
            self.state is State.OPENED
            and packet.encode() == self._acknowledged
            and not self._is_settled(now)
        )

    def _is_settled(self, now: float) -> bool:
        return now >= self._opened_at + self._config.restart

    def _take_refusal(self, packet: Packet, now: float) -> None:
        options = decode_options(packet.data)
        rejected = packet.code == Code.CONFIGURE_REJECT
        if not self._is_reply(packet) or not options or self._request is None:
            self._box.counters["stale_reply"] += 1
            return
        if rejected and not _is_part(options, decode_options(self._request)):
            self._box.counters["stale_reply"] += 1
            return
        self._request = None
        self._refusals_taken += 1
        if self.state in NEGOTIATING:
            if rejected:
                self._policy.take_reject(options)
            else:
                self._policy.take_nak(options)
            if self._policy.failure is not None:
                return
            if self._refusals_taken > REFUSALS * self._config.max_failure:
                self._give_up(now, "the peer refuses what we insist on")
                return
        self._step(Event.RCN, now)

    def _take_code_reject(self, packet: Packet, now: float) -> None:
        if not packet.data:
            raise DecodeError("Code-Reject without packet", 0)
        if packet.data[0] in _CRITICAL:
            self.reject(now, f"the peer rejects code {packet.data[0]} of {self.name}")
        else:
            self._step(Event.RXJ_PLUS, now)

    def _is_reply(self, packet: Packet) -> bool:
        return self._request is not None and packet.identifier == self._request_identifier

    def _may_reply(self, now: float) -> bool:
        full_at = take(self._replies_at, now, REPLY_RATE, REPLY_BURST)
        if full_at is None:
            self._box.counters["rate_limited"] += 1
            return False
        self._replies_at = full_at
        return True

    def _give_up(self, now: float, reason: str) -> None:
        if self.ending is None:
            self.ending = LinkClosed(self.name, reason, "timeout" if self.heard else "silent")
        self._step(Event.TO_MINUS, now)

    def _step(
        self,
        event: Event,
        now: float,
        packet: Packet | None = None,
        answer: Answer | None = None,
    ) -> tuple[Action, ...]:
        before = self.state
        row = TABLE.step(before, event)
        self.state = row.next
        for action in row.actions:
            match action:
                case Action.IRC:
                    terminate = Action.STR in row.actions
                    limits = self._config
                    self._restarts = limits.max_terminate if terminate else limits.max_configure
                case Action.SCR:
                    self._send_request(now, renew=before not in NEGOTIATING)
                case _:
                    self._perform(action, now, packet, answer)
        if row.next not in TIMED:
            self._timer = None
        return row.actions

    def _perform(
        self, action: Action, now: float, packet: Packet | None, answer: Answer | None
    ) -> None:
        match action:
            case Action.TLU:
                self._opened_at = now
                self.ending = self._refused = None
                self._signal(Signal.UP)
            case Action.TLD:
                self._signal(Signal.DOWN)
            case Action.TLF:
                self._signal(Signal.FINISHED)
            case Action.ZRC:
                self._restarts = 0
                self._timer = now + self._config.restart
            case Action.STR:
                self._send_terminate(now)
            case Action.STA:
                identifier = packet.identifier if packet is not None else self.next_identifier()
                self.send(Code.TERMINATE_ACK, identifier)
            case Action.SCA if packet is not None:
                self._naks = self._refusals_sent = 0
                self._acknowledged = packet.encode()
                self._policy.agree(decode_options(packet.data))
                self.send(Code.CONFIGURE_ACK, packet.identifier, packet.data)
            case Action.SCN if packet is not None and answer is not None:
                self._send_refusal(packet, answer)
            case Action.SCJ if packet is not None:
                copy = packet.encode()[: self.peer_mru - 4]
                self.send(Code.CODE_REJECT, self.next_identifier(), copy)

    def _signal(self, signal: Signal) -> None:
        self._box.signals.append((self.protocol, signal))

    def _send_request(self, now: float, *, renew: bool) -> None:
        if renew:
            self._policy.reset()
            self._request = None
            self._naks = self._refusals_sent = self._refusals_taken = 0
        data = encode_options(self._policy.request())
        # RFC 1661 5.1: a retransmission may keep its identifier; then a late reply still counts.
        if data != self._request:
            self._request_identifier = self.next_identifier()
        self._request = data
        self.send(Code.CONFIGURE_REQUEST, self._request_identifier, data)
        self._restarts -= 1
        self._timer = now + self._config.restart

    def _send_terminate(self, now: float) -> None:
        self._request = None
        self.send(Code.TERMINATE_REQUEST, self.next_identifier(), self._reason)
        self._restarts -= 1
        self._timer = now + self._config.restart

    def _send_refusal(self, packet: Packet, answer: Answer) -> None:
        self._refusals_sent += 1
        if answer.rejects:
            data = encode_options(answer.rejects)
            self.send(Code.CONFIGURE_REJECT, packet.identifier, data)
        else:
            # A repeated request has not seen our Nak: it shows a bad line, not a stubborn peer.
            self._naks += packet != self._refused
            self._refused = packet
            data = encode_options(wanted for _, wanted in answer.naks)
            self.send(Code.CONFIGURE_NAK, packet.identifier, data)


def _is_part(some: Iterable[Option], all_of: Iterable[Option]) -> bool:
    """Whether `some` are all in `all_of`, in the same order (RFC 1661 5.4)."""
    rest = iter(all_of)
    return all(option in rest for option in some)
