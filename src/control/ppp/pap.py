"""Password Authentication Protocol, both roles (RFC 1334 2).

Authenticate-Request   id length (1) id, password length (1) password
Ack, Nak               [message length (1) message]
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum

from control.errors import DecodeError
from control.ppp.authentication import Authenticator, Claimant, read_name
from control.ppp.authentication_table import Authenticating, Hearing, Judging
from control.ppp.config import LinkConfig
from control.ppp.events import AuthenticationRequested
from control.ppp.frame import Packet, Protocol
from control.ppp.outbox import Outbox


class Code(IntEnum):
    AUTHENTICATE_REQUEST = 1
    AUTHENTICATE_ACK = 2
    AUTHENTICATE_NAK = 3


@dataclass(frozen=True, slots=True)
class Credentials:
    """Content of an Authenticate-Request."""

    peer_id: bytes
    password: bytes = field(repr=False)


def decode_request(data: bytes) -> Credentials:
    """Raises DecodeError if a length runs over; octets behind the password are ignored."""
    peer_id, at = _read_string(data, 0)
    password, _ = _read_string(data, at)
    return Credentials(peer_id, password)


def encode_request(credentials: Credentials) -> bytes:
    """Both fields must fit their one-octet length."""
    return _write_string(credentials.peer_id) + _write_string(credentials.password)


def decode_result(data: bytes) -> bytes | None:
    """The message; None where the length octet itself is missing, which some peers do. Raises
    DecodeError if the length runs over."""
    return _read_string(data, 0)[0] if data else None


def encode_result(message: bytes | None) -> bytes:
    return b"" if message is None else _write_string(message)


class PapAuthenticator(Authenticator):
    """We wait for the peer's name and password."""

    __slots__ = ("_credentials", "_identifier")

    method = "pap"
    protocol = Protocol.PAP
    renewable = False

    def __init__(self, config: LinkConfig, box: Outbox, requests: Iterator[int]) -> None:
        super().__init__(config, box, requests)
        self._identifier = 0
        self._credentials = Credentials(b"", b"")

    def receive(self, packet: Packet, now: float) -> None:
        """Take an Authenticate-Request. Raises DecodeError."""
        credentials = decode_request(packet.data)
        if self.state is Authenticating.CHECKING and credentials != self._credentials:
            # One guess at a time: another password must not ride on the first one's answer.
            self._box.counters["not_expected"] += 1
            return
        # RFC 1334 2.2.1: the identifier changes with each repetition; the newest is answered.
        self._identifier = packet.identifier
        if self.state is Authenticating.WAITING:
            self._credentials = credentials
        self._step(Judging.ANSWER, now)

    def _challenge(self, now: float) -> None:
        """PAP asks for nothing; the link's authentication deadline limits the wait."""

    def _ask(self, request: int) -> None:
        self._username = read_name(self._credentials.peer_id)
        self._box.events.append(
            AuthenticationRequested(
                request, "pap", self._username, password=self._credentials.password
            )
        )

    def _send_result(self, accepted: bool, message: bytes) -> None:
        code = Code.AUTHENTICATE_ACK if accepted else Code.AUTHENTICATE_NAK
        self._send(code, self._identifier, encode_result(message))


class PapClaimant(Claimant):
    """We send name and password until the peer replies."""

    __slots__ = ("_sent", "identifier")

    method = "pap"
    protocol = Protocol.PAP

    def __init__(self, config: LinkConfig, box: Outbox, identifier: int) -> None:
        super().__init__(config, box)
        self.identifier = identifier
        """Of the latest request."""
        self._sent: list[int] = []

    def start(self, now: float) -> None:
        super().start(now)
        self._sent.clear()
        self._step(Hearing.CHALLENGE, now)

    def receive(self, packet: Packet, now: float) -> None:
        """Take an Authenticate-Ack or -Nak for any of our requests: all had the same content.
        Raises DecodeError."""
        decode_result(packet.data)
        if packet.identifier not in self._sent:
            self._box.counters["stale_reply"] += 1
            return
        accepted = packet.code == Code.AUTHENTICATE_ACK
        self._step(Hearing.SUCCESS if accepted else Hearing.FAILURE, now)

    def _prove(self) -> None:
        self.identifier = (self.identifier + 1) & 0xFF
        self._sent.append(self.identifier)
        credentials = Credentials(self._config.username.encode(), self._config.password)
        self._send(Code.AUTHENTICATE_REQUEST, self.identifier, encode_request(credentials))


def _read_string(data: bytes, at: int) -> tuple[bytes, int]:
    if at >= len(data):
        raise DecodeError("length octet is missing", at)
    end = at + 1 + data[at]
    if end > len(data):
        raise DecodeError(f"length {data[at]} runs over the packet", at)
    return data[at + 1 : end], end


def _write_string(text: bytes) -> bytes:
    return bytes((len(text),)) + text
