"""What a simulated LAC measures: calls per second, time to set them up, how they end.

Memory is bounded whatever the length of a run: one number for each second with calls, up to a week,
and one for each of some hundred steps of latency.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from control.l2tp.events import Failure

STEPS = 32
"""Steps of a histogram for each doubling: a percentile is at the most 2.2 % too large."""
LEAST = 1e-6
"""Seconds below which all latencies are equal."""
MAX_SECONDS = 7 * 86400
PERCENTILES = (50.0, 90.0, 99.0, 99.9)


class Histogram:
    """Durations in seconds, in steps that grow with them."""

    __slots__ = ("_steps", "count", "highest", "lowest", "total")

    def __init__(self) -> None:
        self._steps: dict[int, int] = {}
        self.count = 0
        self.total = 0.0
        self.lowest = math.inf
        self.highest = 0.0

    def add(self, seconds: float) -> None:
        step = math.ceil(math.log2(max(seconds, LEAST) / LEAST) * STEPS)
        self._steps[step] = self._steps.get(step, 0) + 1
        self.count += 1
        self.total += seconds
        self.lowest = min(self.lowest, seconds)
        self.highest = max(self.highest, seconds)

    def merge(self, other: Histogram) -> None:
        for step, count in other._steps.items():
            self._steps[step] = self._steps.get(step, 0) + count
        self.count += other.count
        self.total += other.total
        self.lowest = min(self.lowest, other.lowest)
        self.highest = max(self.highest, other.highest)

    def percentile(self, share: float) -> float:
        """Seconds that this share (0 to 100) of all did not exceed; 0 if there were none."""
        wanted = max(1, math.ceil(self.count * share / 100))
        seen = 0
        for step in sorted(self._steps):
            seen += self._steps[step]
            if seen >= wanted:
                return float(min(LEAST * 2 ** (step / STEPS), self.highest))
        return 0.0

    def report(self) -> dict[str, float]:
        """Seconds, with six decimals; `count` is how many there were."""
        if not self.count:
            return {"count": 0}
        found = {"min": self.lowest, "mean": self.total / self.count}
        found |= {f"p{share:g}": self.percentile(share) for share in PERCENTILES}
        found["max"] = self.highest
        return {"count": self.count, **{name: round(value, 6) for name, value in found.items()}}


class Rate:
    """Events by the second in which they happened."""

    __slots__ = ("_seconds", "count")

    def __init__(self) -> None:
        self._seconds: dict[int, int] = {}
        self.count = 0

    def add(self, now: float) -> None:
        self.count += 1
        second = int(now)
        if second in self._seconds or len(self._seconds) < MAX_SECONDS:
            self._seconds[second] = self._seconds.get(second, 0) + 1

    def merge(self, other: Rate) -> None:
        self.count += other.count
        for second, count in other._seconds.items():
            self._seconds[second] = self._seconds.get(second, 0) + count

    def report(self) -> dict[str, float]:
        """Least, mean and most of the whole seconds between the first event's and the last's, both
        left out where there are others: they were not measured whole."""
        if not self._seconds:
            return {"count": 0, "min": 0, "avg": 0.0, "max": 0}
        first, last = min(self._seconds), max(self._seconds)
        if last - first >= 2:
            first, last = first + 1, last - 1
        counts = [self._seconds.get(second, 0) for second in range(first, last + 1)]
        mean = round(sum(counts) / len(counts), 3)
        return {"count": self.count, "min": min(counts), "avg": mean, "max": max(counts)}


class Meter:
    """All calls of one LAC, or of several that were merged into it."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.requests = Rate()
        """OCRQ that were taken."""
        self.opens = Rate()
        """Calls whose site has an open IPCP."""
        self.set_up = Histogram()
        """From OCRQ to the open IPCP of the site."""
        self.negotiation = Histogram()
        """From OCCN to the open IPCP of the site."""
        self.ends: dict[str, int] = {}
        """Ends of calls: who ended them, and the Result and Error Code of RFC 2661 4.4.2."""
        self._now = now

    def requested(self) -> None:
        self.requests.add(self._now())

    def opened(self, began: float, answered: float) -> None:
        """The site of a call that began and was answered then has an open IPCP."""
        now = self._now()
        self.opens.add(now)
        self.set_up.add(now - began)
        self.negotiation.add(now - answered)

    def refused(self, result: int, error: int) -> None:
        """We ended a call with this CDN."""
        self._end(f"our CDN {result}/{error}")

    def ended(self, failure: Failure) -> None:
        """The peer, or the channel to it, ended a call."""
        if failure.stage == "cdn":
            self._end(f"their CDN {failure.result}/{failure.error}")
        else:
            self._end(failure.stage)

    def merge(self, other: Meter) -> None:
        self.requests.merge(other.requests)
        self.opens.merge(other.opens)
        self.set_up.merge(other.set_up)
        self.negotiation.merge(other.negotiation)
        for end, count in other.ends.items():
            self.ends[end] = self.ends.get(end, 0) + count

    def report(self) -> dict[str, object]:
        return {
            "calls_per_second": self.requests.report(),
            "opened_per_second": self.opens.report(),
            "set_up_seconds": self.set_up.report(),
            "negotiation_seconds": self.negotiation.report(),
            "ends": dict(sorted(self.ends.items())),
        }

    def _end(self, name: str) -> None:
        self.ends[name] = self.ends.get(name, 0) + 1
