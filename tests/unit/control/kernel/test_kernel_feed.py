"""Dumps and notices keep the view true, also where notices or answers are lost."""

from __future__ import annotations

import struct
from itertools import pairwise

from control.address_text import address_octets
from control.kernel.constants import FAMILIES, Flag, MessageType, Protocol, RouteType
from control.kernel.feed import PATIENCE, PAUSE, Feed
from control.kernel.links import Link, write_link
from control.kernel.messages import message, read_messages
from control.kernel.neighbours import Neighbour, write_neighbour
from control.kernel.prefix import prefix_octets
from control.kernel.routes import Exit, KernelRoute, read_route, write_route
from control.kernel.view import KernelView

TABLE = 1000
LINK = Link(3, "left", 0x11043, 1500, b"\2\0\0\0\0\1")
NEIGHBOUR = Neighbour(3, address_octets("192.0.2.9"), 0x02, b"\2\0\0\0\0\2")


def route(prefix, protocol=Protocol.BGP):
    exits = (Exit(3, address_octets("192.0.2.9")),)
    return KernelRoute(TABLE, *prefix_octets(prefix), protocol, RouteType.UNICAST, 20, 0, exits)


class Kernel:
    """Answers dumps with what it has."""

    def __init__(self):
        self.routes = [route("10.1.0.0/16"), route("10.9.0.0/16", Protocol.DIALOUT)]
        self.links = [LINK]
        self.neighbours = [NEIGHBOUR]

    def answer(self, request):
        asked = next(read_messages(request))
        if asked.kind == MessageType.GETLINK:
            rows = [(MessageType.NEWLINK, write_link(link)) for link in self.links]
        elif asked.kind == MessageType.GETNEIGH:
            rows = [(MessageType.NEWNEIGH, write_neighbour(n)) for n in self.neighbours]
        elif asked.kind == MessageType.GETROUTE and asked.flags & Flag.DUMP == Flag.DUMP:
            octets = 4 if asked.body[0] == FAMILIES[0] else 16
            rows = [
                (MessageType.NEWROUTE, next(read_messages(notice(True, r))).body)
                for r in self.routes
                if len(r.address) == octets
            ]
        elif asked.kind == MessageType.GETROUTE:
            wanted = read_route(asked.body).address
            found = [r for r in self.routes if r.address[:2] == wanted[:2]]
            body = next(read_messages(notice(True, found[0]))).body if found else None
            if body is None:
                error = struct.pack("=i", -101) + bytes(16)
                return message(MessageType.ERROR, 0, asked.sequence, error)
            return message(MessageType.NEWROUTE, 0, asked.sequence, body)
        else:
            rows = []
        parts = [message(kind, Flag.MULTI, asked.sequence, body) for kind, body in rows]
        return b"".join([*parts, message(MessageType.DONE, Flag.MULTI, asked.sequence, bytes(4))])


def notice(came, of):
    kind = MessageType.NEWROUTE if came else MessageType.DELROUTE
    return write_route(kind, Flag(0), 0, of)


def make():
    view = KernelView(Protocol.DIALOUT)
    view.tables[TABLE] = {}
    return Feed(view), view


def carry(feed, kernel, now=0.0):
    while (request := feed.next_request(now)) is not None or feed.behind:
        if request is not None:
            feed.receive(kernel.answer(request), now)


def prefixes(view):
    return set(view.tables[TABLE])


def test_all_is_known_after_the_dumps_but_what_is_ours():
    feed, view = make()
    assert feed.dumping
    carry(feed, Kernel())
    assert feed.settled
    assert prefixes(view) == {prefix_octets("10.1.0.0/16")}
    assert view.links == {3: LINK}
    assert view.neighbours == {(3, NEIGHBOUR.address): NEIGHBOUR}


def test_notices_change_it_and_are_handed_on():
    feed, view = make()
    carry(feed, Kernel())
    view.changed_routes.clear()
    feed.notice(notice(True, route("10.2.0.0/16")) + notice(False, route("10.1.0.0/16")), 0.0)
    assert prefixes(view) == {prefix_octets("10.2.0.0/16")}
    assert [came for came, _ in feed.told] == [True, False]
    assert list(view.changed_routes) == [
        (TABLE, *prefix_octets("10.2.0.0/16")),
        (TABLE, *prefix_octets("10.1.0.0/16")),
    ]


def test_what_vanished_while_notices_were_lost_is_gone_after_the_next_dumps():
    feed, view = make()
    kernel = Kernel()
    carry(feed, kernel)
    kernel.routes[0] = route("10.3.0.0/16")
    kernel.links, kernel.neighbours = [], []
    feed.lost(1.0)
    assert feed.next_request(1.0) is None
    feed.handle_timer(1.0 + PAUSE)
    carry(feed, kernel, 1.0 + PAUSE)
    assert prefixes(view) == {prefix_octets("10.3.0.0/16")}
    assert view.links == view.neighbours == {}
    assert view.fallen == {3}


def test_what_is_gone_is_found_and_forgotten_in_portions(monkeypatch):
    monkeypatch.setattr("control.kernel.feed.SWEPT", 2)
    feed, view = make()
    kernel = Kernel()
    kernel.routes = [route(f"10.{i}.0.0/16") for i in range(7)] + [route("2001:db8::/32")]
    carry(feed, kernel)
    kernel.routes = kernel.routes[3:4]
    feed.resync()
    counts = [8]
    while (request := feed.next_request(0.0)) is not None or feed.behind:
        counts.append(len(view.tables[TABLE]))
        if request is not None:
            assert not feed.settled
            feed.receive(kernel.answer(request), 0.0)
    assert feed.settled
    assert prefixes(view) == {prefix_octets("10.3.0.0/16")}
    assert max(before - after for before, after in pairwise(counts)) == 2


def test_answer_that_does_not_come_is_waited_for_no_longer_than_patience():
    feed, view = make()
    assert feed.next_request(0.0) is not None
    assert feed.get_timer() == PATIENCE
    feed.handle_timer(PATIENCE)
    feed.handle_timer(PATIENCE + PAUSE)
    carry(feed, Kernel(), PATIENCE + PAUSE)
    assert feed.settled
    assert prefixes(view)


def test_octets_that_are_no_messages_are_as_if_lost():
    feed, _ = make()
    carry(feed, Kernel())
    feed.notice(b"\xff" * 20, 0.0)
    assert feed.counts["damaged"] == feed.counts["losses"] == 1
    assert feed.dumping


def test_way_to_an_address_is_answered_or_there_is_none():
    feed, _ = make()
    kernel = Kernel()
    feed.look_up(address_octets("10.1.2.3"))
    feed.look_up(address_octets("192.0.2.77"))
    carry(feed, kernel)
    assert list(feed.found) == [
        (address_octets("10.1.2.3"), kernel.routes[0]),
        (address_octets("192.0.2.77"), None),
    ]
    assert feed.settled


def test_neighbours_are_asked_for_together():
    feed, _ = make()
    carry(feed, Kernel())
    for i in range(3):
        feed.ask(3, address_octets(f"192.0.2.{i}"))
    request = feed.next_request(0.0)
    assert [m.kind for m in read_messages(request)] == [MessageType.NEWNEIGH] * 3
    assert feed.settled
