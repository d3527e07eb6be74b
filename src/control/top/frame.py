"""One picture of `dialout top` as lines of text: from two looks at a router to a screen.

Sans-IO: what the screen is, and what keys do, is command.py. Every line is cut to the width; when
there is not enough height, lower parts go first. Text comes from names in a configuration and is
made printable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from control.console import printable

View = Mapping[str, Any]
"""As control.operation.views.TopView has it, from JSON."""


class Order(Enum):
    """By what the hottest targets are sorted."""

    TRIGGERS = "triggers"
    SESSIONS = "sessions"
    CALLS = "calls"
    NAME = "name"

    @property
    def following(self) -> Order:
        every = list(Order)
        return every[(every.index(self) + 1) % len(every)]


class Style(Enum):
    """How a line is shown, if the screen can."""

    PLAIN = ""
    HEADING = "heading"
    WARNING = "warning"
    CRITICAL = "critical"
    DIM = "dim"


@dataclass(frozen=True, slots=True)
class Line:
    text: str
    style: Style = Style.PLAIN


STATES: Final = (
    "inService",
    "connecting",
    "authenticating",
    "pending",
    "dormant",
    "inhibited",
    "postInhibited",
    "failed",
)
"""The most wanted first."""
LEAST_NAME, LONGEST_NAME = 14, 40
"""Columns of a name."""
_KEYS: Final = "q quit  s sort  p pause"


def frame(
    before: View | None,
    view: View,
    *,
    width: int = 80,
    height: int | None = None,
    order: Order = Order.TRIGGERS,
    note: str = "",
) -> list[Line]:
    """`before`: the look before, without which there are no rates; `note`: stands in the first
    line. `height` None: everything."""
    span = view["time"] - before["time"] if before is not None else 0.0
    if span <= 0:
        before, span = None, 0.0
    parts = [
        _head(view, note),
        _health(view),
        _sessions(before, view, span),
        _ports(before, view, span, width),
        _drops(before, view, span, width),
        _targets(before, view, span, order, width),
    ]
    lines = [line for part in parts for line in part]
    if height is not None:
        lines = [*lines[: height - 1], *[Line("")] * (height - 1 - len(lines))]
        lines.append(Line(f"{_KEYS}   sorted by {order.value}", Style.DIM))
    return [Line(printable(line.text)[:width].rstrip(), line.style) for line in lines]


def rate(value: float | None) -> str:
    """Per second, with three digits that count; nothing if nobody knows yet."""
    if value is None:
        return "-"
    for unit, factor in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= factor * 0.9995:
            return f"{value / factor:.3g} {unit}"
    return f"{value:.3g}" if value < 99.95 else f"{value:.0f}"


def uptime(seconds: float) -> str:
    whole = int(seconds)
    days, rest = divmod(whole, 86400)
    clock = f"{rest // 3600:02}:{rest % 3600 // 60:02}:{rest % 60:02}"
    return f"{days} d {clock}" if days else clock


def _head(view: View, note: str) -> list[Line]:
    text = f"dialout top - {view['name']}  up {uptime(view['time'])}"
    return [Line(f"{text}  {note}" if note else text, Style.HEADING)]


def _health(view: View) -> list[Line]:
    styles = {"critical": Style.CRITICAL, "warning": Style.WARNING}
    found = [
        Line(f"{row['severity']}: {row['text']}", styles.get(row["severity"], Style.PLAIN))
        for row in view["health"][:3]
    ]
    more = len(view["health"]) - len(found)
    if more > 0:
        found.append(Line(f"and {more} more: dialout show health", Style.DIM))
    return found or [Line("health: ok")]


def _sessions(before: View | None, view: View, span: float) -> list[Line]:
    states = view["sessions"]
    told = "  ".join(f"{name} {states.get(name, 0):,}" for name in STATES if states.get(name))
    total = sum(states.values())

    def per_second(name: str) -> str:
        if before is None:
            return "-"
        return rate(max(view["dial_out"][name] - before["dial_out"][name], 0) / span)

    limit = f"{view['calls_today']:,} of {view['calls_per_day']:,} calls today"
    return [
        Line(
            f"sessions {total:,} of {view['max_sessions']:,}  targets {view['targets']:,}"
            f"  tunnels {view['tunnels']:,}  {limit}"
        ),
        Line(f"  {told or 'none'}"),
        Line(
            f"per second: triggers {per_second('triggers_received')}"
            f"  calls {per_second('calls_placed')}"
            f"  up {per_second('dialouts_established')}"
            f"  rejected {per_second('dialouts_rejected')}"
            f"  timed out {per_second('dialouts_timed_out')}"
            f"  ended {per_second('dialouts_torn_down')}"
        ),
    ]


def _columns(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """The first column to the left, all others to the right, each as wide as it has to be."""
    widths = [max(len(row[i]) for row in rows) for i in range(1, len(rows[0]))]
    name_width = max(LEAST_NAME, min(LONGEST_NAME, width - sum(widths) - 2 * len(widths)))
    return [
        row[0][:name_width].ljust(name_width)
        + "".join(f"  {cell:>{w}}" for cell, w in zip(row[1:], widths, strict=True))
        for row in rows
    ]


def _ports(before: View | None, view: View, span: float, width: int) -> list[Line]:
    old = {} if before is None else {port["name"]: port for port in before["ports"]}
    rows = [("PORT", "rx pkt/s", "rx bit/s", "tx pkt/s", "tx bit/s", "refused")]
    for port in view["ports"]:
        was = old.get(port["name"])
        rows.append(
            (
                port["name"],
                _grew(was, port, "rx_packets", span),
                _grew(was, port, "rx_octets", span, 8),
                _grew(was, port, "tx_packets", span),
                _grew(was, port, "tx_octets", span, 8),
                f"{port['tx_refused']:,}",
            )
        )
    first, *others = _columns(rows, width)
    return [Line(""), Line(first, Style.HEADING), *map(Line, others)]


def _grew(was: View | None, port: View, name: str, span: float, factor: int = 1) -> str:
    return "-" if was is None else rate(max(port[name] - was[name], 0) * factor / span)


def _drops(before: View | None, view: View, span: float, width: int) -> list[Line]:
    old = {} if before is None else before["drops"]

    def grew(name: str) -> int:
        return int(max(view["drops"][name] - old.get(name, 0), 0)) if before is not None else 0

    names = sorted(view["drops"], key=lambda name: (-grew(name), -view["drops"][name], name))
    rows = [("DROPPED", "pkt/s", "total")]
    for name in names[:5]:
        per_second = "-" if before is None else rate(grew(name) / span)
        rows.append((name, per_second, f"{view['drops'][name]:,}"))
    if len(rows) == 1:
        return [Line(""), Line("DROPPED", Style.HEADING), Line("nothing")]
    first, *others = _columns(rows, width)
    return [Line(""), Line(first, Style.HEADING), *map(Line, others)]


def _targets(before: View | None, view: View, span: float, order: Order, width: int) -> list[Line]:
    old = {} if before is None else {_name(t): t for t in before["hottest"]}

    def per_second(target: View, name: str) -> float | None:
        was = old.get(_name(target))
        return None if was is None else max(target[name] - was[name], 0) / span

    keys: dict[Order, Callable[[View], Any]] = {
        Order.TRIGGERS: lambda t: (-(per_second(t, "triggers") or 0.0), -t["sessions"], _name(t)),
        Order.SESSIONS: lambda t: (-t["sessions"], _name(t)),
        Order.CALLS: lambda t: (-(per_second(t, "calls") or 0.0), -t["calls"], _name(t)),
        Order.NAME: _name,
    }
    rows = [("TARGET", "state", "sess", "trig/s", "calls/s", "calls", "up")]
    for target in sorted(view["hottest"], key=keys[order]):
        rows.append(
            (
                _name(target),
                target["state"],
                f"{target['sessions']:,}",
                rate(per_second(target, "triggers")),
                rate(per_second(target, "calls")),
                f"{target['calls']:,}",
                f"{target['established']:,}",
            )
        )
    first, *others = _columns(rows, width)
    return [Line(""), Line(first, Style.HEADING), *map(Line, others)]


def _name(target: View) -> str:
    return f"{target['virtual_router']} {target['prefix']}"
