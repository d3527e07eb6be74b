"""Link Control Protocol: its negotiation, and link maintenance (RFC 1661 5.7 to 5.9).

Codes 8 to 11, the keepalive by Echo-Request, and Identification and Time-Remaining of RFC 1570 are
here; every other code gets a Code-Reject.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from control.deadlines import earliest
from control.ppp.automaton import State
from control.ppp.config import DEFAULT_MRU, LinkConfig
from control.ppp.events import LinkClosed, PeerIdentified
from control.ppp.frame import Packet, Protocol
from control.ppp.lcp_policy import LcpPolicy
from control.ppp.negotiation import Code, Negotiation
from control.ppp.outbox import Outbox
from control.ppp.randomness import Randomness
from control.ppp.rate import TokenBucket


class LinkCode(IntEnum):
    """Codes that only LCP has."""

    PROTOCOL_REJECT = 8
    ECHO_REQUEST = 9
    ECHO_REPLY = 10
    DISCARD_REQUEST = 11
    IDENTIFICATION = 12
    TIME_REMAINING = 13


ECHO_RATE: Final = 20.0
ECHO_BURST: Final = 40
"""Echo-Replies a second, and at once."""
PROTOCOL_REJECT_RATE: Final = 1.0
PROTOCOL_REJECT_BURST: Final = 10

_MAGIC_OCTETS: Final = 4
_PROTOCOL_OCTETS: Final = 2
_PACKET_HEADER: Final = 4
_MAINTENANCE: Final = frozenset(LinkCode)
_TEXT_OCTETS: Final = 64
"""Of an Identification; the rest says nothing more to a reader."""


class Lcp:
    """LCP of one link."""

    __slots__ = (
        "_box",
        "_config",
        "_echo_at",
        "_echo_failure",
        "_echo_replies",
        "_echo_wanted",
        "_identified",
        "_protocol_rejects",
        "_unanswered",
        "negotiation",
        "policy",
        "rejected",
    )

    def __init__(self, config: LinkConfig, rng: Randomness, box: Outbox) -> None:
        self.policy = LcpPolicy(config, rng, box)
        self.negotiation = Negotiation("lcp", Protocol.LCP, config, self.policy, box)
        # Tuples: of 65,535 links nearly all have nothing in these.
        self.rejected: tuple[int, ...] = ()
        """Protocols the peer has rejected; the owner takes them out."""
        self._config = config
        self._box = box
        self._identified = False
        self._echo_failure: LinkClosed | None = None
        self._echo_at: float | None = None
        self._echo_wanted = config.echo_interval > 0
        self._unanswered: tuple[int, ...] = ()
        # Most peers ask for neither, so most links have neither.
        self._echo_replies: TokenBucket | None = None
        self._protocol_rejects: TokenBucket | None = None

    @property
    def state(self) -> State:
        return self.negotiation.state

    @property
    def failure(self) -> LinkClosed | None:
        """Why the link cannot go on."""
        return self.policy.failure or self._echo_failure

    def open(self, now: float) -> None:
        """The link is wanted and the line can carry packets."""
        self.negotiation.open(now)
        self.negotiation.up(now)

    def close(self, now: float, reason: str) -> None:
        self.negotiation.close(now, reason)
        self._follow(now)

    def down(self, now: float) -> None:
        """The line is gone."""
        self.negotiation.down(now)
        self._follow(now)

    def identify(self) -> None:
        """LCP has opened: say what we are, if anything is to be said (RFC 1570 2.1)."""
        text = self._config.identification
        if text:
            data = self._magic() + text.encode()
            identifier = self.negotiation.next_identifier()
            self.negotiation.send(LinkCode.IDENTIFICATION, identifier, data)

    def receive(self, packet: Packet, now: float) -> None:
        if packet.code in _MAINTENANCE:
            self._maintain(packet, now)
        else:
            if packet.code == Code.CODE_REJECT and packet.data[:1] == bytes(
                (LinkCode.ECHO_REQUEST,)
            ):
                self._echo_wanted = False
            self.negotiation.receive(packet, now)
        self._follow(now)

    def reject_protocol(self, protocol: int, information: bytes, now: float) -> None:
        """Tell the peer that we do not know a protocol; not too often (RFC 1661 5.7)."""
        if self._protocol_rejects is None:
            self._protocol_rejects = TokenBucket(PROTOCOL_REJECT_RATE, PROTOCOL_REJECT_BURST)
        if self.state is not State.OPENED:
            self._box.counters["early"] += 1
        elif not self._protocol_rejects.take(now):
            self._box.counters["rate_limited"] += 1
        else:
            room = self.policy.peer_mru - _PACKET_HEADER - _PROTOCOL_OCTETS
            data = protocol.to_bytes(_PROTOCOL_OCTETS, "big") + information[:room]
            identifier = self.negotiation.next_identifier()
            self.negotiation.send(LinkCode.PROTOCOL_REJECT, identifier, data)

    def handle_timer(self, now: float) -> None:
        self.negotiation.handle_timer(now)
        self._follow(now)
        if self._echo_at is not None and now >= self._echo_at:
            self._probe(now)

    def get_timer(self) -> float | None:
        return earliest(self.negotiation.get_timer(), self._echo_at)

    def _follow(self, now: float) -> None:
        """Let keepalive and the peer's MRU follow the state."""
        opened = self.state is State.OPENED
        self.negotiation.peer_mru = self.policy.peer_mru if opened else DEFAULT_MRU
        if not opened or not self._echo_wanted:
            self._echo_at = None
            self._unanswered = ()
        elif self._echo_at is None:
            self._echo_at = now + self._config.echo_interval

    def _probe(self, now: float) -> None:
        if len(self._unanswered) >= self._config.echo_failures:
            self._echo_at = None
            text = f"{self._config.echo_failures} Echo-Requests were not answered"
            self._echo_failure = LinkClosed("echo", text)
            return
        identifier = self.negotiation.next_identifier()
        self._unanswered += (identifier,)
        self.negotiation.send(LinkCode.ECHO_REQUEST, identifier, self._magic())
        self._echo_at = now + self._config.echo_interval

    def _maintain(self, packet: Packet, now: float) -> None:
        if packet.code == LinkCode.IDENTIFICATION:
            self._take_identification(packet)
        elif packet.code == LinkCode.TIME_REMAINING:
            # RFC 1570 2.2: it informs only, and of what we find out ourselves.
            self._box.counters["time_remaining"] += 1
        elif self.state is not State.OPENED:
            # RFC 1661 5.7 and 5.8: silently discarded.
            self._box.counters["early"] += 1
        elif packet.code == LinkCode.PROTOCOL_REJECT:
            self._take_protocol_reject(packet, now)
        elif len(packet.data) < _MAGIC_OCTETS:
            self._box.counters["malformed"] += 1
        elif packet.code != LinkCode.DISCARD_REQUEST and self._is_own(packet):
            self.policy.count_loop()
        elif packet.code == LinkCode.ECHO_REQUEST:
            self._answer_echo(packet, now)
        elif packet.code == LinkCode.ECHO_REPLY and packet.identifier in self._unanswered:
            self._unanswered = ()

    def _take_identification(self, packet: Packet) -> None:
        """Any state will do (RFC 1570 2.1)."""
        self._box.counters["identification"] += 1
        if len(packet.data) < _MAGIC_OCTETS:
            self._box.counters["malformed"] += 1
        elif not self._identified and not self._is_own(packet):
            self._identified = True
            octets = packet.data[_MAGIC_OCTETS:][:_TEXT_OCTETS]
            text = "".join(chr(octet) if 32 <= octet < 127 else "?" for octet in octets)
            self._box.events.append(PeerIdentified(text))

    def _take_protocol_reject(self, packet: Packet, now: float) -> None:
        if len(packet.data) < _PROTOCOL_OCTETS:
            self._box.counters["malformed"] += 1
            return
        protocol = int.from_bytes(packet.data[:_PROTOCOL_OCTETS], "big")
        if protocol == Protocol.LCP:
            self.negotiation.reject(now, "the peer rejects LCP itself")
        else:
            self.rejected += (protocol,)

    def _answer_echo(self, packet: Packet, now: float) -> None:
        if self._echo_replies is None:
            self._echo_replies = TokenBucket(ECHO_RATE, ECHO_BURST)
        if not self._echo_replies.take(now):
            self._box.counters["rate_limited"] += 1
        elif self.negotiation.maintain(now):
            room = self.policy.peer_mru - _PACKET_HEADER
            data = (self._magic() + packet.data[_MAGIC_OCTETS:])[:room]
            self.negotiation.send(LinkCode.ECHO_REPLY, packet.identifier, data)

    def _magic(self) -> bytes:
        return self.policy.magic.to_bytes(_MAGIC_OCTETS, "big")

    def _is_own(self, packet: Packet) -> bool:
        return bool(self.policy.magic) and packet.data[:_MAGIC_OCTETS] == self._magic()
