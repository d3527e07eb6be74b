"""Where Magic-Numbers and Challenges come from: in production `secrets.SystemRandom()`, in tests a
seeded `random.Random`."""

from __future__ import annotations

from typing import Protocol


class Randomness(Protocol):
    def randbytes(self, n: int, /) -> bytes:
        """n random octets."""

    def randrange(self, start: int, stop: int, /) -> int:
        """A number from start to stop - 1."""
