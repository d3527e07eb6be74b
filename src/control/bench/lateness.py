"""How much later than wanted the event loop comes to something else while it works."""

from __future__ import annotations

import asyncio
import time
from typing import Final

TICK: Final = 0.001


class Lateness:
    """From its making to `end`."""

    def __init__(self) -> None:
        self._most = 0.0
        self._task = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while True:
            wanted = time.perf_counter() + TICK
            await asyncio.sleep(TICK)
            self._most = max(self._most, time.perf_counter() - wanted)

    def end(self) -> float:
        """Seconds, of the worst time."""
        self._task.cancel()
        return self._most
