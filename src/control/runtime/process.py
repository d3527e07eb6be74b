"""A running LNS: an asyncio shell around Lns and Engine. It moves octets and time; it decides
nothing.

Packets of live ports are received by the threads of workers.py, which never wait for this one.
Control is one thread: woken by what workers have for it and by its own sockets, it takes a bounded
number of packets and triggers at one go and sends by parts of the ports that are its own. It polls
`mem:` and `pcap:` ports itself, and the socket by which control messages come.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable

from control.config import Config
from control.dialout.budget import BudgetStore
from control.dialout.events import Event
from control.difference import Difference
from control.fastpath_dataplane import NANOSECONDS, FastpathDataplane, build_tables
from control.fastpath_filters import Filters
from control.l2tp.events import Datagram
from control.lns import Lns
from control.radius.events import RadiusDatagram
from control.radius_settings import authorization_addresses
from control.runtime.authorization_sockets import AuthorizationSockets
from control.runtime.data_plane_health import Health, health_of
from control.runtime.early_frames import PATIENCE as EARLY_PATIENCE
from control.runtime.early_frames import RATE as EARLY_RATE
from control.runtime.early_frames import EarlyFrames
from control.runtime.entropy import Entropy
from control.runtime.kernel_routing import KernelRouting
from control.runtime.port_set import PortSet
from control.runtime.ports import OpenPort
from control.runtime.radius_sockets import RadiusSockets
from control.runtime.steering import PortSteering
from control.runtime.workers import Workers
from fastpath.datagram import udp_packet
from fastpath.engine import Engine
from fastpath.ports.mem import MemPort
from fastpath.ports.pcap import PcapPort

PACKETS = 1024
"""Packets taken from a port, one burst more at the most, before others have their turn."""
TRIGGERS = 64
"""Triggers taken before what LACs and peers say has its turn."""
PUNTS = 64
"""The same of packets for control: what it answers leaves together, behind the last of them."""
SESSIONS = 65536
"""Room of the data plane, which costs nothing before it is used: max_sessions may be changed."""
ADDED_TARGETS = 65536
"""Targets that reloads may add."""


class Process:
    """Made and used on the thread of its event loop; from other threads by
    `asyncio.run_coroutine_threadsafe(process.reset(...), process.loop)` and the like.

    `wall` tells seconds since 1970 UTC, for budgets alone: all timers are of the monotonic clock.
    `store` keeps what budgets have counted: its owner closes it.
    `on_event` gets each fact of the timeline as it happens.
    """

    def __init__(
        self,
        config: Config,
        *,
        rng: random.Random | None = None,
        wall: Callable[[], float] = time.time,
        store: BudgetStore | None = None,
        on_event: Callable[[Event], None] = lambda event: None,
    ) -> None:
        self.config = config
        self._rng = Entropy() if rng is None else rng
        self._wall = wall
        self._store = store
        self._on_event = on_event
        self._origin = time.monotonic()
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._more: asyncio.Handle | None = None
        self._changed = asyncio.Event()
        self._running = False
        self._clients = 0

    # Life ------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Opens everything and accepts triggers. Raises ConfigurationError, and ResourceError for
        an address or a port that is not to be had: then nothing stays open."""
        self.loop = asyncio.get_running_loop()
        try:
            self._build()
        except BaseException:
            self._close()
            raise
        self._running = True
        self.loop.add_reader(self.workers.fileno(), self._on_bell)
        self.lns.start(self.now)
        self.kernel.start()
        self._steering.configure(self.config, self.ports)
        self._settle()
        self.workers.start()
        self._play_all(self.ports)

    async def stop(self, grace: float = 5.0) -> None:
        """Closes every call and tunnel, and everything else. Waits for what peers have to say to
        it, no longer than `grace` seconds."""
        if not self._running:
            return
        self.lns.stop(self.now)
        self._settle()
        try:
            async with asyncio.timeout(grace):
                while not self.lns.stopped:
                    await self.changed()
        except TimeoutError:
            pass
        finally:
            await self.kernel.stop(grace)
            self._running = False
            self._close()

    async def changed(self) -> None:
        """Returns after the next time that anything came in or a timer ended."""
        self._changed.clear()
        await self._changed.wait()

    @property
    def now(self) -> float:
        """Seconds since this object was made, of the clock of all times of Lns and Engine."""
        return time.monotonic() - self._origin

    @property
    def now_ns(self) -> int:
        return round(self.now * NANOSECONDS)

    # Administration --------------------------------------------------------------------------

    async def reset(self, virtual_router: str, destination: str) -> int:
        """See Lns.reset."""
        found = self.lns.reset(virtual_router, destination, self.now)
        self._settle()
        return found

    async def delete(self, virtual_router: str, destination: str) -> int:
        """See Lns.delete."""
        found = self.lns.delete(virtual_router, destination, self.now)
        self._settle()
        return found

    async def freeze(
        self, on: bool, *, virtual_router: str = "", prefix: str = "", hangup: bool = False
    ) -> int:
        """See Lns.freeze."""
        scope = {"virtual_router": virtual_router, "prefix": prefix}
        closed = self.lns.freeze(on, self.now, hangup=hangup, **scope)
        self._settle()
        return closed

    async def drain(self, lac: str, *, on: bool = True) -> None:
        """See Lns.drain."""
        self.lns.drain(lac, self.now, on=on)
        self._settle()

    def settle(self) -> None:
        """To be called when Lns was given an order by its own methods."""
        self._settle()

    async def reload(self, config: Config, *, dry_run: bool = False) -> Difference:
        """See Lns.reload. Ports of the home side come, go and change too: ResourceError for one
        that is not to be had, and nothing has changed."""
        if dry_run:
            return self.lns.reload(config, self.now, dry_run=True)
        found = self.lns.reload(config, self.now, dry_run=True)
        opened = self.port_set.prepare(found)
        try:
            self.lns.put_in_force(found, config, self.now)
        except BaseException:
            for port in opened:
                port.close()
            raise
        self._play_all(self.port_set.change(found, opened, config))
        self.kernel.configure(config)
        self._steering.configure(config, self.ports)
        self._settle()
        return found

    # Packets ---------------------------------------------------------------------------------

    @property
    def ports(self) -> list[OpenPort]:
        """In the order of the configuration, the home side's first; what a reload added behind."""
        return self.port_set.ports if hasattr(self, "port_set") else []

    @property
    def health(self) -> Health:
        """What of the data plane is not as it should be, now."""
        return health_of(self.engine, self.workers, self.ports)

    def port(self, name: str) -> OpenPort:
        """Raises KeyError."""
        for port in self.ports:
            if port.config.name == name:
                return port
        raise KeyError(name)

    def receive(self, name: str, *packets: bytes) -> None:
        """Lets packets arrive now at a `mem:` port. Raises KeyError for another port."""
        port = self.port(name)
        if not isinstance(port.port, MemPort):
            raise KeyError(f"port {name} is no mem: port")
        for packet in packets:
            port.port.push(packet, self.now_ns)
        self._readable(port)

    def _readable(self, port: OpenPort) -> None:
        # A socket wakes us as long as there is something.
        wakes = port.port.fileno() >= 0
        until, left = (None, 1) if wakes else (self.now_ns, PACKETS)
        more = False
        while left > 0 and port in self.ports:
            handled = self.engine.poll(port.index, until_ns=until)
            if handled <= 0:
                break
            left -= handled
            # What comes behind an OCCN may belong to the session that it makes.
            more = self._take()
        self._send(more)
        if self._running and not isinstance(port.port, PcapPort) and len(port.port):
            # Nothing else will wake us for them.
            self.loop.call_soon(self._readable, port)

    def _play_all(self, ports: Iterable[OpenPort]) -> None:
        for port in ports:
            if isinstance(port.port, PcapPort):
                self._play(port)
            elif port.port.fileno() >= 0:
                self.loop.add_reader(port.port.fileno(), self._readable, port)

    def _play(self, port: OpenPort) -> None:
        """Packets of a capture come when their time stamps say, counted from the start."""
        if not self._running:
            return
        self._readable(port)
        if port not in self.ports:
            return
        due = port.port.next_ns
        if due is not None:
            delay = max(0.0, due / NANOSECONDS - self.now)
            self.loop.call_later(delay, self._play, port)

    # The turn of signalling ------------------------------------------------------------------

    def _on_bell(self) -> None:
        self.workers.answer()
        self._settle()

    def _on_timer(self) -> None:
        self._timer = None
        self.lns.handle_timer(self.now)
        self._settle()

    def _receive_dynauth(self, data: bytes, local: tuple[str, int], peer: tuple[str, int]) -> None:
        self.lns.receive_dynauth(data, local, peer, self.now)
        self._settle()

    def _receive_radius(self, group: str, datagrams: list[RadiusDatagram]) -> None:
        for datagram in datagrams:
            self.lns.receive_radius(group, datagram, self.now)
        self._settle()

    def _take(self) -> bool:
        """Hands what the data plane has for control to it. True: there is more."""
        now = self.now
        triggers = self.dataplane.trigger_events(TRIGGERS)
        for trigger in triggers:
            self.lns.on_trigger(trigger, now)
        punts = self.engine.punts(PUNTS)
        for punt in punts:
            if punt.verdict == "PUNT_L2TP":
                self.lns.receive_l2tp(punt.data, punt.destination, punt.source, now)
            elif punt.verdict == "PUNT_PPP" and punt.nh:
                self.lns.receive_ppp(punt.nh, punt.data, now)
            elif punt.verdict == "PUNT_PPP":
                self._early.add(punt.data, now)
                self.loop.call_later(EARLY_PATIENCE, self._settle)
        if len(self._early):
            for nh, frame in self._early.take(now):
                self.lns.receive_ppp(nh, frame, now)
        return len(triggers) == TRIGGERS or len(punts) == PUNTS

    def _settle(self) -> None:
        """Carries a bounded number of messages between data plane, control plane and network."""
        if self._running:
            self._send(self._take())

    def _send(self, more: bool) -> None:
        """What control has to say. If `more` waits for it, it comes back when others have had
        their turn."""
        if not self._running:
            return
        if more and self._more is None:
            self._more = self.loop.call_soon(self._go_on)
        for message in self.lns.l2tp_to_send():
            self._send_l2tp(message)
        self.engine.send()
        for group, datagram in self.lns.radius_to_send():
            self.radius.send(group, datagram)
        if len(self.lns.clients) != self._clients:
            self._clients = len(self.lns.clients)
            self.radius.keep(self.lns.clients)
        for answer in self.lns.dynauth_to_send():
            self.authorization.send(answer)
        while (event := self.lns.next_event()) is not None:
            self._on_event(event)
        self._arm(self.now)
        self._changed.set()

    def settle_soon(self) -> None:
        """There is something in the timeline, or to be sent, that nothing else would carry on."""
        if self._running and self._more is None:
            self._more = self.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        self._more = None
        self._settle()

    def _send_l2tp(self, message: Datagram) -> None:
        (local, port), (peer, peer_port) = message.local, message.peer
        nh = self.port_set.tunnel_nh.get(local)
        if nh is not None:
            self.kernel.lac(peer)
            packet = udp_packet(local, port, peer, peer_port, message.data)
            self.engine.inject(packet, nh, self.now_ns, wait=True)

    def _arm(self, now: float) -> None:
        """One timer, moved only when something is due earlier: one that comes too early finds
        nothing to do and is set anew."""
        due = self.lns.get_timer()
        if due is None or (self._timer is not None and self._due <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._due = due
        self._timer = self.loop.call_later(max(0.0, due - now), self._on_timer)

    # Set-up ----------------------------------------------------------------------------------

    def _build(self) -> None:
        config = self.config
        self.engine = Engine(
            adjacencies=len(config.target) + SESSIONS + ADDED_TARGETS,
            sessions=SESSIONS,
            trigger_keys=2 * SESSIONS,
            stop_on_event=True,
            early_rate=EARLY_RATE,
            seed=self._rng.getrandbits(63),
        )
        tables = build_tables(self.engine, config)
        self.workers = Workers(self.engine, config.workers)
        self._early = EarlyFrames(self.engine)
        self.port_set = PortSet(
            self.engine, self.workers, tables, round(self._origin * NANOSECONDS)
        )
        self.port_set.open(config)
        self.dataplane = FastpathDataplane(
            self.engine,
            next(iter(self.port_set.tunnel_index.values()), 0),
            tables,
            lambda: self.now,
            Filters(self.engine, config.classifier),
            self.port_set.tunnel_index,
            together=True,
        )
        self.lns = Lns(config, self.dataplane, self._rng, self._wall, self._store)
        self.kernel = KernelRouting(self, config)
        self._steering = PortSteering(self.dataplane.observe)
        self.radius = RadiusSockets(self.loop, self._receive_radius)
        self.authorization = AuthorizationSockets(
            self.loop, authorization_addresses(self.config), self._receive_dynauth
        )

    def _close(self) -> None:
        for handle in (self._timer, self._more):
            if handle is not None:
                handle.cancel()
        self._timer = self._more = None
        for part in ("kernel", "radius", "authorization"):
            if hasattr(self, part):
                getattr(self, part).close()
        if hasattr(self, "workers"):
            self.loop.remove_reader(self.workers.fileno())
            self.workers.close()
        for port in self.ports:
            if port.port.fileno() >= 0:
                self.loop.remove_reader(port.port.fileno())
        if hasattr(self, "port_set"):
            self.port_set.close()
