"""Limit on how often a link answers, so that a flood costs the peer more than us."""

from __future__ import annotations


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
