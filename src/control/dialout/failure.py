"""Why a dial-out failed, and what the LAC's answer means for the next candidate.

Result and error codes: RFC 2661 4.4.2; what we make of them: specification 2.3, "Use of CDN codes
in dial-out". Decides nothing itself: attempt.py asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from control.l2tp.events import Failure
from control.unlocked import unlocked

ADMINISTRATIVE = 3
"""CDN result for what is closed on purpose (RFC 2661 4.4.2)."""


class Verdict(Enum):
    """What to do after a LAC did not bring the call up."""

    NEXT = "try the next candidate"
    SKIP_LAC = "not this LAC again, longer back-off, try the next candidate"
    STOP = "the remote site is the problem: no further LAC"


RESULT_VERDICTS: Mapping[int, Verdict] = {
    1: Verdict.STOP,  # carrier lost: the line to the site broke
    2: Verdict.NEXT,  # see the error code, refined below
    3: Verdict.NEXT,  # administrative: this LAC is being taken out
    4: Verdict.NEXT,  # no facilities for now
    5: Verdict.SKIP_LAC,  # no facilities at all
    6: Verdict.SKIP_LAC,  # invalid destination
    7: Verdict.STOP,  # no carrier
    8: Verdict.STOP,  # busy
    9: Verdict.STOP,  # no dial tone
    10: Verdict.NEXT,  # not established in time
    11: Verdict.STOP,  # no framing
}
"""CDN Result Codes."""

_STAGE_CDN = "cdn"
_SILENT_STAGES = ("timeout", "tunnel")


def verdict(failure: Failure) -> Verdict:
    """What the end of a call that was not connected yet means.

    Everything but a CDN (time-outs, StopCCN, authentication, capabilities) is a matter of that
    LAC: next. So are general errors, 4 (no resources) and 7 (try another) among them.
    """
    if failure.stage != _STAGE_CDN:
        return Verdict.NEXT
    return RESULT_VERDICTS.get(failure.result, Verdict.NEXT)


def no_answer(failure: Failure, *, accepted: bool) -> bool:
    """The LAC itself was silent (and is locked out): not so if it had accepted the call."""
    return failure.stage in _SILENT_STAGES and not accepted


@unlocked
@dataclass(frozen=True, slots=True)
class LastFailure:
    """The newest failure of a session, kept for show. Holds no secret."""

    time: float
    stage: str
    """`aaa`, `budget`, `candidates`, `ppp`, `route`, `timer`, `resources`, or a stage of
    l2tp.events.Failure or of ppp.events.LinkClosed."""
    reason: str
    lac: str = ""
    result: int = 0
    error: int = 0
    q931_cause: int | None = None
    disconnect_cause: int | None = None
    kind: str = ""
    """As in ppp.events.LinkClosed."""

    def __str__(self) -> str:
        """For people: the timeline shows it."""
        parts = [f"{self.stage}: {self.reason}"]
        parts += [f"LAC {self.lac}"] if self.lac else []
        parts += [f"result {self.result}"] if self.result else []
        parts += [f"error {self.error}"] if self.error else []
        parts += [f"Q.931 cause {self.q931_cause}"] if self.q931_cause is not None else []
        return ", ".join(parts)


def from_l2tp(failure: Failure, lac: str, now: float) -> LastFailure:
    return LastFailure(
        now,
        failure.stage,
        failure.message or describe(failure),
        lac,
        failure.result,
        failure.error,
        failure.q931_cause,
        None if failure.disconnect_cause is None else failure.disconnect_cause.code,
    )


RESULT_TEXTS: Mapping[int, str] = {
    1: "carrier lost",
    2: "general error",
    3: "closed for administrative reasons",
    4: "no facilities for now",
    5: "no facilities",
    6: "invalid destination",
    7: "no carrier",
    8: "busy",
    9: "no dial tone",
    10: "not established in time",
    11: "no framing detected",
}
ERROR_TEXTS: Mapping[int, str] = {
    1: "no control connection",
    2: "wrong length",
    3: "value out of range",
    4: "no resources",
    5: "bad session id",
    6: "vendor-specific error",
    7: "try another",
    8: "unknown mandatory AVP",
}


def describe(failure: Failure) -> str:
    """A few words for a failure that came without a message."""
    if failure.stage != _STAGE_CDN:
        return failure.stage
    text = RESULT_TEXTS.get(failure.result, f"result {failure.result}")
    if failure.error:
        text += ", " + ERROR_TEXTS.get(failure.error, f"error {failure.error}")
    return text
