"""The modem bank of a simulated LAC: how many calls at once, and what a called number meets.

It dials nothing and knows no protocol but the Result Codes of a CDN (RFC 2661 4.4.2).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from control.errors import LocalProtocolError

ANSWER = "answer"
REJECT = "reject"
SILENT = "silent"

CDN_RESULTS = {"busy": 8, "no-carrier": 7, "no-dial-tone": 9, "no-answer": 10}
"""Outcomes that end the dialing with a CDN, and its Result Code."""

CARRIER_LOST = 1
NO_FACILITIES = 4
INVALID_DESTINATION = 6

LAST_RESULT = 11
REJECT_FORM = re.compile(r"reject(:(?P<result>[0-9]{1,2})(/(?P<error>[0-9]{1,5}))?)?")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call meets."""

    name: str
    """`answer`, `reject`, `silent` or a key of CDN_RESULTS."""
    result: int = 0
    """Result Code of the CDN; 0: none is sent."""
    error: int = 0


def parse_outcome(text: str, *, result: int = NO_FACILITIES, error: int = 0) -> Outcome:
    """An outcome in configuration form; `reject:RESULT` and `reject:RESULT/ERROR` override the
    given codes. Raises LocalProtocolError."""
    if text in CDN_RESULTS:
        return Outcome(text, CDN_RESULTS[text])
    if text in (ANSWER, SILENT):
        return Outcome(text)
    codes = REJECT_FORM.fullmatch(text)
    if codes is None:
        raise LocalProtocolError(f"{text!r} is no outcome of a call")
    if codes["result"]:
        result, error = int(codes["result"]), int(codes["error"] or 0)
    if not 1 <= result <= LAST_RESULT or not 0 <= error <= 0xFFFF:
        raise LocalProtocolError(f"result {result} error {error} is no CDN")
    return Outcome(REJECT, result, error)


def number_matches(pattern: str, number: str) -> bool:
    """Whether a pattern (a number, or its beginning and a `*`) names a number."""
    if pattern.endswith("*"):
        return number.startswith(pattern[:-1])
    return pattern == number


class ModemBank:
    """A number of modems and the rules of what they meet."""

    def __init__(
        self, modems: int, default: Outcome, rules: tuple[tuple[str, Outcome], ...] = ()
    ) -> None:
        self.modems = modems
        self.in_use = 0
        self._default = default
        self._rules = rules

    def seize(self) -> bool:
        """Takes a modem; False: all are in use."""
        if self.in_use >= self.modems:
            return False
        self.in_use += 1
        return True

    def release(self) -> None:
        """Gives a modem back. Raises LocalProtocolError if none is in use."""
        if not self.in_use:
            raise LocalProtocolError("a modem was released that nobody had")
        self.in_use -= 1

    def outcome(self, number: str) -> Outcome:
        """What a call to this number meets: the first rule that matches, or the default."""
        for pattern, outcome in self._rules:
            if number_matches(pattern, number):
                return outcome
        return self._default
