"""The socket of the systemd journal, and whether there is one to write to."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

SOCKET: Final = "/run/systemd/journal/socket"


def is_journal(environment: Mapping[str, str], descriptor: int) -> bool:
    """Whether systemd connected this descriptor with the journal: it names the file it gave."""
    device, _, inode = environment.get("JOURNAL_STREAM", "").partition(":")
    try:
        told = os.fstat(descriptor)
        return (told.st_dev, told.st_ino) == (int(device), int(inode))
    except (OSError, ValueError):
        return False


class Journal:
    """Never waits: what the journal does not take at once is counted as lost."""

    def __init__(self, path: str = SOCKET) -> None:
        """Raises OSError if there is no journal."""
        self.lost = 0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            raise OSError(error.errno, error.strerror, path) from None
        self._path = path

    def write(self, line: bytes) -> None:
        try:
            self._socket.send(line)
        except (ConnectionError, FileNotFoundError):
            # The journal was started anew: its socket is another one.
            self.lost += 1
            with suppress(OSError):
                self._socket.connect(self._path)
        except OSError:
            self.lost += 1

    def close(self) -> None:
        self._socket.close()
