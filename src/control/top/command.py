"""`dialout top`: a live view of a running router on the terminal, or one picture of it as text.

Keys: q quits, s sorts the targets by something else, p pauses. While the router cannot be asked the
last picture stays, marked, and it is asked again.
"""

from __future__ import annotations

import curses
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from shutil import get_terminal_size
from typing import Any, Final

from control.errors import DialoutError, ResourceError
from control.exit_codes import OK
from control.top.frame import Line, Order, Style, View, frame

INTERVAL: Final = 1.0
"""Seconds between two looks, if nothing else is said."""
AGAIN: Final = 1.0
"""Seconds until a router that is gone is asked again."""
TURN: Final = 0.1
"""Seconds that keys are waited for."""

Source = Callable[[], Iterator[View]]
"""Looks at a router until it is gone. Raises DialoutError."""


def once(source: Source, tell: Callable[[str], None]) -> int:
    """Two looks, for rates between them, as text. Raises DialoutError."""
    looks = source()
    before, view = next(looks, None), next(looks, None)
    if before is None or view is None:
        raise DialoutError("the router ended")
    for line in frame(before, view, width=max(80, get_terminal_size().columns)):
        tell(line.text)
    return OK


class Top:
    """What is on the screen, from looks and keys. Sans-IO."""

    def __init__(self) -> None:
        self.order = Order.TRIGGERS
        self.paused = False
        self.over = False
        self._before: View | None = None
        self._view: View | None = None
        self._lost = ""

    def seen(self, view: View) -> None:
        if self._lost:  # another router may be there now: its totals begin anew
            self._view = None
        self._lost = ""
        if not self.paused:
            self._before, self._view = self._view, view

    def lost(self, why: str) -> None:
        self._lost = why

    def key(self, key: str) -> None:
        if key in ("q", "Q"):
            self.over = True
        elif key in ("s", "S"):
            self.order = self.order.following
        elif key in ("p", "P"):
            self.paused = not self.paused

    def lines(self, width: int, height: int) -> list[Line]:
        if self._view is None:
            text = self._lost or "asking the router ..."
            return [Line(text[:width], Style.CRITICAL if self._lost else Style.PLAIN)]
        note = f"LOST: {self._lost}" if self._lost else "PAUSED" if self.paused else ""
        return frame(
            self._before, self._view, width=width, height=height, order=self.order, note=note
        )


def live(source: Source) -> int:
    """On the terminal until q or Ctrl-C. Raises DialoutError if it cannot show anything."""
    found: queue.Queue[View | str] = queue.Queue(2)
    stop = threading.Event()
    threading.Thread(target=_look, args=(source, found, stop), daemon=True).start()
    try:
        with suppress(KeyboardInterrupt):
            curses.wrapper(_show, found)
    except curses.error as error:
        raise ResourceError(f"top: this is no terminal it could draw on: {error}") from None
    finally:
        stop.set()
    return OK


def _look(source: Source, found: queue.Queue[View | str], stop: threading.Event) -> None:
    """The looks, and why there are none, for who draws."""
    while not stop.is_set():
        why = "the router ended"
        try:
            for view in source():
                found.put(view)
                if stop.is_set():
                    return
        except DialoutError as error:
            why = str(error)
        found.put(why)
        stop.wait(AGAIN)


def _show(screen: Any, found: queue.Queue[View | str]) -> None:
    styles = _styles()
    top = Top()
    screen.timeout(round(TURN * 1000))
    changed = True
    while not top.over:
        with suppress(queue.Empty):
            while True:
                view = found.get_nowait()
                changed = True
                if isinstance(view, str):
                    top.lost(view)
                else:
                    top.seen(view)
        if changed:
            _draw(screen, top, styles)
        key = screen.getch()
        # A window that was resized comes as a key too.
        changed = key != -1
        if 0 <= key < 256:
            top.key(chr(key))


def _draw(screen: Any, top: Top, styles: Mapping[Style, int]) -> None:
    height, width = screen.getmaxyx()
    screen.erase()
    for row, line in enumerate(top.lines(width - 1, height)[:height]):
        # The window may have become smaller meanwhile.
        with suppress(curses.error):
            screen.addstr(row, 0, line.text, styles[line.style])
    screen.refresh()


def _styles() -> dict[Style, int]:
    with suppress(curses.error):
        curses.curs_set(0)
    styles = {
        Style.PLAIN: curses.A_NORMAL,
        Style.HEADING: curses.A_BOLD,
        Style.WARNING: curses.A_BOLD,
        Style.CRITICAL: curses.A_REVERSE,
        Style.DIM: curses.A_DIM,
    }
    with suppress(curses.error):
        curses.use_default_colors()
        curses.init_pair(1, curses.COLOR_YELLOW, -1)
        curses.init_pair(2, curses.COLOR_RED, -1)
        styles[Style.WARNING] = curses.color_pair(1)
        styles[Style.CRITICAL] = curses.color_pair(2) | curses.A_BOLD
    return styles
