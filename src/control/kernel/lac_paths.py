"""The way to each LAC where tunnels leave by Ethernet ports: which neighbour of which port, as the
kernel's own route to the LAC has it.

It asks, is answered, and says which slot the sessions of a LAC use; slot 0 has the kernel find the
way of each packet. A way that is one of our own routes is no way, and told (threat T8).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from control.address_text import Octets, address_text
from control.kernel.constants import RouteType
from control.kernel.fib_import import PortUse
from control.kernel.routes import KernelRoute
from control.kernel.slots import NeighbourSlots

Hop = tuple[int, Octets]
"""Interface and neighbour."""
NOWHERE: Final[Hop] = (0, b"")


class LacPaths:
    """`ports`: of the tunnel side, by interface; `move` puts the sessions toward a LAC by a port on
    a slot; `mac_of` tells a neighbour's MAC and has the kernel find it."""

    def __init__(
        self,
        ports: Mapping[int, PortUse],
        protocol: int,
        move: Callable[[int, str, int], None],
        mac_of: Callable[[int, Octets], bytes | None],
        tell: Callable[[str], None],
    ) -> None:
        self._ports = ports
        self._protocol = protocol
        self._move = move
        self._mac_of = mac_of
        self._tell = tell
        self._hops: dict[Octets, Hop] = {}

    def add(self, address: Octets) -> bool:
        """False if it is known. What is new has to be asked for."""
        if address in self._hops or not self._ports:
            return False
        self._hops[address] = NOWHERE
        return True

    @property
    def addresses(self) -> list[Octets]:
        return list(self._hops)

    def learn(self, interface: int, address: Octets, mac: bytes | None) -> bool:
        """Where a neighbour is now. True if tunnels leave by it."""
        port = self._ports.get(interface)
        if port is None or port.slots is None or address not in port.slots:
            return False
        port.slots.learn(address, mac)
        return True

    def answer(self, address: Octets, route: KernelRoute | None) -> None:
        """How the kernel reaches a LAC now; None: not at all."""
        if address not in self._hops:
            return
        before, now = self._hops[address], self._hop(address, route)
        if before == now:
            return
        self._hops[address] = now
        text = address_text(address)
        slots = self._slots(now)
        slot = 0 if slots is None else slots.use(now[1], self._mac_of(*now))
        if now[0]:
            self._move(self._ports[now[0]].index, text, slot)
        if slots is not None and not slot:
            self._hops[address] = NOWHERE  # there was no slot, and none is to be given back
        if before[0] and before[0] != now[0]:
            self._move(self._ports[before[0]].index, text, 0)
        old = self._slots(before)
        if old is not None:
            old.release(before[1])

    def _slots(self, hop: Hop) -> NeighbourSlots | None:
        return self._ports[hop[0]].slots if hop[0] else None

    def _hop(self, address: Octets, route: KernelRoute | None) -> Hop:
        if route is None or route.kind != RouteType.UNICAST:
            return NOWHERE
        if route.protocol == self._protocol:
            text = address_text(address)
            self._tell(f"{text}: the kernel's way to this LAC is a route of ours: it is not taken")
            return NOWHERE
        hop = next((hop for hop in route.exits if hop.usable), None)
        if hop is None or hop.interface not in self._ports:
            return NOWHERE
        return hop.interface, hop.gateway or address
