"""Both authentications of a link at once: ours of the peer, and the peer's of us.

RFC 1661 3.5 and 6.2: the two directions are negotiated and run independently; the network phase
waits for both.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from itertools import chain, count
from typing import Final

from control.errors import DecodeError
from control.ppp import chap, pap
from control.ppp.authentication import Authenticating, Authenticator, Claimant, Claiming
from control.ppp.chap import ChapAuthenticator, ChapClaimant
from control.ppp.config import LinkConfig
from control.ppp.events import Event, LinkClosed
from control.ppp.frame import Packet, Protocol
from control.ppp.pap import PapAuthenticator, PapClaimant
from control.ppp.randomness import Randomness

_NUMBER: Final = {"pap": Protocol.PAP, "chap": Protocol.CHAP}
_TO_AUTHENTICATOR: Final[dict[str, int]] = {
    "pap": pap.Code.AUTHENTICATE_REQUEST,
    "chap": chap.Code.RESPONSE,
}
_TO_CLAIMANT: Final[dict[str, tuple[int, ...]]] = {
    "pap": (pap.Code.AUTHENTICATE_ACK, pap.Code.AUTHENTICATE_NAK),
    "chap": (chap.Code.CHALLENGE, chap.Code.SUCCESS, chap.Code.FAILURE),
}


class MutualAuthentication:
    """The roles that the current LCP negotiation has agreed on."""

    def __init__(self, config: LinkConfig, rng: Randomness, counters: Counter[str]) -> None:
        requests = count(1)
        challenges: deque[bytes] = deque(maxlen=chap.REMEMBERED)
        self._counters = counters
        self._authenticators: dict[str, Authenticator] = {
            "pap": PapAuthenticator(config, counters, requests),
            "chap": ChapAuthenticator(config, counters, requests, rng, challenges),
        }
        self._claimants: dict[str, Claimant] = {
            "pap": PapClaimant(config, counters),
            "chap": ChapClaimant(config, counters, challenges),
        }
        self._demanded = ""
        self._claimed = ""

    @property
    def complete(self) -> bool:
        """Both directions have succeeded, or were not agreed on."""
        return (
            not self._demanded
            or self._authenticators[self._demanded].state is Authenticating.ACCEPTED
        ) and (not self._claimed or self._claimants[self._claimed].state is Claiming.ACCEPTED)

    @property
    def failure(self) -> LinkClosed | None:
        for role in self._roles():
            if role.failure is not None:
                return role.failure
        return None

    def start(self, demanded: str, claimed: str, now: float) -> None:
        """LCP is open: `demanded` is the method we want, `claimed` the one we answer with; empty:
        none."""
        self._demanded, self._claimed = demanded, claimed
        if demanded:
            self._authenticators[demanded].start(now)
        if claimed:
            self._claimants[claimed].start(now)

    def stop(self, now: float) -> None:
        """LCP is down: what was agreed on no longer holds."""
        for role in self._roles():
            role.stop(now)
        self._demanded = self._claimed = ""

    def result(self, request: int, accepted: bool, message: str, now: float) -> bool:
        """The owner's answer; False if nobody waits for it any more."""
        for authenticator in self._authenticators.values():
            if authenticator.request == request:
                authenticator.result(accepted, message, now)
                return True
        return False

    def uses(self, protocol: int) -> bool:
        """Whether a direction was negotiated to use this PPP protocol."""
        return any(name and _NUMBER[name] == protocol for name in (self._demanded, self._claimed))

    def receive(self, protocol: int, packet: Packet, now: float) -> None:
        """Give a packet to its role; one that no role waits for is counted."""
        try:
            self._receive(protocol, packet, now)
        except DecodeError:
            self._counters["malformed"] += 1

    def handle_timer(self, now: float) -> None:
        for role in self._roles():
            role.handle_timer(now)

    def get_timer(self) -> float | None:
        timers = (role.get_timer() for role in self._roles())
        return min((timer for timer in timers if timer is not None), default=None)

    def next_event(self) -> Event | None:
        for role in self._roles():
            event = role.next_event()
            if event is not None:
                return event
        return None

    def packets_to_send(self) -> list[tuple[Protocol, bytes]]:
        roles = chain(self._authenticators.items(), self._claimants.items())
        return [
            (_NUMBER[name], packet) for name, role in roles for packet in role.packets_to_send()
        ]

    def _roles(self) -> Iterator[Authenticator | Claimant]:
        yield from self._authenticators.values()
        yield from self._claimants.values()

    def _receive(self, protocol: int, packet: Packet, now: float) -> None:
        name = "pap" if protocol == Protocol.PAP else "chap"
        if packet.code == _TO_AUTHENTICATOR[name] and name == self._demanded:
            self._authenticators[name].receive(packet, now)
        elif packet.code in _TO_CLAIMANT[name] and name == self._claimed:
            self._claimants[name].receive(packet, now)
        else:
            self._counters["not_expected"] += 1
