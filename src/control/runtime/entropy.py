"""The kernel's randomness, asked for in portions: a call takes ten numbers, and a system call for
each was two parts in a hundred of what it costs.

For a process that does not fork, and one thread of it. What was handed out is overwritten.
"""

from __future__ import annotations

import os
import random
from typing import Final

PORTION: Final = 4096
"""Octets asked for at once."""


class Entropy(random.SystemRandom):
    def __init__(self) -> None:
        self._octets = bytearray()
        self._at = 0

    def randbytes(self, n: int) -> bytes:
        end = self._at + n
        if end > len(self._octets):
            if n > PORTION:
                return os.urandom(n)
            self._octets[:] = os.urandom(PORTION)
            self._at, end = 0, n
        found = bytes(self._octets[self._at : end])
        self._octets[self._at : end] = bytes(n)
        self._at = end
        return found

    def random(self) -> float:
        return (int.from_bytes(self.randbytes(7), "big") >> 3) * 2.0**-53

    def getrandbits(self, k: int) -> int:
        if k < 0:
            raise ValueError("number of bits must be non-negative")
        octets = (k + 7) // 8
        return int.from_bytes(self.randbytes(octets), "big") >> (octets * 8 - k)
