"""A data plane as slow and obvious as can be, for tests of the control plane.

Implements control.dataplane.Dataplane with dictionaries; forwards nothing but notes.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field

from control.dataplane import NextHop, SessionCounters, SessionSpec, TriggerEvent
from control.errors import DialoutError

HOLD, DISCARD = "hold", "discard"


class NoRoom(DialoutError):
    pass


@dataclass
class Entry:
    key: int
    state: str = HOLD
    buffer: list[str] = field(default_factory=list)


class ModelDataplane:
    def __init__(self, *, buffer_limit: int = 16) -> None:
        self.routes: dict[int, dict[str, NextHop]] = {}
        self.sessions: dict[NextHop, SessionSpec] = {}
        self.gleans: dict[NextHop, int] = {}
        self.holds: dict[NextHop, int] = {}
        self.sources: dict[NextHop, tuple[str, ...]] = {}
        self.entries: dict[tuple[NextHop, str], Entry] = {}
        self.sent: list[tuple[NextHop, str]] = []
        """Payloads forwarded, in order."""
        self.discarded: list[str] = []
        self.ppp: list[tuple[SessionSpec, bytes]] = []
        self.activity: dict[NextHop, float] = {}
        self.traffic: dict[NextHop, tuple[int, int, int, int]] = {}
        """Packets and octets in, packets and octets out."""
        self.filters: dict[NextHop, tuple[str, str]] = {}
        self.classifiers: set[str] | None = None
        """Those that there are; None: all."""
        self.now = 0.0
        self.buffer_limit = buffer_limit
        self.no_room = False
        """Let every new adjacency fail."""
        self.commits = 0
        self._numbers = 0

    # Traffic.

    def packet(self, table: int, destination: str, payload: str) -> TriggerEvent | None:
        """One IP packet; the trigger event if it makes one."""
        nh = self.resolve(table, destination)
        if nh in self.gleans:
            return self._trigger(table, nh, destination, payload)
        if nh in self.holds:
            self._buffer(self._entry(self.holds[nh]), payload)
        elif nh in self.sessions:
            self.sent.append((nh, payload))
            self.activity[nh] = self.now
        else:
            self.discarded.append(payload)
        return None

    def _trigger(
        self, table: int, nh: NextHop, destination: str, payload: str
    ) -> TriggerEvent | None:
        entry = self.entries.get((nh, destination))
        if entry is not None:
            if entry.state == HOLD:
                self._buffer(entry, payload)
            else:
                self.discarded.append(payload)
            return None
        entry = self.entries[nh, destination] = Entry(self._number())
        self._buffer(entry, payload)
        return TriggerEvent(entry.key, table, nh, destination, "192.0.2.1", 17, 1024, 53)

    def _buffer(self, entry: Entry, payload: str) -> None:
        if len(entry.buffer) < self.buffer_limit:
            entry.buffer.append(payload)
        else:
            self.discarded.append(payload)

    # Dataplane.

    @contextmanager
    def transaction(self) -> Iterator[ModelDataplane]:
        before = (
            {table: copy(routes) for table, routes in self.routes.items()},
            copy(self.sessions),
            copy(self.gleans),
            copy(self.holds),
        )
        try:
            yield self
        except BaseException:
            self.routes, self.sessions, self.gleans, self.holds = before
            raise
        self.commits += 1

    def resolve(self, table: int, destination: str) -> NextHop:
        address = ipaddress.ip_address(destination)
        found = [
            (network.prefixlen, nh)
            for prefix, nh in self.routes.get(table, {}).items()
            if address in (network := ipaddress.ip_network(prefix))
        ]
        return max(found)[1] if found else 0

    def trigger_discard(self, key: int) -> None:
        self._entry(key).state = DISCARD

    def trigger_hold(self, key: int) -> None:
        self._entry(key).state = HOLD

    def trigger_drop(self, key: int) -> int:
        entry = self._entry(key)
        entry.state = DISCARD
        dropped, entry.buffer = entry.buffer, []
        self.discarded += dropped
        return len(dropped)

    def trigger_forget(self, key: int) -> int:
        dropped = self._end(key)
        self.discarded += dropped
        return len(dropped)

    def trigger_flush(self, key: int, nh: NextHop) -> int:
        assert nh in self.sessions
        packets = self._end(key)
        self.sent += [(nh, packet) for packet in packets]
        self.activity[nh] = self.now
        return len(packets)

    def send_ppp(self, nh: NextHop, frame: bytes) -> None:
        self.ppp.append((self.sessions[nh], frame))

    def session_counters(self, nh: NextHop) -> SessionCounters:
        assert nh in self.sessions, "the adjacency is gone, and its counters with it"
        return SessionCounters(*self.traffic.get(nh, (0, 0, 0, 0)), self.activity.get(nh, 0.0))

    # Transaction.

    def add_route(self, table: int, prefix: str, nh: NextHop) -> None:
        routes = self.routes.setdefault(table, {})
        assert prefix not in routes
        routes[prefix] = nh

    def delete_route(self, table: int, prefix: str) -> None:
        del self.routes[table][prefix]

    def add_glean(self, table: int, prefix: str) -> NextHop:
        nh = self._adjacency()
        self.gleans[nh] = table
        return nh

    def add_session(self, spec: SessionSpec) -> NextHop:
        nh = self._adjacency()
        self.sessions[nh] = spec
        return nh

    def update_session(self, nh: NextHop, spec: SessionSpec) -> None:
        assert nh in self.sessions
        self.sessions[nh] = spec

    def delete_adjacency(self, nh: NextHop) -> None:
        assert nh not in [used for routes in self.routes.values() for used in routes.values()]
        self.gleans.pop(nh, None)
        self.sessions.pop(nh, None)
        self.holds.pop(nh, None)

    def set_filter(self, nh: NextHop, classifier: str, *, inbound: str = "") -> None:
        for name in filter(None, (classifier, inbound)):
            if self.classifiers is not None and name not in self.classifiers:
                raise NoRoom(f"there is no classifier {name}")
        self.filters[nh] = (classifier, inbound)

    def set_sources(self, nh: NextHop, prefixes: Sequence[str]) -> None:
        assert nh in self.sessions
        self.sources[nh] = tuple(prefixes)

    def hold(self, nh: NextHop, key: int) -> None:
        self._entry(key)
        self.holds[nh] = key

    # Entries.

    def buffered(self) -> list[str]:
        return [packet for entry in self.entries.values() for packet in entry.buffer]

    def _adjacency(self) -> NextHop:
        if self.no_room:
            raise NoRoom("no adjacency is free")
        return self._number()

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    def _entry(self, key: int) -> Entry:
        return next(entry for entry in self.entries.values() if entry.key == key)

    def _end(self, key: int) -> list[str]:
        place = next(place for place, entry in self.entries.items() if entry.key == key)
        self.holds = {nh: held for nh, held in self.holds.items() if held != key}
        return self.entries.pop(place).buffer

    def set_table(self, router) -> None:
        self.routes.setdefault(router.table, {})

    def set_classifiers(self, classifiers) -> None:
        self.classifiers = tuple(classifiers)
