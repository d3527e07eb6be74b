"""Deadlines of many objects in one heap: earliest first, equal times in the order they were set.

Changing or clearing a deadline leaves its old entry in the heap, marked, to be skipped later; the
heap is rebuilt when such entries are the larger part. No clock: times are seconds as given.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from typing import Any, Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)

_SLACK: Final = 64
"""Stale entries that do not matter yet."""
_STALE: Final = object()
"""Key of an entry whose deadline was moved or cleared. No key is hashed to find that out: a hash
may be computed in Python, and every look at the clock would pay for it."""
_WHEN, _KEY = 0, 2


class Deadlines(Generic[K]):
    """At most one deadline a key."""

    def __init__(self) -> None:
        self._heap: list[list[Any]] = []
        """Time, order, key."""
        self._current: dict[K, list[Any]] = {}
        self._order = 0

    def __len__(self) -> int:
        return len(self._current)

    def set(self, key: K, when: float | None) -> None:
        """Sets or moves the deadline of `key`, absolute seconds; None clears it."""
        known = self._current.get(key)
        if known is not None:
            if known[_WHEN] == when:
                return
            known[_KEY] = _STALE
        if when is None:
            if known is not None:
                del self._current[key]
            return
        self._order += 1
        entry = [when, self._order, key]
        self._current[key] = entry
        heapq.heappush(self._heap, entry)
        if len(self._heap) > 2 * len(self._current) + _SLACK:
            self._heap = list(self._current.values())
            heapq.heapify(self._heap)

    def expect(self, key: K, when: float | None) -> None:
        """As `set`, but a deadline that is earlier than `when` stays: its owner finds nothing due
        then, and says anew when it expects something. For those that move with every packet."""
        known = self._current.get(key)
        if known is None or when is None or when < known[_WHEN]:
            self.set(key, when)

    def get(self, key: K) -> float | None:
        """The deadline of `key`, None if it has none."""
        known = self._current.get(key)
        return None if known is None else known[_WHEN]

    def next(self) -> float | None:
        """The earliest deadline."""
        self._skip()
        return self._heap[0][_WHEN] if self._heap else None

    def pop_due(self, now: float) -> K | None:
        """Takes out the earliest key that is due; None when there is no such key."""
        self._skip()
        if not self._heap or self._heap[0][_WHEN] > now:
            return None
        key: K = heapq.heappop(self._heap)[_KEY]
        del self._current[key]
        return key

    def _skip(self) -> None:
        heap = self._heap
        while heap and heap[0][_KEY] is _STALE:
            heapq.heappop(heap)


def earliest(*times: float | None) -> float | None:
    """The first of these times, None if none is set."""
    found = None
    for when in times:
        if when is not None and (found is None or when < found):
            found = when
    return found
