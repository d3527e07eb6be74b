"""Keeps a KernelView true: dumps of all there is, and the notices of every change since.

Sans-IO, as the mirror. Notices are listened to before the first dump is asked for, and read when
the dumps are through: the last notice of a thing is then the newest that is known of it. Where
notices were lost (ENOBUFS) it begins again.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from control.errors import DecodeError
from control.kernel.addresses import dump_addresses, read_address
from control.kernel.constants import FAMILIES, MessageType
from control.kernel.links import Link, dump_links, read_link
from control.kernel.messages import Message, read_errno, read_messages
from control.kernel.neighbours import Neighbour, ask_neighbour, dump_neighbours, read_neighbour
from control.kernel.routes import CLONED, OCTETS, KernelRoute, ask_route, dump_routes, read_route
from control.kernel.view import KernelView, Prefix

PATIENCE: Final = 10.0
"""Seconds for an answer."""
PAUSE: Final = 0.2
"""Before dumps are asked for again: what is still to be read would hinder them."""
SWEPT: Final = 4096
"""Prefixes looked at in a turn when a dump is through: 2 ms."""
ASKS: Final = 64
"""Neighbours asked for in one request."""

_LINKS, _ADDRESSES, _NEIGHBOURS = "links", "addresses", "neighbours"
Part = str | tuple[int, int]
"""What one dump is of; a pair: the routes of a table and a family."""

Known = Link | Neighbour


class Feed:
    """Of one view."""

    def __init__(self, view: KernelView) -> None:
        self._view = view
        self._sequence = 0
        self._parts: deque[Part] = deque()
        self._part: Part | None = None
        """Whose dump is under way."""
        self._left: dict[Any, Known] = {}
        """What is known of that part, if it is not of routes, and the dump has not told yet: at its
        end that is gone."""
        self._seen: set[tuple[int, bytes, int, int]] | None = None
        """Routes that the dump has told; None: none was known before."""
        self._sweep: Iterator[tuple[Prefix, dict[int, KernelRoute]]] | None = None
        """Over what is known of a table whose dump is through."""
        self._gone: list[KernelRoute] = []
        """What the dump has not told."""
        self._due: float | None = None
        self._again: float | None = None
        self._asks: dict[tuple[int, bytes], None] = {}
        self._lookups: dict[bytes, None] = {}
        self._looked_up: bytes | None = None
        """Whose way is asked for."""
        self.found: deque[tuple[bytes, KernelRoute | None]] = deque()
        """Answers to `look_up`: the route by which the kernel reaches an address, if it does."""
        self.told: deque[tuple[bool, KernelRoute]] = deque()
        """Notices of routes, of all tables and of ours too, in their order: whether it came. The
        mirror judges them."""
        self.counts: Counter[str] = Counter()
        """dumps, notices, losses, damaged."""
        self.resync()

    @property
    def dumping(self) -> bool:
        """Notices are not to be read now."""
        return bool(self._parts) or self._part is not None

    @property
    def settled(self) -> bool:
        """All is known, and nothing is to be asked."""
        asking = self._asks or self._lookups or self._looked_up is not None
        return not (self.dumping or asking or self._again is not None)

    @property
    def behind(self) -> bool:
        """As a mirror says it."""
        return self._sweep is not None

    def resync(self) -> None:
        """Asks for everything again; what is known stays until it is."""
        tables = [(table, family) for table in self._view.tables for family in FAMILIES]
        self._parts = deque((_LINKS, _ADDRESSES, _NEIGHBOURS, *tables))

    def lost(self, now: float) -> None:
        self.counts["losses"] += 1
        if self._looked_up is not None:
            self._lookups[self._looked_up] = None
        self._part = self._due = self._looked_up = self._sweep = self._seen = None
        self._gone = []
        self._again = now + PAUSE
        self.resync()

    def ask(self, interface: int, address: bytes) -> None:
        """Has the kernel find out about a neighbour."""
        self._asks[interface, address] = None

    def look_up(self, address: bytes) -> None:
        """Asks by which route the kernel reaches an address; `found` has the answer."""
        self._lookups[address] = None

    def next_request(self, now: float) -> bytes | None:
        """None while an answer is awaited or judged, or nothing is to be asked."""
        if self._sweep is not None and not self._swept():
            return None
        if self._due is not None or self._again is not None:
            return None
        self._sequence += 1
        if self._asks and not self._parts:
            asked = list(self._asks)[:ASKS]
            for key in asked:
                del self._asks[key]
            return b"".join(ask_neighbour(self._sequence, *key) for key in asked)
        if self._lookups and not self._parts:
            self._looked_up = next(iter(self._lookups))
            del self._lookups[self._looked_up]
            self._due = now + PATIENCE
            return ask_route(self._sequence, self._looked_up)
        if not self._parts:
            return None
        self._part = self._parts.popleft()
        self._due = now + PATIENCE
        if isinstance(self._part, tuple):
            self._seen = set() if self._view.tables.get(self._part[0]) else None
        else:
            self._left = self._known(self._part)
        self.counts["dumps"] += 1
        return self._dump(self._part)

    def receive(self, data: bytes, now: float) -> None:
        """Answers to requests."""
        try:
            for message in read_messages(data):
                if self._looked_up is not None and message.sequence == self._sequence:
                    self._on_way(message, self._looked_up)
                elif self._part is not None and message.sequence == self._sequence:
                    self._due = now + PATIENCE
                    self._on_answer(message, self._part, now)
        except DecodeError:
            self.counts["damaged"] += 1
            self.lost(now)

    def notice(self, data: bytes, now: float) -> None:
        """What the kernel tells unasked."""
        try:
            for message in read_messages(data):
                self.counts["notices"] += 1
                self._learn(message, dumped=False)
        except DecodeError:
            self.counts["damaged"] += 1
            self.lost(now)

    def get_timer(self) -> float | None:
        return self._due if self._due is not None else self._again

    def handle_timer(self, now: float) -> None:
        if self._due is not None and self._due <= now:
            self.lost(now)
        if self._again is not None and self._again <= now:
            self._again = None

    def _dump(self, part: Part) -> bytes:
        if isinstance(part, tuple):
            return dump_routes(self._sequence, part[1], table=part[0])
        if part == _LINKS:
            return dump_links(self._sequence)
        if part == _ADDRESSES:
            self._view.addresses.clear()
            return dump_addresses(self._sequence)
        return dump_neighbours(self._sequence)

    def _on_answer(self, message: Message, part: Part, now: float) -> None:
        if message.kind not in (MessageType.DONE, MessageType.ERROR):
            self._learn(message, dumped=True)
            return
        read_errno(message.body)  # a table that is not there is an empty one
        self._due = None
        if isinstance(part, tuple) and self._seen is not None:
            self._sweep = iter(self._view.tables.get(part[0], {}).items())
            return
        self._part = None
        for gone in self._left.values():
            if isinstance(gone, Link):
                self._view.delete_link(gone)
            else:
                self._view.delete_neighbour(gone)
        self._left = {}

    def _swept(self) -> bool:
        """Goes on to find and forget what a dump of routes has not told. True at the end."""
        assert isinstance(self._part, tuple)
        assert self._sweep is not None
        assert self._seen is not None
        octets = OCTETS[self._part[1]]
        looked = 0
        # Nobody else changes the view meanwhile: notices wait.
        for (address, _), metrics in islice(self._sweep, SWEPT):
            looked += 1
            if len(address) == octets:
                self._gone += [r for r in metrics.values() if r.key not in self._seen]
        if looked:
            return False
        for route in self._gone[-SWEPT:]:
            self._view.delete_route(route)
        del self._gone[-SWEPT:]
        if self._gone:
            return False
        self._sweep = self._part = self._seen = None
        return True

    def _on_way(self, message: Message, address: bytes) -> None:
        self._looked_up = self._due = None
        came = message.kind == MessageType.NEWROUTE
        self.found.append((address, read_route(message.body) if came else None))

    def _known(self, part: Part) -> dict[Any, Known]:
        found: dict[Any, Known] = {}
        if part == _LINKS:
            found.update(self._view.links)
        if part == _NEIGHBOURS:
            found.update(self._view.neighbours)
        return found

    def _learn(self, message: Message, *, dumped: bool) -> None:
        view, kind = self._view, message.kind
        if kind in (MessageType.NEWROUTE, MessageType.DELROUTE):
            self._learn_route(read_route(message.body), kind == MessageType.NEWROUTE, dumped)
        elif kind == MessageType.NEWLINK:
            link = read_link(message.body)
            self._left.pop(link.index, None)
            view.set_link(link)
        elif kind == MessageType.DELLINK:
            view.delete_link(read_link(message.body))
        elif kind in (MessageType.NEWNEIGH, MessageType.DELNEIGH):
            neighbour = read_neighbour(message.body)
            if neighbour is None:
                return
            if kind == MessageType.NEWNEIGH:
                self._left.pop((neighbour.interface, neighbour.address), None)
                view.set_neighbour(neighbour)
            else:
                view.delete_neighbour(neighbour)
        elif kind == MessageType.NEWADDR:
            view.addresses.add(read_address(message.body))
        elif kind == MessageType.DELADDR:
            view.addresses.discard(read_address(message.body))

    def _learn_route(self, route: KernelRoute, came: bool, dumped: bool) -> None:
        if route.flags & CLONED:
            return
        if dumped:
            if self._seen is not None:
                self._seen.add(route.key)
        else:
            self.told.append((came, route))
        if came:
            self._view.set_route(route)
        else:
            self._view.delete_route(route)
