"""Which neighbour the tunnels to a LAC leave by."""

from __future__ import annotations

from control.address_text import address_octets
from control.kernel.constants import Protocol, RouteType
from control.kernel.fib_import import PortUse
from control.kernel.lac_paths import LacPaths
from control.kernel.prefix import prefix_octets
from control.kernel.routes import Exit, KernelRoute
from control.kernel.slots import NeighbourSlots

LAC = "203.0.113.9"
LEFT, RIGHT, ELSEWHERE = 3, 4, 9


def route(interface, gateway="", protocol=Protocol.BGP, kind=RouteType.UNICAST):
    hop = Exit(interface, address_octets(gateway) if gateway else b"")
    return KernelRoute(254, *prefix_octets("203.0.113.0/24"), protocol, kind, 20, 0, (hop,))


class World:
    def __init__(self):
        self.written = {}
        self.moved = []
        self.told = []
        slots = {
            interface: NeighbourSlots(
                lambda slot, mac, i=interface: self.written.update({(i, slot): mac})
            )
            for interface in (LEFT, RIGHT)
        }
        ports = {LEFT: PortUse(0, 1500, slots[LEFT]), RIGHT: PortUse(1, 1500, slots[RIGHT])}
        self.slots = slots
        self.paths = LacPaths(
            ports,
            Protocol.DIALOUT,
            lambda *what: self.moved.append(what),
            lambda interface, address: bytes((2, interface, *address)),
            self.told.append,
        )
        assert self.paths.add(address_octets(LAC))

    def answer(self, found):
        self.moved.clear()
        self.paths.answer(address_octets(LAC), found)
        return self.moved


def test_sessions_move_to_the_gateways_slot_and_follow_it():
    world = World()
    assert world.answer(route(LEFT, "192.0.2.1")) == [(0, LAC, 1)]
    assert world.answer(route(LEFT, "192.0.2.1")) == []
    assert world.answer(route(LEFT, "192.0.2.2")) == [(0, LAC, 2)]
    assert address_octets("192.0.2.1") not in world.slots[LEFT]
    assert world.answer(route(RIGHT, "192.0.2.65")) == [(1, LAC, 1), (0, LAC, 0)]
    assert world.answer(None) == [(1, LAC, 0)]
    assert all(mac is None for mac in world.written.values())


def test_lac_on_the_link_is_its_own_neighbour():
    world = World()
    assert world.answer(route(LEFT)) == [(0, LAC, 1)]
    assert address_octets(LAC) in world.slots[LEFT]


def test_way_by_an_interface_that_is_no_port_is_the_kernels():
    world = World()
    assert world.answer(route(ELSEWHERE, "192.0.2.1")) == []
    assert world.answer(route(LEFT, "192.0.2.1", kind=RouteType.UNREACHABLE)) == []


def test_way_that_is_a_route_of_ours_is_refused_and_told():
    world = World()
    assert world.answer(route(LEFT, "192.0.2.1")) == [(0, LAC, 1)]
    assert world.answer(route(LEFT, "", protocol=Protocol.DIALOUT)) == [(0, LAC, 0)]
    assert world.told == [
        "203.0.113.9: the kernel's way to this LAC is a route of ours: it is not taken"
    ]


def test_without_ethernet_ports_nothing_is_asked():
    paths = LacPaths({}, Protocol.DIALOUT, print, print, print)
    assert not paths.add(address_octets(LAC))
    assert paths.addresses == []
