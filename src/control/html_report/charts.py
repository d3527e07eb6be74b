"""Plots as SVG: stacked spans of time, bars of classes, and bars of states over time.

Colours are the names of CSS variables in page.css. What a mouse finds is told by <title>.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from control.html_report.axis import (
    Scale,
    duration,
    longest,
    short,
    ticks,
    time_text,
    time_ticks,
)
from control.html_report.markup import Markup, element

WIDTH: Final = 1060
LEFT: Final = 56
"""Where plots begin, so that those of one page stand below each other."""
LETTER: Final = 6.4
"""About the width of a letter: the browser has the fonts, we do not."""
FOOT: Final = 24
"""Room for what is written at the time axis."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A state of something, for a time."""

    start: float
    end: float
    colour: str
    text: str


@dataclass(frozen=True, slots=True)
class Lane:
    name: str
    bars: tuple[Bar, ...]


def legend(rows: Sequence[tuple[str, str]]) -> Markup:
    """Colour and name of each."""
    return element(
        "div",
        *(
            element("span", element("i", style=f"background: var(--{colour})"), name)
            for colour, name in rows
        ),
        class_="legend",
    )


def stacked(
    layers: Sequence[tuple[str, str, Sequence[int]]],
    span: float,
    end: float,
    *,
    height: int = 220,
    unit: str = "packets/s",
) -> Markup:
    """Layers of (colour, name, growth by span) on each other, as rates, from time 0 to `end`."""
    count = max((len(values) for _, _, values in layers), default=0)
    sums = [sum(values[i] for _, _, values in layers) / span for i in range(count)]
    marks = ticks(max([*sums, 1e-9]), 4)
    left = LEFT
    x = Scale(0.0, max(end, 1e-9), left, WIDTH - 6)
    y = Scale(0.0, marks[-1], height - FOOT, 8)
    drawn = [*_level_lines(marks, y, left), *_time_axis(x, end, height - FOOT)]
    base = [0.0] * count
    for colour, _, values in layers:
        top = [b + v / span for b, v in zip(base, values, strict=True)]
        if any(values):
            drawn.append(_area(base, top, span, x, y, colour))
        base = top
    for i, total in enumerate(sums):
        if total:
            parts = [f"{short(round(v[i] / span, 1))} {n}" for _, n, v in layers if v[i]]
            when = f"{time_text(round(i * span, 3), end)}: "
            drawn.append(_hit(x(i * span), x((i + 1) * span), height, when + ", ".join(parts)))
    return _svg(height, drawn, f"{unit} over time")


def _area(
    base: Sequence[float], top: Sequence[float], span: float, x: Scale, y: Scale, colour: str
) -> Markup:
    """Between two lines of steps; spans in which they are one are left out."""
    parts: list[str] = []
    start = 0
    while start < len(top):
        if top[start] == base[start]:
            start += 1
            continue
        end = start
        while end < len(top) and top[end] != base[end]:
            end += 1
        there = [f"{x(i * span):g},{y(top[i]):g}H{x((i + 1) * span):g}" for i in range(start, end)]
        back = [
            f"{x((i + 1) * span):g},{y(base[i]):g}H{x(i * span):g}"
            for i in range(end - 1, start - 1, -1)
        ]
        parts.append("M" + "L".join(there + back) + "Z")
        start = end
    return element("path", d="".join(parts), style=f"fill: var(--{colour})")


def histogram(classes: Sequence[tuple[str, int]], colour: str, height: int = 200) -> Markup:
    """A bar for each class of (what is written below it, how many)."""
    marks = ticks(max([count for _, count in classes] + [1]), 4)
    left = LEFT
    y = Scale(0.0, marks[-1], height - FOOT, 16)
    step = (WIDTH - 6 - left) / len(classes)
    drawn = list(_level_lines([m for m in marks if m == int(m)], y, left))
    for i, (name, count) in enumerate(classes):
        at = left + step * i
        if count:
            top = y(count)
            drawn.append(
                element(
                    "rect",
                    element("title", f"{name}: {count}"),
                    x=f"{at + step * 0.12:.1f}",
                    y=f"{top:g}",
                    width=f"{step * 0.76:.1f}",
                    height=f"{height - FOOT - top:.1f}",
                    rx="2",
                    class_="bar",
                    style=f"fill: var(--{colour})",
                )
            )
            drawn.append(_text(at + step / 2, top - 5, f"{count:,}", "ink middle"))
        drawn.append(_text(at + step / 2, height - 7, name, "middle"))
    return _svg(height, drawn, "how many of each class")


def lanes(rows: Sequence[Lane], end: float) -> Markup:
    """A line of bars for each row, over time."""
    step, thick = 25, 15
    left = 20 + LETTER * longest([row.name for row in rows])
    height = 8 + step * len(rows) + FOOT
    x = Scale(0.0, max(end, 1e-9), left, WIDTH - 6)
    drawn = list(_time_axis(x, end, height - FOOT, top=4))
    for i, row in enumerate(rows):
        y = 8 + step * i
        drawn.append(_text(left - 12, y + 12, row.name, "ink end"))
        for bar in row.bars:
            start, stop = x(bar.start), x(bar.end)
            drawn.append(
                element(
                    "rect",
                    element("title", f"{row.name}: {bar.text}"),
                    x=f"{start:g}",
                    y=str(y),
                    width=f"{max(stop - start, 1.2):.2f}",
                    height=str(thick),
                    rx="2",
                    class_="bar",
                    style=f"fill: var(--{bar.colour})",
                )
            )
    return _svg(height, drawn, "states over time")


def bar_text(state: str, start: float, end: float) -> str:
    return f"{state} from {start:.3f} s, for {duration(end - start)}"


def _level_lines(marks: Sequence[float], y: Scale, left: float) -> Iterator[Markup]:
    for mark in marks:
        at = f"{y(mark):g}"
        kind = "grid" if mark else "base"
        yield element("line", x1=f"{left:g}", x2=str(WIDTH - 6), y1=at, y2=at, class_=kind)
        yield _text(left - 8, y(mark) + 4, short(mark), "end")


def _time_axis(x: Scale, end: float, bottom: float, top: float = 8) -> Iterator[Markup]:
    marks = time_ticks(end)
    for mark in marks:
        at = f"{x(mark):g}"
        yield element("line", x1=at, x2=at, y1=f"{top:g}", y2=f"{bottom:g}", class_="grid")
        close = x(mark) > WIDTH - 30
        where = "end" if close else "middle"
        yield _text(WIDTH - 4 if close else x(mark), bottom + 17, time_text(mark, end), where)


def _hit(start: float, end: float, height: int, told: str) -> Markup:
    return element(
        "rect",
        element("title", told),
        x=f"{start:g}",
        y="8",
        width=f"{max(end - start, 1.0):.2f}",
        height=str(height - FOOT - 8),
        class_="hit",
    )


def _text(x: float, y: float, told: str, kinds: str) -> Markup:
    return element("text", told, x=f"{x:.1f}", y=f"{y:.1f}", class_=kinds)


def _svg(height: float, drawn: Sequence[Markup], label: str) -> Markup:
    box = f"0 0 {WIDTH} {height:g}"
    drawing = element("svg", *drawn, view_box=box, class_="plot", role="img", aria_label=label)
    return element("div", drawing, class_="scroll")
