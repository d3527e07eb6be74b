"""The simulated other side on real sockets of the loopback network, in the test's own loop."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from contextlib import suppress

from control.config import Config
from control.sim import host
from control.sim.clock import VirtualClock
from control.sim.network import SimNetwork
from control.sim.radius import SimRadiusServer


class LivePeers:
    """LACs, sites and RADIUS servers of a configuration's [sim]; each LAC is a socket on port 1701.

    Their virtual clock is wound on to the real time whenever something arrives or is due.
    """

    def __init__(self, config: Config, lns_port: int = 1701):
        self.loop = asyncio.get_running_loop()
        self.started = time.monotonic()
        self.clock = VirtualClock()
        self.network = SimNetwork(config.sim, self.clock, to_router=self._to_router)
        self.sockets: dict[str, socket.socket] = {}
        self.servers: list[tuple[SimRadiusServer, socket.socket]] = []
        self.timer: asyncio.TimerHandle | None = None
        for lac in config.sim.lac:
            made = self._open(lac.address, 1701)
            self.sockets[lac.address] = made
            self.loop.add_reader(made.fileno(), self._from_router, lac.address, made)
        for number, settings in enumerate(config.sim.radius):
            server = SimRadiusServer(settings, random.Random(number))
            made = self._open(settings.address, settings.port)
            self.servers.append((server, made))
            self.loop.add_reader(made.fileno(), self._request, server, made)

    @staticmethod
    def _open(address: str, port: int) -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        made.bind((address, port))
        return made

    def now(self) -> float:
        return time.monotonic() - self.started

    def close(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
        for made in (*self.sockets.values(), *(made for _, made in self.servers)):
            self.loop.remove_reader(made.fileno())
            made.close()

    def _from_router(self, address: str, made: socket.socket) -> None:
        with suppress(BlockingIOError):
            for _ in range(64):
                data, source = made.recvfrom(65536)
                self.clock.run_until(max(self.now(), self.clock.now))
                packet = host.udp_packet(*source, address, 1701, data)
                self.network.from_router(packet)
        self._advance()

    def _to_router(self, packet: bytes) -> None:
        found = host.parse_udp(packet)
        with suppress(OSError):
            self.sockets[found.source[0]].sendto(found.payload, found.destination)

    def _request(self, server: SimRadiusServer, made: socket.socket) -> None:
        with suppress(BlockingIOError):
            while True:
                data, source = made.recvfrom(4096)
                server.receive_datagram(data, source, self.now())
        self._advance()

    def _advance(self) -> None:
        now = self.now()
        self.clock.run_until(max(now, self.clock.now))
        times = [self.clock.next_deadline()]
        for server, made in self.servers:
            server.handle_timer(now)
            for datagram in server.datagrams_to_send():
                made.sendto(datagram.data, datagram.destination)
            times.append(server.get_timer())
        due = min((when for when in times if when is not None), default=None)
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if due is not None:
            self.timer = self.loop.call_later(max(0.0, due - self.now()), self._advance)
