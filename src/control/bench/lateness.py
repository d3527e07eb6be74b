"""How much later than wanted the event loop comes to something else while it works, and how much
of that its own work was: on a busy machine it is kept waiting by others too."""

from __future__ import annotations

import asyncio
import time
from typing import Final

TICK: Final = 0.001


class Lateness:
    """From its making to `end`."""

    def __init__(self) -> None:
        self._most = 0.0
        self.work = 0.0
        """Seconds of the loop's CPU between two turns of something else, at the most."""
        self._task = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while True:
            wanted, cpu = time.perf_counter() + TICK, time.thread_time()
            await asyncio.sleep(TICK)
            self.work = max(self.work, time.thread_time() - cpu)
            self._most = max(self._most, time.perf_counter() - wanted)

    def end(self) -> float:
        """Seconds, of the worst time."""
        self._task.cancel()
        return self._most
