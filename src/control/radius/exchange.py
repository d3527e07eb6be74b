"""Requests under way: RFC 2865 2.4, 2.5 and RFC 5080 2.2.1, for any kind of request.

Retransmission with jitter, ordered failover. A reply counts only if it comes from the address and
port that were asked, through the socket that asked, with an identifier that is pending, and is
genuine; everything else is counted and changes nothing (CVE-2024-3596).
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from control.errors import DialoutError, LocalProtocolError
from control.radius.codec import RandomSource
from control.radius.events import RadiusDatagram, SocketAddress
from control.radius.servers import Counters, Policy, Server, Servers

_JITTER: Final = 0.1
"""A retransmission comes up to this share earlier or later (RFC 5080 2.2.1)."""
_REMEMBERED: Final = 1024
"""Ended exchanges whose late replies are still told from forged ones."""

Key = tuple[SocketAddress, int, int]
"""Server, socket and identifier."""
Encode = Callable[[int, Server, float], tuple[bytes, bytes]]
"""Identifier, server and time to authenticator and packet; raises LocalProtocolError."""


class Refused(DialoutError):
    """Why a reply does not count: the name of its counter."""


@dataclass(slots=True, eq=False)
class Exchange:
    """A request as one server sees it. It may be answered until the request ends."""

    server: Server
    socket: int
    identifier: int
    authenticator: bytes
    datagram: RadiusDatagram = field(repr=False)
    started: float

    @property
    def key(self) -> Key:
        return self.server.address, self.socket, self.identifier


@dataclass(slots=True, eq=False)
class _Request:
    number: int
    encode: Encode = field(repr=False)
    sources: tuple[str, str]
    waiting: deque[Server] = field(default_factory=deque, repr=False)
    """Servers that have not been asked yet."""
    exchanges: list[Exchange] = field(default_factory=list, repr=False)
    transmissions: int = 0
    """To the server of the last exchange."""
    deadline: float = 0.0


class Exchanges:
    """Each request is answered, given up, or cancelled, once."""

    def __init__(
        self,
        servers: Servers,
        policy: Policy,
        rng: RandomSource,
        counters: Counters,
        open_reply: Callable[[bytes, Exchange], Any],
    ) -> None:
        """`open_reply` makes of a datagram what `receive` returns, or raises Refused."""
        self._servers = servers
        self._policy = policy
        self._rng = rng
        self._counters = counters
        self._open = open_reply
        self._requests: dict[int, _Request] = {}
        self._pending: dict[Key, tuple[_Request, Exchange]] = {}
        self._ended: dict[Key, Exchange] = {}
        self._timers: list[tuple[float, int]] = []
        self._given_up: deque[int] = deque()
        self._output: list[RadiusDatagram] = []

    def __len__(self) -> int:
        """Requests without an answer yet."""
        return len(self._requests)

    def start(self, number: int, encode: Encode, sources: tuple[str, str], now: float) -> None:
        """Asks the first server. `sources`: our addresses toward IPv4 and IPv6 servers.

        Raises what `encode` raises; then there is no such request.
        """
        request = _Request(number, encode, sources, deque(self._servers.order(now)))
        self._requests[number] = request
        try:
            self._ask_next(request, now)
        except LocalProtocolError:
            self._end(request)
            raise

    def cancel(self, number: int) -> None:
        """Forgets a request. One that has ended is no error."""
        if number in self._requests:
            self._end(self._requests[number])

    def receive(self, datagram: RadiusDatagram, now: float) -> tuple[int, Any] | None:
        """The request that a datagram answers, and the answer. Never raises."""
        if len(datagram.data) < 2:
            self._counters.malformed += 1
            return None
        key = (datagram.server, datagram.socket, datagram.data[1])
        pending = self._pending.get(key)
        if pending is None:
            if not self._receive_late(key, datagram.data, now):
                self._counters.unknown += 1
            return None
        request, exchange = pending
        try:
            answer = self._open(datagram.data, exchange)
        except Refused as refused:
            if not self._receive_late(key, datagram.data, now):
                self._count(str(refused))
            return None
        self._counters.accepted += 1
        self._servers.answered(exchange.server, now)
        self._end(request)
        del self._ended[exchange.key]  # a second copy of this reply proves nothing
        return request.number, answer

    def next_given_up(self) -> int | None:
        """A request that no server answered."""
        return self._given_up.popleft() if self._given_up else None

    def handle_timer(self, now: float) -> None:
        """Retransmits, asks the next server or gives up, whatever is due."""
        while self._timers and self._timers[0][0] <= now:
            deadline, number = heapq.heappop(self._timers)
            request = self._requests.get(number)
            if request is None or request.deadline != deadline:
                continue
            if request.transmissions < self._policy.retries:
                self._transmit(request, now)
                self._counters.retransmitted += 1
                continue
            exchange = request.exchanges[-1]
            self._servers.gave_up(exchange.server, exchange.started, now)
            try:
                self._ask_next(request, now)
            except LocalProtocolError:  # what fitted the first server fits all; never raise here
                self._end(request)
                self._given_up.append(number)

    def get_timer(self) -> float | None:
        """Absolute time of the next retransmission, None if nothing is pending."""
        while self._timers:
            deadline, number = self._timers[0]
            request = self._requests.get(number)
            if request is not None and request.deadline == deadline:
                return deadline
            heapq.heappop(self._timers)
        return None

    def datagrams_to_send(self) -> list[RadiusDatagram]:
        output, self._output = self._output, []
        return output

    def _ask_next(self, request: _Request, now: float) -> None:
        while request.waiting:
            server = request.waiting.popleft()
            source = request.sources[":" in server.address[0]]
            place = server.identifiers.take(source)
            if place is None:
                self._counters.no_identifier += 1
                continue
            socket, identifier = place
            try:
                authenticator, data = request.encode(identifier, server, now)
            except LocalProtocolError:
                server.identifiers.release(socket, identifier)
                raise
            server.source = source
            datagram = RadiusDatagram(data, server.address, socket, source)
            exchange = Exchange(server, socket, identifier, authenticator, datagram, now)
            request.exchanges.append(exchange)
            self._pending[exchange.key] = (request, exchange)
            request.transmissions = 0
            self._transmit(request, now)
            self._counters.sent += 1
            return
        self._end(request)
        self._given_up.append(request.number)

    def _transmit(self, request: _Request, now: float) -> None:
        self._output.append(request.exchanges[-1].datagram)
        request.transmissions += 1
        share = 1 + _JITTER * (2 * self._rng.random() - 1)
        request.deadline = now + self._policy.timeout * share
        heapq.heappush(self._timers, (request.deadline, request.number))

    def _receive_late(self, key: Key, data: bytes, now: float) -> bool:
        """Whether it answers a request that has ended: it shows that the server is alive."""
        exchange = self._ended.get(key)
        if exchange is None:
            return False
        try:
            self._open(data, exchange)
        except Refused:
            return False
        del self._ended[key]
        self._counters.late += 1
        self._servers.answered(exchange.server, now)
        return True

    def _count(self, name: str) -> None:
        setattr(self._counters, name, getattr(self._counters, name) + 1)

    def _end(self, request: _Request) -> None:
        del self._requests[request.number]
        for exchange in request.exchanges:
            del self._pending[exchange.key]
            exchange.server.identifiers.release(exchange.socket, exchange.identifier)
            self._ended.pop(exchange.key, None)
            self._ended[exchange.key] = exchange
        while len(self._ended) > _REMEMBERED:
            del self._ended[next(iter(self._ended))]
