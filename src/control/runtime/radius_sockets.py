"""The UDP sockets of the RADIUS clients: one for each (group, server, socket number), connected, so
that the kernel drops what comes from elsewhere, and with a source port of its own."""

from __future__ import annotations

import socket
from asyncio import AbstractEventLoop
from collections.abc import Callable, Container
from dataclasses import dataclass

from control.radius.events import RadiusDatagram, SocketAddress

LONGEST = 4096
"""Octets of a RADIUS packet (RFC 2865 3)."""
AT_ONCE = 64
"""Datagrams taken from one socket before others have their turn."""

Key = tuple[str, SocketAddress, int]


@dataclass(slots=True)
class Counters:
    sent: int = 0
    received: int = 0
    refused: int = 0
    """Nobody listens at the server (ECONNREFUSED)."""
    failed: int = 0
    """Could not be sent, or no socket could be opened: the client repeats them."""
    too_long: int = 0


class RadiusSockets:
    """`receive` gets the group and what came at one go, which is not empty."""

    def __init__(
        self,
        loop: AbstractEventLoop,
        receive: Callable[[str, list[RadiusDatagram]], None],
    ) -> None:
        self.counters = Counters()
        self._loop = loop
        self._receive = receive
        self._sockets: dict[Key, socket.socket] = {}

    def __len__(self) -> int:
        return len(self._sockets)

    def send(self, group: str, datagram: RadiusDatagram) -> None:
        """Never raises and never waits: RADIUS repeats what is lost."""
        try:
            found = self._socket((group, datagram.server, datagram.socket), datagram.source)
            try:
                found.send(datagram.data)
            except ConnectionRefusedError:
                # It tells of a datagram sent before; this one was not tried.
                self.counters.refused += 1
                found.send(datagram.data)
        except OSError:
            self.counters.failed += 1
            return
        self.counters.sent += 1

    def keep(self, groups: Container[str]) -> None:
        """Closes the sockets of all other groups."""
        for key in [key for key in self._sockets if key[0] not in groups]:
            made = self._sockets.pop(key)
            self._loop.remove_reader(made.fileno())
            made.close()

    def close(self) -> None:
        self.keep(())

    def _socket(self, key: Key, source: str) -> socket.socket:
        found = self._sockets.get(key)
        if found is not None:
            return found
        server = key[1]
        family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
        made = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            if source:
                made.bind((source, 0))
            made.connect(server)
            self._loop.add_reader(made.fileno(), self._readable, key)
        except OSError:
            made.close()
            raise
        self._sockets[key] = made
        return made

    def _readable(self, key: Key) -> None:
        group, server, number = key
        found = self._sockets.get(key)
        if found is None:
            return
        came = []
        for _ in range(AT_ONCE):
            try:
                data = found.recv(LONGEST + 1)
            except ConnectionRefusedError:
                self.counters.refused += 1
                continue
            except OSError:
                break
            self.counters.received += 1
            if len(data) > LONGEST:
                self.counters.too_long += 1
                continue
            came.append(RadiusDatagram(data, server, number))
        if came:
            self._receive(group, came)
