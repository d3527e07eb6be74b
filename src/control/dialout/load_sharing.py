"""Load sharing among LACs of equal preference: in turn, or by weight (specification 1.9).

Smooth weighted round robin: every candidate earns its weight, the richest is first and pays what
all have earned. Equal weights make it a plain round robin. Each set of candidates has its own turn:
two sites whose calls alternate must not each meet the same LAC always.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_SETS: Final = 4096
"""Sets of candidates that are remembered; beyond, all begin anew (RADIUS names the LACs)."""


class LoadSharing:
    def __init__(self) -> None:
        self._earned: dict[tuple[tuple[str, int], ...], list[int]] = {}

    def order(self, candidates: Sequence[tuple[str, int]]) -> list[int]:
        """Places of these LACs, each an address and a weight of at least 1, in the order in which
        to try them. Advances their turn."""
        key = tuple(candidates)
        if key not in self._earned and len(self._earned) >= _SETS:
            self._earned.clear()
        earned = self._earned.setdefault(key, [0] * len(key))
        for place, (_, weight) in enumerate(key):
            earned[place] += weight
        first = earned.index(max(earned))
        earned[first] -= sum(weight for _, weight in key)
        others = [place for place in range(len(key)) if place != first]
        others.sort(key=lambda place: (-earned[place], (place - first) % len(key)))
        return [first, *others]
