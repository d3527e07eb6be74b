"""RADIUS server of the simulated other side: RFC 2865 authentication from a user table, sans-IO.

It checks the Message-Authenticator of every request, PAP and CHAP passwords, and answers with the
attributes of the matching user. No accounting, no proxying, no EAP. For demo, replay and tests of
RADIUS clients: it is no place for real users.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import deque
from dataclasses import dataclass
from typing import Final

from control.config import SimRadius, SimUser
from control.errors import DecodeError, LocalProtocolError
from control.radius import codec
from control.radius.codec import RandomSource
from control.radius.packet import ACCESS_REQUEST, Packet

SocketAddress = tuple[str, int]

_REMEMBER: Final = 5.0
"""Seconds for which a retransmitted request gets the same answer (RFC 5080 2.2.2)."""
_TRIGGER_ADDRESS: Final = re.compile(r"(?:[^@]*/)?([^@/]*)@")
"""The address in `[RD/]address@domain`."""


@dataclass(frozen=True, slots=True)
class SimDatagram:
    """One UDP payload to send to a client."""

    data: bytes
    destination: SocketAddress


@dataclass(slots=True)
class Counters:
    accepted: int = 0
    rejected: int = 0
    duplicate: int = 0
    dropped: int = 0
    """Not an Access-Request, malformed, or with a wrong or missing Message-Authenticator."""


@dataclass(slots=True)
class _Answer:
    due: float
    datagram: SimDatagram


class SimRadiusServer:
    """Answers each genuine Access-Request `config.delay` seconds after it came."""

    def __init__(self, config: SimRadius, rng: RandomSource) -> None:
        self.counters = Counters()
        self._config = config
        self._rng = rng
        self._queue: deque[_Answer] = deque()
        self._output: list[SimDatagram] = []
        self._answers: dict[tuple[SocketAddress, bytes], _Answer] = {}

    def receive_datagram(self, data: bytes, source: SocketAddress, now: float) -> None:
        """A UDP payload. Never raises; what is no genuine request is counted and not answered."""
        try:
            request = codec.parse_packet(data, self._config.secret)
        except DecodeError:
            self.counters.dropped += 1
            return
        if not self._is_genuine(request):
            self.counters.dropped += 1
            return
        self._forget(now)
        key = (source, bytes(data[:20]))
        answer = self._answers.get(key)
        if answer is not None:
            self.counters.duplicate += 1
            if answer.due > now:  # the first answer is still on its way
                return
            reply = answer.datagram
        else:
            reply = SimDatagram(self._reply(request), source)
        answer = _Answer(now + self._config.delay, reply)
        self._answers.pop(key, None)
        self._answers[key] = answer
        self._queue.append(answer)

    def handle_timer(self, now: float) -> None:
        """Puts out the answers that are due."""
        while self._queue and self._queue[0].due <= now:
            self._output.append(self._queue.popleft().datagram)

    def get_timer(self) -> float | None:
        """Absolute time of the next answer, None if there is none."""
        return self._queue[0].due if self._queue else None

    def datagrams_to_send(self) -> list[SimDatagram]:
        output, self._output = self._output, []
        return output

    def _is_genuine(self, request: Packet) -> bool:
        return request.code == ACCESS_REQUEST and request.is_signed_by_client()

    def _forget(self, now: float) -> None:
        # Insertion order is order of time: the delay is the same for all.
        while self._answers:
            key = next(iter(self._answers))
            if self._answers[key].due + _REMEMBER > now:
                return
            del self._answers[key]

    def _reply(self, request: Packet) -> bytes:
        name = _first(request, 1).decode("utf-8", "replace")
        user = next((u for u in self._config.users if _matches(u.name, name)), None)
        if user is None:
            return self._reject(request, "no such user")
        if user.reject:
            return self._reject(request, "rejected")
        if user.password and not _password_is_right(request, user.password):
            return self._reject(request, "wrong password")
        try:
            return self._accept(request, user, _trigger_address(name))
        except LocalProtocolError as error:
            return self._reject(request, str(error))

    def _accept(self, request: Packet, user: SimUser, address: str) -> bytes:
        reply = request.reply(codec.ACCESS_ACCEPT)
        salts: set[bytes] = set()
        for key, text in user.reply:
            definition, tag = codec.find_attribute(key)
            octets = codec.encode_value(definition, text.replace("{address}", address))
            if definition.encrypt == 2:
                salt = self._salt(salts)
                octets = codec.encrypt_salted(
                    octets, salt, request.authenticator, self._config.secret
                )
            reply.add(codec.packet_key(definition), codec.encode_tagged(definition, tag, octets))
        data = codec.encode_reply(reply)
        self.counters.accepted += 1
        return data

    def _reject(self, request: Packet, message: str) -> bytes:
        reply = request.reply(codec.ACCESS_REJECT)
        reply.add(18, message.encode())
        self.counters.rejected += 1
        return reply.encode_reply()

    def _salt(self, used: set[bytes]) -> bytes:
        # RFC 2868 3.5: high bit set, unique within a packet.
        while True:
            salt = (0x8000 | self._rng.randrange(0x8000)).to_bytes(2, "big")
            if salt not in used:
                used.add(salt)
                return salt


def _matches(pattern: str, name: str) -> bool:
    if pattern.endswith("*"):
        return name.startswith(pattern[:-1])
    if pattern.startswith("*"):
        return name.endswith(pattern[1:])
    return name == pattern


def _trigger_address(name: str) -> str:
    match = _TRIGGER_ADDRESS.match(name)
    return match.group(1) if match else ""


def _password_is_right(request: Packet, password: bytes) -> bool:
    hidden = _first(request, 2)
    if hidden and len(hidden) % 16 == 0:
        return hmac.compare_digest(
            _reveal(hidden, request.authenticator, request.secret), password.rstrip(b"\0")
        )
    chap = _first(request, 3)
    if len(chap) != 17:
        return False
    challenge = _first(request, 60, request.authenticator)
    digest = hashlib.md5(chap[:1] + password + challenge, usedforsecurity=False).digest()
    return hmac.compare_digest(chap[1:], digest)


def _reveal(hidden: bytes, authenticator: bytes, secret: bytes) -> bytes:
    """User-Password of RFC 2865 5.2 in clear, as octets (pyrad drops those that are not UTF-8)."""
    clear = bytearray()
    previous = authenticator
    for at in range(0, len(hidden), 16):
        key = hashlib.md5(secret + previous, usedforsecurity=False).digest()
        previous = hidden[at : at + 16]
        clear += bytes(a ^ b for a, b in zip(previous, key, strict=True))
    return bytes(clear.rstrip(b"\0"))


def _first(request: Packet, kind: int, default: bytes = b"") -> bytes:
    values = request.get(kind)
    return values[0] if values else default
