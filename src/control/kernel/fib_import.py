"""Ways of the kernel into RIB and FIB of one virtual router.

Each route is the RIB's of the owner "kernel", with the administrative distance of whoever made it:
so access routes, dial-out routes and the kernel's choose among each other. A way through a session
is followed: when another session reaches its next hop, it changes. No such way is taken for a
prefix that holds a LAC (threat T8).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from control.address_text import Octets, address_text
from control.errors import DialoutError
from control.kernel.importer import How, Way
from control.kernel.lac_holes import LacHoles
from control.kernel.prefix import prefix_text
from control.kernel.slots import NeighbourSlots
from control.kernel.view import Prefix
from control.rib import Change, ChangeKind, Rib

OWNER: Final = "kernel"


class Transaction(Protocol):
    """What of a data plane's transaction is used."""

    def add_route(self, table: int, prefix: str, nh: int) -> None: ...
    def delete_route(self, table: int, prefix: str) -> None: ...
    def add_plain(self, port: int, mtu: int, neighbour: int) -> int: ...
    def add_drop(self) -> int: ...
    def delete_adjacency(self, nh: int) -> None: ...
    def resolve(self, table: int, destination: str) -> int: ...


class Dataplane(Protocol):
    def transaction(self) -> AbstractContextManager[Transaction]: ...
    def is_session(self, nh: int) -> bool: ...
    def resolve(self, table: int, destination: str) -> int: ...


@dataclass(frozen=True, slots=True)
class PortUse:
    """A port of the engine that is an interface."""

    index: int
    mtu: int
    slots: NeighbourSlots | None = None
    """None: it is a TUN."""


Key = tuple[How, int, Octets]
"""Of an adjacency of ours: how, interface, neighbour."""


@dataclass(slots=True)
class _Use:
    """An adjacency of ours."""

    nh: int
    slots: NeighbourSlots | None = None
    """Those of its port, if it has one of them."""
    users: int = 0


@dataclass(frozen=True, slots=True)
class _Route:
    """What the RIB has from us."""

    nh: int
    key: Key | None
    """None: the adjacency is a session's."""
    distance: int
    metric: int


class FibImport:
    """`kernel`: the port by which packets go to the kernel; None: there is no way there."""

    def __init__(
        self,
        rib: Rib,
        dataplane: Dataplane,
        ports: Mapping[int, PortUse],
        kernel: PortUse | None,
        reserved: Iterable[str],
        holes: LacHoles,
        tell: Callable[[str], None],
        mac_of: Callable[[int, Octets], bytes | None],
    ) -> None:
        """`ports`: by interface; `reserved`: prefixes that the configuration routes itself;
        `mac_of`: of a neighbour, and the kernel is asked for it."""
        self._rib = rib
        self._dataplane = dataplane
        self._ports = ports
        self._kernel = kernel
        self._reserved = frozenset(reserved)
        self._holes = holes
        self._tell = tell
        self._mac_of = mac_of
        self._uses: dict[Key, _Use] = {}
        self._routes: dict[Prefix, _Route] = {}
        self._undo: list[Callable[[], object]] = []
        self._done: list[Callable[[], object]] = []
        """For the end of the transaction, as that may be."""
        self._via: dict[Prefix, Way] = {}
        """Ways through sessions, taken or not."""
        self._told: set[Prefix] = set()
        self.counts: Counter[str] = Counter()
        """refused."""

    def __len__(self) -> int:
        return len(self._routes)

    def apply(self, ways: Iterable[tuple[Prefix, Way | None]]) -> None:
        """Ways that came, changed or went, in one transaction; if it fails, each that can be."""
        batch = list(ways)
        try:
            self._apply(batch)
        except DialoutError:
            if len(batch) == 1:
                self.counts["refused"] += 1
                return
            for one in batch:
                self.apply((one,))

    def sessions_changed(self) -> None:
        """Next hops that are behind sessions may be behind others now."""
        moved = self.moved()
        if moved:
            self.apply(moved)

    def moved(self) -> list[tuple[Prefix, Way]]:
        """Ways whose next hop is behind another session than the route has, or behind none."""
        reached: dict[Octets, int | None] = {}
        found = []
        for prefix, way in self._via.items():
            gateway = way.neighbour
            if gateway not in reached:
                nh = self._dataplane.resolve(self._rib.table, address_text(gateway))
                reached[gateway] = nh if nh and self._dataplane.is_session(nh) else None
            route = self._routes.get(prefix)
            has, wants = None if route is None else route.nh, reached[gateway]
            if wants is not None and self._holes.in_prefix(*prefix) and prefix in self._told:
                wants = None
            if has != wants:
                found.append((prefix, way))
        return found

    def session_leaves(self, t: Transaction, nh: int) -> None:
        """A session is deleted by this transaction: no route may lead to it any more."""
        for prefix in [p for p in self._via if p in self._routes and self._routes[p].nh == nh]:
            del self._routes[prefix]
            self._carry(t, self._rib.remove(OWNER, prefix_text(*prefix)))

    def withdraw(self) -> None:
        """Takes all routes out."""
        self._via.clear()
        self.apply([(prefix, None) for prefix in list(self._routes)])

    def _apply(self, batch: list[tuple[Prefix, Way | None]]) -> None:
        self._undo, self._done = [], []
        try:
            with self._dataplane.transaction() as t:
                left = [self._set(t, prefix, way) for prefix, way in batch]
                for key in left:
                    if key is not None:
                        self._release(t, key)
        except DialoutError:
            for undo in reversed(self._undo):
                undo()
            raise
        for done in self._done:
            done()

    def _set(self, t: Transaction, prefix: Prefix, way: Way | None) -> Key | None:
        """Returns the adjacency that the route had before."""
        text = prefix_text(*prefix)
        if text in self._reserved:
            return None
        if way is not None and way.how is How.VIA:
            self._via[prefix] = way
        else:
            self._via.pop(prefix, None)
        found = self._next_hop(t, prefix, way)
        before = self._routes.get(prefix)
        after = None
        if found is not None and way is not None:
            after = _Route(*found, way.distance, way.metric)
        self._undo.append(lambda: self._put(prefix, text, before))
        self._carry(t, self._put(prefix, text, after))
        return None if before is None else before.key

    def _put(self, prefix: Prefix, text: str, route: _Route | None) -> Change | None:
        if route is None:
            known = self._routes.pop(prefix, None)
            return None if known is None else self._rib.remove(OWNER, text)
        self._routes[prefix] = route
        return self._rib.add(OWNER, text, route.nh, route.distance, route.metric)

    def _next_hop(
        self, t: Transaction, prefix: Prefix, way: Way | None
    ) -> tuple[int, Key | None] | None:
        if way is None:
            return None
        if way.how is How.VIA:
            nh = self._through_session(t, prefix, way.neighbour)
            return None if nh is None else (nh, None)
        key = (way.how, way.interface, way.neighbour)
        if way.how is How.KERNEL and self._kernel is None:
            return None
        use = self._uses.get(key)
        if use is None:
            use = self._make(t, key)
        use.users += 1
        self._undo.append(lambda: self._unuse(key))
        return use.nh, key

    def _make(self, t: Transaction, key: Key) -> _Use:
        how, interface, neighbour = key
        if how is How.DROP:
            use = _Use(t.add_drop())
        else:
            port = self._kernel if how is How.KERNEL else self._ports[interface]
            assert port is not None
            slot = 0
            if how is How.PORT and neighbour and port.slots is not None:
                slot = port.slots.use(neighbour, self._mac_of(interface, neighbour))
            use = _Use(t.add_plain(port.index, port.mtu, slot), port.slots if slot else None)
        self._uses[key] = use
        return use

    def _unuse(self, key: Key) -> bool:
        """True if it was the last use: the adjacency is no more."""
        use = self._uses[key]
        use.users -= 1
        if use.users:
            return False
        del self._uses[key]
        if use.slots is not None:
            use.slots.release(key[2])
        return True

    def _release(self, t: Transaction, key: Key) -> None:
        use = self._uses[key]
        if use.users > 1:
            use.users -= 1
            self._undo.append(lambda: self._use_again(use))
            return
        # Its slot stays until the change is published: packets may still use it.
        t.delete_adjacency(use.nh)
        self._done.append(lambda: self._unuse(key))

    def _use_again(self, use: _Use) -> None:
        use.users += 1

    def _through_session(self, t: Transaction, prefix: Prefix, gateway: Octets) -> int | None:
        nh = t.resolve(self._rib.table, address_text(gateway))
        if not nh or not self._dataplane.is_session(nh):
            return None
        if self._holes.in_prefix(*prefix):
            if prefix not in self._told:
                self._told.add(prefix)
                text = prefix_text(*prefix)
                self._tell(f"{text}: covers a LAC and leads through a session: it is not imported")
            self.counts["refused"] += 1
            return None
        return nh

    def _carry(self, t: Transaction, change: Change | None) -> None:
        if change is None:
            return
        if change.kind is not ChangeKind.ADD:
            t.delete_route(change.table, change.prefix)
        if change.kind is not ChangeKind.DELETE:
            t.add_route(change.table, change.prefix, change.nh)
