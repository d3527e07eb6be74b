"""From the kernel's routes, neighbours and links to next hops of the FIB."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control.address_text import address_octets, address_text
from control.config import Config, VirtualRouter
from control.dataplane import SessionSpec
from control.fastpath_dataplane import FastpathDataplane, build_tables
from control.kernel.constants import Protocol, RouteType
from control.kernel.fib_import import FibImport, PortUse
from control.kernel.importer import How, Importer, Way
from control.kernel.lac_holes import LacHoles
from control.kernel.neighbours import Neighbour
from control.kernel.prefix import prefix_octets
from control.kernel.routes import Exit, KernelRoute
from control.kernel.slots import SLOTS, NeighbourSlots
from control.kernel.view import KernelView
from control.rib import ACCESS_DISTANCE, DIALOUT_DISTANCE, Rib
from fastpath import Engine, MemPort

TABLE = 1000
TUN, ETHERNET, ELSEWHERE = 5, 6, 7
MAC = b"\2\0\0\0\0\1"
LAC = "10.0.0.9"


def route(prefix, *exits, protocol=Protocol.BGP, metric=20, kind=RouteType.UNICAST, table=TABLE):
    hops = tuple(Exit(i, address_octets(g) if g else b"") for i, g in exits)
    return KernelRoute(table, *prefix_octets(prefix), protocol, kind, metric, 0, hops)


def make(*routes, tun=TUN, ports=(ETHERNET,)):
    view = KernelView(Protocol.DIALOUT)
    importer = Importer(view, TABLE)
    importer.set_interfaces(tun, frozenset(ports))
    for item in routes:
        view.set_route(item)
    return view, importer


WAYS = [
    pytest.param(
        route("10.1.0.0/16", (ETHERNET, "192.0.2.1")),
        Way(How.PORT, 20, 20, ETHERNET, address_octets("192.0.2.1")),
        id="by a port of ours to a router",
    ),
    pytest.param(
        route("192.0.2.0/24", (ETHERNET, ""), protocol=Protocol.KERNEL, metric=0),
        Way(How.PORT, 0, 0, ETHERNET),
        id="connected to a port of ours",
    ),
    pytest.param(
        route("10.1.0.0/16", (ELSEWHERE, "192.0.2.1"), protocol=Protocol.STATIC),
        Way(How.KERNEL, 1, 20),
        id="by another interface",
    ),
    pytest.param(
        route("10.1.0.0/16", (TUN, "10.9.0.1")),
        Way(How.VIA, 20, 20, 0, address_octets("10.9.0.1")),
        id="behind a session",
    ),
    pytest.param(route("10.1.0.0/16", (TUN, "")), None, id="to us"),
    pytest.param(
        route("10.1.0.0/16", kind=RouteType.BLACKHOLE, protocol=99),
        Way(How.DROP, 150, 20),
        id="hole",
    ),
    pytest.param(route("10.1.2.3/32", (ETHERNET, ""), kind=RouteType.LOCAL), None, id="local"),
    pytest.param(route("fe80::/64", (ETHERNET, "")), None, id="link-local"),
    pytest.param(route("10.1.0.0/16", (ETHERNET, ""), protocol=Protocol.DIALOUT), None, id="ours"),
    pytest.param(route("10.1.0.0/16", (ETHERNET, ""), table=254), None, id="another table"),
]


@pytest.mark.parametrize(("given", "expected"), WAYS)
def test_way_of_a_route(given, expected):
    _, importer = make(given)
    assert importer.way((given.address, given.length)) == expected


def test_of_several_routes_the_kernels_choice_counts():
    worse = route("10.1.0.0/16", (ELSEWHERE, ""), metric=50)
    better = route("10.1.0.0/16", (ETHERNET, "192.0.2.1"), metric=10)
    view, importer = make(worse, better)
    assert importer.way(prefix_octets("10.1.0.0/16")).how is How.PORT
    view.delete_route(better)
    assert importer.way(prefix_octets("10.1.0.0/16")).how is How.KERNEL
    view.delete_route(worse)
    assert importer.way(prefix_octets("10.1.0.0/16")) is None


def test_first_next_hop_that_is_not_dead_counts():
    dead = Exit(ETHERNET, address_octets("192.0.2.1"), 1)
    alive = Exit(ETHERNET, address_octets("192.0.2.2"))
    address, length = prefix_octets("10.1.0.0/16")
    given = KernelRoute(TABLE, address, length, Protocol.BGP, 1, 20, 0, (dead, alive))
    _, importer = make(given)
    assert importer.way((address, length)).neighbour == alive.gateway


def test_next_hop_without_carrier_is_used_as_the_kernel_does_unless_it_calls_it_dead():
    address, length = prefix_octets("10.1.0.0/16")
    for flags, used in ((0x10, True), (0x11, False)):
        hop = Exit(ETHERNET, address_octets("192.0.2.1"), flags)
        given = KernelRoute(TABLE, address, length, Protocol.BGP, 1, 20, 0, (hop,))
        _, importer = make(given)
        assert (importer.way((address, length)) is not None) == used


def test_neighbour_of_a_port_of_ours_is_a_host_route_while_it_is_there():
    view, importer = make()
    address = address_octets("192.0.2.7")
    view.set_neighbour(Neighbour(ETHERNET, address, 0x02, MAC))
    assert importer.way((address, 32)) == Way(How.PORT, 0, 0, ETHERNET, address)
    view.set_neighbour(Neighbour(ETHERNET, address, 0x20))
    assert importer.way((address, 32)) is None
    view.set_neighbour(Neighbour(ELSEWHERE, address, 0x02, MAC))
    assert importer.way((address, 32)) is None


def test_slot_is_a_neighbours_until_its_last_user_leaves():
    written = {}
    slots = NeighbourSlots(written.__setitem__)
    one, two = address_octets("192.0.2.1"), address_octets("192.0.2.2")
    assert (slots.use(one, MAC), slots.use(two, None), slots.use(one, MAC)) == (1, 2, 1)
    assert written == {1: MAC, 2: None}
    slots.learn(two, MAC)
    slots.learn(address_octets("192.0.2.3"), MAC)
    slots.release(one)
    assert written == {1: MAC, 2: MAC}
    slots.release(one)
    assert written[1] is None
    assert one not in slots


def test_without_a_free_slot_the_kernel_sends():
    slots = NeighbourSlots(lambda slot, mac: None)
    used = [slots.use(i.to_bytes(4), None) for i in range(SLOTS)]
    assert sorted(used) == list(range(SLOTS))
    assert used[-1] == 0
    assert slots.refused == 1
    slots.release((5).to_bytes(4))
    assert slots.use(address_octets("192.0.2.1"), None) == used[5]


class World:
    """An engine of one table, its RIB, and the import."""

    def __init__(self, adjacencies=64):
        router = VirtualRouter(name="red", table=7, local_address="10.0.0.1")
        engine = Engine(adjacencies=adjacencies, sessions=8, trigger_keys=8)
        tables = build_tables(engine, Config(virtual_router=(router,)))
        tunnel = engine.attach(MemPort("tunnel"), tables[7])
        home = engine.attach(MemPort("home"), tables[7])
        self.dataplane = FastpathDataplane(engine, tunnel, tables, lambda: 1.0)
        self.rib = Rib(7)
        self.holes = LacHoles()
        self.holes.add(address_octets(LAC))
        self.told = []
        self.macs = {}
        self.slots = {}
        self.fib = FibImport(
            self.rib,
            self.dataplane,
            {ETHERNET: PortUse(home, 1500, NeighbourSlots(self.slots.__setitem__))},
            PortUse(home, 1500),
            ["10.0.0.1/32"],
            self.holes,
            self.told.append,
            lambda interface, address: self.macs.get(address),
        )
        self.dataplane.before_deletion(self.fib.session_leaves)
        self.sessions = {}

    def session(self, prefix, number=1):
        spec = SessionSpec(7, ("10.0.0.1", 1701), (LAC, 1701), 1, number, 2, number)
        with self.dataplane.transaction() as t:
            nh = t.add_session(spec)
            self.carry(t, self.rib.add(f"session {number}", prefix, nh, ACCESS_DISTANCE))
        self.sessions[number] = nh
        self.fib.sessions_changed()
        return nh

    def end(self, number):
        with self.dataplane.transaction() as t:
            for change in self.rib.remove_owner(f"session {number}"):
                self.carry(t, change)
            t.delete_adjacency(self.sessions.pop(number))
        self.fib.sessions_changed()

    def carry(self, t, change):
        if change is not None:
            self.fib._carry(t, change)

    def apply(self, prefix, way):
        self.fib.apply([(prefix_octets(prefix), way)])

    def resolve(self, address):
        return self.dataplane.resolve(7, address)


def by(gateway, distance=20, how=How.PORT, interface=ETHERNET):
    octets = address_octets(gateway) if gateway else b""
    return Way(how, distance, 0, interface if how is How.PORT else 0, octets)


def test_routes_by_one_neighbour_share_its_adjacency_and_slot():
    world = World()
    world.macs[address_octets("192.0.2.1")] = MAC
    world.apply("10.1.0.0/16", by("192.0.2.1"))
    world.apply("10.2.0.0/16", by("192.0.2.1"))
    world.apply("10.3.0.0/16", by("192.0.2.2"))
    assert world.resolve("10.1.0.1") == world.resolve("10.2.0.1") != world.resolve("10.3.0.1")
    assert world.slots == {1: MAC, 2: None}
    for prefix in ("10.1.0.0/16", "10.2.0.0/16"):
        world.apply(prefix, None)
    assert world.slots == {1: None, 2: None}
    assert world.resolve("10.1.0.1") == 0
    assert len(world.fib) == 1


def test_access_route_wins_against_bgp_and_loses_against_connected():
    world = World()
    nh = world.session("10.1.0.0/16")
    world.apply("10.1.0.0/16", by("192.0.2.1"))
    assert world.resolve("10.1.0.1") == nh
    world.apply("10.1.0.0/16", by("", distance=0))
    assert world.resolve("10.1.0.1") != nh
    world.end(1)
    world.apply("10.1.0.0/16", None)
    assert world.resolve("10.1.0.1") == 0


def test_dial_out_route_is_the_last_resort():
    world = World()
    with world.dataplane.transaction() as t:
        glean = t.add_glean(7, "10.1.0.0/16")
        world.carry(t, world.rib.add("target", "10.1.0.0/16", glean, DIALOUT_DISTANCE))
    assert world.resolve("10.1.0.1") == glean
    world.apply("10.1.0.0/16", by("", how=How.KERNEL, distance=150))
    assert world.resolve("10.1.0.1") not in (0, glean)
    world.apply("10.1.0.0/16", None)
    assert world.resolve("10.1.0.1") == glean


def test_route_behind_a_session_follows_the_session():
    world = World()
    world.apply("172.16.0.0/12", by("10.1.0.1", how=How.VIA))
    assert world.resolve("172.16.0.1") == 0
    first = world.session("10.1.0.0/16", 1)
    assert world.resolve("172.16.0.1") == first
    second = world.session("10.1.0.0/24", 2)
    assert world.resolve("172.16.0.1") == second
    world.end(2)
    assert world.resolve("172.16.0.1") == first
    world.end(1)
    assert world.resolve("172.16.0.1") == 0


def test_only_routes_behind_a_session_that_changed_are_judged_again():
    world = World()
    world.apply("172.16.0.0/12", by("10.1.0.1", how=How.VIA))
    world.apply("172.32.0.0/12", by("10.2.0.1", how=How.VIA))
    first = world.session("10.1.0.0/16", 1)
    assert world.fib.moved() == []
    with world.dataplane.transaction() as t:
        t.add_route(7, "10.2.0.0/16", first)
    assert [prefix for prefix, _ in world.fib.moved()] == [prefix_octets("172.32.0.0/12")]


def test_what_is_configured_stays():
    world = World()
    local = world.resolve("10.0.0.1")
    world.apply("10.0.0.1/32", by("192.0.2.1"))
    assert world.resolve("10.0.0.1") == local
    assert not world.slots


def test_route_over_a_lac_through_a_session_is_refused_and_told():
    world = World()
    world.session("10.1.0.0/16")
    world.apply("10.0.0.0/24", by("10.1.0.1", how=How.VIA))
    assert world.resolve(LAC) == 0
    assert world.told == [
        "10.0.0.0/24: covers a LAC and leads through a session: it is not imported"
    ]
    world.apply("10.0.1.0/24", by("10.1.0.1", how=How.VIA))
    assert world.resolve("10.0.1.1") == world.sessions[1]


def test_full_table_of_adjacencies_refuses_one_route_and_no_more():
    world = World(adjacencies=6)
    ways = [(prefix_octets(f"10.{i}.0.0/16"), by(f"192.0.2.{i}")) for i in range(1, 9)]
    world.fib.apply(ways)
    imported = len(world.fib)
    assert 0 < imported < 8
    assert world.fib.counts["refused"] == 8 - imported
    assert sum(world.resolve(f"10.{i}.0.1") != 0 for i in range(1, 9)) == imported
    assert len(list(world.rib)) == imported
    world.fib.withdraw()
    assert len(list(world.rib)) == len(world.fib) == 0
    world.fib.apply(ways[:imported])
    assert len(world.fib) == imported


PREFIXES = ["0.0.0.0/0", "10.0.0.0/8", "10.0.0.8/29", "10.0.0.9/32", "10.1.0.0/16", "172.16.0.0/12"]
GATEWAYS = ["10.1.0.1", "10.2.0.1", "192.0.2.1"]
STEP = st.one_of(
    st.tuples(
        st.just("route"),
        st.sampled_from(PREFIXES),
        st.one_of(
            st.none(),
            st.builds(
                by,
                st.sampled_from(GATEWAYS),
                st.sampled_from([0, 1, 20]),
                st.sampled_from([How.PORT, How.VIA, How.KERNEL]),
            ),
        ),
    ),
    st.tuples(
        st.just("session"), st.integers(1, 3), st.sampled_from(["10.1.0.0/16", "10.2.0.0/16"])
    ),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(STEP, max_size=25))
def test_no_route_to_a_lac_ever_leads_through_its_session(steps):
    world = World()
    kernel = {}
    for what, first, second in steps:
        if what == "route":
            world.apply(first, second)
            kernel[first] = second
        elif first in world.sessions:
            world.end(first)
        else:
            world.session(second, first)
        assert world.resolve(LAC) not in world.sessions.values()
        for prefix, way in kernel.items():
            route = next((r for r in world.fib._routes if r == prefix_octets(prefix)), None)
            if way is None:
                assert route is None
            elif way.how is not How.VIA:
                assert route is not None
            elif route is not None:
                active = world.rib.lookup(address_text(way.neighbour))
                assert active is not None
                assert world.fib._routes[route].nh in world.sessions.values()
    world.fib.withdraw()
    assert len(world.fib) == 0
    assert not world.fib._uses


def test_a_neighbour_without_a_station_of_its_own_is_left_to_the_kernel():
    written: dict[int, bytes | None] = {}
    slots = NeighbourSlots(written.__setitem__)
    slot = slots.use(b"\x0a\x00\x00\x01", b"")
    assert written[slot] is None
    for mac in (b"\xff" * 6, bytes.fromhex("333300000001"), bytes(4), None):
        slots.learn(b"\x0a\x00\x00\x01", mac)
        assert written[slot] is None
    slots.learn(b"\x0a\x00\x00\x01", bytes.fromhex("020000000001"))
    assert written[slot] == bytes.fromhex("020000000001")
