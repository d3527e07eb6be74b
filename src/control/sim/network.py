"""The simulated world around the router: LACs, sites and UDP services on one virtual clock.

The router's tunnel port hands in IP packets (`from_router`) and takes them (`to_router`); its
control-plane sockets use `bind` and `send_udp`. Each LAC hangs on a line of its own with the
impairments of its configuration. Nothing is routed between LACs, and nothing is fragmented.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

from control import config as settings
from control.errors import ConfigurationError, DecodeError, LocalProtocolError
from control.l2tp.events import Datagram, SocketAddress
from control.sim import host, quiet
from control.sim.address import host_for, host_of
from control.sim.batch import Batch
from control.sim.clock import Alarm, VirtualClock
from control.sim.cpe import SimCpe
from control.sim.lac import SimLac
from control.sim.link import Direction, Impairment, Link
from control.sim.quiet import Array, Flow

ToRouter = Callable[[bytes], object]
Receive = Callable[[bytes, SocketAddress], object]
"""Called with a UDP payload and its source."""


class ServiceDatagram(Protocol):
    @property
    def data(self) -> bytes: ...
    @property
    def destination(self) -> SocketAddress: ...


class UdpService(Protocol):
    """A server behind one address and port, such as a RADIUS server."""

    def receive_datagram(self, data: bytes, source: SocketAddress, now: float) -> None: ...
    def handle_timer(self, now: float) -> None: ...
    def get_timer(self) -> float | None: ...
    def datagrams_to_send(self) -> Sequence[ServiceDatagram]: ...


@dataclass(slots=True)
class NetworkCounters:
    from_router: int = 0
    """IP packets of the tunnel port: the sum of those on lines to LACs and the two below."""
    malformed: int = 0
    """No IP header to be read."""
    unknown_address: int = 0
    """No LAC has this destination address."""
    to_router: int = 0
    datagrams: int = 0
    """UDP payloads between control-plane sockets and services, both ways."""
    no_service: int = 0
    """UDP payloads to an address and port where nobody listens, both ways."""


@dataclass(slots=True)
class HostCounters:
    """What reached a LAC's address and was no datagram for it."""

    not_udp: int = 0
    damaged: int = 0
    """Wrong length or checksum."""
    fragments: int = 0
    closed_port: int = 0


class LacHost:
    """A LAC's IP address: takes datagrams out of packets and puts them in."""

    def __init__(
        self,
        config: settings.SimLac,
        sites: Sequence[SimCpe],
        clock: VirtualClock,
        seed: str,
        to_router: ToRouter,
    ) -> None:
        self.counters = HostCounters()
        self.link = Link(
            clock,
            impairment(config),
            f"{seed}/link",
            deliver_far=self._receive,
            deliver_near=to_router,
        )
        self.lac = SimLac(config, sites, clock, random.Random(f"{seed}/lac"), send=self._send)
        self._identification = 0

    def _receive(self, packet: bytes) -> None:
        form = host_for(packet)
        try:
            start, end = form.read_udp(packet)
        except DecodeError:
            self._count_refused(packet)
            return
        port = packet[start - 6] << 8 | packet[start - 5]
        if port != self.lac.config.port and port != self.lac.port:
            self.counters.closed_port += 1
            return
        source = form.source_of(packet), packet[start - 8] << 8 | packet[start - 7]
        self.lac.receive_datagram(packet[start:end], source, port)

    def receive_quiet(self, flow: Flow, count: int) -> None:
        """`count` packets of which quiet.py says that nobody answers them."""
        if flow.port != self.lac.config.port and flow.port != self.lac.port:
            self.counters.closed_port += count
        else:
            self.lac.receive_quiet(flow, count)

    def _count_refused(self, packet: bytes) -> None:
        """Finds out why `read_udp` refused a packet; most packets never come here."""
        form = host_for(packet)
        try:
            protocol, _, _ = form.read_ip(packet)
        except DecodeError:
            self.counters.damaged += 1
            return
        if protocol != host.UDP:
            self.counters.not_udp += 1
        elif form.is_fragment(packet):
            self.counters.fragments += 1
        else:
            self.counters.damaged += 1

    def _send(self, datagram: Datagram) -> None:
        self._identification = self._identification % 0xFFFF + 1
        packet = host_of(datagram.peer[0]).udp_packet(
            *datagram.local,
            *datagram.peer,
            datagram.data,
            identification=self._identification,
        )
        self.link.send(Direction.TO_NEAR, packet)

    def report(self) -> dict[str, object]:
        return {
            **self.lac.report(),
            "host": asdict(self.counters),
            "link": {way.value: asdict(self.link.counters(way)) for way in Direction},
        }


class SimNetwork:
    """LACs and sites of a configuration, and what else is attached."""

    def __init__(
        self,
        config: settings.Sim,
        clock: VirtualClock,
        seed: int | None = None,
        *,
        to_router: ToRouter,
    ) -> None:
        """`to_router` takes the IP packets that arrive at the router's tunnel port. `seed`
        overrides the configuration's. Raises LocalProtocolError if two LACs share an address,
        ConfigurationError for a site whose line leaves virtual time."""
        self.clock = clock
        self.counters = NetworkCounters()
        self._to_router = to_router
        name = f"{config.seed if seed is None else seed}"
        if any(cpe.line for cpe in config.cpe):
            raise ConfigurationError("sim.cpe.line: a real line has no place in virtual time")
        self.sites = tuple(
            SimCpe(cpe, clock, random.Random(f"{name}/cpe/{index}/{cpe.number}"))
            for index, cpe in enumerate(config.cpe)
        )
        self.answering = any(site.config.echo for site in self.sites)
        """Some of what the router sends to sites is answered. Else only what their PPP says comes
        back, and what the LACs themselves say."""
        self._hosts: dict[bytes, LacHost] = {}
        for lac in config.lac:
            address = host_of(lac.address).pack_address(lac.address)
            if address in self._hosts:
                raise LocalProtocolError(f"two simulated LACs have the address {lac.address}")
            self._hosts[address] = LacHost(
                lac, self.sites, clock, f"{name}/{lac.address}", self._arrive
            )
        self._sockets: dict[SocketAddress, Receive] = {}
        self._services: dict[SocketAddress, tuple[UdpService, Alarm]] = {}

    def from_router(self, packet: bytes) -> None:
        """An IP packet that the router's tunnel port sent. Junk is counted."""
        self.counters.from_router += 1
        version = packet[0] >> 4 if packet else 0
        if version == 4 and len(packet) >= 20:
            destination = self._hosts.get(packet[16:20])
        elif version == 6 and len(packet) >= 40:
            destination = self._hosts.get(packet[24:40])
        else:
            self.counters.malformed += 1
            return
        if destination is None:
            self.counters.unknown_address += 1
            return
        destination.link.to_far.send(packet)

    def from_router_many(self, buffer: Array, offsets: Array, lengths: Array, times: Array) -> None:
        """As from_router for each packet at its time, of which none is earlier than the one before
        or than now. Those that nobody answers are counted in bulk, with the same result. The
        packets lie in `buffer` as quiet.flows wants it."""
        flow, flows = quiet.flows(buffer, offsets, lengths, answering=self.answering)
        hosts = [self._hosts.get(found.destination) for found in flows]
        perfect = [h if h is not None and h.link.to_far.perfect else None for h in hosts]
        batch = Batch(
            self.clock,
            (buffer, offsets, lengths, times),
            flow,
            flows,
            perfect,
            from_router=self.from_router,
            count=self._count_sent,
        )
        batch.schedule()

    def lac(self, address: str) -> SimLac:
        """The LAC with this address. Raises LocalProtocolError if there is none."""
        found = self._hosts.get(host_of(address).pack_address(address))
        if found is None:
            raise LocalProtocolError(f"no simulated LAC has the address {address}")
        return found.lac

    def bind(self, local: SocketAddress, receive: Receive) -> None:
        """Opens a control-plane socket of the router. Raises LocalProtocolError if it is open."""
        if local in self._sockets:
            raise LocalProtocolError(f"{local} is bound already")
        self._sockets[local] = receive

    def send_udp(self, source: SocketAddress, destination: SocketAddress, payload: bytes) -> None:
        """Sends from a control-plane socket to a service; one without listener is counted."""
        self.counters.datagrams += 1
        found = self._services.get(destination)
        if found is None:
            self.counters.no_service += 1
            return
        service, _ = found
        service.receive_datagram(payload, source, self.clock.now)
        self._drain(destination)

    def attach(self, address: str, port: int, service: UdpService) -> None:
        """Puts a service behind an address and port. Raises LocalProtocolError if one is there."""
        local = (address, port)
        if local in self._services:
            raise LocalProtocolError(f"{local} has a service already")
        alarm = Alarm(self.clock, lambda: self._ring(local))
        self._services[local] = (service, alarm)
        alarm.set(service.get_timer())

    def report(self) -> dict[str, object]:
        """What happened, in the order of the configuration."""
        return {
            **asdict(self.counters),
            "lac": [found.report() for found in self._hosts.values()],
            "cpe": [site.report() for site in self.sites],
        }

    def _count_sent(self, count: int) -> None:
        self.counters.from_router += count

    def _arrive(self, packet: bytes) -> None:
        self.counters.to_router += 1
        self._to_router(packet)

    def _ring(self, local: SocketAddress) -> None:
        self._services[local][0].handle_timer(self.clock.now)
        self._drain(local)

    def _drain(self, local: SocketAddress) -> None:
        """Answers are delivered by the clock, never from inside the call that caused them."""
        service, alarm = self._services[local]
        for datagram in service.datagrams_to_send():
            self.clock.call_later(0.0, self._deliver, datagram, local)
        alarm.set(service.get_timer())

    def _deliver(self, datagram: ServiceDatagram, source: SocketAddress) -> None:
        self.counters.datagrams += 1
        receive = self._sockets.get(datagram.destination)
        if receive is None:
            self.counters.no_service += 1
            return
        receive(datagram.data, source)


def impairment(config: settings.SimLac) -> Impairment:
    """What the line to a LAC does. Raises LocalProtocolError for shares that are none."""
    return Impairment(
        delay=config.delay,
        jitter=config.jitter,
        loss=config.loss,
        duplicate=config.duplicate,
        reorder=config.reorder,
        corrupt=config.corrupt,
    )
