"""Python's garbage collector in a router: sessions live long and are many, and to look at all of
them again and again is most of its work, and a pause for packets.

With 65,535 sessions there are millions of objects; a whole collection of them takes seconds.
"""

from __future__ import annotations

import gc
from typing import Final

THRESHOLDS: Final = (50_000, 50, 1000)
"""Objects made between two collections of the young, those between two of the middle-aged, and
those of all."""


def calm() -> None:
    """What is there now is there to stay, and not worth a look before that: a tenth of the time of
    a start. What comes is looked at in larger portions."""
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    gc.enable()
