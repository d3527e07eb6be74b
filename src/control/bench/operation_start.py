"""A router as `dialout run` has it, from the start of the process to its first trigger, and what a
reload of its file takes: in a process of its own, asked by real commands.

The home side is a capture of one packet; RADIUS is a socket of ours, where the Access-Request that
the packet leads to tells that it was admitted. It needs no root.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from control.bench.operation_client import command, environment
from control.bench.rows import Row, row
from control.errors import ResourceError
from control.sim.traffic import flood_capture

PATIENCE: Final = 60
"""Seconds."""
SITE: Final = "10.0.0.7/32"
_LARGEST: Final = 1 << 16

HEAD: Final = """\
[[virtual_router]]
name = "home"
table = 0
radius = "radius"
local_address = "{half}.1"
max_targets = 65535
[[port]]
name = "home"
url = "pcap:{folder}/first.pcap"
side = "home"
virtual_router = "home"
networks = ["192.0.2.0/24"]
[[port]]
name = "tunnel"
url = "udp:{half}.1"
side = "tunnel"
virtual_router = "home"
[[profile]]
name = "site"
[[radius]]
name = "radius"
servers = [{{ address = "{half}.2", port = {port}, secret = "secret" }}]
"""
TARGET: Final = """\
[[target]]
prefix = "10.{high}.{low}.0/24"
virtual_router = "home"
domain = "bench.example"
profile = "site"
max_sessions = {most}
"""


class Started(NamedTuple):
    """Seconds since the process was started."""

    ready: float
    """Until it had told so."""
    admitted: float
    """Until RADIUS was asked for its first packet."""
    processor: float
    """Used by then."""


class Router:
    """The process and its files. A context manager."""

    def __init__(self, targets: int) -> None:
        self.targets = targets
        self._folder = tempfile.TemporaryDirectory(prefix="dialout-bench-")
        self._half = f"127.{random.SystemRandom().randrange(16, 255)}.0"
        self._radius = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._process: subprocess.Popen[bytes] | None = None
        self.socket = f"{self._folder.name}/control"

    def __enter__(self) -> Router:
        folder = Path(self._folder.name)
        path = folder / "first.pcap"
        flood_capture(path, packets=1, sources=("192.0.2.1/32",), destinations=(SITE,))
        self._radius.bind((f"{self._half}.2", 0))
        self._notified.bind(f"{folder}/notify")
        for one in (self._radius, self._notified):
            one.settimeout(1.0)
        self.write(most=10)
        return self

    def __exit__(self, *error: object) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._radius.close()
        self._notified.close()
        self._folder.cleanup()

    def write(self, *, most: int, first: int = 0) -> None:
        """The file: targets from number `first`, each with so many sessions at most."""
        port = self._radius.getsockname()[1]
        head = HEAD.format(half=self._half, folder=self._folder.name, port=port)
        made = (
            TARGET.format(high=number >> 8, low=number & 255, most=most)
            for number in range(first, first + self.targets)
        )
        path = Path(self._folder.name, "lns.toml")
        path.touch(0o600)
        path.write_text(head + "".join(made))

    def start(self, processors: Sequence[int]) -> Started:
        """Raises ResourceError if it ends, or says nothing."""
        folder = self._folder.name
        began = time.perf_counter()
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "control.cli", "run", "--config", f"{folder}/lns.toml"),
                *("--socket", self.socket, "--grace", "0.1", "--quiet", "--log", "stdout"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment(NOTIFY_SOCKET=f"{folder}/notify"),
            process_group=0,
        )
        os.sched_setaffinity(self._process.pid, set(processors))
        while not self._hear(self._notified).startswith(b"READY=1"):
            pass
        ready = time.perf_counter() - began
        self._hear(self._radius)
        admitted = time.perf_counter() - began
        return Started(ready, admitted, _processor(self._process.pid))

    def _hear(self, what: socket.socket) -> bytes:
        """The next datagram. Raises ResourceError with what the process says as it ends."""
        assert self._process is not None
        for _ in range(PATIENCE):
            try:
                return what.recv(_LARGEST)
            except TimeoutError:
                if self._process.poll() is not None:
                    break
        self._process.kill()
        _, errors = self._process.communicate()
        told = errors.decode(errors="replace").strip()
        raise ResourceError(f"bench operation: the router does not start: {told}")


def _processor(pid: int) -> float:
    """Seconds of it that a process has used: proc(5), utime and stime behind the name."""
    told = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")


def started(targets: int, runs: int, processors: Sequence[int]) -> Iterator[Row]:
    """Rows of the start."""
    found = []
    for _ in range(runs):
        with Router(targets) as router:
            found.append(router.start(processors))
    name = f"operation {targets} targets: start to"
    yield row(f"{name} ready", "s", [one.ready for one in found])
    yield row(f"{name} first call asked for", "s", [one.admitted for one in found])
    yield row(f"{name} that, processor", "s", [one.processor for one in found])


def reloaded(targets: int, processors: Sequence[int]) -> Iterator[Row]:
    """Rows of reloads, as their client waits for them: file, difference and change."""
    with Router(targets) as router:
        router.start(processors)

        def asked() -> float:
            seconds, _ = asyncio.run(
                command(("reload", "--json", "--socket", router.socket), processors)
            )
            return seconds

        name = f"operation {targets} targets: reload,"
        yield row(f"{name} nothing differs", "s", [asked()])
        router.write(most=11)
        yield row(f"{name} each changed", "s", [asked()])
        router.write(most=11, first=targets)
        yield row(f"{name} each replaced", "s", [asked()])
