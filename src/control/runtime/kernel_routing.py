"""The kernel's routing in a running router: which tables, by which interface, and when."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from control.address_text import address_octets
from control.config import Config, Port, VirtualRouter
from control.dialout.events import KernelTold
from control.fib_observers import RouteChange
from control.kernel.fib_import import FibImport, PortUse
from control.kernel.importer import Importer
from control.kernel.lac_holes import LacHoles
from control.kernel.lac_paths import LacPaths
from control.kernel.links import Link
from control.kernel.mirror import Mirror
from control.kernel.routes import KernelRoute
from control.kernel.slots import NeighbourSlots
from control.rib import canonical_prefix
from control.runtime.kernel import KernelMirror, interface_index
from control.runtime.kernel_import import KernelImport

if TYPE_CHECKING:
    from control.runtime.process import Process

INTERFACES: Final = frozenset({"tun", "packet", "xdp"})
"""Schemes of ports that are interfaces, whose names begin what stands behind the colon."""


def interface_of(port: Port) -> str:
    """Name of the port's interface, empty if it is none."""
    scheme, _, rest = port.url.partition(":")
    return re.split(r"[?,;]", rest, maxsplit=1)[0] if scheme in INTERFACES else ""


class KernelRouting:
    """Part of a Process. While no virtual router has a kernel_table, it opens and does nothing."""

    def __init__(self, process: Process, config: Config) -> None:
        self._process = process
        self._config = config
        self._mirror: KernelMirror | None = None
        self._import: KernelImport | None = None
        self._imports: dict[str, FibImport] = {}
        """By virtual router."""
        self._importers: dict[str, Importer] = {}
        self._paths: LacPaths | None = None
        self._leave: list[Callable[[], None]] = []
        self._lacs: set[str] = set()
        self._holes = LacHoles()

    def start(self) -> None:
        """Raises ResourceError."""
        self.configure(self._config)

    def configure(self, config: Config) -> None:
        """There are these virtual routers and LACs from now on."""
        self._config = config
        routers = [router for router in config.virtual_router if router.kernel_table]
        self._end_imports({router.name for router in routers if router.kernel_import})
        tunnel_ports = self._tunnel_ports()
        if not routers and not tunnel_ports:
            return
        made = self._mirror is None
        mirror = self._open(config).mirror
        for router in routers:
            mirror.add_table(router.table, router.kernel_table)
            self._look_for_tun(router)
        for lac in config.lac:
            self.lac(lac.address)
        for address in self._lacs:
            mirror.add_lac(address_octets(address))
        self._listen()
        if made and tunnel_ports:
            self._follow_lacs(tunnel_ports)
        for router in routers:
            if router.kernel_import and router.name not in self._imports:
                self._begin_import(router)
        if made:
            dataplane = self._process.dataplane
            self._leave = [
                dataplane.observe(self._changed),
                dataplane.before_deletion(self._session_leaves),
            ]
        self._wake()

    def lac(self, address: str) -> None:
        """We send to this LAC: no route to it may be ours (threat T8)."""
        if address not in self._lacs:
            self._lacs.add(address)
            self._find_way(address_octets(address))
            self._holes.add(address_octets(address))
            if self._mirror is not None:
                self._mirror.mirror.add_lac(address_octets(address))
                self._wake()
                for fib in self._imports.values():
                    fib.sessions_changed()

    async def stop(self, grace: float) -> None:
        """Takes our routes out of the kernel."""
        self._end_import()
        if self._mirror is not None:
            await self._mirror.stop(grace)
            self._mirror = None

    async def settled(self) -> None:
        """Returns when the kernel has the routes that the FIB has."""
        if self._mirror is not None:
            await self._mirror.settled()

    async def told(self, patience: float) -> bool:
        """Whether the kernel has the FIB's routes; at the latest after so many seconds."""
        try:
            async with asyncio.timeout(patience):
                await self.settled()
        except TimeoutError:
            return False
        return True

    @property
    def imported(self) -> int:
        """Routes of the kernel that the RIB has."""
        return sum(map(len, self._imports.values()))

    def close(self) -> None:
        """Leaves the kernel's routes as they are."""
        self._end_import()
        if self._mirror is not None:
            self._mirror.close()
            self._mirror = None

    # ------------------------------------------------------------------------------------------

    def _open(self, config: Config) -> KernelMirror:
        if self._mirror is None:
            process = self._process
            protocol = config.chassis.kernel_protocol
            self._mirror = KernelMirror(
                process.loop, Mirror({}, protocol), lambda: process.now, self._tell
            )
        return self._mirror

    def _end_import(self) -> None:
        for leave in self._leave:
            leave()
        self._leave = []
        if self._import is not None:
            self._import.close()
            self._import = None

    def _end_imports(self, wanted: set[str]) -> None:
        """Of virtual routers that are gone. Their routes in the kernel go as they leave the FIB."""
        for name in self._imports.keys() - wanted:
            del self._importers[name]
            fib = self._imports.pop(name)
            if self._import is not None:
                self._import.remove(fib)

    def _wake(self) -> None:
        if self._mirror is not None:
            self._mirror.wake()

    def _changed(self, changes: list[RouteChange]) -> None:
        if self._mirror is not None:
            self._mirror.mirror.change(changes)
            self._wake()
        if self._import is not None:
            self._import.session_changed()

    def _session_leaves(self, transaction: Any, nh: int) -> None:
        for fib in self._imports.values():
            fib.session_leaves(transaction, nh)

    def _tell(self, text: str) -> None:
        process = self._process
        process.lns.manager.services.timeline.add(KernelTold(process.now, text))
        process.settle_soon()

    # Interfaces ------------------------------------------------------------------------------

    def _tun(self, router: str) -> str:
        """Name of the interface by which the kernel reaches a virtual router."""
        for port in self._config.port:
            if port.virtual_router == router and port.side == "home" and port.url[:4] == "tun:":
                return interface_of(port)
        return ""

    def _look_for_tun(self, router: VirtualRouter) -> None:
        assert self._mirror is not None
        index = interface_index(self._tun(router.name))
        self._mirror.mirror.set_exit(router.table, index)

    def _ports(self, router: str) -> tuple[dict[int, PortUse], PortUse | None]:
        """The virtual router's Ethernet ports by interface, and the port to the kernel."""
        found: dict[int, PortUse] = {}
        kernel: PortUse | None = None
        for port in self._process.ports:
            index = interface_index(interface_of(port.config))
            if port.config.virtual_router != router or not index or port.config.side != "home":
                continue
            write = getattr(port.port, "set_neighbour", None)
            slots = None if write is None else NeighbourSlots(write)
            use = PortUse(port.index, port.config.mtu, slots)
            if port.config.url.startswith("tun:"):
                kernel = use
            else:
                found[index] = use
        # Without a TUN a neighbour that is not known has the packet given to the kernel.
        return found, kernel or next(iter(found.values()), None)

    def _tunnel_ports(self) -> dict[int, PortUse]:
        """Ethernet ports of the tunnel side by interface."""
        found: dict[int, PortUse] = {}
        for port in self._process.ports:
            index = interface_index(interface_of(port.config))
            write = getattr(port.port, "set_neighbour", None)
            if index and write is not None and port.config.side == "tunnel":
                found[index] = PortUse(port.index, port.config.mtu, NeighbourSlots(write))
        return found

    def _follow_lacs(self, ports: dict[int, PortUse]) -> None:
        assert self._import is not None
        self._paths = LacPaths(
            ports,
            self._config.chassis.kernel_protocol,
            self._process.dataplane.move_peer,
            self._import.ask,
            self._tell,
        )
        self._import.follow(self._paths)
        for address in self._lacs:
            self._find_way(address_octets(address))

    def _find_way(self, address: bytes) -> None:
        if self._import is not None and self._paths is not None and self._paths.add(address):
            self._import.look_up(address)

    def _on_link(self, before: Link | None, after: Link | None, fell: bool) -> None:
        assert self._mirror is not None
        assert self._import is not None
        name = next(link.name for link in (after, before) if link is not None)
        ours = {interface_of(port.config) for port in self._process.ports}
        if name in ours and before is not None:
            for text in _differences(before, after):
                self._tell(f"{name}: {text}")
        for router in self._config.virtual_router:
            if router.kernel_table and self._tun(router.name) == name:
                self._look_for_tun(router)
                importer = self._importers.get(router.name)
                tun = 0 if after is None else after.index
                if importer is not None and importer.set_interfaces(tun, importer.ports):
                    self._import.judge_again(router.kernel_table, importer)
        came = after is not None and after.up and not (before is not None and before.up)
        if fell or (came and name in ours):
            # With an interface the kernel drops IPv4 routes without a word.
            self._mirror.mirror.resync()
            self._import.resync()
            self._wake()

    def _on_lost(self) -> None:
        """Routes of ours may be gone, or those of others that were in their way."""
        assert self._mirror is not None
        self._mirror.mirror.resync()
        self._wake()

    def _on_route(self, came: bool, route: KernelRoute) -> None:
        assert self._mirror is not None
        mirror = self._mirror.mirror
        (mirror.on_route if came else mirror.on_route_gone)(route)
        self._wake()

    # Import ----------------------------------------------------------------------------------

    def _listen(self) -> None:
        """To the kernel: what becomes of interfaces, and of routes of ours and others."""
        if self._import is None:
            assert self._mirror is not None
            process = self._process
            self._import = KernelImport(
                process.loop,
                self._config.chassis.kernel_protocol,
                self._mirror.port,
                lambda: process.now,
                self._on_route,
                self._on_link,
                self._on_lost,
            )

    def _begin_import(self, router: VirtualRouter) -> None:
        assert self._import is not None
        process = self._process
        ports, kernel = self._ports(router.name)
        importer = Importer(self._import.view, router.kernel_table)
        importer.set_interfaces(interface_index(self._tun(router.name)), frozenset(ports))
        mine = (p for p in self._config.port if p.virtual_router == router.name)
        reserved = [*router.local_addresses, *(n for port in mine for n in port.networks)]
        fib = FibImport(
            process.lns.manager.chassis.routers[router.name].rib,
            process.dataplane,
            ports,
            kernel,
            map(canonical_prefix, reserved),
            self._holes,
            self._tell,
            self._import.ask,
        )
        self._imports[router.name] = fib
        self._importers[router.name] = importer
        self._import.add(router.kernel_table, importer, fib, ports)


def _differences(before: Link, after: Link | None) -> list[str]:
    """What became of an interface of ours."""
    if after is None:
        return ["the interface is gone"]
    found = []
    if before.up != after.up:
        found.append("the interface is up" if after.up else "the interface is down")
    elif before.carrier != after.carrier:
        found.append("has a carrier again" if after.carrier else "has no carrier")
    if before.mtu != after.mtu:
        found.append(f"MTU {before.mtu} -> {after.mtu}")
    return found
