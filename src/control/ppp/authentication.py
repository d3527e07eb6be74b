"""What PAP, CHAP and MS-CHAPv2 have in common in each role: timer, counter, failure, steps.

The tables are authentication_table.py. Which packets say so is pap.py, chap.py and mschap.py; both
roles on one link is mutual.py.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar, Final

from control.ppp.authentication_table import (
    AUTHENTICATOR,
    CLAIMANT,
    Authenticating,
    Claim,
    Claiming,
    Hearing,
    Judgement,
    Judging,
)
from control.ppp.config import LinkConfig
from control.ppp.events import AuthenticatedToPeer, LinkClosed, PeerAuthenticated
from control.ppp.frame import Packet, Protocol
from control.ppp.outbox import Outbox

STAGE: Final = "authentication"
MESSAGE_OCTETS: Final = 200
"""Longest text we put into a result; PAP has a one-octet length for it."""

_HOLDS: Final = (Authenticating.ACCEPTED, Authenticating.RENEWING, Authenticating.RECHECKING)
_ASKED: Final = (Authenticating.CHECKING, Authenticating.RECHECKING)

_VERDICTS: Final = {True: Judging.ACCEPT, False: Judging.REFUSE, None: Judging.UNKNOWN}


class Role(ABC):
    """What both roles have: packets out, events, a timer with a counter, a failure."""

    __slots__ = ("_attempts", "_box", "_config", "_timer", "failure")

    method: ClassVar[str]
    """As in a configuration."""
    protocol: ClassVar[Protocol]

    def __init__(self, config: LinkConfig, box: Outbox) -> None:
        self.failure: LinkClosed | None = None
        self._config = config
        self._box = box
        self._timer: float | None = None
        self._attempts = 0

    @abstractmethod
    def start(self, now: float) -> None:
        """LCP is open and has agreed on this role."""

    @abstractmethod
    def receive(self, packet: Packet, now: float) -> None:
        """Take a packet with one of the codes that are for this role. Raises DecodeError."""

    @abstractmethod
    def handle_timer(self, now: float) -> None: ...

    def get_timer(self) -> float | None:
        return self._timer

    def _send(self, code: int, identifier: int, data: bytes) -> None:
        self._box.packets.append((self.protocol, Packet(code, identifier, data).encode()))

    def _start_timer(self, now: float) -> None:
        self._attempts += 1
        self._timer = now + self._config.restart


class Authenticator(Role):
    """We want proof from the peer; the owner says whether it holds."""

    __slots__ = ("_message", "_requests", "_username", "request", "state")

    renewable: ClassVar[bool]
    """Whether the peer can be asked for proof again."""

    def __init__(self, config: LinkConfig, box: Outbox, requests: Iterator[int]) -> None:
        super().__init__(config, box)
        self.state = Authenticating.IDLE
        self.request: int | None = None
        """Number of the question the owner has not answered yet."""
        self._requests = requests
        self._username = ""
        self._message = b""

    @property
    def accepted(self) -> bool:
        """The peer has proved itself, whether or not it is being asked again."""
        return self.state in _HOLDS

    def start(self, now: float) -> None:
        self._attempts = 0
        self._step(Judging.START, now)

    def stop(self, now: float) -> None:
        """LCP is down."""
        self._step(Judging.STOP, now)

    def result(self, accepted: bool | None, message: str, now: float) -> None:
        """The owner's answer; None: it has none. Outside of `CHECKING` and `RECHECKING` it changes
        nothing."""
        self._message = message.encode("ascii", "replace")[:MESSAGE_OCTETS]
        self._step(_VERDICTS[accepted], now)

    def handle_timer(self, now: float) -> None:
        if self._timer is None or now < self._timer:
            return
        over = self._attempts >= self._config.max_configure
        self._step(Judging.GIVE_UP if over else Judging.TIMEOUT, now)

    def _step(self, event: Judging, now: float) -> None:
        row = AUTHENTICATOR.step(self.state, event)
        if row.next is not self.state:
            self._timer = None
        self.state = row.next
        if row.next not in _ASKED:
            self.request = None
        for action in row.actions:
            match action:
                case Judgement.CHALLENGE:
                    self._challenge(now)
                case Judgement.ASK:
                    self.request = next(self._requests)
                    self._ask(self.request)
                case Judgement.RESULT:
                    self._send_result(self.accepted, self._message)
                case Judgement.GRANT:
                    self._box.events.append(PeerAuthenticated(self._username))
                case Judgement.KEEP:
                    self._attempts = 0
                    if self.renewable and self._config.rechallenge_interval:
                        self._timer = now + self._config.rechallenge_interval
                case Judgement.FAIL:
                    silent = event is Judging.GIVE_UP
                    why = (
                        "the peer does not prove itself"
                        if silent
                        else "the peer's proof is refused"
                    )
                    self.failure = LinkClosed(STAGE, why, "timeout" if silent else "")

    @abstractmethod
    def _challenge(self, now: float) -> None:
        """Send what makes the peer answer, if anything does."""

    @abstractmethod
    def _ask(self, request: int) -> None:
        """Put the question with this number into the events."""

    @abstractmethod
    def _send_result(self, accepted: bool, message: bytes) -> None: ...


class Claimant(Role):
    """We prove ourselves to the peer."""

    __slots__ = ("state",)

    def __init__(self, config: LinkConfig, box: Outbox) -> None:
        super().__init__(config, box)
        self.state = Claiming.IDLE

    @property
    def accepted(self) -> bool:
        return self.state is Claiming.ACCEPTED

    def start(self, now: float) -> None:
        self._attempts = 0
        self._step(Hearing.START, now)

    def stop(self, now: float) -> None:
        """LCP is down."""
        self._step(Hearing.STOP, now)

    def handle_timer(self, now: float) -> None:
        if self._timer is None or now < self._timer:
            return
        over = self._attempts >= self._config.max_configure
        self._step(Hearing.GIVE_UP if over else Hearing.TIMEOUT, now)

    def _step(self, event: Hearing, now: float) -> None:
        row = CLAIMANT.step(self.state, event)
        self.state = row.next
        for action in row.actions:
            match action:
                case Claim.PROVE:
                    self._prove()
                    self._start_timer(now)
                case Claim.TELL:
                    self._box.events.append(AuthenticatedToPeer(self.method))
                case Claim.FAIL:
                    silent = event is Hearing.GIVE_UP
                    why = "the peer does not answer our claim" if silent else "the peer refuses us"
                    self.failure = LinkClosed(STAGE, why, "timeout" if silent else "")
        if row.next is not Claiming.CLAIMED:
            self._timer = None

    @abstractmethod
    def _prove(self) -> None:
        """Send name and proof."""


def read_name(name: bytes) -> str:
    """A peer's name as text; octets that are no UTF-8 stay apart, as \\xNN."""
    return name.decode("utf-8", "backslashreplace")
