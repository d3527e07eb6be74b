"""A RADIUS client on real UDP sockets, which keeps what it sent and received."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable

from control.radius.client import Client
from control.radius.events import Event, RadiusDatagram, SocketAddress

PATIENCE = 60.0


class Wire:
    def __init__(self, client: Client) -> None:
        self.client = client
        self.packets: list[tuple[SocketAddress, SocketAddress, bytes]] = []
        """Source, destination, octets."""
        self.events: list[Event] = []
        self._sockets: dict[tuple[SocketAddress, int], socket.socket] = {}

    @property
    def now(self) -> float:
        return time.monotonic()

    def until(self, holds: Callable[[], object]) -> None:
        """Carries packets and time until something holds."""
        end = self.now + PATIENCE
        while not holds():
            assert self.now < end, "it does not happen"
            self.step()

    def event(self) -> Event:
        """The next event."""
        self.until(lambda: self.events)
        return self.events.pop(0)

    def step(self) -> None:
        for datagram in self.client.datagrams_to_send():
            self._send(datagram)
        due = self.client.get_timer()
        wait = 0.05 if due is None else min(max(due - self.now, 0.0), 0.05)
        ready, _, _ = select.select(list(self._sockets.values()), [], [], wait)
        for (server, number), found in self._sockets.items():
            if found in ready:
                self._receive(server, number, found)
        self.client.handle_timer(self.now)
        while (event := self.client.next_event()) is not None:
            self.events.append(event)

    def close(self) -> None:
        for found in self._sockets.values():
            found.close()

    def _send(self, datagram: RadiusDatagram) -> None:
        key = (datagram.server, datagram.socket)
        if key not in self._sockets:
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            made.bind((datagram.source, 0))
            made.connect(datagram.server)
            self._sockets[key] = made
        found = self._sockets[key]
        self.packets.append((found.getsockname(), datagram.server, datagram.data))
        for _ in range(2):  # the first may tell that an earlier one was refused
            try:
                found.send(datagram.data)
            except ConnectionRefusedError:
                continue
            return

    def _receive(self, server: SocketAddress, number: int, found: socket.socket) -> None:
        try:
            data = found.recv(4097)
        except ConnectionRefusedError:
            return
        self.packets.append((server, found.getsockname(), data))
        self.client.receive_datagram(RadiusDatagram(data, server, number), self.now)
