"""The text exposition format of Prometheus, version 0.0.4: metrics with their values as lines.

https://prometheus.io/docs/instrumenting/exposition_formats/: HELP and TYPE of a metric once, then
its samples, all lines ended by a line feed. A metric without a sample is left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final, Generic, TypeVar

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Labels = tuple[str, ...]
"""Values of a sample's labels, in the order of its metric's names."""
F = TypeVar("F")


class Kind(Enum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Histogram:
    """Observations by class: `counts` has one more than `bounds`, for what is above all."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float
    """Sum of all observations."""


Value = float | Histogram
Sample = tuple[Labels, Value]


@dataclass(frozen=True, slots=True)
class Metric(Generic[F]):
    """One row: everything there is to say about a metric, and where its values come from."""

    name: str
    """With its base unit; a counter's ends in `_total`."""
    kind: Kind
    text: str
    labels: Labels
    read: Callable[[F], Iterable[Sample]]


def exposition(metrics: Iterable[Metric[F]], facts: F) -> str:
    """The whole page."""
    lines: list[str] = []
    for metric in metrics:
        samples = list(_lines(metric, facts))
        if samples:
            lines.append(f"# HELP {metric.name} {escaped_help(metric.text)}\n")
            lines.append(f"# TYPE {metric.name} {metric.kind.value}\n")
            lines += samples
    return "".join(lines)


def escaped_help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def escaped(value: str) -> str:
    """A label's value between its quotes."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def number(value: float) -> str:
    """As the format has it: whole numbers without a point, `+Inf`, `-Inf`, `NaN`."""
    if isinstance(value, int):
        return str(int(value))
    if math.isfinite(value):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def _lines(metric: Metric[F], facts: F) -> Iterator[str]:
    name, names = metric.name, metric.labels
    for labels, value in metric.read(facts):
        inside = _written(names, labels)
        if type(value) is int:  # nearly all of them are
            yield f"{name}{{{inside}}} {value}\n" if inside else f"{name} {value}\n"
        elif isinstance(value, Histogram):
            yield from _histogram(name, inside, value)
        else:
            around = f"{{{inside}}}" if inside else ""
            yield f"{name}{around} {number(value)}\n"


@lru_cache(maxsize=65536)
def _written(names: Labels, labels: Labels) -> str:
    """What stands between the braces. The same comes with every scrape, and under many names."""
    pairs = zip(names, labels, strict=True)
    return ",".join(f'{name}="{escaped(text)}"' for name, text in pairs)


def _histogram(name: str, inside: str, value: Histogram) -> Iterator[str]:
    """Each class counts what is below its bound, all below included."""
    comma = "," if inside else ""
    below = 0
    for bound, count in zip((*value.bounds, math.inf), value.counts, strict=True):
        below += count
        yield f'{name}_bucket{{{inside}{comma}le="{number(bound)}"}} {below}\n'
    around = f"{{{inside}}}" if inside else ""
    yield f"{name}_sum{around} {number(value.total)}\n"
    yield f"{name}_count{around} {below}\n"
