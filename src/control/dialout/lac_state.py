"""State of a LAC as we see it: lockout after silence, and the lockout test before it serves again.

Specification 1.9. The test is the next call that names the LAC: one at a time, all others go on as
if it were locked out still. Any answer ends a lockout, and silence begins one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from control.fsm import Row, Table


class LacState(Enum):
    IN_SERVICE = "in service"
    LOCKED_OUT = "locked out"
    UNTESTED = "to be tested"
    TESTING = "being tested"


class LacEvent(Enum):
    NO_ANSWER = "no answer"
    ANSWERED = "answered"
    LOCKOUT_OVER = "the lockout is over"
    LOCKOUT_OVER_TEST = "the lockout is over, a call has to test it"
    CALL_PLACED = "a call is placed"
    CALL_UNDECIDED = "the call ended before the LAC could answer"


S, E = LacState, LacEvent

LAC: Final[Table[LacState, LacEvent, str]] = Table(
    "lac",
    S,
    E,
    {
        (state, event): Row(new)
        for event, column in {
            # From: in service, locked out, untested, testing.
            E.NO_ANSWER: (S.LOCKED_OUT, S.LOCKED_OUT, S.LOCKED_OUT, S.LOCKED_OUT),
            E.ANSWERED: (S.IN_SERVICE, S.IN_SERVICE, S.IN_SERVICE, S.IN_SERVICE),
            E.LOCKOUT_OVER: (S.IN_SERVICE, S.IN_SERVICE, S.UNTESTED, S.TESTING),
            E.LOCKOUT_OVER_TEST: (S.IN_SERVICE, S.UNTESTED, S.UNTESTED, S.TESTING),
            # A locked-out LAC is called if there is no other: it is no test, but may answer.
            E.CALL_PLACED: (S.IN_SERVICE, S.LOCKED_OUT, S.TESTING, S.TESTING),
            E.CALL_UNDECIDED: (S.IN_SERVICE, S.LOCKED_OUT, S.UNTESTED, S.UNTESTED),
        }.items()
        for state, new in zip(S, column, strict=True)
    },
)


@dataclass(slots=True)
class LacUse:
    """What is known of one LAC that was called, or that an administrator drains."""

    state: LacState = LacState.IN_SERVICE
    until: float = 0.0
    """When the lockout ends."""
    calls: int = 0
    """At once, being placed or in service."""
    drained: bool = False
    """An administrator lets no new call through it."""

    @property
    def idle(self) -> bool:
        """Nothing worth remembering."""
        return self.state is LacState.IN_SERVICE and not self.calls and not self.drained
