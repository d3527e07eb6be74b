"""Log lines to a reader that is slow, gone or not there."""

from __future__ import annotations

import io
import threading

from control.runtime.lines import WAITING, Lines

PATIENCE = 30.0


class Stuck(io.StringIO):
    """A pipe that nobody reads until `free` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Event()
        self.free = threading.Event()

    def write(self, text: str) -> int:
        self.reached.set()
        assert self.free.wait(PATIENCE)
        return super().write(text)


def test_lines_are_written_in_order_and_whole():
    stream = io.StringIO()
    lines = Lines(stream)
    for number in range(500):
        lines.write(f"line {number}")
    lines.close()
    assert stream.getvalue().splitlines() == [f"line {number}" for number in range(500)]
    assert lines.lost == 0


def test_reader_that_stands_still_holds_nobody_up_and_what_it_misses_is_counted():
    stream = Stuck()
    lines = Lines(stream)
    lines.write("first")
    assert stream.reached.wait(PATIENCE)
    for _ in range(WAITING + 7):
        lines.write("more")
    assert lines.lost == 7
    stream.free.set()
    lines.close()
    assert len(stream.getvalue().splitlines()) == WAITING + 1


def test_stream_that_is_closed_or_not_there_is_no_error():
    closed = io.StringIO()
    closed.close()
    for stream in (closed, None):
        lines = Lines(stream)
        lines.write("nobody hears it")
        lines.close()


class Full(io.StringIO):
    """A file on a disk without room for what is flushed, from the third flush on with room."""

    def __init__(self) -> None:
        super().__init__()
        self.flushes = 0
        self.flushed = threading.Semaphore(0)

    def flush(self) -> None:
        self.flushes += 1
        self.flushed.release()
        if self.flushes <= 2:
            raise OSError(28, "No space left on device")


def test_lines_that_the_stream_does_not_take_are_counted_and_told_once():
    stream, told = Full(), []
    lines = Lines(stream, told.append)
    for text in ("lost", "lost", "kept"):
        lines.write(text)
        assert stream.flushed.acquire(timeout=PATIENCE)
    lines.close()
    assert lines.lost == 2
    assert told == ["[Errno 28] No space left on device"]


def test_closed_stream_is_told_and_its_lines_are_counted():
    closed, told = io.StringIO(), []
    closed.close()
    lines = Lines(closed, told.append)
    lines.write("nobody hears it")
    lines.close()
    assert (lines.lost, len(told)) == (1, 1)
