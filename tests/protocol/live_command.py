"""`dialout run` as a process of its own, its home side a capture that it plays in real time."""

from __future__ import annotations

import asyncio
import signal
import struct
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from live import PATIENCE


def write_capture(path: Path, packets: Sequence[tuple[float, bytes]]) -> Path:
    """A classic pcap of IP packets, each at its second."""
    rows = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)]
    for when, packet in packets:
        micro = round(when * 1_000_000)
        rows.append(struct.pack("<IIII", *divmod(micro, 1_000_000), len(packet), len(packet)))
        rows.append(packet)
    path.write_bytes(b"".join(rows))
    return path


class Command:
    """A started command and all that it has said."""

    def __init__(self, process: asyncio.subprocess.Process):
        self.process = process
        self.lines: list[str] = []
        self.said = asyncio.Condition()
        self._readers = [
            asyncio.create_task(self._read(stream)) for stream in (process.stdout, process.stderr)
        ]

    async def _read(self, stream: asyncio.StreamReader) -> None:
        while line := await stream.readline():
            async with self.said:
                self.lines.append(line.decode().rstrip("\n"))
                self.said.notify_all()
        async with self.said:
            self.said.notify_all()

    def has(self, text: str) -> bool:
        return any(text in line for line in self.lines)

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE), self.said:
            await self.said.wait_for(lambda: holds() or all(r.done() for r in self._readers))
        assert holds(), self.lines

    async def says(self, text: str) -> None:
        await self.until(lambda: self.has(text))

    async def end(self, number: int = signal.SIGTERM) -> int:
        """Sends a signal and returns the exit code."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await self.exit()

    async def exit(self) -> int:
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*self._readers)
            return await self.process.wait()


@asynccontextmanager
async def command(*arguments: str | Path) -> AsyncIterator[Command]:
    """A router has no control socket unless one is named: those of tests run side by side."""
    if arguments[0] == "run" and "--socket" not in arguments:
        arguments = (*arguments, "--socket", "none")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "control.cli", *map(str, arguments),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    started = Command(process)
    try:
        yield started
    finally:
        if process.returncode is None:
            process.kill()
        await started.exit()
