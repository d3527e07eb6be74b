"""RADIUS client for one group of servers: RFC 2865 2.4, 2.5 and RFC 5080 2.2.1, sans-IO.

Ordered failover, retransmission, dead servers. A reply counts only if it comes from the address
and port that were asked, through the socket that asked, with a pending identifier, a right Response
Authenticator and (unless turned off) a right Message-Authenticator; everything else is counted and
changes nothing (CVE-2024-3596). It opens no socket: its owner keeps one connected UDP socket for
each (server, socket number) that the datagrams name.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from control.errors import DecodeError, LocalProtocolError, RemoteProtocolError
from control.radius import codec
from control.radius.codec import RandomSource, Reply
from control.radius.dialout import parse_dialout_grant
from control.radius.events import (
    Denied,
    DialoutGranted,
    Event,
    RadiusDatagram,
    SessionGranted,
    SocketAddress,
    TimedOut,
)
from control.radius.identifiers import IdentifierSpace
from control.radius.requests import (
    DialoutRequest,
    Row,
    SessionRequest,
    dialout_rows,
    nas_rows,
    session_rows,
)
from control.radius.session import parse_session_grant, refusal, reply_message

_JITTER: Final = 0.1
"""A retransmission comes up to this share earlier or later (RFC 5080 2.2.1)."""
_ANSWERS: Final = (codec.ACCESS_ACCEPT, codec.ACCESS_REJECT, codec.ACCESS_CHALLENGE)


@dataclass(frozen=True, slots=True)
class ServerConfig:
    address: str
    port: int = 1812
    secret: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class ClientConfig:
    servers: tuple[ServerConfig, ...]
    """In order of preference."""
    retries: int = 3
    """Transmissions to one server before the next is tried."""
    timeout: float = 2.0
    """Seconds between two transmissions, before jitter."""
    dead_time: float = 60.0
    """Seconds for which a server that did not answer is tried last."""
    require_message_authenticator: bool = True
    nas_identifier: str = ""
    nas_address: str = ""
    require_tunnel_auth: bool = True
    """A LAC without a tunnel secret is not called."""
    known_secret: Callable[[str], bool] = field(default=lambda address: False, repr=False)
    """Whether configuration has a tunnel secret for the LAC with this address, or asks for none."""


@dataclass(slots=True)
class Counters:
    sent: int = 0
    """First transmissions to a server."""
    retransmitted: int = 0
    accepted: int = 0
    """Replies that ended a request."""
    malformed: int = 0
    unknown: int = 0
    """Replies to nothing that is pending: wrong source, identifier, or too late."""
    unexpected: int = 0
    """Codes that answer no Access-Request."""
    forged: int = 0
    """Wrong Response Authenticator or Message-Authenticator."""
    unsigned: int = 0
    """Genuine but for the required Message-Authenticator."""
    ignored_attributes: int = 0
    given_up: int = 0
    """Requests that one server did not answer."""
    no_identifier: int = 0
    """Requests that one server could not be sent: all its identifiers were pending."""


@dataclass(slots=True, eq=False)
class _Server:
    config: ServerConfig
    identifiers: IdentifierSpace
    dead_until: float = float("-inf")
    last_reply: float = float("-inf")

    @property
    def address(self) -> SocketAddress:
        return self.config.address, self.config.port


@dataclass(slots=True, eq=False)
class _Exchange:
    """A request as one server sees it. It may be answered until the request ends."""

    server: _Server
    socket: int
    identifier: int
    authenticator: bytes
    datagram: RadiusDatagram = field(repr=False)
    started: float

    @property
    def key(self) -> tuple[SocketAddress, int, int]:
        return self.server.address, self.socket, self.identifier


@dataclass(slots=True, eq=False)
class _Request:
    number: int
    rows: list[Row] = field(repr=False)
    answer: Callable[[int, Reply], Event] = field(repr=False)
    waiting: deque[_Server] = field(default_factory=deque, repr=False)
    """Servers that have not been asked yet."""
    exchanges: list[_Exchange] = field(default_factory=list, repr=False)
    transmissions: int = 0
    """To the server of the last exchange."""
    deadline: float = 0.0


class Client:
    """See the file's first lines. Every request ends with exactly one event, unless cancelled."""

    def __init__(self, config: ClientConfig, rng: RandomSource) -> None:
        if not config.servers:
            raise LocalProtocolError("a RADIUS group needs a server")
        self.counters = Counters()
        self._config = config
        self._rng = rng
        self._servers = [_Server(server, IdentifierSpace(rng)) for server in config.servers]
        self._nas = nas_rows(config.nas_identifier, config.nas_address)
        self._requests: dict[int, _Request] = {}
        self._pending: dict[tuple[SocketAddress, int, int], tuple[_Request, _Exchange]] = {}
        self._timers: list[tuple[float, int]] = []
        self._events: deque[Event] = deque()
        self._output: list[RadiusDatagram] = []
        self._last_number = 0

    def request_dialout(self, request: DialoutRequest, now: float) -> int:
        """Ask whom to call; DialoutGranted, Denied or TimedOut will name the returned number."""
        return self._start(lambda: dialout_rows(request, self._nas), self._dialout_answer, now)

    def request_session(self, request: SessionRequest, now: float) -> int:
        """Ask whether the PPP peer is genuine; SessionGranted, Denied or TimedOut will follow."""
        return self._start(lambda: session_rows(request, self._nas), self._session_answer, now)

    def cancel(self, request: int) -> None:
        """Forget a request without an event. One that has ended is no error."""
        if request in self._requests:
            self._end(self._requests[request])

    def receive_datagram(self, datagram: RadiusDatagram, now: float) -> None:
        """A UDP payload; `server` is its source. Never raises; what does not count is counted."""
        if len(datagram.data) < 2:
            self.counters.malformed += 1
            return
        pending = self._pending.get((datagram.server, datagram.socket, datagram.data[1]))
        if pending is None:
            self.counters.unknown += 1
            return
        request, exchange = pending
        reply = self._authenticate(datagram.data, exchange)
        if reply is None:
            return
        self.counters.accepted += 1
        exchange.server.last_reply = now
        exchange.server.dead_until = float("-inf")
        self._end(request, self._judge(request, reply))

    def handle_timer(self, now: float) -> None:
        """Retransmit, ask the next server or give up, whatever is due."""
        while self._timers and self._timers[0][0] <= now:
            deadline, number = heapq.heappop(self._timers)
            request = self._requests.get(number)
            if request is None or request.deadline != deadline:
                continue
            if request.transmissions < self._config.retries:
                self._transmit(request, now)
                self.counters.retransmitted += 1
            else:
                self._give_up_server(request.exchanges[-1], now)
                self._ask_next(request, now)

    def get_timer(self) -> float | None:
        """Absolute time of the next retransmission, None if nothing is pending."""
        while self._timers:
            deadline, number = self._timers[0]
            request = self._requests.get(number)
            if request is not None and request.deadline == deadline:
                return deadline
            heapq.heappop(self._timers)
        return None

    def next_event(self) -> Event | None:
        return self._events.popleft() if self._events else None

    def datagrams_to_send(self) -> list[RadiusDatagram]:
        output, self._output = self._output, []
        return output

    @property
    def pending(self) -> int:
        """Requests without an answer yet."""
        return len(self._requests)

    def _start(
        self,
        rows: Callable[[], list[Row]],
        answer: Callable[[int, Reply], Event],
        now: float,
    ) -> int:
        self._last_number += 1
        request = _Request(self._last_number, [], answer)
        self._requests[request.number] = request
        # A dead server keeps its place among the dead: if all are dead, the order is as configured.
        servers = sorted(self._servers, key=lambda server: server.dead_until > now)
        request.waiting.extend(servers)
        try:
            request.rows = rows()
            self._ask_next(request, now)
        except LocalProtocolError as error:
            # The PPP peer chooses its name and password: one that does not fit must not be able
            # to raise here.
            self._end(request, Denied(request.number, str(error)))
        return request.number

    def _ask_next(self, request: _Request, now: float) -> None:
        while request.waiting:
            server = request.waiting.popleft()
            place = server.identifiers.take()
            if place is None:
                self.counters.no_identifier += 1
                continue
            socket, identifier = place
            authenticator = self._rng.randbytes(16)
            try:
                data = codec.encode_request(
                    identifier, authenticator, server.config.secret, request.rows
                )
            except LocalProtocolError:
                server.identifiers.release(socket, identifier)
                raise
            datagram = RadiusDatagram(data, server.address, socket)
            exchange = _Exchange(server, socket, identifier, authenticator, datagram, now)
            request.exchanges.append(exchange)
            self._pending[exchange.key] = (request, exchange)
            request.transmissions = 0
            self._transmit(request, now)
            self.counters.sent += 1
            return
        self._end(request, TimedOut(request.number))

    def _transmit(self, request: _Request, now: float) -> None:
        self._output.append(request.exchanges[-1].datagram)
        request.transmissions += 1
        share = 1 + _JITTER * (2 * self._rng.random() - 1)
        request.deadline = now + self._config.timeout * share
        heapq.heappush(self._timers, (request.deadline, request.number))

    def _give_up_server(self, exchange: _Exchange, now: float) -> None:
        self.counters.given_up += 1
        # One lost request does not make a server dead that answers others.
        if exchange.server.last_reply < exchange.started:
            exchange.server.dead_until = now + self._config.dead_time

    def _authenticate(self, data: bytes, exchange: _Exchange) -> Reply | None:
        secret = exchange.server.config.secret
        try:
            packet = codec.parse_packet(data, secret)
        except DecodeError:
            self.counters.malformed += 1
            return None
        if packet.code not in _ANSWERS:
            self.counters.unexpected += 1
            return None
        if not codec.is_genuine(packet, exchange.identifier, exchange.authenticator, secret):
            self.counters.forged += 1
            return None
        required = self._config.require_message_authenticator
        if required and not codec.has_message_authenticator(packet):
            self.counters.unsigned += 1
            return None
        return codec.decode_reply(packet, exchange.authenticator, secret)

    def _judge(self, request: _Request, reply: Reply) -> Event:
        if reply.code != codec.ACCESS_ACCEPT:
            name = "Reject" if reply.code == codec.ACCESS_REJECT else "Challenge"
            reason = f"Access-{name}"
        elif not (reason := refusal(reply)):
            try:
                return request.answer(request.number, reply)
            except RemoteProtocolError as error:
                return Denied(request.number, str(error))
        message = reply_message(reply)
        return Denied(request.number, f"{reason}: {message}" if message else reason)

    def _dialout_answer(self, number: int, reply: Reply) -> Event:
        grant = parse_dialout_grant(
            reply,
            require_tunnel_auth=self._config.require_tunnel_auth,
            known_secret=self._config.known_secret,
        )
        self.counters.ignored_attributes += len(grant.ignored)
        return DialoutGranted(number, grant)

    def _session_answer(self, number: int, reply: Reply) -> Event:
        grant = parse_session_grant(reply)
        self.counters.ignored_attributes += len(grant.ignored)
        return SessionGranted(number, grant)

    def _end(self, request: _Request, event: Event | None = None) -> None:
        del self._requests[request.number]
        for exchange in request.exchanges:
            del self._pending[exchange.key]
            exchange.server.identifiers.release(exchange.socket, exchange.identifier)
        if event is not None:
            self._events.append(event)
