"""Dynamic authorization server: CoA and Disconnect requests (RFC 5176), sans-IO.

A request counts only if it comes from a client of the list, proves that client's secret twice
(Request Authenticator and, unless turned off, Message-Authenticator), and is new: its
Event-Timestamp is within a window, and what is retransmitted gets its first answer again without
being done again. Everything else is counted and not answered. Which session is meant and what
becomes of it is dialout/authorization.py's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from control.errors import DecodeError
from control.radius import codec, signed
from control.radius.codec import Reply, Value
from control.radius.events import SocketAddress
from control.radius.packet import PROXY_STATE, Packet

REMEMBERED: Final = 65536
"""Answers kept for retransmissions; a request beyond is refused, not forgotten."""
_ADMIN_RESET: Final = 6
_ZERO: Final = bytes(16)
_FRAMED: Final = 2


class ErrorCause(IntEnum):
    """RFC 5176 3.6; those that a server which is no proxy uses."""

    RESIDUAL_SESSION_CONTEXT_REMOVED = 201
    UNSUPPORTED_ATTRIBUTE = 401
    MISSING_ATTRIBUTE = 402
    NAS_IDENTIFICATION_MISMATCH = 403
    INVALID_REQUEST = 404
    UNSUPPORTED_SERVICE = 405
    UNSUPPORTED_EXTENSION = 406
    INVALID_ATTRIBUTE_VALUE = 407
    ADMINISTRATIVELY_PROHIBITED = 501
    REQUEST_NOT_ROUTABLE = 502
    SESSION_CONTEXT_NOT_FOUND = 503
    SESSION_CONTEXT_NOT_REMOVABLE = 504
    OTHER_PROXY_PROCESSING_ERROR = 505
    RESOURCES_UNAVAILABLE = 506
    REQUEST_INITIATED = 507
    MULTIPLE_SESSION_SELECTION_UNSUPPORTED = 508


C = ErrorCause

KEYS: Final = {
    "User-Name": "user_name",
    "NAS-Port": "nas_port",
    "Framed-IP-Address": "framed_address",
    "Called-Station-Id": "called_number",
    "Calling-Station-Id": "calling_number",
    "Acct-Session-Id": "session_id",
    "Acct-Multi-Session-Id": "multi_session_id",
    "NAS-Port-Id": "nas_port_id",
    "Framed-Interface-Id": "framed_interface_id",
    "Framed-IPv6-Prefix": "framed_ipv6_prefixes",
    "Framed-IPv6-Address": "framed_ipv6_addresses",
}
"""Attributes that say which session is meant (RFC 5176 3), and what accounting.SessionFacts calls
them. A session that has several of a kind has a tuple of them: one must be the one named."""
_CHANGES: Final = {
    "Session-Timeout": "session_timeout",
    "Idle-Timeout": "idle_timeout",
    "Filter-Id": "filter_id",
    "ERX-Ingress-Policy-Name": "ingress_policy",
    "ERX-Egress-Policy-Name": "egress_policy",
    "Acct-Interim-Interval": "interim_interval",
}
_NAS: Final = ("NAS-IP-Address", "NAS-Identifier", "NAS-IPv6-Address")
_ABOUT_THE_PACKET: Final = ("Message-Authenticator", "Event-Timestamp", "Proxy-State")
_WITHOUT_EFFECT: Final = ("Reply-Message", "NAS-Port-Type", "Acct-Terminate-Cause")


@dataclass(frozen=True, slots=True)
class Changes:
    """What a CoA-Request changes (RFC 5176 3.2); None: stays."""

    session_timeout: int | None = None
    """Seconds from now on; 0: none."""
    idle_timeout: int | None = None
    """Seconds; 0: none."""
    filter_id: str | None = None
    """For both ways."""
    interim_interval: int | None = None
    ingress_policy: str | None = None
    """For one way, before `filter_id`."""
    egress_policy: str | None = None

    @property
    def has_filters(self) -> bool:
        wanted = (self.filter_id, self.ingress_policy, self.egress_policy)
        return any(name is not None for name in wanted)


@dataclass(frozen=True, slots=True)
class AuthorizationClient:
    """Who may ask."""

    address: str
    group: str
    """RADIUS group whose sessions it may change."""
    secret: bytes = field(default=b"", repr=False)
    signed: bool = True
    """Requests must have a Message-Authenticator."""
    timed: bool = True
    """Requests must have an Event-Timestamp."""


@dataclass(frozen=True, slots=True)
class AuthorizationDatagram:
    data: bytes
    local: SocketAddress
    """Our address, at which the request came in."""
    peer: SocketAddress


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """To be answered with `answer`, at once."""

    number: int
    group: str
    keys: tuple[tuple[str, Value], ...]
    """Names of accounting.SessionFacts' fields, and what they must be."""
    changes: Changes | None
    """None: the session is to be disconnected."""


@dataclass(slots=True)
class Counters:
    accepted: int = 0
    refused: int = 0
    repeated: int = 0
    """Retransmissions, answered as before."""
    malformed: int = 0
    unknown_client: int = 0
    unexpected: int = 0
    """Codes other than Disconnect- and CoA-Request."""
    forged: int = 0
    unsigned: int = 0
    untimed: int = 0
    """Without the Event-Timestamp that is required."""
    replayed: int = 0
    """Event-Timestamp outside the window."""


@dataclass(slots=True, eq=False)
class _Open:
    """A request that is being judged."""

    packet: Packet
    client: AuthorizationClient
    local: SocketAddress
    peer: SocketAddress
    key: tuple[str, int, bytes]


class _Refused(Exception):
    """Never leaves this file."""

    def __init__(self, cause: ErrorCause) -> None:
        super().__init__(cause.name)
        self.cause = cause


class AuthorizationServer:
    def __init__(
        self,
        clients: Iterable[AuthorizationClient],
        nas: Iterable[tuple[str, str]],
        wall: Callable[[], float],
        *,
        window: float = 300.0,
    ) -> None:
        """`nas`: attribute and value by which we may be called; `window`: seconds that an
        Event-Timestamp may differ from `wall`, seconds since 1970, UTC."""
        self.counters = Counters()
        self._wall = wall
        self._window = window
        self._answers: dict[tuple[str, int, bytes], tuple[float, bytes]] = {}
        self._open: dict[int, _Open] = {}
        self._number = 0
        self._events: deque[AuthorizationRequest] = deque()
        self._output: list[AuthorizationDatagram] = []
        self.configure(clients, nas)

    def configure(
        self, clients: Iterable[AuthorizationClient], nas: Iterable[tuple[str, str]]
    ) -> None:
        """Others may ask from now on."""
        self._nas = frozenset(nas)
        self._clients: dict[str, list[AuthorizationClient]] = {}
        for client in clients:
            self._clients.setdefault(client.address, []).append(client)

    def receive_datagram(
        self, data: bytes, local: SocketAddress, peer: SocketAddress, now: float
    ) -> None:
        """A UDP payload. Never raises; what does not count is counted and not answered."""
        known = self._clients.get(peer[0])
        if not known:
            self.counters.unknown_client += 1
            return
        try:
            packet = codec.parse_packet(data, b"")
        except DecodeError:
            self.counters.malformed += 1
            return
        if packet.code not in (signed.DISCONNECT_REQUEST, signed.COA_REQUEST):
            self.counters.unexpected += 1
            return
        client = next((c for c in known if _is_genuine(packet, c)), None)
        if client is None:
            self.counters.forged += 1
        elif client.signed and not signed.is_signed(packet.octets):
            self.counters.unsigned += 1
        else:
            key = (peer[0], packet.id, packet.authenticator)
            self._receive(_Open(packet, client, local, peer, key), now)

    def next_event(self) -> AuthorizationRequest | None:
        return self._events.popleft() if self._events else None

    def answer(self, number: int, cause: ErrorCause | None, now: float) -> None:
        """Acknowledges a request (None, or 201), or refuses it for a cause."""
        asked = self._open.pop(number)
        good = cause is None or cause < C.UNSUPPORTED_ATTRIBUTE
        self._answer(asked, good, cause, now)

    def datagrams_to_send(self) -> list[AuthorizationDatagram]:
        output, self._output = self._output, []
        return output

    def _receive(self, asked: _Open, now: float) -> None:
        self._forget(now)
        before = self._answers.get(asked.key)
        if before is not None:
            self.counters.repeated += 1
            self._output.append(AuthorizationDatagram(before[1], asked.local, asked.peer))
            return
        stamps = asked.packet.get(55)
        if not stamps and asked.client.timed:
            self.counters.untimed += 1
            return
        if any(not self._is_timely(stamp) for stamp in stamps):
            self.counters.replayed += 1
            return
        try:
            if len(self._answers) >= REMEMBERED:
                raise _Refused(C.RESOURCES_UNAVAILABLE)
            keys, changes = self._read(asked.packet)
        except _Refused as refused:
            self._answer(asked, False, refused.cause, now)
            return
        self._number += 1
        self._open[self._number] = asked
        group = asked.client.group
        self._events.append(AuthorizationRequest(self._number, group, keys, changes))

    def _is_timely(self, stamp: bytes) -> bool:
        seconds = int.from_bytes(stamp, "big")
        return len(stamp) == 4 and abs(self._wall() - seconds) <= self._window

    def _read(self, packet: Packet) -> tuple[tuple[tuple[str, Value], ...], Changes | None]:
        disconnect = packet.code == signed.DISCONNECT_REQUEST
        reply = codec.decode_reply(packet, _ZERO, b"")
        _check_known(packet, reply)
        keys: list[tuple[str, Value]] = []
        changes: dict[str, Value] = {}
        for attribute in reply.attributes:
            name, value = attribute.name, attribute.value
            if name in KEYS:
                keys.append((KEYS[name], value))
            elif name in _NAS:
                if (name, str(value)) not in self._nas:
                    raise _Refused(C.NAS_IDENTIFICATION_MISMATCH)
            elif name == "Service-Type" and not disconnect:
                if value != _FRAMED:
                    raise _Refused(C.UNSUPPORTED_SERVICE)
            elif name in _CHANGES and not disconnect:
                changes.setdefault(_CHANGES[name], value)
            elif name not in _ABOUT_THE_PACKET and name not in _WITHOUT_EFFECT:
                raise _Refused(C.UNSUPPORTED_ATTRIBUTE)
        if not keys or not (changes or disconnect):
            raise _Refused(C.MISSING_ATTRIBUTE)
        if disconnect:
            return tuple(keys), None
        return tuple(keys), Changes(**changes)  # type: ignore[arg-type]

    def _answer(self, asked: _Open, good: bool, cause: ErrorCause | None, now: float) -> None:
        disconnect = asked.packet.code == signed.DISCONNECT_REQUEST
        code = asked.packet.code + (1 if good else 2)
        # One without octets is no attribute (RFC 2865 5) and cannot be sent back.
        states = [state for state in asked.packet.get(PROXY_STATE) if state]
        rows: list[signed.Row] = [("Proxy-State", state) for state in states]
        if cause is not None:
            rows.append(("Error-Cause", int(cause)))
        if good and disconnect:
            rows.append(("Acct-Terminate-Cause", _ADMIN_RESET))
        data = signed.seal_reply(
            code,
            asked.packet.id,
            asked.packet.authenticator,
            asked.client.secret,
            signed.encode_attributes(rows),
            signed=True,
        )
        self.counters.accepted += good
        self.counters.refused += not good
        if cause is not C.RESOURCES_UNAVAILABLE:
            self._answers[asked.key] = (now, data)
        self._output.append(AuthorizationDatagram(data, asked.local, asked.peer))

    def _forget(self, now: float) -> None:
        # A request may be from the end of the window that is to come: twice the window.
        while self._answers:
            key = next(iter(self._answers))
            if self._answers[key][0] + 2 * self._window >= now:
                return
            del self._answers[key]


def _is_genuine(packet: Packet, client: AuthorizationClient) -> bool:
    if not signed.request_is_genuine(packet.octets, client.secret):
        return False
    octets = packet.octets
    return not signed.is_signed(octets) or signed.signature_is_right(octets, _ZERO, client.secret)


def _check_known(packet: Packet, reply: Reply) -> None:
    """An attribute that we do not know is one that we do not support (RFC 5176 3)."""
    if reply.faults:
        raise _Refused(C.INVALID_ATTRIBUTE_VALUE)
    if any(not codec.is_known(key) for key in packet.values):
        raise _Refused(C.UNSUPPORTED_ATTRIBUTE)
