"""What the kernel says of this process, in /proc; what it does not say is left out."""

from __future__ import annotations

import os
import resource
import time
from contextlib import suppress
from typing import Final

from control.metrics.facts import ProcessFacts

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_START_TIME: Final = 19
"""Field of /proc/self/stat, counted from behind the name (proc_pid_stat(5), number 22)."""


def process_facts() -> ProcessFacts:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    virtual = resident = descriptors = None
    with suppress(OSError, ValueError):
        virtual, resident = (int(n) * _PAGE for n in _read("/proc/self/statm").split()[:2])
    with suppress(OSError):
        descriptors = len(os.listdir("/proc/self/fd"))
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return ProcessFacts(
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        started=started(),
        resident=resident,
        virtual=virtual,
        descriptors=descriptors,
        most_descriptors=None if most == resource.RLIM_INFINITY else most,
    )


def started() -> float:
    """Seconds since 1970 UTC at which the process began; now, if nobody says."""
    with suppress(OSError, ValueError, IndexError):
        ticks = int(_read("/proc/self/stat").rpartition(b")")[2].split()[_START_TIME])
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / _TICKS
    return time.time()


def _read(path: str) -> bytes:
    # As octets: a codec is a file of Python's, which a user of few rights may not be able to read.
    with open(path, "rb") as file:
        return file.read()
