"""Tunnel and session ids: 16 bits, never 0, unpredictable, not given again at once (threats T5 and
T28 of an off-path attacker and of late datagrams)."""

from __future__ import annotations

from collections import deque
from typing import Final

from control.l2tp.avp import Rng

HIGHEST: Final = 0xFFFF
_TRIES: Final = 16


class IdPool:
    """Ids in use, and those released less than `quarantine` seconds ago."""

    def __init__(self, rng: Rng, quarantine: float) -> None:
        self._rng = rng
        self._quarantine = quarantine
        self._taken: set[int] = set()
        self._released: deque[tuple[float, int]] = deque()

    def allocate(self, now: float) -> int | None:
        """A free id, None if there is none."""
        while self._released and self._released[0][0] <= now:
            self._taken.discard(self._released.popleft()[1])
        if len(self._taken) >= HIGHEST:
            return None
        number = self.any()
        for _ in range(_TRIES):
            if number not in self._taken:
                break
            number = self.any()
        while number in self._taken:
            number = number % HIGHEST + 1
        self._taken.add(number)
        return number

    def release(self, number: int, now: float) -> None:
        """Gives an allocated id back; it is free again after the quarantine."""
        self._released.append((now + self._quarantine, number))

    def any(self) -> int:
        """A random id that need not be free, for a refusal that owns none."""
        return self._rng.randrange(1, HIGHEST + 1)
