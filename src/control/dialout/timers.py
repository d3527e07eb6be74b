"""All deadlines of the manager in one heap; a moved or cancelled one is dropped when it surfaces.

No clock: times are seconds as given. Equal deadlines are due in the order in which they were set.
"""

from __future__ import annotations

import heapq
from typing import Generic, TypeVar

K = TypeVar("K")

_SLACK = 64
"""Stale entries a heap may hold beyond the live ones before it is rebuilt."""


class Timers(Generic[K]):
    """At most one deadline a key."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, K]] = []
        self._live: dict[K, tuple[float, int]] = {}
        self._sequence = 0

    def __len__(self) -> int:
        return len(self._live)

    def set(self, key: K, when: float) -> None:
        """Sets or moves the deadline of a key."""
        current = self._live.get(key)
        if current is not None and current[0] == when:
            return
        self._sequence += 1
        self._live[key] = (when, self._sequence)
        heapq.heappush(self._heap, (when, self._sequence, key))
        if len(self._heap) > 2 * len(self._live) + _SLACK:
            self._rebuild()

    def cancel(self, key: K) -> None:
        """Takes a deadline away; a key without one is ignored."""
        self._live.pop(key, None)

    def deadline(self, key: K) -> float | None:
        found = self._live.get(key)
        return None if found is None else found[0]

    def next(self) -> float | None:
        """The earliest deadline."""
        heap = self._heap
        while heap and not self._is_live(heap[0]):
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def pop_due(self, now: float) -> K | None:
        """Takes the earliest key whose deadline has come; None when there is no such key."""
        when = self.next()
        if when is None or when > now:
            return None
        key = heapq.heappop(self._heap)[2]
        del self._live[key]
        return key

    def _is_live(self, entry: tuple[float, int, K]) -> bool:
        return self._live.get(entry[2]) == entry[:2]

    def _rebuild(self) -> None:
        self._heap = [entry for entry in self._heap if self._is_live(entry)]
        heapq.heapify(self._heap)
