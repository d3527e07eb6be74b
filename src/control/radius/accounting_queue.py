"""Accounting-Requests on their way: kept, in order, until a server has them (RFC 2866 4.1).

At most WINDOW are under way at once, one while no server answers. What waits is bounded: the oldest
goes first, counted. An Interim-Update replaces the one of its session that still waits. Nothing
overtakes Accounting-On and -Off, which end all sessions at the server.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from control.deadlines import earliest
from control.errors import DecodeError, LocalProtocolError
from control.radius import signed
from control.radius.accounting import AccountingRequest, Row, Status
from control.radius.codec import RandomSource
from control.radius.events import RadiusDatagram, SocketAddress
from control.radius.exchange import Encode, Exchange, Exchanges, Refused
from control.radius.packet import check_structure
from control.radius.servers import Counters, Policy, Server, Servers

WINDOW: Final = 256
"""Requests under way: one socket's identifiers."""
_BARRIERS: Final = (Status.ON, Status.OFF)


@dataclass(slots=True)
class AccountingCounters(Counters):
    queued: int = 0
    """Records that were to be told."""
    dropped: int = 0
    """Records lost because the queue was full, or too long for a packet."""
    replaced: int = 0
    """Interim-Updates that a newer one made needless."""


@dataclass(slots=True, eq=False)
class _Record:
    status: Status
    session_id: str
    rows: list[Row] = field(repr=False)
    sources: tuple[str, str]
    created: float

    @property
    def key(self) -> tuple[str, Status]:
        return self.session_id, self.status


class AccountingQueue:
    """For the servers of one group. Has no events: every record ends by being told or counted."""

    def __init__(
        self,
        servers: list[tuple[SocketAddress, bytes]],
        policy: Policy,
        rng: RandomSource,
        limit: int,
        about_us: bytes,
    ) -> None:
        self.counters = AccountingCounters()
        self._limit = limit
        self._servers = Servers(
            servers,
            policy,
            rng,
            self.counters,
            signed.ACCOUNTING_RESPONSE,
            about_us,
        )
        self._exchanges = Exchanges(self._servers, policy, rng, self.counters, _open)
        self._waiting: dict[tuple[str, Status], _Record] = {}
        self._under_way: dict[int, _Record] = {}
        self._last_number = 0

    @property
    def servers(self) -> Servers:
        return self._servers

    def __len__(self) -> int:
        """Records that no server has yet."""
        return len(self._waiting) + len(self._under_way)

    def add(
        self, request: AccountingRequest, rows: list[Row], sources: tuple[str, str], now: float
    ) -> None:
        """`rows`: all but Acct-Delay-Time."""
        self.counters.queued += 1
        record = _Record(request.status, request.session_id, rows, sources, now)
        if self._waiting.pop(record.key, None) is not None:
            self.counters.replaced += 1
        self._waiting[record.key] = record
        if len(self._waiting) > self._limit:
            del self._waiting[next(iter(self._waiting))]
            self.counters.dropped += 1
        self._send(now)

    def receive(self, datagram: RadiusDatagram, now: float) -> None:
        """A UDP payload. Never raises; what does not count is counted."""
        if not self._servers.receive(datagram.data, datagram.server, datagram.socket, now):
            answered = self._exchanges.receive(datagram, now)
            if answered is not None:
                del self._under_way[answered[0]]
        self._send(now)

    def handle_timer(self, now: float) -> None:
        self._exchanges.handle_timer(now)
        self._servers.handle_timer(now)
        self._send(now)

    def get_timer(self) -> float | None:
        return earliest(self._exchanges.get_timer(), self._servers.get_timer())

    def datagrams_to_send(self) -> list[RadiusDatagram]:
        return self._exchanges.datagrams_to_send() + self._servers.datagrams_to_send()

    def _send(self, now: float) -> None:
        """Sends what may be under way now."""
        self._take_back()
        while self._waiting and self._may_send(now):
            record = self._waiting.pop(next(iter(self._waiting)))
            self._last_number += 1
            self._under_way[self._last_number] = record
            try:
                self._exchanges.start(self._last_number, _encoder(record), record.sources, now)
            except LocalProtocolError:
                del self._under_way[self._last_number]
                self.counters.dropped += 1
            if self._take_back():  # no identifier was free: later
                return

    def _may_send(self, now: float) -> bool:
        if not self._under_way:
            return True
        newest = next(reversed(self._under_way.values()))
        following = next(iter(self._waiting.values()))
        if newest.status in _BARRIERS or following.status in _BARRIERS:
            return False
        return len(self._under_way) < (WINDOW if self._servers.any_alive(now) else 1)

    def _take_back(self) -> bool:
        """What no server answered waits again, before all others."""
        found = []
        while (number := self._exchanges.next_given_up()) is not None:
            found.append(self._under_way.pop(number))
        if found:
            later = self._waiting
            self._waiting = {record.key: record for record in found if record.key not in later}
            self.counters.replaced += len(found) - len(self._waiting)
            self._waiting.update(later)
        return bool(found)


def _encoder(record: _Record) -> Encode:
    def encode(identifier: int, server: Server, now: float) -> tuple[bytes, bytes]:
        # Made anew for each server: the delay goes into the authenticator (RFC 2866 5.2).
        rows: list[Row] = [*record.rows, ("Acct-Delay-Time", int(now - record.created))]
        attributes = signed.encode_attributes(rows)
        data = signed.seal_request(signed.ACCOUNTING_REQUEST, identifier, server.secret, attributes)
        return data[4:20], data

    return encode


def _open(data: bytes, exchange: Exchange) -> None:
    try:
        packet = check_structure(data)
    except DecodeError:
        raise Refused("malformed") from None
    if packet[0] != signed.ACCOUNTING_RESPONSE:
        raise Refused("unexpected")
    asked = exchange.identifier, exchange.authenticator
    if not signed.reply_is_genuine(packet, *asked, exchange.server.secret):
        raise Refused("forged")
