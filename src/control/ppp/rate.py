"""Limit on how often a link answers, so that a flood costs the peer more than us."""

from __future__ import annotations

from typing import Final

_ROUNDING: Final = 1e-6
"""Parts of an answer that sums of times may be off."""


class TokenBucket:
    """`burst` answers at once, `rate` a second in the long run."""

    __slots__ = ("_burst", "_filled", "_rate", "_tokens")

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens: float = burst
        self._filled: float | None = None

    def take(self, now: float) -> bool:
        """Whether one more answer may be given at `now` (seconds)."""
        elapsed = 0.0 if self._filled is None else max(0.0, now - self._filled)
        self._filled = now
        self._tokens = min(self._burst, self._tokens + elapsed * self._rate)
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


def take(full_at: float, now: float, rate: float, burst: int) -> float | None:
    """One answer from a bucket that is nothing but the time at which it is full again: of that a
    link keeps one for each protocol, and 65,535 links are many. That time then; None: no answer may
    be given at `now`, and it is as before. A new bucket is `full_at` 0."""
    missing = max(0.0, full_at - now) * rate
    if missing > burst - 1 + _ROUNDING:
        return None
    return max(full_at, now) + 1 / rate
