"""Dial rates: a token bucket over all calls and one for each LAC (specification 1.5, threat T10).

Seconds are those of the steady clock: a jump of the wall clock gives no token.
"""

from __future__ import annotations

from typing import Final

from control.config import Budget
from control.dialout.token_bucket import EPSILON, TokenBucket

_LAC_BUCKETS: Final = 1024
"""Buckets kept before full ones, which know nothing, are dropped (RADIUS names the LACs)."""


class DialRates:
    def __init__(self, config: Budget) -> None:
        self._config = config
        self._rate: TokenBucket | None = None
        self._lac_rates: dict[str, TokenBucket] = {}

    def configure(self, config: Budget, now: float) -> None:
        self._config = config
        if self._rate is not None:
            self._rate.configure(config.dial_rate, config.dial_burst, now)
        for bucket in self._lac_rates.values():
            bucket.configure(config.lac_dial_rate, self._lac_burst(), now)

    def tokens(self, now: float) -> int:
        """Calls that the rate allows now, all LACs together."""
        return int(self._overall(now).tokens(now) + EPSILON)

    def take(self, lac: str, now: float) -> bool:
        """A token of both buckets, or none of either."""
        total, own = self._overall(now), self._of_lac(lac, now)
        if total.tokens(now) < 1.0 - EPSILON or not own.take(now):
            return False
        return total.take(now)

    def next_token(self, lacs: tuple[str, ...], now: float) -> float | None:
        """When one of these LACs may be called at the earliest; None: never."""
        overall = self._overall(now).next_token(now)
        own = [self._of_lac(lac, now).next_token(now) for lac in lacs]
        known = [when for when in own if when is not None]
        return max(overall, min(known)) if overall is not None and known else None

    def _overall(self, now: float) -> TokenBucket:
        if self._rate is None:
            self._rate = TokenBucket(self._config.dial_rate, self._config.dial_burst, now)
        return self._rate

    def _of_lac(self, lac: str, now: float) -> TokenBucket:
        found = self._lac_rates.get(lac)
        if found is None:
            if len(self._lac_rates) >= _LAC_BUCKETS:
                self._drop_full(now)
            found = TokenBucket(self._config.lac_dial_rate, self._lac_burst(), now)
            self._lac_rates[lac] = found
        return found

    def _lac_burst(self) -> float:
        return max(self._config.dial_burst / 5, 1.0)

    def _drop_full(self, now: float) -> None:
        buckets = self._lac_rates
        full = [lac for lac, bucket in buckets.items() if bucket.tokens(now) >= bucket.burst]
        for lac in full:
            del buckets[lac]
