"""Challenge-Handshake Authentication Protocol with MD5, both roles (RFC 1994).

    Challenge, Response   value size (1) value, name
    Success, Failure      message

MS-CHAP has the same protocol number and other algorithms; it is never negotiated.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from control.errors import DecodeError
from control.ppp.authentication import (
    STAGE,
    Authenticating,
    Authenticator,
    Claimant,
    Hearing,
    Judging,
    read_name,
)
from control.ppp.config import MAXIMUM_NAME, LinkConfig
from control.ppp.events import AuthenticationRequested, LinkClosed
from control.ppp.frame import Packet
from control.ppp.randomness import Randomness

DIGEST_OCTETS: Final = 16
CHALLENGE_OCTETS: Final = 16
REMEMBERED: Final = 128
"""Challenges of a link that are remembered to know them again: all of several negotiations."""


class Code(IntEnum):
    CHALLENGE = 1
    RESPONSE = 2
    SUCCESS = 3
    FAILURE = 4


@dataclass(frozen=True, slots=True)
class Value:
    """Content of a Challenge or Response."""

    value: bytes = field(repr=False)
    name: bytes


def decode_value(data: bytes) -> Value:
    """Raises DecodeError for a value size of 0 or beyond the packet."""
    if not data or not data[0] or 1 + data[0] > len(data):
        raise DecodeError("value size outside the packet", 0)
    end = 1 + data[0]
    return Value(data[1:end], data[end:])


def encode_value(value: Value) -> bytes:
    return bytes((len(value.value),)) + value.value + value.name


def digest(identifier: int, secret: bytes, challenge: bytes) -> bytes:
    """The Response Value (RFC 1994 4.1)."""
    octets = bytes((identifier,)) + secret + challenge
    return hashlib.md5(octets, usedforsecurity=False).digest()


def verify(identifier: int, secret: bytes, challenge: bytes, response: bytes) -> bool:
    """Whether a Response Value proves knowledge of the secret; an empty secret proves nothing (RFC
    1994 2.3)."""
    expected = digest(identifier, secret, challenge)
    return bool(secret) and hmac.compare_digest(expected, response)


class ChapAuthenticator(Authenticator):
    """We challenge the peer, with a new value and identifier each time."""

    def __init__(
        self,
        config: LinkConfig,
        counters: Counter[str],
        requests: Iterator[int],
        rng: Randomness,
        challenges: deque[bytes],
    ) -> None:
        super().__init__(config, counters)
        self._requests = requests
        self._rng = rng
        self._challenges = challenges
        self._identifier = 0
        self._response = Value(b"", b"")

    def receive(self, packet: Packet, now: float) -> None:
        """Take a Response. Raises DecodeError."""
        response = decode_value(packet.data)
        if len(response.value) != DIGEST_OCTETS or not 0 < len(response.name) <= MAXIMUM_NAME:
            raise DecodeError("no MD5 Response", 0)
        if packet.identifier != self._identifier:
            self._counters["stale_reply"] += 1
            return
        if self.state is Authenticating.WAITING:
            self._response = response
        self._step(Judging.ANSWER, now)

    def _challenge(self, now: float) -> None:
        self._identifier = (self._identifier + 1) & 0xFF
        challenge = self._rng.randbytes(CHALLENGE_OCTETS)
        self._challenges.append(challenge)
        data = encode_value(Value(challenge, self._config.local_name.encode()))
        self._out.append(Packet(Code.CHALLENGE, self._identifier, data).encode())
        self._start_timer(now)

    def _ask(self) -> None:
        self.request = next(self._requests)
        self._username = read_name(self._response.name)
        self._events.append(
            AuthenticationRequested(
                self.request,
                "chap",
                self._username,
                chap_identifier=self._identifier,
                chap_challenge=self._challenges[-1],
                chap_response=self._response.value,
            )
        )

    def _send_result(self, accepted: bool, message: bytes) -> None:
        code = Code.SUCCESS if accepted else Code.FAILURE
        self._out.append(Packet(code, self._identifier, message).encode())


class ChapClaimant(Claimant):
    """We answer the peer's Challenges, and repeat the answer until it has a result: the Success
    may be lost, and only the claimant can ask for it again (RFC 1994 4.1)."""

    protocol = "chap"

    def __init__(
        self, config: LinkConfig, counters: Counter[str], challenges: deque[bytes]
    ) -> None:
        super().__init__(config, counters)
        self._challenges = challenges
        self._identifier = 0
        self._challenge = b""

    def receive(self, packet: Packet, now: float) -> None:
        """Take a Challenge, Success or Failure. Raises DecodeError."""
        if packet.code == Code.CHALLENGE:
            self._take_challenge(packet, now)
        elif packet.identifier != self._identifier:
            self._counters["stale_reply"] += 1
        else:
            accepted = packet.code == Code.SUCCESS
            self._step(Hearing.SUCCESS if accepted else Hearing.FAILURE, now)

    def _take_challenge(self, packet: Packet, now: float) -> None:
        challenge = decode_value(packet.data).value
        if challenge in self._challenges:
            # The answer would be the proof the peer needs to pass our own Challenge.
            self._counters["reflected"] += 1
            self.failure = LinkClosed(STAGE, "the peer reflects our own Challenge")
            return
        if (packet.identifier, challenge) != (self._identifier, self._challenge):
            # Each Challenge has all its Responses; the peer, who counts Challenges, ends it.
            self._attempts = 0
        self._identifier = packet.identifier
        self._challenge = challenge
        self._step(Hearing.CHALLENGE, now)

    def _prove(self) -> None:
        response = digest(self._identifier, self._config.password, self._challenge)
        data = encode_value(Value(response, self._config.username.encode()))
        self._out.append(Packet(Code.RESPONSE, self._identifier, data).encode())
