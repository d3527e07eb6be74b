"""State machines as tables: (state, event) -> (next state, actions).

A table is pure: a step names the actions, its caller performs them. Every cell is written
down; a cell that cannot happen is `ILLEGAL` and stepping into it raises and changes nothing.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, Generic, TypeVar

from control.errors import LocalProtocolError

S = TypeVar("S", bound=Enum)
E = TypeVar("E", bound=Enum)
A = TypeVar("A", bound=Hashable)


class IllegalEvent(LocalProtocolError):
    """An event in a state in which it cannot happen."""


@dataclass(frozen=True, slots=True)
class Row(Generic[S, A]):
    """What one cell does."""

    next: S
    """State after the step."""
    actions: tuple[A, ...] = ()
    """What the caller has to do, in this order."""


ILLEGAL: Final = None
"""Content of a cell that cannot happen."""


class Table(Generic[S, E, A]):
    """A complete table over two enums. Building it fails if a cell is missing."""

    def __init__(
        self,
        name: str,
        states: type[S],
        events: type[E],
        cells: Mapping[tuple[S, E], Row[S, A] | None],
    ) -> None:
        missing = [(s, e) for s in states for e in events if (s, e) not in cells]
        if missing:
            raise LocalProtocolError(f"{name}: no cell for {missing[:3]}, {len(missing)} missing")
        self.name = name
        self.states = states
        self.events = events
        self._cells = dict(cells)
        # By identity, which members of an enum have for ever: their hash is computed in Python, and
        # would take most of a step's time.
        self._rows = {
            id(state): {id(event): self._cells[state, event] for event in events}
            for state in states
        }

    def step(self, state: S, event: E) -> Row[S, A]:
        """The row of a cell. Raises IllegalEvent for a cell that cannot happen."""
        row = self._rows[id(state)][id(event)]
        if row is None:
            raise IllegalEvent(f"{self.name}: {event.name} cannot happen in {state.name}")
        return row

    def __iter__(self) -> Iterator[tuple[S, E, Row[S, A] | None]]:
        for (state, event), row in self._cells.items():
            yield state, event, row

    def mermaid(self) -> str:
        """A Mermaid state diagram of the edges that change state; the docs are made from it."""
        edges: dict[tuple[str, str], list[str]] = {}
        for state, event, row in self:
            if row is not None and row.next is not state:
                edges.setdefault((state.name, row.next.name), []).append(event.name)
        lines = ["stateDiagram-v2"]
        lines += [f"    {a} --> {b}: {', '.join(names)}" for (a, b), names in edges.items()]
        return "\n".join(lines)


def cells(
    state: S, rows: Iterable[tuple[E, Row[S, A] | None]]
) -> dict[tuple[S, E], Row[S, A] | None]:
    """The cells of one state, to be merged into a table."""
    return {(state, event): row for event, row in rows}
