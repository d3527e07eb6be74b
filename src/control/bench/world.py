"""An LNS on its data plane and the simulated other side, in one process and in virtual time.

For soaks and storms: days pass in minutes, and the same seed gives the same run, fact by fact. What
the home side sends is put in here; faults are made by whoever owns the world.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np

from control.config import Config, SimRadius
from control.dialout.events import Event
from control.fastpath_dataplane import NANOSECONDS, FastpathDataplane, build_tables
from control.fastpath_filters import Filters
from control.lns import Lns
from control.radius.events import RadiusDatagram
from control.sim.clock import Alarm, VirtualClock
from control.sim.network import SimNetwork
from control.sim.radius import SimRadiusServer
from fastpath.datagram import udp_packet
from fastpath.engine import Engine
from fastpath.ports.mem import MemPort

RADIUS_PORT = 20000
"""First UDP port of our RADIUS sockets on the simulated network."""
EPOCH = 1_750_000_000.0 // 86400 * 86400
"""What the wall clock shows at the beginning, seconds since 1970: a midnight."""
PUNTS = 1024
FEW = 64
CONTROL = 0x80
IP = 0x21
_LOOK = (28, 38, 39)
"""Where in a packet of ours L2TP's first flags are and PPP's protocol field."""


class World:
    """One virtual router, `config.virtual_router[0]`, with one RADIUS group is used."""

    def __init__(
        self,
        config: Config,
        seed: int,
        *,
        on_event: Callable[[Event], object] = lambda fact: None,
        new_radius: Callable[[SimRadius, random.Random], SimRadiusServer] = SimRadiusServer,
        with_data: bool = True,
    ) -> None:
        """`with_data`: IP packets that go into sessions reach the sites; else most of them end
        at the tunnel port, which takes less time."""
        self._with_data = with_data
        self.clock = VirtualClock()
        self.radius_down = False
        """RADIUS servers hear nothing."""
        self._on_event = on_event
        sessions = config.chassis.max_sessions
        self.engine = Engine(
            adjacencies=len(config.target) + sessions + 1024,
            sessions=sessions,
            trigger_keys=2 * sessions,
            seed=seed,
        )
        tables = build_tables(self.engine, config)
        table = tables[config.virtual_router[0].table]
        self.home, self._tunnel = MemPort("home"), MemPort("tunnel")
        self._home_index = self.engine.attach(self.home, table)
        self._tunnel_index = self.engine.attach(self._tunnel, table)
        with self.engine.transaction() as t:
            self._tunnel_nh = t.add_adjacency("ip", port=self._tunnel_index)
        self.dataplane = FastpathDataplane(
            self.engine,
            self._tunnel_index,
            tables,
            lambda: self.clock.now,
            Filters(self.engine, config.classifier),
            together=True,
        )
        self.network = SimNetwork(config.sim, self.clock, seed, to_router=self._from_network)
        for index, server in enumerate(config.sim.radius):
            rng = random.Random(f"{seed}/radius/{index}")
            self.network.attach(server.address, server.port, new_radius(server, rng))
        rng = random.Random(f"{seed}/lns")
        self.lns = Lns(config, self.dataplane, rng, lambda: EPOCH + self.clock.now)
        self._address = config.virtual_router[0].local_address
        self._bound: set[int] = set()
        self._alarm = Alarm(self.clock, self._ring)
        self.lns.start(0.0)
        self.settle()

    def send(self, packets: Sequence[bytes]) -> None:
        """IP packets arrive from home now."""
        self.home.push_many(packets, self._now_ns())
        self.take()

    def take(self) -> None:
        """Handles what the home port has got."""
        while len(self.home):
            self.engine.poll(self._home_index)
            self.settle()

    def run(self, seconds: float) -> None:
        """Lets time pass."""
        self.clock.run_until(self.clock.now + seconds)

    def settle(self) -> None:
        """Carries messages between data plane, LNS and network until none is left. After anything
        that was done to the LNS."""
        lns, now = self.lns, self.clock.now
        busy = True
        while busy:
            busy = False
            for trigger in self.dataplane.trigger_events():
                lns.on_trigger(trigger, now)
                busy = True
            for punt in self.engine.punts(PUNTS):
                busy = True
                if punt.verdict == "PUNT_L2TP":
                    lns.receive_l2tp(punt.data, punt.destination, punt.source, now)
                elif punt.verdict == "PUNT_PPP":
                    lns.receive_ppp(punt.nh, punt.data, now)
            for message in lns.l2tp_to_send():
                packet = udp_packet(*message.local, *message.peer, message.data)
                self.engine.inject(packet, self._tunnel_nh, self._now_ns(), wait=True)
            for group, datagram in lns.radius_to_send():
                self._ask_radius(group, datagram)
        self.engine.send()
        if self._tunnel.tx_waiting:
            for packet in self._sent():
                self.network.from_router(packet)
        while (fact := lns.next_event()) is not None:
            self._on_event(fact)
        self._alarm.set(lns.get_timer())

    def _sent(self) -> list[bytes]:
        """What the tunnel port sent, without data of sites if the world is not to have them."""
        if self._with_data or self._tunnel.tx_waiting < FEW:
            return [packet for _, packet in self._tunnel.pop_all()]
        buffer, offsets, lengths, _ = self._tunnel.tx_arrays()
        last = len(buffer) - 1
        flags, high, low = (buffer[np.minimum(offsets + at, last)] for at in _LOOK)
        data = (flags & CONTROL == 0) & (high == 0) & (low == IP)
        kept = np.flatnonzero(~data)
        ends = offsets[kept] + lengths[kept]
        return [buffer[a:b].tobytes() for a, b in zip(offsets[kept], ends, strict=True)]

    def _ring(self) -> None:
        self.lns.handle_timer(self.clock.now)
        self.settle()

    def _from_network(self, packet: bytes) -> None:
        self._tunnel.push(packet, self._now_ns())
        self.engine.poll(self._tunnel_index)
        self.settle()

    def _ask_radius(self, group: str, datagram: RadiusDatagram) -> None:
        socket = datagram.socket
        source = (self._address, RADIUS_PORT + socket)
        if socket not in self._bound:
            self._bound.add(socket)

            def receive(data: bytes, server: tuple[str, int]) -> None:
                if not self.radius_down:
                    answer = RadiusDatagram(data, server, socket)
                    self.lns.receive_radius(group, answer, self.clock.now)
                    self.settle()

            self.network.bind(source, receive)
        if not self.radius_down:
            self.network.send_udp(source, datagram.server, datagram.data)

    def _now_ns(self) -> int:
        return round(self.clock.now * NANOSECONDS)
