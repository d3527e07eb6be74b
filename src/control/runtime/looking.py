"""Captures and traces of a running process for clients of the control socket: one of each at a
time, which ends with its client."""

from __future__ import annotations

import asyncio
import contextlib
import time
from base64 import b64encode
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from control.errors import ResourceError
from control.inspection import EXPLAINED, Capture, Tracing, explain, paths
from control.operation.router import NotFound
from control.operation.schema import plain
from control.operation.views import CaptureView
from control.runtime.ports import OpenPort
from control.runtime.process import Process

LOOK: Final = 0.01
"""Seconds between two looks at a trace."""


class Watched:
    """A capture and what its client has of it."""

    def __init__(self, capture: Capture, left: int | None) -> None:
        """`left`: packets until its end, None: it has none."""
        self._capture = capture
        self._left = left
        self._told = False

    def close(self) -> None:
        self._capture.close()

    def part(self) -> Any:
        """What came since the last one; None behind the last packet."""
        if self._left == 0:
            return None
        part = self._capture.take() if self._left is None else self._capture.take(self._left)
        if self._left is not None:
            self._left -= part.packets
        header = "" if self._told else b64encode(self._capture.header).decode()
        self._told = True
        blocks = b64encode(part.octets).decode()
        return plain(CaptureView(header, blocks, part.packets, **self._capture.counts()))


class Looking:
    def __init__(self, process: Process) -> None:
        self._process = process
        self.under_way: set[str] = set()
        """Of `capture` and `trace`."""

    def capture(
        self, expression: str, snaplen: int, count: int | None, port: str | None
    ) -> Watched:
        """Raises NotFound, ConfigurationError for a filter that is none, ResourceError."""
        ports = None if port is None else [_index(self._process.ports, port)]
        self._begin("capture")
        try:
            capture = Capture(
                self._process.engine,
                _by_index(self._process.ports),
                expression=expression,
                snaplen=snaplen,
                ports=ports,
                epoch_ns=time.time_ns() - self._process.now_ns,
                ended=partial(self.under_way.discard, "capture"),
            )
        except BaseException:
            self.under_way.discard("capture")
            raise
        return Watched(capture, count)

    async def trace(self, expression: str, count: int, patience: float) -> Any:
        """The next packets, as views.TraceView has them; fewer if `patience` seconds are over.
        Raises as `capture`."""
        self._begin("trace")
        try:
            tracing = Tracing(self._process.engine, count, expression=expression)
            try:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(patience):
                        while not tracing.full:
                            await asyncio.sleep(LOOK)
            finally:
                samples = tracing.close()
            names = _by_index(self._process.ports)
            packets = []
            for number, sample in enumerate(samples, 1):
                packets.append(explain(self._process.engine, sample, names))
                if number % EXPLAINED == 0:
                    await asyncio.sleep(0)  # others have their turn
            return {"packets": packets, "paths": paths(packets)}
        finally:
            self.under_way.discard("trace")

    def _begin(self, what: str) -> None:
        if what in self.under_way:
            raise ResourceError(f"another {what} is under way, and there is one at a time")
        self.under_way.add(what)


def _index(ports: Sequence[OpenPort], name: str) -> int:
    for port in ports:
        if port.config.name == name:
            return port.index
    known = ", ".join(port.config.name for port in ports)
    raise NotFound(f"there is no port {name!r}; there are {known}")


def _by_index(ports: Sequence[OpenPort]) -> list[str]:
    """Names of ports at the engine's indexes."""
    names = {port.index: port.config.name for port in ports}
    return [names.get(index, f"port {index}") for index in range(max(names, default=-1) + 1)]
