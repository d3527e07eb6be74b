"""What a command tells its user beside its output: errors and progress, on standard error.

Standard error may be closed or full: then nothing is told, and the command goes on.
"""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from control.replay import Replay

PROGRESS_INTERVAL = 0.5
"""Seconds of wall time between two progress lines; piped, ten times that."""


def printable(text: str) -> str:
    """The text in one line and without what a terminal would obey: peers say it, too."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def say(text: str) -> None:
    """Tells an error, a line each."""
    for line in text.split("\n"):
        _write(printable(line) + "\n")


def _write(text: str) -> None:
    # Not print(): without standard error it takes standard output, which is for results.
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)
            sys.stderr.flush()


class Progress:
    """Rate and time left: a bar on a terminal, now and then a line when piped."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._terminal = sys.stderr is not None and sys.stderr.isatty()
        self._start = time.monotonic()
        self._next = self._start + self._interval
        self._drawn = False

    @property
    def _interval(self) -> float:
        return PROGRESS_INTERVAL if self._terminal else 10 * PROGRESS_INTERVAL

    def __call__(self, replay: Replay) -> None:
        now = time.monotonic()
        if self._quiet or now < self._next:
            return
        self._next = now + self._interval
        elapsed = now - self._start
        share = replay.home.position / max(1, replay.home.size)
        rate = replay.home.packets / elapsed
        left = elapsed / share - elapsed if share else 0.0
        text = f"{share:6.1%}  {rate:12,.0f} packets/s  {left:6.0f} s left"
        if self._terminal:
            bar = "#" * int(30 * share)
            _write(f"\r[{bar:<30}] {text}")
            self._drawn = True
        else:
            _write(text + "\n")

    def clear(self) -> None:
        if self._drawn:
            _write("\r\x1b[K")
            self._drawn = False
