"""What the mirror of our routes tells: what stands in its way. Each is one line of the log."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RoutesBlocked:
    """Another program has a route of the same table, prefix and metric. Ours waits for its end."""

    table: int
    """The kernel's, as in all of these."""
    prefix: str
    metric: int

    def __str__(self) -> str:
        return (
            f"table {self.table}: {self.prefix} metric {self.metric} is there and not ours:"
            " it is left alone, and our route waits"
        )


@dataclass(frozen=True, slots=True)
class RoutesRefused:
    """The kernel did not take routes. They are tried again."""

    table: int
    prefix: str
    """The first of them."""
    count: int
    error: int
    """As errno has it."""

    def __str__(self) -> str:
        more = f" and {self.count - 1} more" if self.count > 1 else ""
        return f"table {self.table}: {self.prefix}{more}: {os.strerror(self.error)}"


@dataclass(frozen=True, slots=True)
class LacCovered:
    """A route of ours holds the address of a LAC, which the kernel must not send into a session:
    it gets the prefix in pieces that leave the address out."""

    table: int
    prefix: str

    def __str__(self) -> str:
        return (
            f"table {self.table}: {self.prefix} covers a LAC: the kernel gets it without the LAC's"
            " address, or the tunnel would lead into itself"
        )


MirrorEvent = RoutesBlocked | RoutesRefused | LacCovered
