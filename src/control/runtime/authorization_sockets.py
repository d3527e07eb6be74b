"""The UDP sockets at which CoA and Disconnect requests of RADIUS come in (RFC 5176 2.3)."""

from __future__ import annotations

import socket
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterable

from control.errors import ResourceError
from control.radius.dynauth import AuthorizationDatagram
from control.radius.events import SocketAddress

LONGEST = 4096
"""Octets of a RADIUS packet (RFC 2865 3); a longer one is cut, and then malformed."""
AT_ONCE = 16
"""Requests taken from one socket before others have their turn."""


class AuthorizationSockets:
    """`receive` gets octets, our address and the peer's. Raises ResourceError for an address that
    is not to be had: then no socket stays open."""

    def __init__(
        self,
        loop: AbstractEventLoop,
        addresses: Iterable[SocketAddress],
        receive: Callable[[bytes, SocketAddress, SocketAddress], None],
    ) -> None:
        self._loop = loop
        self._receive = receive
        self._sockets: dict[SocketAddress, socket.socket] = {}
        for address in addresses:
            self._open(address)

    def __len__(self) -> int:
        return len(self._sockets)

    def send(self, datagram: AuthorizationDatagram) -> None:
        """Never raises: whoever asked repeats it."""
        found = self._sockets.get(datagram.local)
        if found is not None:
            try:
                found.sendto(datagram.data, datagram.peer)
            except OSError:
                return

    def close(self) -> None:
        for made in self._sockets.values():
            self._loop.remove_reader(made.fileno())
            made.close()
        self._sockets.clear()

    def _open(self, address: SocketAddress) -> None:
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        made = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            made.bind(address)
        except OSError as error:
            made.close()
            self.close()
            where = f"{address[0]} port {address[1]}"
            raise ResourceError(f"dynamic_authorization: {where}: {error.strerror}") from error
        self._sockets[address] = made
        self._loop.add_reader(made.fileno(), self._readable, address)

    def _readable(self, address: SocketAddress) -> None:
        for _ in range(AT_ONCE):
            found = self._sockets.get(address)
            if found is None:
                return
            try:
                data, peer = found.recvfrom(LONGEST + 1)
            except OSError:
                return
            self._receive(data, address, (peer[0], peer[1]))
