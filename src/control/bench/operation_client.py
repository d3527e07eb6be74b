"""What asks a router that is measured: real commands as processes of their own, and a scraper.

Run as `python -m control.bench.operation_client ADDRESS PORT COUNT` it is the scraper: it asks for
/metrics so often and prints the seconds of each as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import time
from collections.abc import Sequence
from typing import Any, Final

from control.errors import ResourceError

PATIENCE: Final = 120.0
"""Seconds for one command."""
_READ: Final = 1 << 18


async def command(arguments: Sequence[str], processors: Sequence[int]) -> tuple[float, bytes]:
    """Runs `dialout ARGUMENTS`: seconds from its start to its end, and what it printed. Raises
    ResourceError if it fails."""
    return await _run(("control.cli", *arguments), processors)


async def scrapes(address: str, port: int, count: int, processors: Sequence[int]) -> list[float]:
    """Seconds of each scrape, connection and reading included, in order of their length."""
    told = ("control.bench.operation_client", address, str(port), str(count))
    _, printed = await _run(told, processors)
    return sorted(json.loads(printed))


async def _run(module: Sequence[str], processors: Sequence[int]) -> tuple[float, bytes]:
    start = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *module,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment(),
    )  # fmt: skip
    # What is measured is tied to one processor, and a client is not part of it.
    os.sched_setaffinity(process.pid, set(processors))
    try:
        async with asyncio.timeout(PATIENCE):
            printed, errors = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        what = errors.decode(errors="replace").strip()
        raise ResourceError(f"bench operation: {' '.join(module)}: {what}")
    return time.perf_counter() - start, printed


def environment(**more: str) -> dict[str, str]:
    """Of a process that imports what this one does."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **more}


def _scrape(address: str, port: int) -> float:
    start = time.perf_counter()
    with socket.create_connection((address, port), timeout=PATIENCE) as connection:
        connection.sendall(b"GET /metrics HTTP/1.0\r\nHost: bench\r\n\r\n")
        answer = b""
        while octets := connection.recv(_READ):
            answer += octets
    if b" 200 " not in answer[:32]:
        raise ResourceError(f"bench operation: /metrics: {answer[:64]!r}")
    return time.perf_counter() - start


def main(arguments: Sequence[Any]) -> None:
    address, port, count = arguments
    print(json.dumps([_scrape(address, int(port)) for _ in range(int(count))]))


if __name__ == "__main__":
    main(sys.argv[1:])
