"""A time series of counters that grow, in a bounded number of equal spans of time.

When a run outlasts the spans there are, pairs of them become one: an hour and a second take the
same room. Sans-IO: whoever counts shows the counters (`see`), whenever time has passed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

SPANS: Final = 360
"""At the most; even."""
SHORTEST: Final = 0.01
"""Seconds of a span at first."""


class Series:
    """What each of `names` grew by, span by span from time 0 on."""

    def __init__(self, names: Sequence[str], spans: int = SPANS, shortest: float = SHORTEST):
        self.names = tuple(names)
        self.span = shortest
        """Seconds of each span now."""
        self._most = spans
        self._last = [0] * len(self.names)
        self._grown: list[list[int]] = []

    @property
    def rows(self) -> list[tuple[int, ...]]:
        """By span, from time 0 on; the growth in the order of the names."""
        return [tuple(row) for row in self._grown]

    def see(self, now: float, totals: Sequence[int]) -> None:
        """The counters at `now`: what they grew by since the last look belongs to its span."""
        at = int(now / self.span)
        while at >= self._most:
            self._halve()
            at = int(now / self.span)
        while len(self._grown) <= at:
            self._grown.append([0] * len(self.names))
        row = self._grown[at]
        for i, (total, last) in enumerate(zip(totals, self._last, strict=True)):
            row[i] += total - last
        self._last = list(totals)

    def end_of_span(self, now: float) -> float:
        """When the span that `now` is in is over: the next time to look."""
        return (int(now / self.span) + 1) * self.span

    def _halve(self) -> None:
        rows = self._grown
        if len(rows) % 2:
            rows.append([0] * len(self.names))
        self._grown = [
            [a + b for a, b in zip(*pair, strict=True)]
            for pair in zip(rows[::2], rows[1::2], strict=True)
        ]
        self.span *= 2
