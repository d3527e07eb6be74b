"""The mirror against a kernel that loses answers and has routes of others: in the end the kernel
has what is wanted, and theirs."""

from __future__ import annotations

import errno
import ipaddress
import random

import pytest
from fake_kernel import FakeKernel, asks_for_a_dump, carry
from hypothesis import given, settings
from hypothesis import strategies as st

from control.address_text import address_octets
from control.kernel.constants import Protocol, RouteType
from control.kernel.messages import read_messages
from control.kernel.mirror import BATCH, METRICS, PATIENCE, PAUSE, Mirror
from control.kernel.mirror_events import LacCovered, RoutesBlocked, RoutesRefused
from control.kernel.prefix import prefix_octets, prefix_text
from control.kernel.routes import Exit, KernelRoute

TABLE = 1000
TUN = 5


def key(prefix, kind="access"):
    return (TABLE, *prefix_octets(prefix), METRICS[kind])


def foreign(prefix, metric, protocol=Protocol.BGP):
    return KernelRoute(
        TABLE, *prefix_octets(prefix), protocol, RouteType.UNICAST, metric, 0, (Exit(9),)
    )


def ours(kernel):
    """(prefix, metric, interface) of what has our protocol."""
    return {
        (prefix_text(r.address, r.length), r.metric, r.exits[0].interface if r.exits else 0)
        for r in kernel.routes.values()
        if r.protocol == Protocol.DIALOUT
    }


def events(mirror):
    found = []
    while (event := mirror.next_event()) is not None:
        found.append(event)
    return found


def make(*changes, exit=TUN):
    mirror = Mirror({7: TABLE})
    mirror.set_exit(7, exit)
    mirror.change(changes)
    return mirror


def test_routes_of_both_families_and_kinds_are_in_the_kernel():
    kernel = FakeKernel()
    mirror = make(
        (7, "10.0.0.0/8", "dial-out"), (7, "10.1.2.3/32", "access"), (7, "2001:db8::/32", "access")
    )
    carry(mirror, kernel)
    assert ours(kernel) == {
        ("10.0.0.0/8", 252, TUN),
        ("10.1.2.3/32", 2, TUN),
        ("2001:db8::/32", 2, TUN),
    }
    assert mirror.mirrored == 3


def test_without_an_interface_they_are_unreachable_routes():
    kernel = FakeKernel()
    carry(make((7, "10.1.2.3/32", "access"), exit=0), kernel)
    (route,) = kernel.routes.values()
    assert (route.kind, route.exits) == (RouteType.UNREACHABLE, ())


def test_other_interface_takes_all_routes():
    kernel = FakeKernel()
    mirror = make((7, "10.1.2.3/32", "access"), (7, "10.1.2.4/32", "access"))
    carry(mirror, kernel)
    mirror.set_exit(7, 11)
    carry(mirror, kernel)
    assert ours(kernel) == {("10.1.2.3/32", 2, 11), ("10.1.2.4/32", 2, 11)}


def test_table_that_has_no_table_of_the_kernel_is_not_mirrored():
    kernel = FakeKernel()
    carry(make((8, "10.1.2.3/32", "access")), kernel)
    assert not kernel.routes


def test_route_that_becomes_an_access_route_is_there_before_the_other_goes():
    kernel = FakeKernel()
    mirror = make((7, "10.1.2.3/32", "dial-out"))
    carry(mirror, kernel)
    mirror.change([(7, "10.1.2.3/32", "access")])
    request = mirror.next_request(0.0)
    assert [m.kind for m in read_messages(request)] == [24, 25]
    for answer in kernel.send(request):
        mirror.receive(answer, 0.0)
    assert ours(kernel) == {("10.1.2.3/32", 2, TUN)}


def test_what_a_killed_process_left_is_kept_or_taken_away():
    kernel = FakeKernel()
    carry(make(*((7, f"10.1.2.{i}/32", "access") for i in range(40))), kernel)
    before = kernel.requests
    mirror = make(*((7, f"10.1.2.{i}/32", "access") for i in range(20, 60)))
    carry(mirror, kernel)
    assert ours(kernel) == {(f"10.1.2.{i}/32", 2, TUN) for i in range(20, 60)}
    assert kernel.requests - before == 2 + 40
    assert (mirror.counts["added"], mirror.counts["deleted"]) == (20, 20)


def test_what_a_killed_process_left_in_another_form_or_table_goes():
    kernel = FakeKernel()
    carry(make((7, "10.1.2.3/32", "access"), exit=0), kernel)
    stray = KernelRoute(77, *prefix_octets("10.9.0.0/16"), Protocol.DIALOUT, RouteType.BLACKHOLE, 5)
    kernel.routes[stray.key] = stray
    carry(make((7, "10.1.2.3/32", "access")), kernel)
    assert ours(kernel) == {("10.1.2.3/32", 2, TUN)}


def test_routes_of_others_are_never_touched_and_told_once():
    kernel = FakeKernel()
    theirs = foreign("10.1.2.3/32", 2)
    beside = foreign("10.1.2.4/32", 20)
    for route in (theirs, beside):
        kernel.routes[route.key] = route
    mirror = make((7, "10.1.2.3/32", "access"), (7, "10.1.2.4/32", "access"))
    carry(mirror, kernel)
    mirror.resync()
    carry(mirror, kernel)
    assert events(mirror) == [RoutesBlocked(TABLE, "10.1.2.3/32", 2)]
    mirror.withdraw()
    carry(mirror, kernel)
    assert kernel.routes == {theirs.key: theirs, beside.key: beside}


def test_our_route_follows_when_theirs_is_gone():
    kernel = FakeKernel()
    theirs = foreign("10.1.2.3/32", 2)
    kernel.routes[theirs.key] = theirs
    mirror = make((7, "10.1.2.3/32", "access"))
    carry(mirror, kernel)
    del kernel.routes[theirs.key]
    mirror.on_route_gone(theirs)
    carry(mirror, kernel)
    assert ours(kernel) == {("10.1.2.3/32", 2, TUN)}


def test_route_of_ours_that_somebody_deletes_comes_back():
    kernel = FakeKernel()
    mirror = make((7, "10.1.2.3/32", "access"))
    carry(mirror, kernel)
    mirror.on_route_gone(kernel.routes.pop(key("10.1.2.3/32")))
    carry(mirror, kernel)
    assert ours(kernel) == {("10.1.2.3/32", 2, TUN)}


def test_route_of_ours_that_somebody_replaces_is_theirs():
    kernel = FakeKernel()
    mirror = make((7, "10.1.2.3/32", "access"))
    carry(mirror, kernel)
    theirs = foreign("10.1.2.3/32", 2, Protocol.STATIC)
    kernel.routes[theirs.key] = theirs
    mirror.on_route(theirs)
    mirror.withdraw()
    carry(mirror, kernel)
    assert kernel.routes == {theirs.key: theirs}
    assert events(mirror) == [RoutesBlocked(TABLE, "10.1.2.3/32", 2)]


def test_refusal_is_told_and_tried_again():
    kernel = FakeKernel()
    for last in (3, 4):
        kernel.refuse[key(f"10.1.2.{last}/32")] = errno.ENETDOWN
    mirror = make(*((7, f"10.1.2.{i}/32", "access") for i in range(3, 6)))
    now = carry(mirror, kernel)
    (event,) = events(mirror)
    assert event == RoutesRefused(TABLE, "10.1.2.3/32", 2, errno.ENETDOWN)
    assert str(event) == "table 1000: 10.1.2.3/32 and 1 more: Network is down"
    assert len(ours(kernel)) == 1
    kernel.refuse.clear()
    assert mirror.get_timer() == now + PATIENCE
    mirror.handle_timer(now + PATIENCE)
    carry(mirror, kernel, now + PATIENCE)
    assert len(ours(kernel)) == 3


def test_requests_are_bounded_whatever_there_is_to_say():
    kernel = FakeKernel()
    mirror = make(*((7, f"10.{i >> 8}.{i & 255}.1/32", "access") for i in range(3 * BATCH)))
    carry(mirror, kernel)
    assert len(ours(kernel)) == 3 * BATCH
    assert kernel.largest <= BATCH * 64


def test_answers_that_do_not_come_are_waited_for_no_longer_than_patience():
    kernel = FakeKernel()
    mirror = make((7, "10.1.2.3/32", "access"))
    assert asks_for_a_dump(mirror.next_request(0.0))
    assert mirror.next_request(1.0) is None
    assert mirror.get_timer() == PATIENCE
    mirror.handle_timer(PATIENCE)
    assert mirror.next_request(PATIENCE) is None
    mirror.handle_timer(PATIENCE + PAUSE)
    assert asks_for_a_dump(mirror.next_request(PATIENCE + PAUSE))
    mirror.lost(PATIENCE + PAUSE)
    carry(mirror, kernel, PATIENCE + PAUSE)
    assert ours(kernel) == {("10.1.2.3/32", 2, TUN)}


def test_octets_that_are_no_messages_are_as_if_lost():
    kernel = FakeKernel()
    mirror = make((7, "10.1.2.3/32", "access"))
    mirror.next_request(0.0)
    mirror.receive(b"\xff" * 40, 0.0)
    carry(mirror, kernel)
    assert mirror.counts["losses"] == 1
    assert len(ours(kernel)) == 1


def test_no_piece_of_a_prefix_holds_a_lac_in_it():
    kernel = FakeKernel()
    mirror = make((7, "10.0.0.0/8", "dial-out"), (7, "10.128.0.0/9", "dial-out"))
    carry(mirror, kernel)
    mirror.add_lac(address_octets("10.7.7.7"))
    carry(mirror, kernel)
    assert events(mirror) == [LacCovered(TABLE, "10.0.0.0/8")]
    prefixes = {prefix for prefix, _, _ in ours(kernel)}
    assert len(prefixes) == 24
    assert "10.128.0.0/9" in prefixes
    assert "10.7.7.6/32" in prefixes
    # The half without a LAC is a target of its own: it stays when the other goes.
    mirror.change([(7, "10.0.0.0/8", None)])
    carry(mirror, kernel)
    assert ours(kernel) == {("10.128.0.0/9", 252, TUN)}


def test_route_to_a_lac_alone_is_not_made():
    kernel = FakeKernel()
    mirror = make()
    mirror.add_lac(address_octets("2001:db8::9"))
    mirror.change([(7, "2001:db8::9/128", "access")])
    carry(mirror, kernel)
    assert not kernel.routes
    assert events(mirror) == [LacCovered(TABLE, "2001:db8::9/128")]


PREFIXES = ["0.0.0.0/0", "10.0.0.0/29", "10.0.0.0/30", *(f"10.0.0.{i}/32" for i in range(8))]
PREFIXES += ["::/0", "2001:db8::/126", *(f"2001:db8::{i}/128" for i in range(4))]
ADDRESSES = [f"10.0.0.{i}" for i in range(8)] + [f"2001:db8::{i}" for i in range(4)]

OPERATION = st.one_of(
    st.tuples(
        st.just("change"),
        st.sampled_from(PREFIXES),
        st.sampled_from(["access", "dial-out", None]),
    ),
    st.tuples(st.just("foreign"), st.sampled_from(PREFIXES), st.sampled_from([2, 20, 252])),
    st.tuples(st.just("foreign gone"), st.sampled_from(PREFIXES), st.sampled_from([2, 20, 252])),
    st.tuples(st.just("lac"), st.sampled_from(ADDRESSES), st.none()),
    st.tuples(st.just("exit"), st.sampled_from([0, 5, 6]), st.none()),
    st.tuples(st.just("crash"), st.none(), st.none()),
    st.tuples(st.just("turns"), st.integers(1, 5), st.none()),
    st.tuples(st.just("flush"), st.none(), st.none()),
)


class Scenario:
    """A mirror, its kernel and what is true of them, step by step."""

    def __init__(self, room, seed):
        self.kernel = FakeKernel(room)
        self.random = random.Random(seed)
        self.fib = {}
        self.lacs = set()
        self.exit = 0
        self.now = 0.0
        self.mirror = Mirror({7: TABLE})

    def step(self, what, first, second):
        if what == "change":
            if self.fib.get(first) != second:
                self.mirror.change([(7, first, second)])
                self.fib.pop(first, None)
                if second:
                    self.fib[first] = second
        elif what == "foreign":
            route = foreign(first, second)
            if route.key not in self.kernel.routes:
                self.kernel.routes[route.key] = route
                self.mirror.on_route(route)
        elif what == "foreign gone":
            route = foreign(first, second)
            if self.kernel.routes.get(route.key) == route:
                del self.kernel.routes[route.key]
                self.mirror.on_route_gone(route)
        elif what == "lac":
            self.lacs.add(first)
            self.mirror.add_lac(address_octets(first))
        elif what == "exit":
            self.exit = first
            self.mirror.set_exit(7, first)
        elif what == "crash":
            self.mirror = Mirror({7: TABLE})
            self.mirror.set_exit(7, self.exit)
            for lac in self.lacs:
                self.mirror.add_lac(address_octets(lac))
            self.mirror.change([(7, prefix, kind) for prefix, kind in self.fib.items()])
        elif what == "turns":
            self.turns(first)
        else:  # an interface went down: the kernel says nothing of IPv4 routes
            mine = [k for k, r in self.kernel.routes.items() if r.protocol == Protocol.DIALOUT]
            for k in mine:
                del self.kernel.routes[k]
            self.mirror.resync()

    def turns(self, count):
        for _ in range(count):
            request = self.mirror.next_request(self.now)
            if request is None:
                return
            for answer in self.kernel.send(request):
                if self.random.random() < 0.8:
                    self.mirror.receive(answer, self.now)
            if self.kernel.overrun:
                self.kernel.overrun = False
                self.mirror.lost(self.now)
            self.now += PATIENCE
            self.mirror.handle_timer(self.now)


@settings(max_examples=300, deadline=None)
@given(st.lists(OPERATION, max_size=30), st.sampled_from([1, 3, 1000]), st.integers(0, 2**32))
def test_in_the_end_the_kernel_has_what_is_wanted_and_what_is_foreign(steps, room, seed):
    scenario = Scenario(room, seed)
    theirs = {}
    for step in steps:
        scenario.step(*step)
        theirs = {k: r for k, r in scenario.kernel.routes.items() if r.protocol != Protocol.DIALOUT}
    mirror, kernel = scenario.mirror, scenario.kernel
    scenario.now = carry(mirror, kernel, scenario.now)
    while (timer := mirror.get_timer()) is not None:
        mirror.handle_timer(timer)
        carry(mirror, kernel, timer)
    wanted = {}
    for prefix, kind in scenario.fib.items():
        for piece in slow_pieces(prefix, scenario.lacs):
            wanted[key(piece, kind)] = scenario.exit
    expected = {k: v for k, v in wanted.items() if k not in theirs}
    found = {
        k: r.exits[0].interface if r.exits else 0
        for k, r in kernel.routes.items()
        if r.protocol == Protocol.DIALOUT
    }
    assert found == expected
    assert {k: r for k, r in kernel.routes.items() if r.protocol != Protocol.DIALOUT} == theirs
    assert mirror.mirrored == len(expected)


def slow_pieces(prefix, lacs):
    """As ipaddress leaves addresses out."""
    left = [ipaddress.ip_network(prefix)]
    for lac in map(ipaddress.ip_network, sorted(lacs)):
        left = [
            piece
            for network in left
            for piece in (
                network.address_exclude(lac)
                if network.version == lac.version and lac.subnet_of(network)
                else [network]
            )
        ]
    return [str(piece) for piece in left]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("lac", ADDRESSES)
def test_kernel_never_routes_a_lac_by_us(prefix, lac):
    kernel = FakeKernel()
    mirror = make((7, prefix, "access"))
    mirror.add_lac(address_octets(lac))
    carry(mirror, kernel)
    octets = address_octets(lac)
    for _, address, length, _ in kernel.routes:
        shift = 8 * len(address) - length
        covers = len(address) == len(octets) and (
            int.from_bytes(address) >> shift == int.from_bytes(octets) >> shift
        )
        assert not covers
