"""Draws the rows of a benchmark as SVG: a bar for each ratio, to the right where ours is better.

The scale is logarithmic, so that twice as fast and half as fast look alike. Rows without a peer
have their value and no bar. Colours can be told apart by the colour-blind, and grey scale shows the
side.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from xml.sax.saxutils import escape

from control.bench.machine import lines
from control.bench.rows import Row, number

LETTER: Final = 6.3
"""About the width of a letter: who draws the picture has the fonts, we do not."""
BARS: Final = 440
"""Room for the bars."""
TOLD: Final = 270
"""Room for what was measured, after them."""
LEAST_LEFT: Final = 220
STEP: Final = 21
BAR: Final = 13
TOP: Final = 84
TITLE_GAP: Final = 30
TICKS: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
MARGIN: Final = 1.25
LEAST: Final = 2.2
"""The scale reaches at least so far to either side."""


@dataclass(frozen=True, slots=True)
class Colours:
    better: str = "#1f6f8b"
    worse: str = "#d9722e"
    ink: str = "#20262b"
    pale: str = "#66717a"
    grid: str = "#dfe4e8"
    paper: str = "#ffffff"


NO_PAPER: Final = "none"
"""The page around the picture has its ground and its heading."""
PICTURE: Final = Colours()
PAGE: Final = Colours(
    "var(--accent)", "var(--worse)", "var(--ink)", "var(--soft)", "var(--line)", NO_PAPER
)
"""The variables of html_report/page.css, for a picture that stands inside such a page."""


def svg(rows: Sequence[Row], machine: dict[str, Any], colours: Colours = PICTURE) -> str:
    """The whole picture; rows of one group (the first two words of their names) stand together."""
    sections = list(_sections(rows))
    height = TOP + sum(TITLE_GAP + STEP * len(section) for _, section in sections) + 46
    names = [_name(each, title) for title, section in sections for each in section]
    left = max(LEAST_LEFT, round(28 + LETTER * max(map(len, names), default=0)))
    width = left + BARS + TOLD
    scale = _Scale(left, [each.ratio for each in rows if each.ratio])
    pen = _Pen(colours)
    drawn = [*pen.heading(machine, width), *pen.grid(scale, height)]
    y = TOP
    for title, section in sections:
        y += TITLE_GAP
        drawn += pen.title(title, y, width)
        for each in section:
            drawn += pen.row(each, title, y, scale)
            y += STEP
    body = "\n".join(drawn)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="Helvetica, Arial, sans-serif">\n'
        f'<rect width="{width}" height="{height}" fill="{colours.paper}"/>\n{body}\n</svg>\n'
    )


def _sections(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Rows by the first two words of their names, in the order they were measured."""
    found: dict[str, list[Row]] = {}
    for each in rows:
        found.setdefault(" ".join(each.name.split()[:2]), []).append(each)
    yield from found.items()


class _Scale:
    """Ratios to x coordinates."""

    def __init__(self, left: float, ratios: Sequence[float]) -> None:
        self.left, self.right = left, left + BARS
        self.low = min([1 / LEAST, *ratios]) / MARGIN
        self.high = max([LEAST, *ratios]) * MARGIN

    def x(self, ratio: float) -> float:
        share = math.log(max(ratio, self.low) / self.low) / math.log(self.high / self.low)
        return self.left + BARS * min(share, 1.0)


def _name(each: Row, title: str) -> str:
    name = each.name.removeprefix(title).strip() or each.name
    return name if each.peer is None else f"{name} · {each.peer}"


class _Pen:
    """Draws the parts of the picture in its colours."""

    def __init__(self, colours: Colours) -> None:
        self._colours = colours

    def title(self, title: str, y: float, width: int) -> Iterator[str]:
        yield self._text(16, y - 9, title, weight="600", size=13)
        yield (
            f'<line x1="16" x2="{width - 16}" y1="{y - 2}" y2="{y - 2}" '
            f'stroke="{self._colours.grid}"/>'
        )

    def heading(self, machine: dict[str, Any], width: int) -> Iterator[str]:
        if self._colours.paper != NO_PAPER:
            yield self._text(16, 30, "dialout bench", size=19, weight="600")
        for index, line in enumerate(lines(machine)):
            yield self._text(16, 50 + 16 * index, line, size=11, fill=self._colours.pale)
        yield self._swatch(width - 300, self._colours.better, "ours is better")
        yield self._swatch(width - 160, self._colours.worse, "the peer is better")

    def _swatch(self, x: int, colour: str, text: str) -> str:
        square = f'<rect x="{x}" y="20" width="11" height="11" rx="2" fill="{colour}"/>'
        return square + self._text(x + 17, 30, text, size=12, fill=self._colours.pale)

    def grid(self, scale: _Scale, height: int) -> Iterator[str]:
        bottom = height - 34
        for tick in TICKS:
            if scale.low <= tick <= scale.high:
                x = scale.x(tick)
                colour, width = (self._colours.ink, 1.2) if tick == 1 else (self._colours.grid, 1)
                yield (
                    f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP + 8}" y2="{bottom}" '
                    f'stroke="{colour}" stroke-width="{width}"/>'
                )
                yield self._text(
                    x, bottom + 16, f"{tick:g}x", size=11, fill=self._colours.pale, anchor="middle"
                )

    def row(self, each: Row, title: str, y: float, scale: _Scale) -> Iterator[str]:
        base = y + BAR + 1
        strong = "600" if each.name.endswith(" mean") else "400"
        yield self._text(scale.left - 12, base - 1, _name(each, title), anchor="end", weight=strong)
        if each.ratio is None or each.peer_value is None:
            yield self._text(scale.right + 14, base - 1, f"{number(each.value)} {each.unit}")
            return
        one, end = scale.x(1.0), scale.x(each.ratio)
        colour = self._colours.better if each.ratio >= 1 else self._colours.worse
        yield (
            f'<rect x="{min(one, end):.1f}" y="{y + 3}" width="{max(abs(end - one), 1):.1f}" '
            f'height="{BAR}" rx="1.5" fill="{colour}"/>'
        )
        low = scale.x(each.ratio * (1 - each.spread / 2))
        high = scale.x(each.ratio * (1 + each.spread / 2))
        middle = y + 3 + BAR / 2
        yield (
            f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}" '
            f'stroke="{self._colours.ink}" stroke-width="1.5"/>'
        )
        yield self._text(scale.right + 14, base - 1, f"{each.ratio:.2f}x", weight="600")
        told = f"{number(each.value)} against {number(each.peer_value)} {each.unit}"
        yield self._text(scale.right + 80, base - 1, told, fill=self._colours.pale)

    def _text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: int = 12,
        fill: str = "",
        weight: str = "400",
        anchor: str = "start",
    ) -> str:
        fill = fill or self._colours.ink
        return (
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{fill}" '
            f'font-weight="{weight}" text-anchor="{anchor}">{escape(text)}</text>'
        )
