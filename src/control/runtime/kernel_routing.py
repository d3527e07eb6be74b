"""The kernel's routing in a running router: which tables, by which interface, and when."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from control.config import Config, Port
from control.dialout.events import KernelTold
from control.fib_observers import RouteChange
from control.kernel.mirror import Mirror
from control.kernel.prefix import address_octets
from control.runtime.kernel import KernelMirror, interface_index

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
        self._leave: Callable[[], None] | None = None
        self._lacs: set[str] = set()

    def start(self) -> None:
        """Raises ResourceError."""
        self.configure(self._config)

    def configure(self, config: Config) -> None:
        """There are these virtual routers and LACs from now on."""
        self._config = config
        routers = [router for router in config.virtual_router if router.kernel_table]
        if not routers:
            return
        made = self._mirror is None
        if self._mirror is None:
            process = self._process
            mirror = Mirror({}, config.chassis.kernel_protocol)
            self._mirror = KernelMirror(process.loop, mirror, lambda: process.now, self._tell)
        mirror = self._mirror.mirror
        for router in routers:
            mirror.add_table(router.table, router.kernel_table)
            mirror.set_exit(router.table, interface_index(self._tun(router.name)))
        self._lacs.update(lac.address for lac in config.lac)
        for address in self._lacs:
            mirror.add_lac(address_octets(address))
        if made:
            self._leave = self._process.dataplane.observe(self._changed)
        self._mirror.wake()

    def lac(self, address: str) -> None:
        """We send to this LAC: no route to it may be ours (threat T8)."""
        if address not in self._lacs:
            self._lacs.add(address)
            if self._mirror is not None:
                self._mirror.mirror.add_lac(address_octets(address))
                self._mirror.wake()

    async def stop(self, grace: float) -> None:
        """Takes our routes out of the kernel."""
        if self._leave is not None:
            self._leave()
            self._leave = None
        if self._mirror is not None:
            await self._mirror.stop(grace)
            self._mirror = None

    async def settled(self) -> None:
        """Returns when the kernel has the routes that the FIB has."""
        if self._mirror is not None:
            await self._mirror.settled()

    def close(self) -> None:
        """Leaves the kernel's routes as they are."""
        if self._mirror is not None:
            self._mirror.close()
            self._mirror = None

    def _changed(self, changes: list[RouteChange]) -> None:
        assert self._mirror is not None
        self._mirror.mirror.change(changes)
        self._mirror.wake()

    def _tun(self, router: str) -> str:
        """Name of the interface by which the kernel reaches a virtual router."""
        for port in self._config.port:
            if port.virtual_router == router and port.side == "home" and port.url[:4] == "tun:":
                return interface_of(port)
        return ""

    def _tell(self, text: str) -> None:
        process = self._process
        process.lns.manager.services.timeline.add(KernelTold(process.now, text))
        process.settle_soon()
