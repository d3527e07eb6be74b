"""Tunnel and session ids: 16 bits, never 0, unpredictable, not given again at once (threats T5 and
T28 of an off-path attacker and of late datagrams)."""

from __future__ import annotations

from array import array
from collections import deque
from typing import Final

from control.l2tp.avp import Rng

HIGHEST: Final = 0xFFFF
CROWDED: Final = HIGHEST // 4 * 3
"""Ids in use above which a random number would mostly be one of them: 4 tries to hit a free one.
Beyond, the free ids are listed; with half as many the list is dropped again, so that making it
costs nothing an id on the average."""


class IdPool:
    """Ids in use, and those released less than `quarantine` seconds ago. Allocating and releasing
    take the same time however many are in use."""

    __slots__ = ("_free", "_quarantine", "_released", "_rng", "_taken")

    def __init__(self, rng: Rng, quarantine: float) -> None:
        self._rng = rng
        self._quarantine = quarantine
        self._taken: set[int] = set()
        self._released: deque[tuple[float, int]] = deque()
        self._free: array[int] | None = None
        """The free ids in no order, while the pool is crowded."""

    def allocate(self, now: float) -> int | None:
        """A free id, None if there is none."""
        self._expire(now)
        taken = self._taken
        if len(taken) >= HIGHEST:
            return None
        if self._free is None and len(taken) > CROWDED:
            self._free = array("H", set(range(1, HIGHEST + 1)) - taken)
        if self._free is not None:
            number = self._draw(self._free)
        else:
            number = self.any()
            while number in taken:
                number = self.any()
        taken.add(number)
        return number

    def release(self, number: int, now: float) -> None:
        """Gives an allocated id back; it is free again after the quarantine."""
        self._released.append((now + self._quarantine, number))

    def any(self) -> int:
        """A random id that need not be free, for a refusal that owns none."""
        return self._rng.randrange(1, HIGHEST + 1)

    def _draw(self, free: array[int]) -> int:
        index = self._rng.randrange(0, len(free))
        number = free[index]
        free[index] = free[-1]
        free.pop()
        return number

    def _expire(self, now: float) -> None:
        released = self._released
        while released and released[0][0] <= now:
            number = released.popleft()[1]
            self._taken.discard(number)
            if self._free is not None:
                self._free.append(number)
        if self._free is not None and len(self._taken) < CROWDED // 2:
            self._free = None
