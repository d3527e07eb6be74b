"""The servers of a group for one purpose, authentication or accounting: which are asked first,
which count as dead, and Status-Server probes of those (RFC 5997).

A server is dead when it left a request unanswered and answered nothing else meanwhile. Dead ones
are asked last, so that they are asked when there is no other; any genuine reply revives one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from control.deadlines import earliest
from control.errors import DecodeError
from control.radius import signed
from control.radius.codec import RandomSource
from control.radius.events import RadiusDatagram, SocketAddress
from control.radius.identifiers import IdentifierSpace
from control.radius.packet import check_structure

PROBE_INTERVAL: Final = 10.0
"""Seconds between probes of a server that does not answer them."""
ANSWERS_TO_ALIVE: Final = 3
"""Probes answered in a row that revive a server, so that one lucky answer of a flapping one does
not."""
_NEVER: Final = float("-inf")
_FOREVER: Final = float("inf")


@dataclass(frozen=True, slots=True)
class Policy:
    """How servers are asked."""

    retries: int = 3
    """Transmissions to one server before the next is tried."""
    timeout: float = 2.0
    """Seconds between two transmissions, before jitter."""
    dead_time: float = 60.0
    """Without Status-Server: seconds for which a dead server is asked last."""
    status_server: bool = True
    """Ask dead servers with Status-Server whether they are back."""


@dataclass(slots=True)
class Counters:
    sent: int = 0
    """First transmissions to a server."""
    retransmitted: int = 0
    accepted: int = 0
    """Replies that ended a request."""
    late: int = 0
    """Genuine replies to requests that had ended."""
    malformed: int = 0
    unknown: int = 0
    """Replies to nothing that is or was pending: wrong source or identifier."""
    unexpected: int = 0
    """Codes that do not answer what was asked."""
    forged: int = 0
    """Wrong Response Authenticator or Message-Authenticator."""
    unsigned: int = 0
    """Genuine but for the required Message-Authenticator."""
    ignored_attributes: int = 0
    given_up: int = 0
    """Requests that one server did not answer."""
    no_identifier: int = 0
    """Requests that one server could not be sent: all its identifiers were pending."""
    probes: int = 0
    """Status-Server requests."""
    died: int = 0
    """Times that a server became dead."""
    revived: int = 0


@dataclass(slots=True, eq=False)
class _Probe:
    socket: int
    identifier: int
    authenticator: bytes


@dataclass(slots=True, eq=False)
class Server:
    address: SocketAddress
    secret: bytes = field(repr=False)
    identifiers: IdentifierSpace = field(repr=False)
    dead_until: float = _NEVER
    last_reply: float = _NEVER
    source: str = ""
    """Where it was asked from last."""
    probe_due: float | None = None
    answers: int = 0
    """Probes answered in a row."""
    probe: _Probe | None = field(default=None, repr=False)

    def dead(self, now: float) -> bool:
        return self.dead_until > now


class Servers:
    def __init__(
        self,
        servers: list[tuple[SocketAddress, bytes]],
        policy: Policy,
        rng: RandomSource,
        counters: Counters,
        accepts: int,
        about_us: bytes,
    ) -> None:
        """`servers`: address and secret; `accepts`: the code that answers a Status-Server;
        `about_us`: attributes that name us."""
        self._servers = [Server(a, secret, IdentifierSpace(rng)) for a, secret in servers]
        self._policy = policy
        self._rng = rng
        self._counters = counters
        self._accepts = accepts
        self._about_us = about_us
        self._output: list[RadiusDatagram] = []

    def order(self, now: float) -> list[Server]:
        """As configured, dead ones last: if all are dead, the order is as configured."""
        return sorted(self._servers, key=lambda server: server.dead(now))

    def any_alive(self, now: float) -> bool:
        return not all(server.dead(now) for server in self._servers)

    def dead(self, now: float) -> list[SocketAddress]:
        """Servers that count as dead."""
        return [server.address for server in self._servers if server.dead(now)]

    def alive(self, now: float) -> list[tuple[SocketAddress, bool]]:
        """Every server, and whether it does not count as dead."""
        return [(server.address, not server.dead(now)) for server in self._servers]

    def answered(self, server: Server, now: float) -> None:
        """A genuine reply came."""
        server.last_reply = now
        if server.dead(now):
            self._counters.revived += 1
        server.dead_until = _NEVER
        self._stop_probing(server)

    def gave_up(self, server: Server, asked: float, now: float) -> None:
        """A request first sent to it at `asked` was not answered."""
        self._counters.given_up += 1
        # One lost request does not make a server dead that answers others.
        if server.last_reply >= asked:
            return
        if not server.dead(now):
            self._counters.died += 1
        if not self._policy.status_server:
            server.dead_until = now + self._policy.dead_time
        elif server.probe_due is None:
            server.dead_until = _FOREVER
            server.probe_due = now + PROBE_INTERVAL

    def receive(self, data: bytes, source: SocketAddress, socket: int, now: float) -> bool:
        """Whether a datagram is the genuine answer to a probe; then it has been dealt with."""
        server = next((s for s in self._servers if s.address == source), None)
        probe = server.probe if server is not None else None
        if server is None or probe is None or probe.socket != socket:
            return False
        try:
            packet = check_structure(data)
        except DecodeError:
            return False
        # FreeRADIUS does not sign this answer: all that a forged one could do is have us ask again.
        if packet[0] != self._accepts:
            return False
        asked = probe.identifier, probe.authenticator
        if not signed.reply_is_genuine(packet, *asked, server.secret):
            return False
        self._forget_probe(server)
        server.answers += 1
        if server.answers >= ANSWERS_TO_ALIVE:
            self.answered(server, now)
        else:
            server.probe_due = now + self._policy.timeout
        return True

    def handle_timer(self, now: float) -> None:
        """Sends the probes that are due."""
        for server in self._servers:
            if server.probe_due is not None and server.probe_due <= now:
                self._probe(server, now)

    def get_timer(self) -> float | None:
        return earliest(*[server.probe_due for server in self._servers])

    def datagrams_to_send(self) -> list[RadiusDatagram]:
        output, self._output = self._output, []
        return output

    def _probe(self, server: Server, now: float) -> None:
        if server.probe is not None:  # the one before was not answered
            server.answers = 0
            self._forget_probe(server)
        server.probe_due = now + PROBE_INTERVAL
        place = server.identifiers.take(server.source)
        if place is None:
            return
        authenticator = self._rng.randbytes(16)
        server.probe = _Probe(*place, authenticator)
        data = signed.status_server(place[1], authenticator, server.secret, self._about_us)
        self._output.append(RadiusDatagram(data, server.address, place[0], server.source))
        self._counters.probes += 1

    def _stop_probing(self, server: Server) -> None:
        self._forget_probe(server)
        server.probe_due = None
        server.answers = 0

    def _forget_probe(self, server: Server) -> None:
        probe, server.probe = server.probe, None
        if probe is not None:
            server.identifiers.release(probe.socket, probe.identifier)
