"""What the kernel knows: links, neighbours, addresses, and the routes of the tables that we import.

It only remembers, and marks what has changed since somebody looked. Routes of ours are not in it.
"""

from __future__ import annotations

from control.kernel.addresses import InterfaceAddress
from control.kernel.links import Link
from control.kernel.neighbours import Neighbour
from control.kernel.routes import KernelRoute

Prefix = tuple[bytes, int]


class KernelView:
    """`protocol`: ours."""

    def __init__(self, protocol: int) -> None:
        self._protocol = protocol
        self.links: dict[int, Link] = {}
        self.neighbours: dict[tuple[int, bytes], Neighbour] = {}
        """By interface and address."""
        self.addresses: set[InterfaceAddress] = set()
        self.tables: dict[int, dict[Prefix, dict[int, KernelRoute]]] = {}
        """By table, prefix and metric; tables that are not in it are ignored."""
        self.changed_routes: dict[tuple[int, bytes, int], None] = {}
        self.changed_neighbours: dict[tuple[int, bytes], None] = {}
        self.changed_links: dict[int, Link | None] = {}
        """And what each was before."""
        self.fallen: set[int] = set()
        """Links that went down since then, even if they are up again: with them went routes."""

    def set_route(self, route: KernelRoute) -> None:
        table = self.tables.get(route.table)
        if table is None or route.protocol == self._protocol:
            return
        metrics = table.setdefault((route.address, route.length), {})
        if metrics.get(route.metric) != route:
            metrics[route.metric] = route
            self.changed_routes[route.table, route.address, route.length] = None

    def delete_route(self, route: KernelRoute) -> None:
        table = self.tables.get(route.table, {})
        prefix = (route.address, route.length)
        there = table.get(prefix, {}).get(route.metric)
        if there is None or route.protocol != there.protocol:
            return
        del table[prefix][route.metric]
        if not table[prefix]:
            del table[prefix]
        self.changed_routes[route.table, route.address, route.length] = None

    def best(self, table: int, prefix: Prefix) -> KernelRoute | None:
        """The route that the kernel takes: of the lowest metric."""
        metrics = self.tables.get(table, {}).get(prefix)
        return metrics[min(metrics)] if metrics else None

    def set_link(self, link: Link) -> None:
        before = self.links.get(link.index)
        if before != link:
            self.links[link.index] = link
            if before is not None and before.up and not link.up:
                self.fallen.add(link.index)
            self.changed_links.setdefault(link.index, before)

    def delete_link(self, link: Link) -> None:
        before = self.links.pop(link.index, None)
        if before is not None:
            self.fallen.add(link.index)
            self.changed_links.setdefault(link.index, before)

    def set_neighbour(self, neighbour: Neighbour) -> None:
        key = (neighbour.interface, neighbour.address)
        if self.neighbours.get(key) != neighbour:
            self.neighbours[key] = neighbour
            self.changed_neighbours[key] = None

    def delete_neighbour(self, neighbour: Neighbour) -> None:
        key = (neighbour.interface, neighbour.address)
        if self.neighbours.pop(key, None) is not None:
            self.changed_neighbours[key] = None
