"""The worker threads of a router that runs: each has its own part of every port, and none of them
ever waits for the GIL.

Worker 0 is not among them: it is control's own, on control's thread.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from control.config_router import Workers as Settings
from control.errors import ConfigurationError
from fastpath.engine import Engine
from fastpath.ports.port import Port
from fastpath.service import Bell, Service

_FAULTS: Final = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}
"""They are of the thread that they come to."""
_STOP_PATIENCE: Final = 10.0
"""Seconds after which a thread that should have ended with its burst is given up."""


class Workers:
    """Made and used on control's thread. Threads run from `start` to `close`; ports may come and go
    at any time. Raises ConfigurationError for a processor that we may not use."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        missing = set(settings.cpus) - os.sched_getaffinity(0)
        if missing:
            allowed = "we may run on " + ", ".join(map(str, sorted(os.sched_getaffinity(0))))
            raise ConfigurationError(f"workers: cpus: there is no {min(missing)} for us; {allowed}")
        self._cpus = settings.cpus
        self._bell = Bell()
        self._services = [
            Service(engine.add_worker(), self._bell, busy=settings.polling == "busy")
            for _ in range(settings.count)
        ]
        self._threads: list[threading.Thread] = []

    @property
    def count(self) -> int:
        return len(self._services)

    @property
    def sleeps(self) -> int:
        """How often all of them together have gone to sleep."""
        return sum(service.sleeps for service in self._services)

    def fileno(self) -> int:
        """Becomes readable when a worker has something for control."""
        descriptor: int = self._bell.fileno()
        return descriptor

    def answer(self) -> None:
        """Control has heard, and takes what there is from now on."""
        self._bell.answer()

    def attach(self, index: int, parts: Iterable[Port]) -> None:
        """A part of the engine's port for each of them."""
        for service, part in zip(self._services, parts, strict=True):
            service.worker.attach(index, part)
            service.wake()

    def woken(self) -> None:
        """A port went: whoever waits for its descriptor looks anew."""
        for service in self._services:
            service.wake()

    def start(self) -> None:
        for number, service in enumerate(self._services, 1):
            cpu = self._cpus[(number - 1) % len(self._cpus)] if self._cpus else None
            # A daemon: a process that ends in a defect does not hang.
            thread = threading.Thread(
                target=_live, args=(service, f"worker {number}", cpu), daemon=True
            )
            thread.start()
            self._threads.append(thread)

    def close(self) -> None:
        """Returns when no worker touches a port any more."""
        for service in self._services:
            service.stop()
        for thread in self._threads:
            thread.join(_STOP_PATIENCE)
        self._threads.clear()
        for service in self._services:
            service.close()
        self._bell.close()

    def is_down(self, index: int) -> bool:
        """Whether a part of a port gives no packets, because of an error."""
        return any(service.is_down(index) for service in self._services)

    def errors(self, index: int) -> int:
        """How often parts of a port have failed."""
        return sum(service.errors(index) for service in self._services)

    @property
    def ended(self) -> tuple[int, ...]:
        """Workers whose thread is gone though nobody stopped it."""
        return tuple(n for n, thread in enumerate(self._threads, 1) if not thread.is_alive())


def _live(service: Service, name: str, cpu: int | None) -> None:
    # Signals are control's: here they would only interrupt system calls.
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - _FAULTS)
    with suppress(OSError):  # a name is for people
        Path(f"/proc/self/task/{threading.get_native_id()}/comm").write_text(name)
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})
    service.run()
