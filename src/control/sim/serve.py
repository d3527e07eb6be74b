"""The simulators on real sockets: LacServer and RadiusServer, and Simulators, which runs those of a
configuration side by side in one asyncio loop.

For tests of any LNS, ours or another. Sites are behind the LACs' modems as in a replay; what a line
does to datagrams (delay, loss, order) it does to UDP payloads here, so a flipped bit arrives in a
datagram whose checksum is right.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

from control import config as settings
from control.l2tp.events import Datagram, SocketAddress
from control.sim.clock import Alarm
from control.sim.cpe import SimCpe
from control.sim.device import TunDevice
from control.sim.lac import SimLac
from control.sim.lac_call import Site
from control.sim.link import Direction, Impairment, Link
from control.sim.meter import Meter
from control.sim.network import UdpService, impairment
from control.sim.radius import SimRadiusServer
from control.sim.real_time import RealTime, UdpSocket
from control.sim.scenario import Scenario
from control.sim.serial_line import Answering, SerialSite

Trace = Callable[[bytes, SocketAddress, SocketAddress], object]
"""Called with each UDP payload that a socket receives or sends, its source and its destination."""

DISCARD = 9
"""The UDP port whose datagrams nobody answers (RFC 863)."""

PARTS = ("lac", "cpe", "radius")
"""`cpe` are sites that wait for calls at a `tcp:` line; those without one need no mention."""


class LacServer:
    """One simulated LAC on its own UDP socket, control and data messages alike; with `new_port` on
    two. All datagrams pass a line with the impairments of the configuration."""

    def __init__(
        self,
        config: settings.SimLac,
        sites: Sequence[Site],
        time: RealTime,
        seed: str = "1",
        *,
        trace: Trace | None = None,
    ) -> None:
        """Opens its sockets. Raises OSError, LocalProtocolError for an outcome that is none."""
        self._address = config.address
        self._trace = trace
        self._sockets: dict[int, UdpSocket] = {}
        self._time = time
        self.link = Link(
            time.clock,
            impairment(config),
            f"{seed}/{config.address}/link",
            deliver_far=self._arrive,
            deliver_near=self._depart,
        )
        other = None
        try:
            self._open(config.port)
            if config.new_port:
                other = self._open(0)
        except OSError:
            self.close()
            raise
        rng = random.Random(f"{seed}/{config.address}/lac")
        self.lac = SimLac(config, sites, time.clock, rng, send=self._send, port=other)
        self._impair(impairment(config))

    @property
    def descriptor(self) -> int:
        """Of the socket that its calls use."""
        return self._sockets[self.lac.port].descriptor

    def retune(self, config: settings.SimLac) -> None:
        """As SimLac.retune, and another line from now on."""
        self.lac.retune(config)
        self._impair(impairment(config))

    def stop(self) -> None:
        """Tells every LNS that the LAC shuts down (StopCCN 6), once: nothing is sent again."""
        self.lac.shutdown()

    def close(self) -> None:
        for found in self._sockets.values():
            found.close()

    def report(self) -> dict[str, object]:
        return {
            **self.lac.report(),
            **self.lac.meter.report(),
            "link": {way.value: asdict(self.link.counters(way)) for way in Direction},
            "sockets": {port: asdict(s.counters) for port, s in self._sockets.items()},
        }

    def _open(self, port: int) -> int:
        found = UdpSocket(self._time, self._address, port, lambda d, s: self._receive(d, s, here))
        here = found.port
        self._sockets[here] = found
        return here

    def _impair(self, what: Impairment) -> None:
        for lane in (self.link.to_far, self.link.to_near):
            lane.impair(what)
        self._straight = what == Impairment()

    def _receive(self, data: bytes, source: SocketAddress, port: int) -> None:
        if self._trace is not None:
            self._trace(data, source, (self._address, port))
        if self._straight:
            self.lac.receive_datagram(data, source, port)
        else:
            self.link.to_far.send(data, source, port)

    def _arrive(self, data: bytes, source: SocketAddress, port: int) -> None:
        self.lac.receive_datagram(data, source, port)

    def _send(self, datagram: Datagram) -> None:
        if self._straight:
            self._depart(datagram.data, datagram.local[1], datagram.peer)
        else:
            self.link.to_near.send(datagram.data, datagram.local[1], datagram.peer)

    def _depart(self, data: bytes, port: int, peer: SocketAddress) -> None:
        if self._trace is not None:
            self._trace(data, (self._address, port), peer)
        self._sockets[port].send(data, peer)


class UdpServer:
    """A sans-IO UDP service on a socket."""

    def __init__(
        self,
        service: UdpService,
        address: str,
        port: int,
        time: RealTime,
        *,
        trace: Trace | None = None,
    ) -> None:
        """Opens the socket; port 0: any that is free. Raises OSError."""
        self.service = service
        self.address = address
        self._time = time
        self._trace = trace
        self._socket = UdpSocket(time, address, port, self._receive)
        self.port = self._socket.port
        self._alarm = Alarm(time.clock, self._ring)

    def close(self) -> None:
        self._alarm.cancel()
        self._socket.close()

    def report(self) -> dict[str, object]:
        return {"address": self.address, "port": self.port, **asdict(self._socket.counters)}

    def _receive(self, data: bytes, source: SocketAddress) -> None:
        if self._trace is not None:
            self._trace(data, source, (self.address, self.port))
        now = self._time.clock.now
        self.service.receive_datagram(data, source, now)
        self.service.handle_timer(now)
        self._drain()

    def _ring(self) -> None:
        self.service.handle_timer(self._time.clock.now)
        self._drain()

    def _drain(self) -> None:
        for datagram in self.service.datagrams_to_send():
            if self._trace is not None:
                self._trace(datagram.data, (self.address, self.port), datagram.destination)
            self._socket.send(datagram.data, datagram.destination)
        self._alarm.set(self.service.get_timer())


class RadiusServer(UdpServer):
    """One simulated RADIUS server on its UDP sockets, for authentication and for accounting."""

    def __init__(
        self,
        config: settings.SimRadius,
        time: RealTime,
        seed: str = "1",
        *,
        trace: Trace | None = None,
    ) -> None:
        """Opens its sockets. Raises OSError."""
        self.server = SimRadiusServer(config, random.Random(f"{seed}/radius/{config.address}"))
        super().__init__(self.server, config.address, config.port, time, trace=trace)
        accounting = self.server.for_accounting()
        try:
            self.accounting = UdpServer(
                accounting, config.address, config.accounting_port, time, trace=trace
            )
        except OSError:
            super().close()
            raise

    def close(self) -> None:
        self.accounting.close()
        super().close()

    def report(self) -> dict[str, object]:
        return {**super().report(), **asdict(self.server.counters)}


class Simulators:
    """Those of a configuration, in the running loop."""

    def __init__(
        self,
        config: settings.Sim,
        parts: Sequence[str] = ("lac", "radius"),
        *,
        seed: int | None = None,
        trace: Trace | None = None,
    ) -> None:
        """`parts` are of PARTS. Opens all sockets. Raises OSError, LocalProtocolError."""
        self.time = RealTime(asyncio.get_running_loop())
        self.lacs: list[LacServer] = []
        self.radius: list[RadiusServer] = []
        name = f"{config.seed if seed is None else seed}"
        self.scenario: Scenario | None = None
        self.triggers = 0
        """Packets that a scenario sent, or tried to."""
        self._triggers: dict[int, socket.socket] = {}
        self.answering: list[Answering] = []
        """Sites that wait for calls at a line of their own."""
        self.devices: list[TunDevice] = []
        self.sites = tuple(
            self._site(cpe, f"{name}/cpe/{index}/{cpe.number}", "cpe" in parts)
            for index, cpe in enumerate(config.cpe)
        )
        try:
            for site in self.sites:
                if isinstance(site, SimCpe) and site.config.device:
                    device = TunDevice(site.config.device, self.time, site.receive_from_hosts)
                    self.devices.append(device)
                    site.hosts = device
            if "cpe" in parts:
                for site in self.sites:
                    if isinstance(site, SimCpe) and site.config.line:
                        self.answering.append(Answering(site, self.time))
            if "lac" in parts:
                for lac in config.lac:
                    server = LacServer(lac, self.sites, self.time, name, trace=trace)
                    self.lacs.append(server)
            if "radius" in parts:
                for radius in config.radius:
                    self.radius.append(RadiusServer(radius, self.time, name, trace=trace))
        except BaseException:
            self.close()
            raise

    def _trigger(self, destination: str) -> None:
        """One packet for a site, by this machine's own routes."""
        family = socket.AF_INET6 if ":" in destination else socket.AF_INET
        sender = self._triggers.get(family)
        if sender is None:
            sender = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            self._triggers[family] = sender
        self.triggers += 1
        with contextlib.suppress(OSError):
            sender.sendto(b"trigger", (destination, DISCARD))

    def _site(self, config: settings.SimCpe, seed: str, answers: bool) -> SimCpe | SerialSite:
        """What a LAC's modem reaches. In the process that answers at the line itself, that is the
        simulated site."""
        if config.line and not answers:
            return SerialSite(config, self.time)
        return SimCpe(config, self.time.clock, random.Random(seed))

    def listening(self) -> Iterator[str]:
        """What runs where, a line each."""
        for lac in self.lacs:
            config = lac.lac.config
            yield f"lac {config.host_name} {config.address} port {config.port}"
        for radius in self.radius:
            yield f"radius {radius.address} port {radius.port}"
        for cpe in self.sites:
            if isinstance(cpe, SimCpe) and cpe.hosts is not None:
                yield f"cpe {cpe.number} with its hosts behind {cpe.config.device}"
        for answering in self.answering:
            yield f"cpe {answering.site.number} {answering.site.config.line}"

    def play(
        self,
        phases: Sequence[settings.SimPhase],
        told: Callable[[str], object],
        ended: Callable[[], object],
    ) -> None:
        """Begins the phases of a scenario: see Scenario for the two callbacks."""
        self.scenario = Scenario(
            phases, self.lacs, self.time.clock, trigger=self._trigger, told=told, ended=ended
        )
        with self.time.input():
            self.scenario.start()

    def meter(self) -> Meter:
        """What all LACs measured together."""
        if self.scenario is not None:
            return self.scenario.meter()
        whole = Meter(self.time.loop.time)
        for server in self.lacs:
            whole.merge(server.lac.meter)
        return whole

    def stop(self) -> None:
        """LACs say goodbye (StopCCN)."""
        with self.time.input():
            for server in self.lacs:
                server.stop()

    def close(self) -> None:
        """Closes all sockets and stops the clock."""
        self.time.stop()
        for lac in self.lacs:
            lac.close()
        for radius in self.radius:
            radius.close()
        for answering in self.answering:
            answering.close()
        for device in self.devices:
            device.close()
        for sender in self._triggers.values():
            sender.close()
        for site in self.sites:
            if isinstance(site, SerialSite):
                site.close()

    def report(self) -> dict[str, object]:
        return {
            "lac": [server.report() for server in self.lacs],
            "cpe": [site.report() for site in self.sites],
            "triggers": self.triggers,
            "phases": [] if self.scenario is None else self.scenario.report(),
            "line": [answering.report()["line"] for answering in self.answering],
            "radius": [server.report() for server in self.radius],
        }
