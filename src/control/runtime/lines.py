"""Lines to a stream that may block, written by a thread of their own: whoever reads the log slowly,
or not at all, never holds up a call."""

from __future__ import annotations

import queue
import threading
from contextlib import suppress
from typing import TextIO

WAITING = 1000
"""Lines kept for a reader that is slow; more are dropped and counted."""
LAST_WORDS = 1.0
"""Seconds in which what waits at the end has to be written."""


class Lines:
    def __init__(self, stream: TextIO | None) -> None:
        """None: standard output is closed, and nothing is written."""
        self.lost = 0
        self._stream = stream
        self._queue: queue.Queue[str | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        """Never waits."""
        try:
            self._queue.put_nowait(line)
        except queue.Full:
            self.lost += 1

    def close(self) -> None:
        """Waits for what is left, but not for long."""
        with suppress(queue.Full):
            self._queue.put(None, timeout=LAST_WORDS)
            self._thread.join(LAST_WORDS)

    def _run(self) -> None:
        while (line := self._queue.get()) is not None:
            # The reader may be gone, or the disk full: neither is a reason to end.
            with suppress(OSError, ValueError):
                if self._stream is not None:
                    self._stream.write(line + "\n")
                    if self._queue.empty():
                        self._stream.flush()
