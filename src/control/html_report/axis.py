"""Axes of plots: where ticks are, what is written at them, and from values to coordinates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

MINUTE, HOUR = 60.0, 3600.0
_STEPS = (1, 2, 5, 10)
_TIME_STEPS = (60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200)
DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear one: `low` to `high` become `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.0
        return round(self.start + min(max(share, 0.0), 1.0) * (self.end - self.start), 2)


def nice_step(span: float, about: int) -> float:
    """A step of 1, 2 or 5 times a power of ten, so that `about` of them fill the span."""
    if span <= 0:
        return 1.0
    raw = span / about
    power = 10.0 ** math.floor(math.log10(raw))
    return float(next((s * power for s in _STEPS if s * power >= raw * 0.999999), 10 * power))


def ticks(high: float, about: int = 5) -> list[float]:
    """From 0 to the first one at or above `high`."""
    step = nice_step(high, about)
    return [round(step * i, 9) for i in range(math.ceil(high / step - 1e-9) + 1)]


def time_ticks(span: float, about: int = 8) -> list[float]:
    """From 0 up to the span, at moments that people count in."""
    raw = span / about
    if raw <= 30:
        step = nice_step(span, about)
    elif raw <= _TIME_STEPS[-1]:
        step = float(next(s for s in _TIME_STEPS if s >= raw))
    else:
        step = DAY * max(1.0, nice_step(span / DAY, about))
    return [round(step * i, 9) for i in range(int(span / step + 1e-9) + 1)]


def time_text(seconds: float, span: float) -> str:
    """A moment of a plot that is `span` seconds long."""
    if span > 2 * DAY:
        days, rest = divmod(round(seconds), round(DAY))
        return f"{days} d" if not rest else f"{days} d {rest // 3600} h"
    if span > 2 * HOUR:
        return f"{int(seconds // HOUR)}:{int(seconds % HOUR // MINUTE):02} h"
    if span > 4 * MINUTE:
        return f"{int(seconds // MINUTE)}:{int(seconds % MINUTE):02}"
    return f"{seconds:g} s"


def duration(seconds: float) -> str:
    """How long something took."""
    if seconds >= DAY:
        return f"{seconds / DAY:.1f} d"
    if seconds >= HOUR:
        return f"{int(seconds // HOUR)} h {int(seconds % HOUR // MINUTE)} min"
    if seconds >= 2 * MINUTE:
        return f"{int(seconds // MINUTE)} min {int(seconds % MINUTE)} s"
    if seconds >= 1 or seconds == 0:
        return f"{seconds:.3g} s"
    return f"{seconds * 1000:.3g} ms"


def short(value: float) -> str:
    """A number on an axis: 1500 is 1.5 k."""
    for unit, factor in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= factor:
            return f"{value / factor:g} {unit}"
    return f"{value:g}"


def longest(texts: Sequence[str]) -> int:
    return max(map(len, texts), default=0)
