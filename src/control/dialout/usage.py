"""What was used of a day's budget: calls, minutes, and which shares of it were told.

Durations are seconds of the steady clock: a wall clock that jumps makes no call longer or shorter
(threat T27). It decides only when a day begins, and that is the budget's business.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

SHARES: Final = (50, 80, 100)
"""Percent of a limit at which an alarm is told, once a day each."""


@dataclass(slots=True)
class Usage:
    """Of one UTC day: calls asked for, seconds connected, and the calls that are connected now."""

    calls: int = 0
    seconds: float = 0.0
    """Of calls that have ended."""
    running: int = 0
    started: float = 0.0
    """Sum of the start times of running calls; those of an earlier day count from midnight."""
    calls_told: int = 0
    """Greatest share of the calls that was told, percent."""
    minutes_told: int = 0

    def used(self, now: float) -> float:
        """Seconds connected."""
        return self.seconds + max(self.running * now - self.started, 0.0)

    def new_day(self, midnight: float) -> None:
        self.calls = self.calls_told = self.minutes_told = 0
        self.seconds = 0.0
        self.started = self.running * midnight

    def alarms(self, calls: int, minutes: int, now: float) -> Iterator[tuple[str, int, int, int]]:
        """What is due of these limits (0: none): `calls` or `minutes`, share, used, limit."""
        for share in SHARES:
            if calls and share > self.calls_told and self.calls * 100 >= calls * share:
                self.calls_told = share
                yield "calls", share, self.calls, calls
            used = self.used(now) / 60
            if minutes and share > self.minutes_told and used * 100 >= minutes * share:
                self.minutes_told = share
                yield "minutes", share, int(used), minutes


@dataclass(slots=True)
class Meter:
    """A connected call; Budget.disconnected ends it."""

    number: int
    target: str
    start: float
    """Steady clock."""
    ended: bool = False
