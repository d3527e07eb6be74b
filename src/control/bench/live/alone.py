"""Threads that others on the machine do not disturb while they are measured: SCHED_FIFO (sched(7)),
of which the kernel leaves a twentieth to the rest. Without the right to that they are as they were.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path


@contextmanager
def alone(threads: Sequence[int] = (0,)) -> Iterator[None]:
    """Threads by number, 0 being this one; in the end they are ordinary again."""
    with ExitStack() as stack:
        for thread in threads:
            stack.enter_context(_one(thread))
        yield


def threads_of(process: int, prefix: str) -> list[int]:
    """Those of a process whose names begin with a text."""
    folder = Path(f"/proc/{process}/task")
    names = {int(task.name): (task / "comm").read_text() for task in folder.iterdir()}
    return [thread for thread, name in names.items() if name.startswith(prefix)]


@contextmanager
def _one(thread: int) -> Iterator[None]:
    try:
        os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        yield
        return
    try:
        yield
    finally:
        os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))
