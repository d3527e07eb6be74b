"""MS-CHAPv2, both roles (RFC 2759): packets of CHAP with other values, and proof both ways.

The arithmetic is mschap_proof.py. Passwords are not changed (7), and no Failure is retried.
"""

from __future__ import annotations

from control.errors import DecodeError
from control.ppp import mschap_proof
from control.ppp.authentication import STAGE
from control.ppp.authentication_table import Claiming
from control.ppp.chap import ChapAuthenticator, ChapClaimant, Code, Value, encode_value
from control.ppp.config import LinkConfig
from control.ppp.events import LinkClosed
from control.ppp.frame import Packet
from control.ppp.outbox import Outbox
from control.ppp.randomness import Randomness


class MsChapAuthenticator(ChapAuthenticator):
    """We challenge the peer. The message of the owner's yes is our own proof, `S=...`: without it
    the owner has to say no."""

    __slots__ = ()

    method = "mschapv2"
    value_octets = mschap_proof.VALUE_OCTETS

    def _send_result(self, accepted: bool, message: bytes) -> None:
        if not accepted:
            # 691: wrong name or password. R=0: no second try on this Challenge (RFC 2759 6).
            again = self._challenges[-1].hex().upper().encode()
            message = b"E=691 R=0 C=" + again + b" V=3 M=" + message
        super()._send_result(accepted, message)


class MsChapClaimant(ChapClaimant):
    """We answer the peer's Challenges, and believe a Success only if it proves that the peer knows
    our password too."""

    __slots__ = ("_rng", "_value")

    method = "mschapv2"

    def __init__(
        self, config: LinkConfig, box: Outbox, challenges: list[bytes], rng: Randomness
    ) -> None:
        super().__init__(config, box, challenges)
        self._rng = rng
        self._value = b""

    def _new_challenge(self, challenge: bytes) -> None:
        if len(challenge) != mschap_proof.CHALLENGE_OCTETS:
            raise DecodeError("no Challenge of MS-CHAPv2", 0)
        ours = self._rng.randbytes(mschap_proof.CHALLENGE_OCTETS)
        name, password = self._config.username.encode(), self._config.password
        self._value = mschap_proof.response_value(name, password, challenge, ours)

    def _take_result(self, packet: Packet, now: float) -> None:
        expected = packet.code == Code.SUCCESS and self.state in (
            Claiming.CLAIMED,
            Claiming.ACCEPTED,
        )
        if expected and not mschap_proof.proves_itself(
            packet.data,
            self._config.username.encode(),
            self._config.password,
            self._challenge,
            self._value,
        ):
            self._box.counters["bad_proof"] += 1
            self.failure = LinkClosed(STAGE, "the peer does not prove that it knows our secret")
            return
        super()._take_result(packet, now)

    def _prove(self) -> None:
        data = encode_value(Value(self._value, self._config.username.encode()))
        self._send(Code.RESPONSE, self._identifier, data)
