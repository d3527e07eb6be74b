"""Challenge-Handshake Authentication Protocol with MD5, both roles (RFC 1994).

    Challenge, Response   value size (1) value, name
    Success, Failure      message

MS-CHAP has the same protocol number, packets and exchange, and other values: mschap.py.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import ClassVar, Final

from control.errors import DecodeError
from control.ppp.authentication import STAGE, Authenticator, Claimant, read_name
from control.ppp.authentication_table import Authenticating, Hearing, Judging
from control.ppp.config import MAXIMUM_NAME, LinkConfig
from control.ppp.events import AuthenticationRequested, LinkClosed
from control.ppp.frame import Packet, Protocol
from control.ppp.outbox import Outbox
from control.ppp.randomness import Randomness

DIGEST_OCTETS: Final = 16
CHALLENGE_OCTETS: Final = 16
REMEMBERED: Final = 128
"""Challenges of a link that are remembered to know them again: all of several negotiations."""

_CHALLENGED: Final = (Authenticating.WAITING, Authenticating.RENEWING)


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


NOTHING: Final = Value(b"", b"")
"""In place of a Response that has been judged."""


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

    __slots__ = ("_challenges", "_identifier", "_response", "_rng")

    method = "chap"
    protocol = Protocol.CHAP
    renewable = True
    value_octets: ClassVar[int] = DIGEST_OCTETS
    """Size of a Response's value."""

    def __init__(
        self,
        config: LinkConfig,
        box: Outbox,
        requests: Iterator[int],
        rng: Randomness,
        challenges: list[bytes],
    ) -> None:
        super().__init__(config, box, requests)
        self._rng = rng
        self._challenges = challenges
        # Not those of an earlier negotiation, whose Responses may still be on their way.
        self._identifier = len(challenges)
        self._response = NOTHING

    def receive(self, packet: Packet, now: float) -> None:
        """Take a Response. Raises DecodeError."""
        response = decode_value(packet.data)
        if len(response.value) != self.value_octets or not 0 < len(response.name) <= MAXIMUM_NAME:
            raise DecodeError(f"no Response of {self.method}", 0)
        if packet.identifier != self._identifier:
            self._box.counters["stale_reply"] += 1
            return
        if self.state is Authenticating.RENEWING and read_name(response.name) != self._username:
            self.failure = LinkClosed(STAGE, "the peer has become another")
            return
        if self.state in _CHALLENGED:
            self._response = response
        self._step(Judging.ANSWER, now)

    def _challenge(self, now: float) -> None:
        self._identifier = (self._identifier + 1) & 0xFF
        challenge = self._rng.randbytes(CHALLENGE_OCTETS)
        self._challenges.append(challenge)
        del self._challenges[:-REMEMBERED]
        self._send(
            Code.CHALLENGE,
            self._identifier,
            encode_value(Value(challenge, self._config.local_name.encode())),
        )
        self._start_timer(now)

    def _ask(self, request: int) -> None:
        self._username = read_name(self._response.name)
        self._box.events.append(
            AuthenticationRequested(
                request,
                self.method,
                self._username,
                chap_identifier=self._identifier,
                chap_challenge=self._challenges[-1],
                chap_response=self._response.value,
                again=self.state is Authenticating.RECHECKING,
            )
        )
        self._response = NOTHING

    def _send_result(self, accepted: bool, message: bytes) -> None:
        code = Code.SUCCESS if accepted else Code.FAILURE
        self._send(code, self._identifier, message)


class ChapClaimant(Claimant):
    """We answer the peer's Challenges, and repeat the answer until it has a result: the Success
    may be lost, and only the claimant can ask for it again (RFC 1994 4.1)."""

    __slots__ = ("_challenge", "_challenges", "_identifier")

    method = "chap"
    protocol = Protocol.CHAP

    def __init__(self, config: LinkConfig, box: Outbox, challenges: list[bytes]) -> None:
        super().__init__(config, box)
        self._challenges = challenges
        self._identifier = 0
        self._challenge = b""

    def receive(self, packet: Packet, now: float) -> None:
        """Take a Challenge, Success or Failure. Raises DecodeError."""
        if packet.code == Code.CHALLENGE:
            self._take_challenge(packet, now)
        elif packet.identifier != self._identifier:
            self._box.counters["stale_reply"] += 1
        else:
            self._take_result(packet, now)

    def _take_challenge(self, packet: Packet, now: float) -> None:
        challenge = decode_value(packet.data).value
        if challenge in self._challenges:
            # The answer would be the proof the peer needs to pass our own Challenge.
            self._box.counters["reflected"] += 1
            self.failure = LinkClosed(STAGE, "the peer reflects our own Challenge")
            return
        if (packet.identifier, challenge) != (self._identifier, self._challenge):
            # Each Challenge has all its Responses; the peer, who counts Challenges, ends it.
            self._attempts = 0
            self._new_challenge(challenge)
        self._identifier = packet.identifier
        self._challenge = challenge
        self._step(Hearing.CHALLENGE, now)

    def _new_challenge(self, challenge: bytes) -> None:
        """A Challenge that is no copy of the last. Raises DecodeError if it cannot be answered."""

    def _take_result(self, packet: Packet, now: float) -> None:
        accepted = packet.code == Code.SUCCESS
        self._step(Hearing.SUCCESS if accepted else Hearing.FAILURE, now)

    def _prove(self) -> None:
        response = digest(self._identifier, self._config.password, self._challenge)
        data = encode_value(Value(response, self._config.username.encode()))
        self._send(Code.RESPONSE, self._identifier, data)
