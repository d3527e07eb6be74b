"""`dialout capture`: what the router's capture sends, into files as tcpdump and dumpcap write them.

Each file is a whole pcapng. The router stops copying packets when its client is gone.
"""

from __future__ import annotations

import os
import sys
import time
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from control.console import say
from control.exit_codes import OK
from control.show.client import ask

STANDARD_OUTPUT: Final = "-"
MEGABYTE: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Rotation:
    """When a file ends and the next begins; 0: never."""

    octets: int = 0
    seconds: float = 0.0
    files: int = 0
    """Kept at the most, the oldest go; 0: all."""

    @property
    def wanted(self) -> bool:
        return bool(self.octets or self.seconds)


class Files:
    """Where a capture goes."""

    def __init__(
        self, path: str, rotation: Rotation, now: Callable[[], float] = time.monotonic
    ) -> None:
        """Raises OSError if the first file cannot be made."""
        self._path = path
        self._rotation = rotation
        self._now = now
        self._number = 0
        self._kept: list[Path] = []
        self._header = b""
        self._open()

    def begin(self, header: bytes) -> None:
        """What every file begins with."""
        self._header = header
        self._put(header)

    def add(self, blocks: bytes) -> None:
        """Whole blocks; another file begins before them if it is time."""
        rotation = self._rotation
        full = rotation.octets and self._size + len(blocks) > max(rotation.octets, self._least)
        old = rotation.seconds and self._now() - self._since >= rotation.seconds
        if self._header and (full or old):
            self._file.close()
            self._open()
            self._put(self._header)
        self._put(blocks)

    def close(self) -> None:
        self._file.flush()
        if self._path != STANDARD_OUTPUT:
            self._file.close()

    @property
    def _least(self) -> int:
        """A file has something before another one begins."""
        return len(self._header) + 1

    def _put(self, octets: bytes) -> None:
        self._file.write(octets)
        self._file.flush()
        self._size += len(octets)

    def _open(self) -> None:
        self._size = 0
        self._since = self._now()
        self._file: BinaryIO
        if self._path == STANDARD_OUTPUT:
            self._file = sys.stdout.buffer
            return
        path = Path(self._path)
        if self._rotation.wanted:
            self._number += 1
            path = path.with_name(f"{path.stem}_{self._number:05}{path.suffix}")
            self._kept.append(path)
            if self._rotation.files and len(self._kept) > self._rotation.files:
                self._kept.pop(0).unlink(missing_ok=True)
        # As the router's own captures: what passed is nobody else's business.
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        self._file = os.fdopen(os.open(path, flags, 0o600), "wb")


def save(path: str, told: Mapping[str, Any], write: str, rotation: Rotation) -> int:
    """Until Ctrl-C, the wanted number of packets, or the router's end. Returns the exit code."""
    files = Files(write, rotation)
    packets, last = 0, {"taken": 0, "missed": 0, "seen": 0}
    try:
        for part in _parts(path, told):
            if part["header"]:
                files.begin(b64decode(part["header"]))
            if part["blocks"]:
                files.add(b64decode(part["blocks"]))
            packets, last = packets + part["packets"], part
    except KeyboardInterrupt:
        pass
    finally:
        files.close()
    missed = f", {last['missed']} missed" if last["missed"] else ""
    say(f"{packets} packets captured of {last['seen']} that passed{missed}")
    return OK


def _parts(path: str, told: Mapping[str, Any]) -> Iterator[Any]:
    for part in ask(path, "capture", told):
        if part is None:
            return
        yield part
