"""Token bucket: a rate with a burst. No clock: times are seconds of the steady one, as given."""

from __future__ import annotations

from typing import Final

EPSILON: Final = 1e-9
"""A deadline of next_token must find its token in spite of rounding."""


class TokenBucket:
    """`rate` tokens a second, at most `burst` of them; full at first."""

    __slots__ = ("_at", "_tokens", "burst", "rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate = rate
        self.burst = burst
        self._tokens = burst
        self._at = now

    def configure(self, rate: float, burst: float, now: float) -> None:
        """What is in it stays, at most the new burst."""
        self.tokens(now)
        self.rate, self.burst = rate, burst
        self._tokens = min(self._tokens, burst)

    def tokens(self, now: float) -> float:
        if now > self._at:
            self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
            self._at = now
        return self._tokens

    def take(self, now: float) -> bool:
        if self.tokens(now) < 1.0 - EPSILON:
            return False
        self._tokens = max(self._tokens - 1.0, 0.0)
        return True

    def next_token(self, now: float) -> float | None:
        """When a token is there at the earliest; None: never."""
        missing = 1.0 - self.tokens(now)
        if missing <= EPSILON:
            return now
        return now + missing / self.rate if self.rate > 0 and self.burst >= 1 else None
