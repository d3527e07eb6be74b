"""What a benchmark says: rows of name, value and ratio, and how they come from measurements.

All candidates of a comparison are visited in turn in every repetition, because the speed of a
machine drifts by more than the differences in question. So a ratio is made of pairs that were
measured next to each other.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

LOWER_IS_BETTER: Final = {"ns": True, "us": True, "ms": True, "s": True, "MB": True,
                          "x slower": True, "M/s": False, "Mpps": False, "x": False,
                          "B": True, "%": True, "calls/s": False, "calls": False,
                          "faults": False, "problems": True, "facts": False,
                          "triggers": False, "packets": True}  # fmt: skip
"""Each unit, and which way is better."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table, and one object of the JSON."""

    name: str
    """What was measured: group first, then table, stream and variant."""
    unit: str
    value: float
    """Ours: the median of `runs` repetitions."""
    peer: str | None
    """What it is compared with; None: with nothing."""
    peer_value: float | None
    ratio: float | None
    """Above 1 ours is better, whichever way the unit goes: the median of the pairs' ratios."""
    spread: float
    """How far the quartiles are apart, as a part of the median: of the pairs' ratios, without a
    peer of the values."""
    runs: int

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def interleaved(candidates: Mapping[str, Callable[[], float]], runs: int) -> dict[str, list[float]]:
    """What each candidate returned in each repetition; one more at the beginning does not count."""
    values: dict[str, list[float]] = {name: [] for name in candidates}
    for repetition in range(runs + 1):
        for name, measure in candidates.items():
            value = measure()
            if repetition:
                values[name].append(value)
    return values


def row(
    name: str,
    unit: str,
    values: Sequence[float],
    peer: str | None = None,
    peer_values: Sequence[float] | None = None,
) -> Row:
    """A row from repetitions; `peer_values` beside them were measured in the same ones."""
    if peer_values is None:
        return Row(name, unit, statistics.median(values), None, None, None, spread(values),
                   len(values))  # fmt: skip
    better = LOWER_IS_BETTER[unit]
    pairs = zip(values, peer_values, strict=True)
    ratios = [theirs / ours if better else ours / theirs for ours, theirs in pairs]
    return Row(
        name=name,
        unit=unit,
        value=statistics.median(values),
        peer=peer,
        peer_value=statistics.median(peer_values),
        ratio=statistics.median(ratios),
        spread=spread(ratios),
        runs=len(values),
    )


def once(name: str, unit: str, value: float) -> Row:
    """A row of what was measured once, over a long time."""
    return Row(name, unit, float(value), None, None, None, 0.0, 1)


def geometric_mean(name: str, rows: Sequence[Row]) -> Row:
    """The mean of rows of one comparison, over its streams."""
    theirs = [each.peer_value for each in rows if each.peer_value is not None]
    ratios = [each.ratio for each in rows if each.ratio is not None]
    return Row(
        name=name,
        unit=rows[0].unit,
        value=statistics.geometric_mean(each.value for each in rows),
        peer=rows[0].peer,
        peer_value=statistics.geometric_mean(theirs) if theirs else None,
        ratio=statistics.geometric_mean(ratios) if ratios else None,
        spread=max(each.spread for each in rows),
        runs=rows[0].runs,
    )


def spread(values: Sequence[float]) -> float:
    """(third quartile - first quartile) / median."""
    if len(values) < 2:
        return 0.0
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / middle if middle else 0.0


def number(value: float) -> str:
    """Three digits that count."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


HEADING: Final = f"{'':<44}{'ours':>12}  {'peer':<28}{'ratio':>9}{'spread':>9}"


def line(each: Row) -> str:
    """The row as a line of the printed table."""
    ours = f"{number(each.value)} {each.unit}"
    if each.ratio is None or each.peer_value is None:
        return f"{each.name:<44}{ours:>12}  {'':<28}{'':>9}{each.spread:>8.0%}"
    peer = f"{number(each.peer_value)} {each.peer}"
    return f"{each.name:<44}{ours:>12}  {peer:<28}{each.ratio:>8.2f}x{each.spread:>8.0%}"
