"""Both authentications of a link at once: ours of the peer, and the peer's of us.

RFC 1661 3.5 and 6.2: the two directions are negotiated and run independently; the network phase
waits for both.
"""

from __future__ import annotations

from itertools import count
from typing import Final

from control.deadlines import earliest
from control.errors import DecodeError
from control.ppp import chap, pap
from control.ppp.authentication import Authenticator, Claimant
from control.ppp.chap import ChapAuthenticator, ChapClaimant
from control.ppp.config import LinkConfig
from control.ppp.events import LinkClosed
from control.ppp.frame import Packet, Protocol
from control.ppp.mschap import MsChapAuthenticator, MsChapClaimant
from control.ppp.outbox import Outbox
from control.ppp.pap import PapAuthenticator, PapClaimant
from control.ppp.randomness import Randomness

_TO_AUTHENTICATOR: Final[dict[int, tuple[int, ...]]] = {
    Protocol.PAP: (pap.Code.AUTHENTICATE_REQUEST,),
    Protocol.CHAP: (chap.Code.RESPONSE,),
}
_TO_CLAIMANT: Final[dict[int, tuple[int, ...]]] = {
    Protocol.PAP: (pap.Code.AUTHENTICATE_ACK, pap.Code.AUTHENTICATE_NAK),
    Protocol.CHAP: (chap.Code.CHALLENGE, chap.Code.SUCCESS, chap.Code.FAILURE),
}


class MutualAuthentication:
    """The roles that the current LCP negotiation has agreed on."""

    __slots__ = (
        "_authenticator",
        "_box",
        "_challenges",
        "_claimant",
        "_config",
        "_pap_identifier",
        "_requests",
        "_rng",
    )

    def __init__(self, config: LinkConfig, rng: Randomness, box: Outbox) -> None:
        self._config = config
        self._rng = rng
        self._box = box
        self._requests = count(1)
        self._challenges: list[bytes] = []
        """Ours, of all negotiations of this link."""
        self._pap_identifier = 0
        self._authenticator: Authenticator | None = None
        self._claimant: Claimant | None = None

    @property
    def complete(self) -> bool:
        """Both directions have succeeded, or were not agreed on."""
        return (self._authenticator is None or self._authenticator.accepted) and (
            self._claimant is None or self._claimant.accepted
        )

    @property
    def failure(self) -> LinkClosed | None:
        for role in (self._authenticator, self._claimant):
            if role is not None and role.failure is not None:
                return role.failure
        return None

    def start(self, demanded: str, claimed: str, now: float) -> None:
        """LCP is open: `demanded` is the method we want, `claimed` the one we answer with; empty:
        none."""
        if demanded:
            self._authenticator = self._new_authenticator(demanded)
            self._authenticator.start(now)
        if claimed:
            self._claimant = self._new_claimant(claimed)
            self._claimant.start(now)

    def stop(self, now: float) -> None:
        """LCP is down: what was agreed on no longer holds."""
        for role in (self._authenticator, self._claimant):
            if role is not None:
                role.stop(now)
        if isinstance(self._claimant, PapClaimant):
            self._pap_identifier = self._claimant.identifier
        self._authenticator = self._claimant = None

    def result(self, request: int, accepted: bool | None, message: str, now: float) -> bool:
        """The owner's answer; False if nobody waits for it any more."""
        if self._authenticator is None or self._authenticator.request != request:
            return False
        self._authenticator.result(accepted, message, now)
        return True

    def uses(self, protocol: int) -> bool:
        """Whether a direction was negotiated to use this PPP protocol."""
        roles = (self._authenticator, self._claimant)
        return any(role is not None and role.protocol == protocol for role in roles)

    def receive(self, protocol: int, packet: Packet, now: float) -> None:
        """Give a packet to its role; one that no role waits for is counted."""
        try:
            self._receive(protocol, packet, now)
        except DecodeError:
            self._box.counters["malformed"] += 1

    def handle_timer(self, now: float) -> None:
        for role in (self._authenticator, self._claimant):
            if role is not None:
                role.handle_timer(now)

    def get_timer(self) -> float | None:
        authenticator, claimant = self._authenticator, self._claimant
        return earliest(
            None if authenticator is None else authenticator.get_timer(),
            None if claimant is None else claimant.get_timer(),
        )

    def _new_authenticator(self, method: str) -> Authenticator:
        if method == "pap":
            return PapAuthenticator(self._config, self._box, self._requests)
        kind = MsChapAuthenticator if method == "mschapv2" else ChapAuthenticator
        return kind(self._config, self._box, self._requests, self._rng, self._challenges)

    def _new_claimant(self, method: str) -> Claimant:
        if method == "pap":
            return PapClaimant(self._config, self._box, self._pap_identifier)
        if method == "mschapv2":
            return MsChapClaimant(self._config, self._box, self._challenges, self._rng)
        return ChapClaimant(self._config, self._box, self._challenges)

    def _receive(self, protocol: int, packet: Packet, now: float) -> None:
        authenticator, claimant = self._authenticator, self._claimant
        if (
            authenticator is not None
            and authenticator.protocol == protocol
            and packet.code in _TO_AUTHENTICATOR[protocol]
        ):
            authenticator.receive(packet, now)
        elif (
            claimant is not None
            and claimant.protocol == protocol
            and packet.code in _TO_CLAIMANT[protocol]
        ):
            claimant.receive(packet, now)
        else:
            self._box.counters["not_expected"] += 1
