"""What a handler gives back, and how the shell sends it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any, NamedTuple

from control.operation.roles import Role
from control.operation.router import Router


class Asked(NamedTuple):
    """A request that is allowed and whose arguments are as the table says."""

    arguments: dict[str, Any]
    """All that the table names, with their defaults."""
    role: Role


class Rows(NamedTuple):
    """A list, to be sent in parts: others have their turn between them.

    None in place of a row: there was work, and nothing to show for it."""

    rows: Iterator[dict[str, Any] | None]


def _nothing() -> None:
    pass


class Repeat(NamedTuple):
    """The same question again and again."""

    seconds: float
    make: Callable[[], Any]
    """None: that was the end of it."""
    end: Callable[[], object] = _nothing
    """Called when it is over, however that came."""


class Later(NamedTuple):
    """An answer that takes its time."""

    work: Callable[[], Awaitable[Any]]


Answer = Rows | Repeat | Later | dict[str, Any]
Handler = Callable[[Router, Asked], Answer]


def parts(rows: Rows, size: int) -> Iterator[list[dict[str, Any]]]:
    """The rows in lists, each the work of `size` rows at the most. The last may be empty."""
    found: list[dict[str, Any]] = []
    worked = 0
    for row in rows.rows:
        worked += 1
        if row is not None:
            found.append(row)
        if worked == size:
            yield found
            found, worked = [], 0
    yield found
