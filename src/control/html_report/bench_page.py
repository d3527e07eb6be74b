"""What `dialout bench` measured, as a page: the machine, a bar for each ratio, and every row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from control.bench.drawing import PAGE, svg
from control.bench.machine import lines
from control.bench.rows import Row, number
from control.html_report.markup import Markup, document, element, section, table, tiles
from control.version import __version__


def bench_page(rows: Sequence[Row], machine: dict[str, Any]) -> str:
    """`machine`: as control.bench.machine tells."""
    parts = [tiles(_tiles(rows))]
    if any(row.ratio is not None for row in rows):
        note = (
            "To the right ours is better, on a logarithmic scale; the line through the end of a "
            "bar is the distance of the quartiles."
        )
        plot = element("div", Markup(svg(rows, machine, PAGE)), class_="scroll")
        parts.append(section("ratios", "Beside the peers", plot, note=note))
    heads = ("what", "ours", "unit", "peer", "peer's", "ratio", "spread", "runs")
    parts.append(
        section("rows", "All rows", table(heads, [_cells(row) for row in rows]),
                note="Medians of the runs; a ratio is the median of pairs measured in turn.")
    )  # fmt: skip
    return document("dialout bench", "; ".join([f"dialout {__version__}", *lines(machine)]), *parts)


def _tiles(rows: Sequence[Row]) -> list[tuple[str, str, str]]:
    ratios = [row.ratio for row in rows if row.ratio is not None]
    better = sum(ratio >= 1 for ratio in ratios)
    found = [("rows", f"{len(rows):,}", "medians of interleaved runs")]
    if ratios:
        found.append(("ours is better", f"{better} of {len(ratios)}", "of those with a peer"))
        found.append(("best ratio", f"{max(ratios):.2f}x", "ours beside the peer"))
        found.append(("least ratio", f"{min(ratios):.2f}x", "ours beside the peer"))
    return found


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.name,
        number(row.value),
        row.unit,
        row.peer or "",
        "" if row.peer_value is None else number(row.peer_value),
        "" if row.ratio is None else f"{row.ratio:.2f}x",
        f"{row.spread:.0%}",
        str(row.runs),
    )
