"""A network namespace for a measurement: empty, and gone with the thread that it is made for."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from control.errors import ResourceError

T = TypeVar("T")

CLONE_NEWNET: Final = 0x40000000


def in_namespace(work: Callable[[], T]) -> T:
    """Runs `work` on a thread of its own in a namespace of its own, which the threads that it
    starts share. Raises ResourceError without the right to make one, and whatever `work` raises."""
    results: list[T] = []
    errors: list[BaseException] = []

    def inside() -> None:
        try:
            if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
                raise ResourceError("a network namespace needs root")
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]
