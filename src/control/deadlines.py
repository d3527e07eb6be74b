"""Deadlines of many objects in one heap: earliest first, equal times in the order they were set.

Changing or clearing a deadline leaves its old entry in the heap, to be skipped later; the heap is
rebuilt when such entries are the larger part. No clock: times are seconds as given.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)

_SLACK: Final = 64
"""Stale entries that do not matter yet."""


class Deadlines(Generic[K]):
    """At most one deadline a key."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, K]] = []
        self._current: dict[K, tuple[float, int]] = {}
        self._order = 0

    def __len__(self) -> int:
        return len(self._current)

    def set(self, key: K, when: float | None) -> None:
        """Sets or moves the deadline of `key`, absolute seconds; None clears it."""
        if when is None:
            self._current.pop(key, None)
            return
        known = self._current.get(key)
        if known is not None and known[0] == when:
            return
        self._order += 1
        self._current[key] = (when, self._order)
        heapq.heappush(self._heap, (when, self._order, key))
        if len(self._heap) > 2 * len(self._current) + _SLACK:
            self._heap = [(at, order, k) for k, (at, order) in self._current.items()]
            heapq.heapify(self._heap)

    def get(self, key: K) -> float | None:
        """The deadline of `key`, None if it has none."""
        known = self._current.get(key)
        return None if known is None else known[0]

    def next(self) -> float | None:
        """The earliest deadline."""
        self._skip()
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now: float) -> K | None:
        """Takes out the earliest key that is due; None when there is no such key."""
        self._skip()
        if not self._heap or self._heap[0][0] > now:
            return None
        key = heapq.heappop(self._heap)[2]
        del self._current[key]
        return key

    def _skip(self) -> None:
        while self._heap:
            when, order, key = self._heap[0]
            if self._current.get(key) == (when, order):
                return
            heapq.heappop(self._heap)
