"""What a service manager hears of a running router: sd_notify(3), and its watchdog.

States are datagrams to the socket that NOTIFY_SOCKET names. Without one nobody listens, and nothing
is sent. It does not decide whether the router is well: the shell does.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

MICROSECONDS: Final = 1_000_000
_STATUS_OCTETS: Final = 256


class Service:
    """Tells a service manager what becomes of this process. Never raises: a manager that is gone
    is no reason to stop forwarding."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        """`environment`: of this process if it is None."""
        given = os.environ if environment is None else environment
        self._address = given.get("NOTIFY_SOCKET", "")
        self._socket: socket.socket | None = None
        if self._address[:1] in ("/", "@"):
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)
        self.watchdog = self._interval(given) if self._socket is not None else None
        """Seconds between two signs of life, half of what the manager waits; None: it waits for
        none."""

    def ready(self, text: str) -> None:
        """Everything is open and packets are taken; `text` is the state that people see."""
        self._tell("READY=1", f"STATUS={_line(text)}")

    def reloading(self) -> None:
        # The manager tells by the time that a later READY belongs to this one.
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        self._tell("STOPPING=1", "STATUS=closing calls and tunnels")

    def alive(self) -> None:
        """To be told each `watchdog` seconds."""
        self._tell("WATCHDOG=1")

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _interval(self, given: Mapping[str, str]) -> float | None:
        wanted, owner = given.get("WATCHDOG_USEC", ""), given.get("WATCHDOG_PID", "")
        if not (wanted.isascii() and wanted.isdecimal() and int(wanted) > 0):
            return None
        if owner not in ("", str(os.getpid())):
            return None
        return int(wanted) / MICROSECONDS / 2

    def _tell(self, *lines: str) -> None:
        if self._socket is None:
            return
        address = self._address
        # A name that begins with @ is one of the abstract namespace (unix(7)).
        where = f"\0{address[1:]}" if address.startswith("@") else address
        with suppress(OSError):
            self._socket.sendto("\n".join(lines).encode(), where)


def _line(text: str) -> str:
    return text.replace("\n", " ")[:_STATUS_OCTETS]
