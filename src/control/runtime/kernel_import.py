"""The kernel's routes, neighbours and links, learnt while the router runs: notices are read, and
what they come to is carried into the FIB, a bounded part of it each turn."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice

from control.kernel.constants import Group
from control.kernel.feed import Feed
from control.kernel.fib_import import FibImport, PortUse
from control.kernel.importer import Importer
from control.kernel.lac_paths import LacPaths
from control.kernel.links import Link
from control.kernel.routes import KernelRoute
from control.kernel.view import KernelView, Prefix
from control.runtime.kernel import Conversation
from control.runtime.netlink_socket import NetlinkSocket

NOTICES = 64
"""Read in a turn."""
CALM = 0.2
"""Seconds that changes of routes are collected before ways to LACs are asked for again."""
PREFIXES = 128
"""Judged in a turn, in one transaction of each virtual router: 2 ms."""


class KernelImport:
    """`on_route` hears of notices of routes, whosever they are, and whether it came; `on_link` what
    a link was and is, and whether it was down between that; `on_lost` that notices were lost, those
    of routes of ours among them; `ignore`: the netlink port whose doings nobody needs."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        protocol: int,
        ignore: int,
        now: Callable[[], float],
        on_route: Callable[[bool, KernelRoute], None],
        on_link: Callable[[Link | None, Link | None, bool], None],
        on_lost: Callable[[], None] = lambda: None,
    ) -> None:
        """Raises ResourceError."""
        self._loop = loop
        self._now = now
        self._on_route = on_route
        self._on_link = on_link
        self._on_lost = on_lost
        self.view = KernelView(protocol)
        self.feed = Feed(self.view)
        self._parts: list[tuple[int, Importer, FibImport, dict[int, PortUse]]] = []
        self._paths: LacPaths | None = None
        self._later: asyncio.TimerHandle | None = None
        self._sessions_changed = False
        self._again: deque[tuple[int, Iterator[Prefix]]] = deque()
        """Of tables, what is to be judged again."""
        self._soon: asyncio.Handle | None = None
        self._reading = False
        self._monitor = NetlinkSocket(Group)
        self._monitor.ignore_sender(ignore)
        self._talk = Conversation(loop, self.feed, now, self.wake)

    def add(
        self, table: int, importer: Importer, fib: FibImport, ports: dict[int, PortUse]
    ) -> None:
        """A virtual router that imports a table of the kernel."""
        self._parts.append((table, importer, fib, ports))
        self.judge_again(table, importer)  # others may import this table already
        self.feed.resync()
        self._talk.wake()

    def remove(self, fib: FibImport) -> None:
        """A virtual router that imports nothing any more: what it has is taken out of its FIB."""
        self._parts, parts = [part for part in self._parts if part[2] is not fib], self._parts
        for table in {part[0] for part in parts} - {part[0] for part in self._parts}:
            del self.view.tables[table]
        fib.withdraw()

    def follow(self, paths: LacPaths) -> None:
        """Ways to LACs, asked for again whenever the kernel's routes change."""
        self._paths = paths

    def look_up(self, address: bytes) -> None:
        """The way to a LAC."""
        self.feed.look_up(address)
        self._talk.wake()

    def session_changed(self) -> None:
        """Next hops that are behind sessions may be behind others."""
        self._sessions_changed = True
        self.wake()

    def wake(self) -> None:
        """There may be something to carry on."""
        self._read(not self.feed.dumping)
        if self._soon is None:
            self._soon = self._loop.call_soon(self._turn)

    def resync(self) -> None:
        """The kernel may have dropped routes without a word."""
        self.feed.resync()
        self._talk.wake()

    def judge_again(self, table: int, importer: Importer) -> None:
        """All of a table's routes may lead elsewhere."""
        self._again.append((table, iter(importer.prefixes())))
        self.wake()

    @property
    def settled(self) -> bool:
        """All that the kernel has told is in the FIB."""
        view = self.view
        left = view.changed_routes or view.changed_links or view.changed_neighbours or self._again
        return self.feed.settled and not left

    def ask(self, interface: int, address: bytes) -> bytes | None:
        """The MAC of a neighbour. Where it is not known the kernel is asked to find it."""
        neighbour = self.view.neighbours.get((interface, address))
        if neighbour is not None and neighbour.mac is not None and not neighbour.stale:
            return neighbour.mac
        self.feed.ask(interface, address)
        self._talk.wake()
        return None if neighbour is None else neighbour.mac

    def close(self) -> None:
        for handle in (self._soon, self._later):
            if handle is not None:
                handle.cancel()
        self._read(False)
        self._monitor.close()
        self._talk.close()

    def _look_at(self, interface: int, address: bytes) -> None:
        """The kernel does not see our packets: it has to be asked whether a neighbour is there."""
        self.feed.ask(interface, address)
        self._talk.wake()

    def _read(self, on: bool) -> None:
        """The notices; while a dump is under way they wait in the kernel."""
        if on and not self._reading:
            self._loop.add_reader(self._monitor.fileno(), self._readable)
        elif self._reading and not on:
            self._loop.remove_reader(self._monitor.fileno())
        self._reading = on

    def _readable(self) -> None:
        now = self._now()
        if not self._monitor.receive(lambda data: self.feed.notice(data, now), NOTICES):
            self.feed.lost(now)
            self._on_lost()
        if not self.feed.settled:
            self._talk.wake()
        self.wake()

    def _turn(self) -> None:
        self._soon = None
        view = self.view
        if self._paths is not None:
            while self.feed.found:
                self._paths.answer(*self.feed.found.popleft())
            if (self.feed.told or view.changed_links) and self._later is None:
                self._later = self._loop.call_later(CALM, self._look_again)
        while self.feed.told:
            self._on_route(*self.feed.told.popleft())
        while view.changed_links:
            index, before = view.changed_links.popitem()
            fell = index in view.fallen
            view.fallen.discard(index)
            self._on_link(before, view.links.get(index), fell)
        self._learn_neighbours()
        if self._sessions_changed:
            self._sessions_changed = False
            for table, _, fib, _ in self._parts:
                view.changed_routes.update(((table, *prefix), None) for prefix, _ in fib.moved())
        self._judge()
        if view.changed_routes or self._again:
            self.wake()

    def _judge(self) -> None:
        """Some of the prefixes whose routes may have changed."""
        changed = self.view.changed_routes
        if not changed and self._again:
            table, prefixes = self._again[0]
            changed.update(((table, *prefix), None) for prefix in islice(prefixes, PREFIXES))
            if not changed:
                self._again.popleft()
        # The newest: to find the oldest a dict goes through all that were taken out before.
        some = [changed.popitem()[0] for _ in range(min(PREFIXES, len(changed)))]
        for table, importer, fib, _ in self._parts:
            mine = [(address, length) for number, address, length in some if number == table]
            if mine:
                fib.apply((prefix, importer.way(prefix)) for prefix in mine)

    def _look_again(self) -> None:
        self._later = None
        if self._paths is not None:
            for address in self._paths.addresses:
                self.look_up(address)

    def _learn_neighbours(self) -> None:
        view = self.view
        for key in list(islice(view.changed_neighbours, PREFIXES)):
            del view.changed_neighbours[key]
            interface, address = key
            neighbour = view.neighbours.get(key)
            mac = None if neighbour is None else neighbour.mac
            stale = neighbour is not None and neighbour.stale
            if self._paths is not None and self._paths.learn(interface, address, mac) and stale:
                self._look_at(interface, address)
            for table, _, _, ports in self._parts:
                port = ports.get(interface)
                if port is None or port.slots is None:
                    continue
                port.slots.learn(address, mac)
                if stale and address in port.slots:
                    self._look_at(interface, address)
                view.changed_routes[table, address, 8 * len(address)] = None
        if view.changed_neighbours:
            self.wake()
