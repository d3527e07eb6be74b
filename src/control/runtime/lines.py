"""Lines to a stream that may block, written by a thread of their own: whoever reads the log slowly,
or not at all, never holds up a call."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO

WAITING = 1000
"""Lines kept for a reader that is slow; more are dropped and counted."""
LAST_WORDS = 1.0
"""Seconds in which what waits at the end has to be written."""


class Lines:
    def __init__(
        self, stream: TextIO | None, complain: Callable[[str], None] = lambda why: None
    ) -> None:
        """None: standard output is closed, and nothing is written. `complain` hears once, on the
        log's thread, why the stream takes no lines."""
        self._slow = 0
        self._refused = 0
        self._complain: Callable[[str], None] | None = complain
        self._stream = stream
        self._queue: queue.Queue[str | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> int:
        """Lines that a reader was too slow for, or that the stream did not take."""
        return self._slow + self._refused  # each counted by one thread alone

    def write(self, line: str) -> None:
        """Never waits."""
        try:
            self._queue.put_nowait(line)
        except queue.Full:
            self._slow += 1

    def close(self) -> None:
        """Waits for what is left, but not for long."""
        with suppress(queue.Full):
            self._queue.put(None, timeout=LAST_WORDS)
            self._thread.join(LAST_WORDS)

    def _run(self) -> None:
        unsure = 0  # lines that may still be in the stream's buffer
        while (line := self._queue.get()) is not None:
            if self._stream is None:
                continue
            unsure += 1
            # The reader may be gone, or the disk full: neither is a reason to end.
            try:
                self._stream.write(line + "\n")
                if self._queue.empty():
                    self._stream.flush()
                    unsure = 0
            except (OSError, ValueError) as error:
                self._refused += unsure
                unsure = 0
                self._tell(error)

    def _tell(self, error: OSError | ValueError) -> None:
        complain, self._complain = self._complain, None
        if complain is not None:
            with suppress(OSError, ValueError):
                complain(str(error))
