"""Transactions of the engine: any sequence of changes against a model of plain dicts."""

from __future__ import annotations

import copy
import ipaddress
from dataclasses import dataclass, field

import numpy as np
import pytest
from engine_rig import session
from hypothesis import given, settings
from hypothesis import strategies as st
from packets import LOCAL, Outer, data_message, datagram
from packets6 import LOCAL6, Outer6, data_message6, datagram6

from control.sim.data_header import DataHeader
from fastpath import Engine, MemPort

ADJACENCIES, SESSIONS = 7, 3
TABLES = (0, 1, 2)
SESSION_IDS = (1, 2, 3, -1, -2)
"""Below 0: over IPv6, with the same numbers."""
PREFIXES = ["0.0.0.0/0", "9.0.0.0/8", "9.1.0.0/16", "9.1.2.0/24", "9.1.2.3/32", "8.0.0.0/7"]
PREFIXES6 = ["::/0", "2001:db8::/32", "2001:db8:1::/48", "2001:db8:1::3/128", "2001:db8::/33"]
PROBES = [
    "2001:db8:1::3",
    "2001:db8:1::4",
    "2001:db8:8000::1",
    "2620::1",
    "9.1.2.3",
    "9.1.2.4",
    "9.1.9.9",
    "9.9.9.9",
    "8.1.1.1",
    "7.7.7.7",
]
VERDICT = {"ip": "DELIVER", "session": "FORWARD", "drop": "DROP", "local": "PUNT_LOCAL"}


@dataclass
class State:
    """What packets see."""

    routes: dict[tuple[int, str], int] = field(default_factory=dict)
    kinds: dict[int, str] = field(default_factory=lambda: {0: "drop"})
    sessions: dict[int, int] = field(default_factory=dict)  # session id -> nh

    def resolve(self, table: int, address: str) -> int:
        """Longest match, the obvious way."""
        ip = ipaddress.ip_address(address)
        best = (-1, 0)
        for (of, prefix), nh in self.routes.items():
            network = ipaddress.ip_network(prefix)
            if of == table and ip in network:
                best = max(best, (network.prefixlen, nh))
        return best[1]


class Both:
    """An engine and its model, which perform each step side by side."""

    def __init__(self) -> None:
        self.engine = Engine(adjacencies=ADJACENCIES, sessions=SESSIONS, punt_ring=1 << 16)
        self.ports = [MemPort() for _ in TABLES]
        for table, port in zip(TABLES, self.ports, strict=True):
            assert self.engine.attach(port, self.engine.add_table(str(table))) == table
        self.seen = State()
        self.begin()
        # The third table holds our tunnel address only, for looking at sessions.
        self.take(self.t.add_adjacency("local", tunnel=True), "local")
        self.add_route(2, f"{LOCAL}/32", 1)
        self.add_route(2, f"{LOCAL6}/128", 1)
        self.commit()

    def begin(self) -> None:
        self.t = self.engine.transaction()
        self.open = copy.deepcopy(self.seen)
        self.held = set(self.seen.kinds)  # indexes that are in use until the end
        self.slots = len(self.seen.sessions)  # session entries, the same

    def any_nh(self, pick: int) -> int:
        """A next hop, live or not."""
        return sorted(self.held | {ADJACENCIES - 1, ADJACENCIES})[pick % (len(self.held) + 1)]

    def take(self, nh: int, kind: str) -> None:
        assert nh not in self.held
        self.held.add(nh)
        self.open.kinds[nh] = kind

    # Steps ----------------------------------------------------------------------------------

    def add_adjacency(self, kind: str) -> None:
        if len(self.held) == ADJACENCIES:
            with pytest.raises(MemoryError):
                self.t.add_adjacency(kind, port=0)
        else:
            self.take(self.t.add_adjacency(kind, port=0), kind)

    def add_session(self, number: int) -> None:
        outer = Outer() if number > 0 else Outer6()
        arguments = session(abs(number), outer, table=0, port=0)
        if number in self.open.sessions:
            with pytest.raises(ValueError, match="in use"):
                self.t.add_session(**arguments)
        elif self.slots == SESSIONS or len(self.held) == ADJACENCIES:
            with pytest.raises(MemoryError):
                self.t.add_session(**arguments)
        else:
            nh = self.t.add_session(**arguments)
            self.take(nh, "session")
            self.slots += 1
            self.open.sessions[number] = nh

    def delete_adjacency(self, pick: int) -> None:
        nh = self.any_nh(pick)
        if nh == 0 or nh not in self.open.kinds:
            with pytest.raises(ValueError if nh == 0 else KeyError):
                self.t.delete_adjacency(nh)
            return
        self.t.delete_adjacency(nh)
        del self.open.kinds[nh]
        self.open.sessions = {n: at for n, at in self.open.sessions.items() if at != nh}

    def add_route(self, table: int, prefix: str, pick: int) -> None:
        nh = self.any_nh(pick)
        if nh in self.open.kinds:
            self.t.add_route(table, prefix, nh)
            self.open.routes[table, prefix] = nh
        else:
            with pytest.raises(KeyError):
                self.t.add_route(table, prefix, nh)

    def add_routes(self, table: int, picks: dict[str, int]) -> None:
        networks = [ipaddress.ip_network(prefix) for prefix in picks]
        nhs = [self.any_nh(pick) for pick in picks.values()]
        arrays = (
            np.array([list(n.network_address.packed) for n in networks], dtype=np.uint8),
            np.array([n.prefixlen for n in networks]),
            np.array(nhs),
        )
        if set(nhs) <= set(self.open.kinds):
            self.t.add_routes(table, *arrays)
            self.open.routes |= {(table, p): nh for p, nh in zip(picks, nhs, strict=True)}
        else:
            with pytest.raises(KeyError):
                self.t.add_routes(table, *arrays)

    def delete_route(self, table: int, prefix: str) -> None:
        if self.open.routes.pop((table, prefix), None) is None:
            with pytest.raises(KeyError):
                self.t.delete_route(table, prefix)
        else:
            self.t.delete_route(table, prefix)

    def commit(self) -> None:
        if set(self.open.routes.values()) <= set(self.open.kinds):
            self.t.commit()
            self.seen = self.open
        else:
            with pytest.raises(ValueError, match="lead to it"):
                self.t.commit()
        self.begin()

    def rollback(self) -> None:
        self.t.rollback()
        self.begin()

    # Comparisons ----------------------------------------------------------------------------

    def compare(self) -> None:
        for table in TABLES:
            for address in PROBES:
                assert self.engine.resolve(table, address) == self.seen.resolve(table, address)
                assert self.t.resolve(table, address) == self.open.resolve(table, address)
        assert len(self.engine.forwarding.sessions) == self.slots

    def compare_packets(self) -> None:
        for table in TABLES[:2]:
            for address in PROBES:
                kind = self.seen.kinds[self.seen.resolve(table, address)]
                packet = datagram6(dst=address) if ":" in address else datagram(dst=address)
                assert self.verdict(table, packet) == VERDICT[kind]
        self.engine.punts()
        for number in SESSION_IDS:
            wrap = data_message if number > 0 else data_message6
            message = wrap(b"\xc0\x21", DataHeader(1, abs(number)))
            found = [self.seen.sessions[number]] if number in self.seen.sessions else []
            assert self.verdict(2, message) == ("PUNT_PPP" if found else "DROP")
            assert [punt.nh for punt in self.engine.punts()] == found

    def verdict(self, table: int, packet: bytes) -> str:
        verdicts = self.engine.counters()["verdict"]
        before = verdicts.copy().tolist()
        self.ports[table].push(packet)
        assert self.engine.poll(table) == 1
        changed = [b - a for a, b in zip(before, verdicts.tolist(), strict=True)]
        assert sum(changed) == 1
        return verdicts.dtype.names[changed.index(1)]


picks = st.integers(0, 20)
prefixes4 = st.sampled_from(PREFIXES)
prefixes6 = st.sampled_from(PREFIXES6)
prefixes = prefixes4 | prefixes6
tables = st.sampled_from(TABLES[:2])
STEPS = st.one_of(
    st.tuples(st.just("add_adjacency"), st.sampled_from(["ip", "drop", "local"])),
    st.tuples(st.just("add_session"), st.sampled_from(SESSION_IDS)),
    st.tuples(st.just("delete_adjacency"), picks),
    st.tuples(st.just("add_route"), tables, prefixes, picks),
    st.tuples(
        st.just("add_routes"),
        tables,
        st.dictionaries(prefixes4, picks, min_size=1)
        | st.dictionaries(prefixes6, picks, min_size=1),
    ),
    st.tuples(st.just("delete_route"), tables, prefixes),
    st.tuples(st.sampled_from(["commit", "commit", "rollback"])),
)


@settings(deadline=None, max_examples=200)
@given(st.lists(STEPS, max_size=60))
def test_any_changes_leave_what_the_model_has(steps):
    both = Both()
    for name, *arguments in steps:
        getattr(both, name)(*arguments)
        both.compare()
        if name in ("commit", "rollback"):
            both.compare_packets()
    both.commit()
    both.compare()
    both.compare_packets()
