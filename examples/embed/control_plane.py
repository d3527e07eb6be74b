"""The Python half of the embedding examples: the control plane, and the network behind the tunnel.

A C program made the engine and forwards with threads of its own. One more thread of it calls run(),
which places the calls: the LNS of control.lns on the engine, in real time. LAC, site and RADIUS
server are simulated; IP packets go to them and come from them over one end of a socket pair, which
stands for the wire of the tunnel port.
"""

from __future__ import annotations

import random
import select
import socket
import threading
import time

from control.config_file import read_config
from control.fastpath_dataplane import NANOSECONDS, FastpathDataplane
from control.lns import Lns
from control.radius.events import RadiusDatagram
from control.report import timeline_line
from control.sim.clock import VirtualClock
from control.sim.host import udp_packet
from control.sim.network import SimNetwork
from control.sim.radius import SimRadiusServer
from fastpath.abi import engine_with

POLL = 0.002
"""Seconds between two looks at triggers and punts: the data plane does not wake anybody."""
FAREWELL = 2.0
"""Seconds for the last goodbyes."""

_stop = threading.Event()


def stop() -> None:
    """Ends run(), once every call is hung up. From any thread."""
    _stop.set()


def run(
    engine: int, table: int, tunnel_port: int, tunnel_nh: int, wire: int, epoch: int, config: str
) -> None:
    """The control plane of an engine, named by its handle, until stop().

    tunnel_nh leads out of the tunnel port, and is how L2TP control messages leave; wire is the file
    descriptor of the far end of that port; epoch is when the workers' clock began, in nanoseconds
    of the monotonic clock.
    """
    far_end = socket.socket(fileno=wire)
    ControlPlane(engine, table, tunnel_port, tunnel_nh, far_end, epoch, config).run()


class ControlPlane:
    def __init__(
        self,
        engine: int,
        table: int,
        tunnel_port: int,
        tunnel_nh: int,
        wire: socket.socket,
        epoch: int,
        config: str,
    ) -> None:
        self.config = read_config(config)
        self.engine = engine_with(engine)
        self.tunnel_nh = tunnel_nh
        self.wire = wire
        self.wire.setblocking(False)
        self.epoch = epoch
        self.clock = VirtualClock(self.now())
        tables = {router.table: table for router in self.config.virtual_router}
        self.dataplane = FastpathDataplane(self.engine, tunnel_port, tables, self.now)
        self.lns = Lns(self.config, self.dataplane, random.Random(), time.time)
        self.network = SimNetwork(self.config.sim, self.clock, to_router=self.wire.send)
        for server in self.config.sim.radius:
            simulated = SimRadiusServer(server, random.Random())
            self.network.attach(server.address, server.port, simulated)
        self.sockets: set[tuple[str, int]] = set()

    def now(self) -> float:
        return (time.monotonic_ns() - self.epoch) / NANOSECONDS

    def run(self) -> None:
        self.lns.start(self.now())
        while not _stop.is_set():
            self.step()
        self.lns.stop(self.now())
        end = self.now() + FAREWELL
        while self.now() < end and any(e.tunnels() for e in self.lns.endpoints.values()):
            self.step()

    def step(self) -> None:
        """Waits for the wire, a timer, or the next look at the engine, and does what is due."""
        select.select([self.wire], [], [], POLL)
        try:
            while True:
                self.network.from_router(self.wire.recv(65536))
        except BlockingIOError:
            pass
        now = self.now()
        self.clock.run_until(now)
        due = self.lns.get_timer()
        if due is not None and due <= now:
            self.lns.handle_timer(now)
        for trigger in self.dataplane.trigger_events():
            self.lns.on_trigger(trigger, now)
        for punt in self.engine.punts():
            if punt.verdict == "PUNT_L2TP":
                self.lns.receive_l2tp(punt.data, punt.destination, punt.source, now)
            elif punt.verdict == "PUNT_PPP":
                self.lns.receive_ppp(punt.nh, punt.data, now)
        for message in self.lns.l2tp_to_send():
            packet = udp_packet(*message.local, *message.peer, message.data)
            self.engine.inject(packet, self.tunnel_nh, round(now * NANOSECONDS))
        for group, datagram in self.lns.radius_to_send():
            self.send_radius(group, datagram)
        while (event := self.lns.next_event()) is not None:
            print(timeline_line(event), flush=True)

    def send_radius(self, group: str, datagram: RadiusDatagram) -> None:
        source = ("10.88.0.1", 20000 + datagram.socket)
        if source not in self.sockets:
            self.sockets.add(source)

            def receive(data: bytes, server: tuple[str, int]) -> None:
                answer = RadiusDatagram(data, server, datagram.socket)
                self.lns.receive_radius(group, answer, self.now())

            self.network.bind(source, receive)
        self.network.send_udp(source, datagram.server, datagram.data)
