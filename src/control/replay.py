"""Replay: captures through data plane, control plane and simulated peers, all on one virtual clock.

Packets arrive at their capture time stamps; a burst ends where the control plane has to act, so
that everything happens in the order of time. The same input gives the same output octets.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from control.config import Config, Port
from control.dialout.events import Event
from control.errors import ConfigurationError, DialoutError
from control.fastpath_dataplane import NANOSECONDS, FastpathDataplane, build_tables
from control.fastpath_filters import Filters
from control.lns import Lns
from control.radius.events import RadiusDatagram
from control.series import Series
from control.sim.address import host_of
from control.sim.clock import VirtualClock
from control.sim.network import SimNetwork
from control.sim.radius import SimRadiusServer
from fastpath.engine import Engine
from fastpath.ports.mem import MemPort
from fastpath.ports.pcap import PcapError, PcapPort
from fastpath.ports.pcapng_writer import PcapngWriter
from fastpath.verdict import VERDICTS

RADIUS_SOURCE_PORT = 20000
"""First UDP port of our RADIUS sockets on the simulated network."""
FAREWELL = 35.0
"""Virtual seconds for the last goodbyes: StopCCN is repeated for 31 (RFC 2661 5.7)."""
STEP_PACKETS = 1 << 14
"""At the most between two looks at clock and control plane."""
BATCH_LEAST = 16
"""Packets handed to the network at one go; fewer are quicker one by one."""
EXACT_NS = 1 << 53
"""Up to here a double holds every nanosecond: 104 days."""


@dataclass(slots=True)
class Outcome:
    """What a replay came to."""

    packets: int = 0
    octets: int = 0
    seconds: float = 0.0
    """Virtual time from the first packet to the end."""
    errors: list[PcapError] = field(default_factory=list)
    """Damage in the inputs."""
    limited: bool = False
    interrupted: bool = False
    show: dict[str, Any] = field(default_factory=dict)
    """What `show` told at the end, when the calls that were up still stood: views by name."""


def verdict_series() -> Series:
    """For a replay to count its verdicts in."""
    return Series(VERDICTS)


def home_port(config: Config) -> Port | None:
    """The [[port]] that stands for the captures. Raises ConfigurationError if it is not
    clear which."""
    ports = [p for p in config.port if p.side == "home"]
    if len(ports) > 1:
        names = ", ".join(p.name for p in ports)
        raise ConfigurationError(f"a replay has one home port, but the configuration has: {names}")
    return ports[0] if ports else None


def open_captures(paths: Sequence[str]) -> PcapPort:
    """The inputs, merged by time. Raises OSError, or DialoutError for a file that is no capture."""
    try:
        return PcapPort(*paths, rebase=True)
    except PcapError as error:
        raise DialoutError(str(error)) from error


class Replay:
    """One replay. `run` does it; `lns`, `engine` and `network` can be looked at afterwards.

    Raises OSError, DialoutError for an input that is no capture, ConfigurationError.
    """

    def __init__(
        self,
        config: Config,
        inputs: Sequence[str],
        *,
        write: str | None = None,
        limit: int | None = None,
        seed: int | None = None,
        singly: bool = False,
        on_event: Callable[[Event], None] = lambda event: None,
        on_progress: Callable[[Replay], None] = lambda replay: None,
        series: Series | None = None,
    ) -> None:
        """`singly`: the simulated network handles every packet by itself, as tests want it to
        compare with what it does otherwise. `series`: is shown the verdicts as time passes."""
        self.config = config
        self.clock = VirtualClock()
        self.outcome = Outcome()
        self.home = open_captures(inputs)
        self.seed = config.sim.seed if seed is None else seed
        self._limit = limit
        self._singly = singly
        self._on_event = on_event
        self._on_progress = on_progress
        self._series = series
        self._tunnel = MemPort("tunnel")
        self._started = False
        self._build(write)

    def _build(self, write: str | None) -> None:
        config = self.config
        sessions = config.chassis.max_sessions
        self.engine = Engine(
            adjacencies=len(config.target) + sessions + 1024,
            sessions=sessions,
            trigger_keys=2 * sessions,
            stop_on_event=True,
            seed=self.seed,
        )
        tables = build_tables(self.engine, config)
        port = home_port(config)
        numbers = {router.name: router.table for router in config.virtual_router}
        table = tables[numbers[port.virtual_router]] if port else next(iter(tables.values()))
        self._home_index = self.engine.attach(self.home, table)
        self._tunnel_index = self.engine.attach(self._tunnel, table)
        with self.engine.transaction() as t:
            self._tunnel_nh = t.add_adjacency("ip", port=self._tunnel_index)
            local = t.add_adjacency("local", tunnel=True)
            # All tunnels end at the one tunnel port, whatever table their calls are for.
            for address in dict.fromkeys(
                a for r in config.virtual_router for a in r.local_addresses
            ):
                t.add_route(table, address, local)
            if port:
                home_nh = t.add_adjacency("ip", port=self._home_index, mtu=port.mtu)
                for prefix in port.networks:
                    t.add_route(table, prefix, home_nh)
        self._recorder: PcapngWriter | None = None
        if write is not None:
            self._recorder = PcapngWriter(
                write, [("home", "raw"), ("tunnel", "raw")], base_ns=self.home.first_ns or 0
            )
            self.engine.set_capture(self._recorder)
        dataplane = FastpathDataplane(
            self.engine,
            self._tunnel_index,
            tables,
            lambda: self.clock.now,
            Filters(self.engine, config.classifier),
        )
        self.dataplane = dataplane
        self.network = SimNetwork(config.sim, self.clock, self.seed, to_router=self._from_network)
        for index, server in enumerate(config.sim.radius):
            rng = random.Random(f"{self.seed}/radius/{index}")
            sim = SimRadiusServer(server, rng)
            self.network.attach(server.address, server.port, sim)
            self.network.attach(server.address, server.accounting_port, sim.for_accounting())
        start = (self.home.first_ns or 0) / NANOSECONDS
        self.lns = Lns(
            config,
            dataplane,
            random.Random(f"{self.seed}/lns"),
            lambda: start + self.clock.now,
        )
        self._bound: set[tuple[str, int]] = set()
        crossing = min((lac.delay for lac in config.sim.lac), default=0.0)
        self._round_trip_ns = int(2 * crossing * NANOSECONDS)

    # The run --------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Reads all inputs, lets what they caused come to its end, closes every call.

        Raises OSError if the output cannot be written.
        """
        try:
            self._play()
        finally:
            if self._recorder is not None:
                self._recorder.close()
        self._on_progress(self)
        return self.outcome

    def stop(self) -> None:
        """Ends the run between two steps, for Ctrl-C. May be called at any time."""
        self.outcome.interrupted = True

    def _play(self) -> None:
        self.lns.start(self.clock.now)
        self._settle()
        while self._one_step():
            self._on_progress(self)
            self._check_output()
        self._advance(self.clock.now + self.config.sim.drain)
        self.outcome.show = self._show()
        if not self.outcome.interrupted:
            self.lns.stop(self.clock.now)
            self._settle()
            self._advance(self.clock.now + FAREWELL, until_idle=True)
        outcome = self.outcome
        outcome.seconds = self.clock.now
        outcome.packets = self.home.packets
        outcome.octets = self.home.octets
        outcome.errors = self.home.errors()

    def _check_output(self) -> None:
        """A full disk is told now, not after an hour."""
        if self._recorder is not None and self._recorder.lost:
            self._recorder.flush()

    def _show(self) -> dict[str, Any]:
        lns, now = self.lns, self.clock.now
        return {
            "chassis": lns.chassis(now),
            "virtual_routers": lns.virtual_routers(now),
            "targets": lns.targets(now),
            "sessions": lns.sessions(now),
            "calls": lns.calls(),
        }

    def _one_step(self) -> bool:
        """Handles the next burst, or what is due before it. False: the inputs are at their end, or
        the run is."""
        if self.outcome.interrupted:
            return False
        packet_ns = self.home.next_ns
        if packet_ns is None:
            return False
        if self._limit is not None and self.home.packets >= self._limit:
            self.outcome.limited = True
            return False
        due = self._deadline()
        if due is not None and due * NANOSECONDS < packet_ns:
            self._run_due(due)
            return True
        most = STEP_PACKETS
        if self._limit is not None:
            most = min(most, self._limit - self.home.packets)
        if self.engine.run(self._home_index, self._horizon(packet_ns, due), most) < 0:
            return False
        self._to_network()
        self.clock.run_until(max(self.clock.now, self.engine.now_ns / NANOSECONDS))
        self._settle()
        return True

    def _horizon(self, packet_ns: int, due: float | None) -> int | None:
        """Up to when packets may be handled at once: before anything can come back.

        What a packet causes in the control plane ends the burst by itself; what it causes behind a
        session, if sites answer at all, takes two crossings of the line at least.
        """
        times = [] if due is None else [int(due * NANOSECONDS)]
        if self._series is not None:
            times.append(int(self._series.end_of_span(packet_ns / NANOSECONDS) * NANOSECONDS))
        if self.network.answering and len(self.engine.forwarding.sessions):
            times.append(packet_ns + self._round_trip_ns)
        return max(packet_ns, min(times)) if times else None

    def _deadline(self) -> float | None:
        """When the control plane or a peer has something to do next."""
        times = [t for t in (self.clock.next_deadline(), self.lns.get_timer()) if t is not None]
        return min(times, default=None)

    def _run_due(self, due: float) -> None:
        self.clock.run_until(max(due, self.clock.now))
        self.lns.handle_timer(self.clock.now)
        self._settle()

    def _advance(self, until: float, *, until_idle: bool = False) -> None:
        """Lets time pass without packets from the inputs."""
        while not self.outcome.interrupted:
            due = self._deadline()
            if due is None or due > until or (until_idle and self._idle()):
                break
            self._run_due(due)
        if not until_idle and not self.outcome.interrupted:
            self.clock.run_until(max(until, self.clock.now))

    def _settle(self) -> None:
        """Carries messages between data plane, control plane and network until none is left."""
        busy = True
        while busy:
            now = self.clock.now
            busy = False
            for trigger in self.dataplane.trigger_events():
                self.lns.on_trigger(trigger, now)
                busy = True
            for punt in self.engine.punts():
                busy = True
                if punt.verdict == "PUNT_L2TP":
                    self.lns.receive_l2tp(punt.data, punt.destination, punt.source, now)
                elif punt.verdict == "PUNT_PPP":
                    self.lns.receive_ppp(punt.nh, punt.data, now)
            for message in self.lns.l2tp_to_send():
                busy = True
                packet = host_of(message.peer[0]).udp_packet(
                    *message.local, *message.peer, message.data
                )
                self.engine.inject(packet, self._tunnel_nh, round(now * NANOSECONDS))
            for group, datagram in self.lns.radius_to_send():
                busy = True
                self._send_radius(group, datagram)
            busy |= self._to_network()
        while (event := self.lns.next_event()) is not None:
            self._on_event(event)
        self._look()

    def _look(self) -> None:
        if self._series is not None:
            verdicts = self.engine.counters()["verdict"]
            self._series.see(self.clock.now, verdicts.tolist())

    def _to_network(self) -> bool:
        """Hands over what the tunnel port sent, each packet at its own time."""
        waiting: int = self._tunnel.tx_waiting
        if waiting == 0:
            return False
        if waiting >= BATCH_LEAST and not self._singly:
            self._batch_to_network()
            return True
        for ts, packet in self._tunnel.pop_all():
            self._send(ts, packet)
        return True

    def _batch_to_network(self) -> None:
        buffer, offsets, lengths, stamps = self._tunnel.tx_arrays()
        if stamps[-1] < EXACT_NS and (stamps[1:] >= stamps[:-1]).all():
            times = np.maximum(stamps / float(NANOSECONDS), self.clock.now)
            self.network.from_router_many(buffer, offsets, lengths, times)
            return
        for ts, start, length in zip(stamps, offsets, lengths, strict=True):
            self._send(int(ts), buffer[start : start + length].tobytes())

    def _send(self, ts: int, packet: bytes) -> None:
        when = ts / NANOSECONDS
        if when > self.clock.now:
            self.clock.call_at(when, self.network.from_router, packet)
        else:
            self.network.from_router(packet)

    # The network ----------------------------------------------------------------------------

    def _from_network(self, packet: bytes) -> None:
        """An IP packet arrives at the tunnel port, now."""
        self._tunnel.push(packet, round(self.clock.now * NANOSECONDS))
        while len(self._tunnel):
            self.engine.poll(self._tunnel_index)
            self._settle()

    def _send_radius(self, group: str, datagram: RadiusDatagram) -> None:
        address = datagram.source or self._radius_address(group)
        source = (address, RADIUS_SOURCE_PORT + datagram.socket)
        if source not in self._bound:
            self._bound.add(source)

            def receive(data: bytes, server: tuple[str, int]) -> None:
                answer = RadiusDatagram(data, server, datagram.socket)
                self.lns.receive_radius(group, answer, self.clock.now)
                self._settle()

            self.network.bind(source, receive)
        self.network.send_udp(source, datagram.server, datagram.data)

    def _radius_address(self, group: str) -> str:
        """Where a RADIUS group is asked from: as the first virtual router that uses it."""
        routers = [r for r in self.config.virtual_router if r.radius == group]
        return routers[0].local_address if routers else "0.0.0.0"

    def _idle(self) -> bool:
        """No tunnel is left that has something to say."""
        return not any(endpoint.tunnels() for endpoint in self.lns.endpoints.values())

    @property
    def started_at(self) -> datetime:
        """Time of the first packet of the inputs."""
        return datetime.fromtimestamp((self.home.first_ns or 0) / NANOSECONDS, UTC)
