"""The two roles of an authentication, as tables, and what PAP and CHAP have in common in each.

RFC 1994 2 and 4, RFC 1334 2. The *authenticator* wants proof, the *claimant* gives it; the RFCs
call the claimant "peer", which here is always the other end. Which packets say so is pap.py and
chap.py, both roles on one link is mutual.py.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter, deque
from enum import Enum
from typing import Final

from control.fsm import ILLEGAL, Row, Table, cells
from control.ppp.config import LinkConfig
from control.ppp.events import AuthenticatedToPeer, Event, LinkClosed, PeerAuthenticated
from control.ppp.frame import Packet

STAGE: Final = "authentication"
MESSAGE_OCTETS: Final = 200
"""Longest text we put into a result; PAP has a one-octet length for it."""


class Authenticating(Enum):
    """States of the authenticator."""

    IDLE = "LCP is not open, or no demand"
    WAITING = "for the claimant's answer"
    CHECKING = "the owner decides"
    ACCEPTED = "the claimant has proved itself"
    REFUSED = "it has not"


class Judging(Enum):
    """Events of the authenticator."""

    START = "LCP is open"
    STOP = "LCP is down"
    ANSWER = "name and proof arrived"
    ACCEPT = "the owner's yes"
    REFUSE = "the owner's no"
    TIMEOUT = "no answer to the last Challenge"
    GIVE_UP = "no answer to the last of all Challenges"


class Judgement(Enum):
    """Actions of the authenticator."""

    CHALLENGE = "send a new Challenge"
    ASK = "ask the owner"
    RESULT = "send Success or Failure"
    GRANT = "tell the owner"
    FAIL = "end the link"


_A, _JA = Authenticating, Judgement

AUTHENTICATOR: Final = Table(
    "ppp-authenticator",
    Authenticating,
    Judging,
    cells(
        _A.IDLE,
        [
            (Judging.START, Row(_A.WAITING, (_JA.CHALLENGE,))),
            (Judging.STOP, Row(_A.IDLE)),
            (Judging.ANSWER, Row(_A.IDLE)),
            (Judging.ACCEPT, Row(_A.IDLE)),
            (Judging.REFUSE, Row(_A.IDLE)),
            (Judging.TIMEOUT, ILLEGAL),
            (Judging.GIVE_UP, ILLEGAL),
        ],
    )
    | cells(
        _A.WAITING,
        [
            (Judging.START, ILLEGAL),
            (Judging.STOP, Row(_A.IDLE)),
            (Judging.ANSWER, Row(_A.CHECKING, (_JA.ASK,))),
            (Judging.ACCEPT, Row(_A.WAITING)),
            (Judging.REFUSE, Row(_A.WAITING)),
            (Judging.TIMEOUT, Row(_A.WAITING, (_JA.CHALLENGE,))),
            (Judging.GIVE_UP, Row(_A.REFUSED, (_JA.FAIL,))),
        ],
    )
    | cells(
        _A.CHECKING,
        [
            (Judging.START, ILLEGAL),
            (Judging.STOP, Row(_A.IDLE)),
            (Judging.ANSWER, Row(_A.CHECKING)),
            (Judging.ACCEPT, Row(_A.ACCEPTED, (_JA.RESULT, _JA.GRANT))),
            (Judging.REFUSE, Row(_A.REFUSED, (_JA.RESULT, _JA.FAIL))),
            (Judging.TIMEOUT, ILLEGAL),
            (Judging.GIVE_UP, ILLEGAL),
        ],
    )
    | cells(
        _A.ACCEPTED,
        [
            (Judging.START, ILLEGAL),
            (Judging.STOP, Row(_A.IDLE)),
            # RFC 1994 4.1, RFC 1334 2.2.1: a repeated answer gets the same code again.
            (Judging.ANSWER, Row(_A.ACCEPTED, (_JA.RESULT,))),
            (Judging.ACCEPT, Row(_A.ACCEPTED)),
            (Judging.REFUSE, Row(_A.ACCEPTED)),
            (Judging.TIMEOUT, ILLEGAL),
            (Judging.GIVE_UP, ILLEGAL),
        ],
    )
    | cells(
        _A.REFUSED,
        [
            (Judging.START, ILLEGAL),
            (Judging.STOP, Row(_A.IDLE)),
            (Judging.ANSWER, Row(_A.REFUSED, (_JA.RESULT,))),
            (Judging.ACCEPT, Row(_A.REFUSED)),
            (Judging.REFUSE, Row(_A.REFUSED)),
            (Judging.TIMEOUT, ILLEGAL),
            (Judging.GIVE_UP, ILLEGAL),
        ],
    ),
)


class Claiming(Enum):
    """States of the claimant."""

    IDLE = "LCP is not open, or no demand of the peer"
    WAITING = "for a Challenge"
    CLAIMED = "name and proof are sent"
    ACCEPTED = "the peer has accepted them"
    REFUSED = "it has not"


class Hearing(Enum):
    """Events of the claimant. PAP has no Challenge: its start is one."""

    START = "LCP is open"
    STOP = "LCP is down"
    CHALLENGE = "proof is wanted"
    SUCCESS = "the peer's yes"
    FAILURE = "the peer's no"
    TIMEOUT = "no reply to the last claim"
    GIVE_UP = "no reply to the last of all claims"


class Claim(Enum):
    """Actions of the claimant."""

    PROVE = "send name and proof"
    TELL = "tell the owner"
    FAIL = "end the link"


_C, _H, _CA = Claiming, Hearing, Claim

CLAIMANT: Final = Table(
    "ppp-claimant",
    Claiming,
    Hearing,
    cells(
        _C.IDLE,
        [
            (_H.START, Row(_C.WAITING)),
            (_H.STOP, Row(_C.IDLE)),
            (_H.CHALLENGE, Row(_C.IDLE)),
            (_H.SUCCESS, Row(_C.IDLE)),
            (_H.FAILURE, Row(_C.IDLE)),
            (_H.TIMEOUT, ILLEGAL),
            (_H.GIVE_UP, ILLEGAL),
        ],
    )
    | cells(
        _C.WAITING,
        [
            (_H.START, ILLEGAL),
            (_H.STOP, Row(_C.IDLE)),
            (_H.CHALLENGE, Row(_C.CLAIMED, (_CA.PROVE,))),
            (_H.SUCCESS, Row(_C.WAITING)),
            (_H.FAILURE, Row(_C.WAITING)),
            (_H.TIMEOUT, ILLEGAL),
            (_H.GIVE_UP, ILLEGAL),
        ],
    )
    | cells(
        _C.CLAIMED,
        [
            (_H.START, ILLEGAL),
            (_H.STOP, Row(_C.IDLE)),
            (_H.CHALLENGE, Row(_C.CLAIMED, (_CA.PROVE,))),
            (_H.SUCCESS, Row(_C.ACCEPTED, (_CA.TELL,))),
            (_H.FAILURE, Row(_C.REFUSED, (_CA.FAIL,))),
            (_H.TIMEOUT, Row(_C.CLAIMED, (_CA.PROVE,))),
            (_H.GIVE_UP, Row(_C.REFUSED, (_CA.FAIL,))),
        ],
    )
    | cells(
        _C.ACCEPTED,
        [
            (_H.START, ILLEGAL),
            (_H.STOP, Row(_C.IDLE)),
            # RFC 1994 4.1: the peer may challenge again at any time.
            (_H.CHALLENGE, Row(_C.ACCEPTED, (_CA.PROVE,))),
            (_H.SUCCESS, Row(_C.ACCEPTED)),
            (_H.FAILURE, Row(_C.REFUSED, (_CA.FAIL,))),
            (_H.TIMEOUT, ILLEGAL),
            (_H.GIVE_UP, ILLEGAL),
        ],
    )
    | cells(
        _C.REFUSED,
        [
            (_H.START, ILLEGAL),
            (_H.STOP, Row(_C.IDLE)),
            (_H.CHALLENGE, Row(_C.REFUSED)),
            (_H.SUCCESS, Row(_C.REFUSED)),
            (_H.FAILURE, Row(_C.REFUSED)),
            (_H.TIMEOUT, ILLEGAL),
            (_H.GIVE_UP, ILLEGAL),
        ],
    ),
)


class Role(ABC):
    """What both roles have: packets out, events, a timer with a counter, a failure."""

    def __init__(self, config: LinkConfig, counters: Counter[str]) -> None:
        self.failure: LinkClosed | None = None
        self._config = config
        self._counters = counters
        self._out: deque[bytes] = deque()
        self._events: deque[Event] = deque()
        self._timer: float | None = None
        self._attempts = 0

    @abstractmethod
    def start(self, now: float) -> None:
        """LCP is open and has agreed on this role."""

    @abstractmethod
    def stop(self, now: float) -> None:
        """LCP is down."""

    @abstractmethod
    def receive(self, packet: Packet, now: float) -> None:
        """Take a packet with one of the codes that are for this role. Raises DecodeError."""

    @abstractmethod
    def handle_timer(self, now: float) -> None: ...

    def get_timer(self) -> float | None:
        return self._timer

    def next_event(self) -> Event | None:
        return self._events.popleft() if self._events else None

    def packets_to_send(self) -> list[bytes]:
        packets = list(self._out)
        self._out.clear()
        return packets

    def _start_timer(self, now: float) -> None:
        self._attempts += 1
        self._timer = now + self._config.restart


class Authenticator(Role):
    """We want proof from the peer; the owner says whether it holds."""

    def __init__(self, config: LinkConfig, counters: Counter[str]) -> None:
        super().__init__(config, counters)
        self.state = Authenticating.IDLE
        self.request: int | None = None
        """Number of the question the owner has not answered yet."""
        self._username = ""
        self._message = b""

    def start(self, now: float) -> None:
        self._attempts = 0
        self._step(Judging.START, now)

    def stop(self, now: float) -> None:
        self._step(Judging.STOP, now)

    def result(self, accepted: bool, message: str, now: float) -> None:
        """The owner's answer. Outside of `CHECKING` it changes nothing."""
        self._message = message.encode("ascii", "replace")[:MESSAGE_OCTETS]
        self._step(Judging.ACCEPT if accepted else Judging.REFUSE, now)

    def handle_timer(self, now: float) -> None:
        if self._timer is None or now < self._timer:
            return
        over = self._attempts >= self._config.max_configure
        self._step(Judging.GIVE_UP if over else Judging.TIMEOUT, now)

    def _step(self, event: Judging, now: float) -> None:
        row = AUTHENTICATOR.step(self.state, event)
        self.state = row.next
        if row.next is not Authenticating.WAITING:
            self._timer = None
        if row.next is not Authenticating.CHECKING:
            self.request = None
        for action in row.actions:
            match action:
                case Judgement.CHALLENGE:
                    self._challenge(now)
                case Judgement.ASK:
                    self._ask()
                case Judgement.RESULT:
                    self._send_result(self.state is Authenticating.ACCEPTED, self._message)
                case Judgement.GRANT:
                    self._events.append(PeerAuthenticated(self._username))
                case Judgement.FAIL:
                    silent = event is Judging.GIVE_UP
                    why = (
                        "the peer does not prove itself"
                        if silent
                        else "the peer's proof is refused"
                    )
                    self.failure = LinkClosed(STAGE, why)

    @abstractmethod
    def _challenge(self, now: float) -> None:
        """Send what makes the peer answer, if anything does."""

    @abstractmethod
    def _ask(self) -> None:
        """Put the question into the events and its number into `request`."""

    @abstractmethod
    def _send_result(self, accepted: bool, message: bytes) -> None: ...


class Claimant(Role):
    """We prove ourselves to the peer."""

    protocol: str

    def __init__(self, config: LinkConfig, counters: Counter[str]) -> None:
        super().__init__(config, counters)
        self.state = Claiming.IDLE

    def start(self, now: float) -> None:
        self._attempts = 0
        self._step(Hearing.START, now)

    def stop(self, now: float) -> None:
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
                    self._events.append(AuthenticatedToPeer(self.protocol))
                case Claim.FAIL:
                    silent = event is Hearing.GIVE_UP
                    why = "the peer does not answer our claim" if silent else "the peer refuses us"
                    self.failure = LinkClosed(STAGE, why)
        if row.next is not Claiming.CLAIMED:
            self._timer = None

    @abstractmethod
    def _prove(self) -> None:
        """Send name and proof."""


def read_name(name: bytes) -> str:
    """A peer's name as text; octets that are no UTF-8 stay apart, as \\xNN."""
    return name.decode("utf-8", "backslashreplace")
