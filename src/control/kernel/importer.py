"""What the kernel's routes mean to one virtual router: by which port, to which neighbour, or
through which session a packet goes that the kernel would route so.

It reads a KernelView and says ways by prefix; ways into the FIB are fib_import.py. A port is an
interface that is ours. What leaves by another interface is given to the kernel, which routes it.
Of several next hops the first that can be used counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from control.address_text import Octets
from control.kernel.constants import Protocol, RouteType
from control.kernel.routes import KernelRoute
from control.kernel.view import KernelView, Prefix
from control.unlocked import unlocked

DISTANCES: Final[Mapping[int, int]] = {
    Protocol.KERNEL: 0,
    Protocol.BOOT: 1,
    Protocol.STATIC: 1,
    Protocol.DHCP: 1,
    196: 1,  # FRR's staticd
    Protocol.REDIRECT: 5,
    Protocol.RA: 5,
    Protocol.BGP: 20,
    Protocol.EIGRP: 90,
    Protocol.BABEL: 100,
    Protocol.OSPF: 110,
    Protocol.ISIS: 115,
    Protocol.RIP: 120,
    190: 120,  # FRR's ripngd
}
"""Administrative distance by who made a route, as usual. Access routes have 2, dial-out routes
252."""
UNKNOWN_DISTANCE: Final = 150
"""Of others, BIRD and zebra's own among them: they do not tell where they have it from."""
_REFUSING: Final = frozenset({RouteType.BLACKHOLE, RouteType.UNREACHABLE, RouteType.PROHIBIT})
_LINK_LOCAL: Final = 0xFE80 >> 6


class How(Enum):
    PORT = "port"
    """By `port`, to `neighbour`, or if that is empty to whoever the destination is there."""
    KERNEL = "kernel"
    """The kernel routes it."""
    DROP = "drop"
    VIA = "via"
    """As packets to `neighbour` go: it is behind a session of ours."""


@unlocked
@dataclass(frozen=True, slots=True)
class Way:
    how: How
    distance: int = 0
    metric: int = 0
    interface: int = 0
    neighbour: Octets = b""


class Importer:
    """`table`: the kernel's. `tun`: index of the interface by which the kernel reaches us, 0 if
    there is none; `ports`: indexes of those that are Ethernet ports of ours."""

    def __init__(self, view: KernelView, table: int) -> None:
        self._view = view
        self._table = table
        view.tables.setdefault(table, {})
        self.tun = 0
        self.ports: frozenset[int] = frozenset()

    def set_interfaces(self, tun: int, ports: frozenset[int]) -> bool:
        """True if they are others than before: then all ways may be others."""
        changed = (tun, ports) != (self.tun, self.ports)
        self.tun, self.ports = tun, ports
        return changed

    def prefixes(self) -> list[Prefix]:
        """Of all routes and neighbours that may have a way."""
        hosts = [
            (address, 8 * len(address))
            for interface, address in self._view.neighbours
            if interface in self.ports
        ]
        return [*self._view.tables[self._table], *hosts]

    def way(self, prefix: Prefix) -> Way | None:
        """None: the kernel has no route of this prefix that says anything to us."""
        route = self._view.best(self._table, prefix)
        if route is not None:
            return self._of_route(route)
        address, length = prefix
        return self._of_host(address) if length == 8 * len(address) else None

    def _of_route(self, route: KernelRoute) -> Way | None:
        distance = DISTANCES.get(route.protocol, UNKNOWN_DISTANCE)
        if route.kind in _REFUSING:
            return Way(How.DROP, distance, route.metric)
        if route.kind != RouteType.UNICAST or _is_link_local(route.address):
            return None
        hop = next((hop for hop in route.exits if hop.usable), None)
        if hop is None:
            return None
        if hop.interface in self.ports:
            return Way(How.PORT, distance, route.metric, hop.interface, hop.gateway)
        if hop.interface != self.tun:
            return Way(How.KERNEL, distance, route.metric)
        if hop.gateway:
            return Way(How.VIA, distance, route.metric, 0, hop.gateway)
        return None  # whatever it is, the kernel has it from us

    def _of_host(self, address: Octets) -> Way | None:
        """A host on one of our links goes straight to its own MAC address."""
        if _is_link_local(address):
            return None
        for interface in self.ports:
            neighbour = self._view.neighbours.get((interface, address))
            if neighbour is not None and neighbour.mac is not None:
                return Way(How.PORT, 0, 0, interface, address)
        return None


def _is_link_local(address: Octets) -> bool:
    """fe80::/10: its addresses mean something else on each link."""
    return len(address) == 16 and int.from_bytes(address[:2]) >> 6 == _LINK_LOCAL
