"""The data plane that the control plane drives: control.dataplane's protocol on a fastpath Engine.

It translates; it decides nothing. Times toward control are seconds, inside the engine nanoseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from control.config import Classifier, Config, VirtualRouter
from control.dataplane import NextHop, SessionCounters, SessionSpec, TriggerEvent
from control.errors import ResourceError
from control.fastpath_filters import Filters
from control.fib_observers import FibObservers, Kind, Observer
from control.peer_slots import PeerSlots
from fastpath.engine import Engine

NANOSECONDS = 1_000_000_000
BUFFERED_OCTETS = 65536
"""Of trigger packets a virtual router holds (specification 1.6)."""


class _Transaction:
    """Control's view of one transaction of the engine, a context manager. Raises ResourceError when
    a table of the engine is full."""

    __slots__ = (
        "_context",
        "_done",
        "_filters",
        "_gone",
        "_inner",
        "_made",
        "_observers",
        "_peers",
        "_port_of",
        "_routes",
        "_tables",
        "_tunnel_port",
        "leaving",
    )

    def __init__(
        self,
        context: Any,
        tunnel_port: int,
        tables: Mapping[int, int],
        filters: Filters,
        port_of: Mapping[str, int],
        observers: FibObservers,
        peers: PeerSlots,
    ) -> None:
        self._peers = peers
        self._context = context
        self._observers = observers
        self._inner: Any = None
        self._port_of = port_of
        self._filters = filters
        self._done: list[Callable[[], None]] = []
        """What the filters' users are told if the transaction succeeds."""
        self._tunnel_port = tunnel_port
        self._tables = tables
        self.leaving: Sequence[Leaving] = ()
        self._made: list[tuple[NextHop, Kind]] = []
        self._routes: dict[tuple[int, str], NextHop | None] = {}
        self._gone: list[NextHop] = []
        """What observers of the FIB are told if the transaction succeeds."""

    def __enter__(self) -> _Transaction:
        self._inner = self._context.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: Any
    ) -> None:
        try:
            self._context.__exit__(kind, error, where)
        except MemoryError as full:
            raise ResourceError(str(full)) from None
        if isinstance(error, MemoryError):
            raise ResourceError(str(error)) from None
        if error is None:
            for tell in self._done:
                tell()
            if self._made or self._routes or self._gone:
                self._observers.committed(self._made, self._routes, self._gone)

    def add_route(self, table: int, prefix: str, nh: NextHop) -> None:
        self._inner.add_route(self._tables[table], prefix, nh)
        self._routes[table, prefix] = nh

    def delete_route(self, table: int, prefix: str) -> None:
        self._inner.delete_route(self._tables[table], prefix)
        self._routes[table, prefix] = None

    def add_glean(self, table: int, prefix: str) -> NextHop:
        nh: int = self._inner.add_adjacency("glean", table=self._tables[table])
        self._made.append((nh, "dial-out"))
        return nh

    def add_plain(self, port: int, mtu: int, neighbour: int) -> NextHop:
        """A next hop by a port, toward the neighbour of a slot there; 0: the port finds out."""
        nh: int = self._inner.add_adjacency("ip", port=port, mtu=mtu, neighbour=neighbour)
        return nh

    def add_drop(self) -> NextHop:
        nh: int = self._inner.add_adjacency("drop")
        return nh

    def add_session(self, spec: SessionSpec) -> NextHop:
        port = self._port_of.get(spec.local[0], self._tunnel_port)
        toward = (port, spec.peer[0])
        nh: int = self._inner.add_session(
            table=self._tables[spec.table],
            local=spec.local,
            peer=spec.peer,
            tunnel=spec.tunnel,
            session=spec.session,
            port=port,
            neighbour=self._peers.slots.get(toward, 0),
            drop_old=spec.drop_old,
            **_header(spec),
        )
        self._done.append(partial(self._peers.came, nh, toward))
        self._made.append((nh, "access"))
        return nh

    def update_session(self, nh: NextHop, spec: SessionSpec) -> None:
        self._inner.update_session(nh, **_header(spec))

    def delete_adjacency(self, nh: NextHop) -> None:
        for leaving in self.leaving:
            leaving(self, nh)
        self._inner.delete_adjacency(nh)
        self._gone.append(nh)
        self._done.append(partial(self._peers.left, nh))
        self._done.append(partial(self._filters.release, nh))

    def set_sources(self, nh: NextHop, prefixes: Sequence[str]) -> None:
        self._inner.set_sources(nh, prefixes)

    def set_filter(self, nh: NextHop, classifier: str, *, inbound: str = "") -> None:
        number, number_in = self._filters.number(classifier), self._filters.number(inbound)
        self._inner.set_filter(nh, number)
        if number_in or self._filters.uses_inbound(nh):
            self._inner.set_filter(nh, number_in, inbound=True)
        self._done.append(partial(self._filters.use, nh, classifier, inbound))

    def hold(self, nh: NextHop, key: int) -> None:
        self._inner.hold(nh, key)

    def resolve(self, table: int, destination: str) -> NextHop:
        nh: int = self._inner.resolve(self._tables[table], destination)
        return nh


Leaving = Callable[[_Transaction, NextHop], None]

_TCP_HEADERS = 40  # octets of IPv4 and TCP without options (RFC 6691)


def _header(spec: SessionSpec) -> dict[str, Any]:
    """What decides the form of the headers: the arguments add_session and update_session share."""
    return {
        "peer_tunnel": spec.peer_tunnel,
        "peer_session": spec.peer_session,
        "mtu": spec.mtu,
        "mss": spec.mtu - _TCP_HEADERS if spec.clamp_mss else 0,
        "acfc": spec.acfc,
        "pfc": spec.pfc,
        "sequencing": spec.sequencing,
        "udp_checksum": spec.udp_checksum,
        "tos": spec.tos,
        "df": spec.df,
    }


class FastpathDataplane:
    """control.dataplane.Dataplane on one engine.

    tables: the engine's table by the virtual router's table number; now: the time in seconds;
    port_of: the port of tunnels by their local address, where that is not `tunnel_port`.
    """

    def __init__(
        self,
        engine: Engine,
        tunnel_port: int,
        tables: dict[int, int],
        now: Callable[[], float],
        filters: Filters | None = None,
        port_of: Mapping[str, int] | None = None,
        *,
        together: bool = False,
    ) -> None:
        """`tables`: the engine's table by table number, as build_tables returns it. `together`:
        PPP frames leave in bursts, at Engine.send() at the latest, which the owner calls."""
        self._port_of = {} if port_of is None else port_of
        self._together = together
        self._engine = engine
        self._tunnel_port = tunnel_port
        self._tables = tables
        self._filters = Filters(engine) if filters is None else filters
        self._numbers = {index: number for number, index in tables.items()}
        self._now = now
        self._observers = FibObservers()
        self._leaving: list[Leaving] = []
        self._peers = PeerSlots()

    def observe(self, observer: Observer) -> Callable[[], None]:
        """See FibObservers.observe."""
        return self._observers.observe(observer)

    def before_deletion(self, leaving: Leaving) -> Callable[[], None]:
        """Calls `leaving` in the transaction that deletes an adjacency, before it does: routes of
        others to it must go too. What this returns ends that."""
        self._leaving.append(leaving)
        return lambda: self._leaving.remove(leaving)

    def move_peer(self, port: int, peer: str, slot: int) -> None:
        """Sessions toward `peer` by a port leave by a neighbour's slot there, those that come too;
        0: the port finds out."""
        toward = (port, peer)
        if slot:
            self._peers.slots[toward] = slot
        else:
            self._peers.slots.pop(toward, None)
        sessions = self._peers.sessions(toward)
        if sessions:
            with self._engine.transaction() as t:
                for nh in sessions:
                    t.set_neighbour(nh, slot)

    def is_session(self, nh: NextHop) -> bool:
        return self._observers.is_session(nh)

    def transaction(self) -> _Transaction:
        made = _Transaction(
            self._engine.transaction(),
            self._tunnel_port,
            self._tables,
            self._filters,
            self._port_of,
            self._observers,
            self._peers,
        )
        made.leaving = self._leaving
        return made

    def resolve(self, table: int, destination: str) -> NextHop:
        if table not in self._tables:
            raise ResourceError(f"the data plane has no routing table {table}")
        nh: int = self._engine.resolve(self._tables[table], destination)
        return nh

    def trigger_hold(self, key: int) -> None:
        self._engine.triggers.hold(key)

    def trigger_discard(self, key: int) -> None:
        self._engine.triggers.discard(key)

    def trigger_flush(self, key: int, nh: NextHop) -> int:
        sent: int = self._engine.flush_trigger(key, nh, self._now_ns())
        return sent

    def trigger_drop(self, key: int) -> int:
        dropped: int = self._engine.drop_trigger(key, forget=False)
        return dropped

    def trigger_forget(self, key: int) -> int:
        dropped: int = self._engine.drop_trigger(key, forget=True)
        return dropped

    def send_ppp(self, nh: NextHop, frame: bytes) -> None:
        self._engine.inject(frame, nh, self._now_ns(), wait=self._together)

    def session_counters(self, nh: NextHop) -> SessionCounters:
        c = self._engine.session_counters(nh)
        return SessionCounters(
            packets_in=c.packets_in,
            octets_in=c.octets_in,
            packets_out=c.packets_out,
            octets_out=c.octets_out,
            last_activity=c.last_ns / NANOSECONDS,
        )

    def trigger_events(self, most: int = 1024) -> list[TriggerEvent]:
        """Triggers that were admitted since the last call, oldest first."""
        return [
            TriggerEvent(
                key=r.key,
                table=self._numbers[r.table],
                glean=r.glean,
                destination=r.destination,
                source=r.source,
                protocol=r.protocol,
                source_port=r.source_port,
                destination_port=r.destination_port,
            )
            for r in self._engine.triggers.events(most)
        ]

    def set_table(self, router: VirtualRouter) -> None:
        """A virtual router came or has other limits. Raises ResourceError if there is no room."""
        if router.table in self._tables:
            limits = (router.max_buffered_triggers, BUFFERED_OCTETS)
            self._engine.triggers.set_limits(self._tables[router.table], *limits)
            return
        try:
            _add_table(self._engine, self._tables, router)
        except (MemoryError, ValueError) as error:
            raise ResourceError(str(error)) from None
        self._numbers[self._tables[router.table]] = router.table

    def set_classifiers(self, classifiers: Sequence[Classifier]) -> None:
        """There are these from now on. Raises RuleError or ResourceError, and nothing changes."""
        self._filters.load(classifiers)

    def _now_ns(self) -> int:
        return round(self._now() * NANOSECONDS)


def build_tables(engine: Engine, config: Config) -> dict[int, int]:
    """Makes a routing table for each virtual router, its local addresses routed to ourselves.

    Returns the engine's table by table number. Without virtual routers there is one, number 0.
    """
    tables: dict[int, int] = {}
    for router in config.virtual_router:
        _add_table(engine, tables, router)
    if not tables:
        tables[0] = engine.add_table("default")
    return tables


def _add_table(engine: Engine, tables: dict[int, int], router: VirtualRouter) -> None:
    table = engine.add_table(
        router.name, router.local_address or None, router.local_address_ipv6 or None
    )
    tables[router.table] = table
    engine.triggers.set_limits(table, router.max_buffered_triggers, BUFFERED_OCTETS)
    if router.local_addresses:
        with engine.transaction() as t:
            local = t.add_adjacency("local", tunnel=True)
            for address in router.local_addresses:
                t.add_route(table, address, local)
