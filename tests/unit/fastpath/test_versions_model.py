"""Transactions of any kind against dictionaries, while workers come, go and sleep in old versions.

Each worker must find in its version what the model held when the version was published, however
much was changed, undone, deleted and used again since.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastpath import Engine
from fastpath.torture import Torture

PREFIXES = [
    ip_network(text)
    for text in (
        *("0.0.0.0/0", "10.0.0.0/7", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/23", "10.1.2.0/24"),
        *("10.1.2.3/32", "10.1.2.4/32", "10.1.3.0/25", "192.0.2.0/24", "192.0.2.255/32"),
        *("::/0", "2001:db8::/32", "2001:db8:1::/48", "2001:db8:1:2::/64", "2001:db8:1:2::3/128"),
    )
]
PROBES = [
    *("10.1.2.3", "10.1.2.4", "10.1.2.200", "10.1.3.5", "10.1.9.9", "10.9.9.9", "11.0.0.1"),
    *("192.0.2.255", "192.0.2.1", "9.9.9.9", "2001:db8:1:2::3", "2001:db8:1:2::4"),
    *("2001:db8:1:9::1", "2001:db8:9::1", "3000::1"),
]
TABLES = 2
SESSIONS = 6
STEP = 4  # octets of a choice


@dataclass
class World:
    """What one version holds."""

    routes: dict = field(default_factory=dict)
    """(table, prefix) -> next hop."""
    sessions: dict = field(default_factory=dict)
    """number -> (next hop, peer's session id, filter)."""
    live: set = field(default_factory=set)
    """Next hops."""

    def resolve(self, table: int, address: str) -> int:
        host = ip_address(address)
        found = [
            (prefix.prefixlen, nh)
            for (of, prefix), nh in self.routes.items()
            if of == table and prefix.version == host.version and host in prefix
        ]
        return max(found)[1] if found else 0


class Model:
    """An engine and what it should hold."""

    def __init__(self) -> None:
        self.engine = Engine(adjacencies=2048, sessions=1024)
        self.rack = Torture(self.engine)
        self.tables = [self.engine.add_table(f"model {n}") for n in range(TABLES)]
        self.now = World()
        self.next: World | None = None
        self.deleted: set[int] = set()
        self.made: set[int] = set()
        self.transaction = None
        self.workers: dict[int, World] = {}
        self.known: list[int] = [0]

    def open(self):
        if self.transaction is None:
            self.transaction = self.engine.transaction()
            self.next = deepcopy(self.now)
            self.deleted = set()
        return self.transaction, self.next

    def next_hop(self, choice: int) -> int:
        return self.known[choice % len(self.known)]

    def usable(self, nh: int) -> bool:
        return nh == 0 or nh in self.next.live

    # Operations: each takes two choices.

    def add_route(self, a: int, b: int) -> None:
        t, world = self.open()
        table, prefix, nh = a % TABLES, PREFIXES[a // 2 % len(PREFIXES)], self.next_hop(b)
        if not self.usable(nh):
            with pytest.raises(KeyError):
                t.add_route(self.tables[table], str(prefix), nh)
            return
        t.add_route(self.tables[table], str(prefix), nh)
        world.routes[table, prefix] = nh

    def delete_route(self, a: int, _b: int) -> None:
        t, world = self.open()
        table, prefix = a % TABLES, PREFIXES[a // 2 % len(PREFIXES)]
        if (table, prefix) not in world.routes:
            with pytest.raises(KeyError):
                t.delete_route(self.tables[table], str(prefix))
            return
        t.delete_route(self.tables[table], str(prefix))
        del world.routes[table, prefix]

    def add_routes(self, a: int, b: int) -> None:
        t, world = self.open()
        first = a // 2 % len(PREFIXES)
        some = [p for p in PREFIXES[first : first + 4] if p.version == 4]
        nhs = [self.next_hop(b + at) for at in range(len(some))]
        rows = (
            [int(p.network_address) for p in some],
            [p.prefixlen for p in some],
            nhs,
        )
        if not all(self.usable(nh) for nh in nhs):
            with pytest.raises(KeyError):
                t.add_routes(self.tables[0], *rows)
            return
        t.add_routes(self.tables[0], *rows)
        world.routes.update({(0, p): nh for p, nh in zip(some, nhs, strict=True)})

    def delete_routes(self, a: int, _b: int) -> None:
        t, world = self.open()
        first = a // 2 % len(PREFIXES)
        some = [p for p in PREFIXES[first : first + 3] if p.version == 4]
        rows = ([int(p.network_address) for p in some], [p.prefixlen for p in some])
        if not all((0, p) in world.routes for p in some):
            with pytest.raises(KeyError):
                t.delete_routes(self.tables[0], *rows)
            return
        t.delete_routes(self.tables[0], *rows)
        for prefix in some:
            del world.routes[0, prefix]

    def add_adjacency(self, a: int, _b: int) -> None:
        t, world = self.open()
        nh = t.add_adjacency(("drop", "ip", "glean")[a % 3], port=1)
        assert nh not in world.live
        world.live.add(nh)
        self.known.append(nh)

    def add_session(self, a: int, b: int) -> None:
        t, world = self.open()
        number = 1 + a % SESSIONS
        arguments = {
            "table": self.tables[0],
            "local": ("10.88.0.1", 1701),
            "peer": ("10.88.0.2", 1701),
            "tunnel": 5000,
            "session": number,
            "peer_tunnel": 1,
            "peer_session": 1 + b,
            "port": 0,
        }
        if number in world.sessions:
            with pytest.raises(ValueError, match="in use"):
                t.add_session(**arguments)
            return
        nh = t.add_session(**arguments)
        assert nh not in world.live
        world.sessions[number] = (nh, 1 + b, 0)
        world.live.add(nh)
        self.known.append(nh)

    def change_session(self, a: int, b: int) -> None:
        t, world = self.open()
        number = 1 + a % SESSIONS
        if number not in world.sessions:
            return
        nh, peer, rules = world.sessions[number]
        if a // SESSIONS % 3 == 0:
            rules = b
            t.set_filter(nh, b, inbound=True)
        elif a // SESSIONS % 3 == 1:
            t.set_sources(nh, ["10.0.0.0/8", "10.1.2.3/32"][: b % 3])
        else:
            peer = 1 + b
            t.update_session(nh, peer_tunnel=1, peer_session=peer)
        world.sessions[number] = (nh, peer, rules)

    def delete_adjacency(self, a: int, _b: int) -> None:
        t, world = self.open()
        nh = self.next_hop(a)
        if nh == 0:
            with pytest.raises(ValueError, match="permanent"):
                t.delete_adjacency(nh)
        elif not self.usable(nh):
            with pytest.raises(KeyError):
                t.delete_adjacency(nh)
        else:
            t.delete_adjacency(nh)
            world.live.discard(nh)
            self.deleted.add(nh)
            world.sessions = {n: s for n, s in world.sessions.items() if s[0] != nh}

    def resolve(self, a: int, b: int) -> None:
        t, world = self.open()
        table, probe = a % TABLES, PROBES[b % len(PROBES)]
        assert t.resolve(self.tables[table], probe) == world.resolve(table, probe)

    def commit(self, _a: int, _b: int) -> None:
        t, world = self.open()
        dangling = self.deleted & set(world.routes.values())
        self.transaction = None
        if dangling:
            with pytest.raises(ValueError, match="routes lead to it"):
                t.commit()
        else:
            t.commit()
            self.now = world
        with pytest.raises(RuntimeError, match="has ended"):
            t.commit()

    def give_up(self, a: int, _b: int) -> None:
        t, _ = self.open()
        self.transaction = None
        if a % 2:
            t.rollback()
        else:
            with pytest.raises(ZeroDivisionError), t:
                raise ZeroDivisionError

    def worker(self, a: int, b: int) -> None:
        if self.workers and (a % 2 or len(self.workers) > 5):
            number = list(self.workers)[b % len(self.workers)]
            leave = a % 4 < 2
            self.rack.wake(number, leave=leave)
            del self.workers[number]
            if not leave:
                self.workers[number] = self.now
        else:
            self.workers[self.rack.sleep_online()] = self.now

    def check(self, a: int, _b: int) -> None:
        """One worker looks at everything; so does one that comes for this."""
        asked = dict([list(self.workers.items())[a % len(self.workers)]] if self.workers else [])
        fresh = self.rack.sleep_online()
        asked[fresh] = self.now
        for number, world in asked.items():
            for table in range(TABLES):
                for probe in PROBES:
                    found = self.rack.resolve_at(number, self.tables[table], probe)
                    assert found == world.resolve(table, probe)
            for session in range(1, SESSIONS + 1):
                held = self.rack.session_at(number, 5000, session)
                assert held == world.sessions.get(session)
        self.rack.wake(fresh)


OPERATIONS = (
    *[Model.add_route] * 6,
    *[Model.delete_route] * 2,
    *[Model.add_routes, Model.delete_routes] * 2,
    *[Model.add_adjacency, Model.delete_adjacency] * 2,
    *[Model.add_session, Model.change_session] * 3,
    *[Model.commit] * 5,
    *[Model.give_up, Model.resolve, Model.check, Model.worker] * 2,
)


def run(choices: bytes) -> None:
    model = Model()
    for at in range(0, len(choices) - STEP + 1, STEP):
        which, high, a, b = choices[at : at + STEP]
        OPERATIONS[which % len(OPERATIONS)](model, a + 256 * high, b)
    if model.transaction is not None:
        model.commit(0, 0)
    for worker in list(model.workers):
        model.check(list(model.workers).index(worker), 0)
        model.rack.wake(worker)
        del model.workers[worker]
    model.check(0, 0)
    with model.engine.transaction():
        pass
    assert model.engine.retired < 1000


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=STEP, max_size=4000))
def test_workers_find_what_their_version_held(choices):
    run(choices)


@pytest.mark.parametrize("seed", range(50))
def test_long_runs_find_the_same(seed):
    # 2,000 operations each.
    run(Random(seed).randbytes(2000 * STEP))
