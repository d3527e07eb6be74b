"""Values and tables as text: aligned, times and counts as people say them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from control.console import printable

Format = Callable[[Any], str]
NOTHING: Final = "-"


def word(value: Any) -> str:
    """Anything, in one line."""
    if type(value) is str:
        return (value if value.isprintable() else printable(value)) or NOTHING
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    return printable(str(value))


def flag(value: bool) -> str:
    """Only what is out of the ordinary catches the eye."""
    return "yes" if value else NOTHING


def duration(seconds: float | None) -> str:
    """`850ms`, `12.3s`, `4m05s`, `3h12m`, `2d04h`."""
    if seconds is None:
        return NOTHING
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms" if seconds else "0s"
    if seconds < 60:
        return f"{seconds:.1f}s"
    whole = int(seconds)
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02}h"


def clock(seconds: float | None) -> str:
    """`2024-05-01 12:30:59Z`, of seconds since 1970."""
    if seconds is None:
        return NOTHING
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(seconds))


def count(number: int | None) -> str:
    """`12,345`."""
    return NOTHING if number is None else f"{number:,}"


def octets(number: int) -> str:
    """`1.5 MB`: decimal, as line rates are."""
    value, unit = float(number), "B"
    for larger in ("kB", "MB", "GB", "TB", "PB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{number} B" if unit == "B" else f"{value:.3g} {unit}"


class Column(NamedTuple):
    head: str
    key: str
    format: Format = word
    right: bool = False


def number(head: str, key: str, format: Format = count) -> Column:
    return Column(head, key, format, right=True)


def table(columns: Sequence[Column], rows: Iterable[Any]) -> list[str]:
    """The rows under their heads, each column as wide as it has to be."""
    cells = [[column.head for column in columns]]
    formats = [(column.key, column.format) for column in columns]
    cells += [[form(row[key]) for key, form in formats] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    template = "  ".join(
        f"{{:{'>' if column.right else '<'}{width}}}"
        for column, width in zip(columns, widths, strict=True)
    )
    return [template.format(*row).rstrip() for row in cells]


def listing(pairs: Iterable[tuple[str, str]], indent: str = "") -> list[str]:
    """`name  value` lines, the values under each other."""
    known = list(pairs)
    width = max((len(name) for name, _ in known), default=0)
    return [f"{indent}{name:<{width}}  {value}".rstrip() for name, value in known]
