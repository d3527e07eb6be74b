"""RADIUS client for one group of servers: Access-Requests for dial-out and for PPP peers, and
accounting, sans-IO.

What happens on the way to the servers is exchange.py, servers.py and accounting_queue.py; here is
what is asked and what an answer means. It opens no socket: its owner keeps one connected UDP socket
for each (server, socket number) that the datagrams name, bound to the datagrams' source.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from control.deadlines import earliest
from control.errors import DecodeError, LocalProtocolError, RemoteProtocolError
from control.radius import codec, signed
from control.radius.accounting import AccountingRequest
from control.radius.accounting_queue import AccountingQueue
from control.radius.codec import RandomSource, Reply
from control.radius.dialout import parse_dialout_grant
from control.radius.events import (
    Denied,
    DialoutGranted,
    Event,
    RadiusDatagram,
    SessionGranted,
    TimedOut,
)
from control.radius.exchange import Encode, Exchange, Exchanges, Refused
from control.radius.requests import (
    DialoutRequest,
    Row,
    SessionRequest,
    dialout_rows,
    nas_rows,
    session_rows,
)
from control.radius.servers import Counters, Policy, Server, Servers
from control.radius.session import parse_session_grant, refusal, reply_message

_ANSWERS: Final = (codec.ACCESS_ACCEPT, codec.ACCESS_REJECT, codec.ACCESS_CHALLENGE)


@dataclass(frozen=True, slots=True)
class ServerConfig:
    address: str
    """IPv4 or IPv6."""
    port: int = 1812
    secret: bytes = field(default=b"", repr=False)
    accounting_port: int = 1813


@dataclass(frozen=True, slots=True)
class ClientConfig:
    servers: tuple[ServerConfig, ...]
    """In order of preference."""
    retries: int = 3
    """Transmissions to one server before the next is tried."""
    timeout: float = 2.0
    """Seconds between two transmissions, before jitter."""
    dead_time: float = 60.0
    """Without Status-Server: seconds for which a server that did not answer is tried last."""
    status_server: bool = True
    """Ask servers that did not answer with Status-Server whether they are back (RFC 5997)."""
    require_message_authenticator: bool = True
    accounting_queue: int = 16384
    """Accounting-Requests kept while no server answers them."""
    nas_identifier: str = ""
    nas_address: str = ""
    """Our IPv4 address toward servers, for requests that name no other; likewise below."""
    nas_address_ipv6: str = ""
    require_tunnel_auth: bool = True
    """A LAC without a tunnel secret is not called."""
    known_secret: Callable[[str], bool] = field(default=lambda address: False, repr=False)
    """Whether configuration has a tunnel secret for the LAC with this address, or asks for none."""

    @property
    def policy(self) -> Policy:
        return Policy(self.retries, self.timeout, self.dead_time, self.status_server)


class Client:
    """See the file's first lines. Every Access-Request ends with exactly one event, unless
    cancelled; accounting has none."""

    def __init__(self, config: ClientConfig, rng: RandomSource, *, last_number: int = 0) -> None:
        """`last_number`: of the requests of a client that this one takes over from."""
        if not config.servers:
            raise LocalProtocolError("a RADIUS group needs a server")
        self.counters = Counters()
        self._config = config
        self._rng = rng
        own = (config.nas_address, config.nas_address_ipv6)
        about_us = signed.encode_attributes(nas_rows(config.nas_identifier, *own))
        self._servers = Servers(
            [((s.address, s.port), s.secret) for s in config.servers],
            config.policy,
            rng,
            self.counters,
            codec.ACCESS_ACCEPT,
            about_us,
        )
        self._exchanges = Exchanges(self._servers, config.policy, rng, self.counters, self._open)
        self.accounting = AccountingQueue(
            [((s.address, s.accounting_port), s.secret) for s in config.servers],
            config.policy,
            rng,
            config.accounting_queue,
            about_us,
        )
        self._accounting_ports = {(s.address, s.accounting_port) for s in config.servers}
        self._answers: dict[int, Callable[[int, Reply], Event]] = {}
        self._events: deque[Event] = deque()
        self.last_number = last_number

    def request_dialout(self, request: DialoutRequest, now: float) -> int:
        """Ask whom to call; DialoutGranted, Denied or TimedOut will name the returned number."""
        return self._start(lambda nas: dialout_rows(request, nas), request, now)

    def request_session(self, request: SessionRequest, now: float) -> int:
        """Ask whether the PPP peer is genuine; SessionGranted, Denied or TimedOut will follow."""
        return self._start(lambda nas: session_rows(request, nas), request, now)

    def account(self, request: AccountingRequest, now: float) -> None:
        """Tell the servers, as long as it takes. Never raises; what is lost is counted."""
        sources = self._sources(request.sources)
        rows = [*nas_rows(self._config.nas_identifier, *sources), *request.rows]
        self.accounting.add(request, rows, sources, now)

    def cancel(self, request: int) -> None:
        """Forget a request without an event. One that has ended is no error."""
        self._answers.pop(request, None)
        self._exchanges.cancel(request)

    def receive_datagram(self, datagram: RadiusDatagram, now: float) -> None:
        """A UDP payload; `server` is its source. Never raises; what does not count is counted."""
        if datagram.server in self._accounting_ports:
            self.accounting.receive(datagram, now)
            return
        if self._servers.receive(datagram.data, datagram.server, datagram.socket, now):
            return
        answered = self._exchanges.receive(datagram, now)
        if answered is not None:
            number, reply = answered
            self._events.append(self._judge(number, self._answers.pop(number), reply))

    def handle_timer(self, now: float) -> None:
        """Retransmit, ask the next server or give up, whatever is due."""
        self._exchanges.handle_timer(now)
        self._take_given_up()
        self._servers.handle_timer(now)
        self.accounting.handle_timer(now)

    def get_timer(self) -> float | None:
        """Absolute time of the next retransmission or probe, None if nothing is pending."""
        return earliest(
            self._exchanges.get_timer(),
            self._servers.get_timer(),
            self.accounting.get_timer(),
        )

    def next_event(self) -> Event | None:
        return self._events.popleft() if self._events else None

    def datagrams_to_send(self) -> list[RadiusDatagram]:
        found = self._exchanges.datagrams_to_send()
        found += self._servers.datagrams_to_send()
        found += self.accounting.datagrams_to_send()
        return found

    @property
    def servers(self) -> Servers:
        """Those of authentication."""
        return self._servers

    @property
    def pending(self) -> int:
        """Access-Requests without an answer yet."""
        return len(self._exchanges)

    def _start(
        self,
        rows: Callable[[list[Row]], list[Row]],
        request: DialoutRequest | SessionRequest,
        now: float,
    ) -> int:
        self.last_number += 1
        number = self.last_number
        dialout = isinstance(request, DialoutRequest)
        self._answers[number] = self._dialout_answer if dialout else self._session_answer
        sources = self._sources(request.sources)
        try:
            attributes = rows(nas_rows(self._config.nas_identifier, *sources))
            self._exchanges.start(number, self._encoder(attributes), sources, now)
        except LocalProtocolError as error:
            # The PPP peer chooses its name and password: one that does not fit must not be able
            # to raise here.
            del self._answers[number]
            self._events.append(Denied(number, str(error)))
        self._take_given_up()
        return number

    def _sources(self, of_request: tuple[str, str]) -> tuple[str, str]:
        config = self._config
        return of_request[0] or config.nas_address, of_request[1] or config.nas_address_ipv6

    def _encoder(self, attributes: list[Row]) -> Encode:
        def encode(identifier: int, server: Server, now: float) -> tuple[bytes, bytes]:
            authenticator = self._rng.randbytes(16)
            data = codec.encode_request(identifier, authenticator, server.secret, attributes)
            return authenticator, data

        return encode

    def _take_given_up(self) -> None:
        while (number := self._exchanges.next_given_up()) is not None:
            del self._answers[number]
            self._events.append(TimedOut(number))

    def _open(self, data: bytes, exchange: Exchange) -> Reply:
        secret = exchange.server.secret
        try:
            packet = codec.parse_packet(data, secret)
        except DecodeError:
            raise Refused("malformed") from None
        if packet.code not in _ANSWERS:
            raise Refused("unexpected")
        if not codec.is_genuine(packet, exchange.identifier, exchange.authenticator, secret):
            raise Refused("forged")
        required = self._config.require_message_authenticator
        if required and not codec.has_message_authenticator(packet):
            raise Refused("unsigned")
        return codec.decode_reply(packet, exchange.authenticator, secret)

    def _judge(self, number: int, answer: Callable[[int, Reply], Event], reply: Reply) -> Event:
        if reply.code != codec.ACCESS_ACCEPT:
            name = "Reject" if reply.code == codec.ACCESS_REJECT else "Challenge"
            reason = f"Access-{name}"
        elif not (reason := refusal(reply)):
            try:
                return answer(number, reply)
            except RemoteProtocolError as error:
                return Denied(number, str(error))
        message = reply_message(reply)
        return Denied(number, f"{reason}: {message}" if message else reason)

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
