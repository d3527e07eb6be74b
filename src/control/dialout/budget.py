"""Budget: what dialling may cost, so that neither a scan nor a hostile answer runs up a bill.

Specification 1.5; threats T10 and T11. Calls and minutes a UTC day, a target's and all together;
dial rates as token buckets, all calls and each LAC; number prefixes; freeze. Counts in memory
only: they begin anew with the process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from control.config import Budget as BudgetConfig

_DAY = 86400.0
_LAC_BUCKETS = 1024
"""Buckets kept before full ones, which know nothing, are dropped (RADIUS names the LACs)."""
_EPSILON = 1e-9
"""A deadline of next_token must find its token in spite of rounding."""


class TokenBucket:
    """`rate` tokens a second, at most `burst` of them; full at first. Time in seconds."""

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
        if self.tokens(now) < 1.0 - _EPSILON:
            return False
        self._tokens = max(self._tokens - 1.0, 0.0)
        return True

    def next_token(self, now: float) -> float | None:
        """When a token is there at the earliest; None: never."""
        missing = 1.0 - self.tokens(now)
        if missing <= _EPSILON:
            return now
        return now + missing / self.rate if self.rate > 0 and self.burst >= 1 else None


@dataclass(slots=True)
class Usage:
    """Of one UTC day: calls asked for, seconds connected, and the calls that are connected now."""

    calls: int = 0
    seconds: float = 0.0
    """Of calls that have ended."""
    running: int = 0
    started: float = 0.0
    """Sum of the start times of running calls; those of an earlier day count from midnight."""

    def used(self, wall: float) -> float:
        return self.seconds + max(self.running * wall - self.started, 0.0)

    def new_day(self, midnight: float) -> None:
        self.calls = 0
        self.seconds = 0.0
        self.started = self.running * midnight


@dataclass(slots=True)
class Meter:
    """A connected call; Budget.disconnected ends it."""

    target: str
    start: float
    ended: bool = field(default=False)


class Budget:
    """`wall` tells seconds since 1970 UTC: days are real days, whatever the other clock shows."""

    def __init__(self, config: BudgetConfig, wall: Callable[[], float]) -> None:
        self._config = config
        self._wall = wall
        self._day = int(wall() // _DAY)
        self._total = Usage()
        self._targets: dict[str, Usage] = {}
        self._rate: TokenBucket | None = None
        self._lac_rates: dict[str, TokenBucket] = {}
        self.frozen = False
        """No call at all is placed while this is set."""

    def configure(self, config: BudgetConfig, now: float) -> None:
        """Other limits, from now on. What was used stays used."""
        self._config = config
        if self._rate is not None:
            self._rate.configure(config.dial_rate, config.dial_burst, now)
        for bucket in self._lac_rates.values():
            bucket.configure(config.lac_dial_rate, self._lac_burst(), now)

    def refusal(self, target: str, number: str) -> str:
        """Why `number` may not be called for `target` now; empty if it may."""
        config, wall = self._config, self._today()
        usage = self._targets.get(target, Usage())
        if self.frozen:
            return "dialling is frozen"
        if not self._number_allowed(number):
            return "number not allowed"
        if self._total.calls >= config.calls_per_day:
            return "calls of the day are spent"
        if usage.calls >= config.target_calls_per_day:
            return "calls of the day are spent for this target"
        if 0 < config.minutes_per_day <= self._total.used(wall) / 60:
            return "minutes of the day are spent"
        if usage.used(wall) / 60 >= config.target_minutes_per_day:
            return "minutes of the day are spent for this target"
        return ""

    def tokens(self, now: float) -> int:
        """Calls that the dial rate allows now, all LACs together."""
        return int(self._overall(now).tokens(now) + _EPSILON)

    def take(self, target: str, lac: str, now: float) -> bool:
        """Charges one call. False, and nothing charged, if a dial rate is used up."""
        total, own = self._overall(now), self._of_lac(lac, now)
        if total.tokens(now) < 1.0 - _EPSILON or not own.take(now):
            return False
        total.take(now)
        self._today()
        self._total.calls += 1
        self._usage(target).calls += 1
        return True

    def next_token(self, lacs: tuple[str, ...], now: float) -> float | None:
        """When one of these LACs may be called at the earliest by the dial rates; None: never."""
        overall = self._overall(now).next_token(now)
        own = [self._of_lac(lac, now).next_token(now) for lac in lacs]
        known = [when for when in own if when is not None]
        return max(overall, min(known)) if overall is not None and known else None

    def connected(self, target: str) -> Meter:
        """A call is answered: from here on it costs minutes."""
        wall = self._today()
        for usage in (self._total, self._usage(target)):
            usage.running += 1
            usage.started += wall
        return Meter(target, wall)

    def disconnected(self, meter: Meter) -> None:
        """Its end; a second end of the same call is ignored."""
        if meter.ended:
            return
        meter.ended = True
        wall = self._today()
        start = max(meter.start, self._day * _DAY)
        for usage in (self._total, self._usage(meter.target)):
            usage.running -= 1
            usage.started -= start
            usage.seconds += max(wall - start, 0.0)

    def as_dict(self) -> dict[str, float | bool]:
        wall = self._today()
        return {
            "frozen": self.frozen,
            "calls_today": self._total.calls,
            "minutes_today": round(self._total.used(wall) / 60, 3),
        }

    def _today(self) -> float:
        """The wall clock; begins a new day. A clock set back gives no budget back."""
        wall = self._wall()
        day = int(wall // _DAY)
        if day > self._day:
            self._day = day
            self._total.new_day(day * _DAY)
            for usage in self._targets.values():
                usage.new_day(day * _DAY)
        return wall

    def _usage(self, target: str) -> Usage:
        return self._targets.setdefault(target, Usage())

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

    def _number_allowed(self, number: str) -> bool:
        plain = plain_number(number)
        config = self._config
        if any(plain.startswith(plain_number(prefix)) for prefix in config.deny_numbers):
            return False
        allowed = config.allow_numbers
        return not allowed or any(plain.startswith(plain_number(prefix)) for prefix in allowed)


def plain_number(number: str) -> str:
    """A number without what a dialler skips over: blanks, pauses and punctuation.

    Otherwise a comma in front of a denied number would get it through.
    """
    return "".join(c for c in number if c.isalnum() or c in "+*#")
