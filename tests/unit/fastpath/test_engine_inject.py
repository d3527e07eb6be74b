"""Frames of control that wait for one another and leave together."""

from __future__ import annotations

from engine_rig import Rig, counter
from packets import LCP_ECHO, Outer, datagram, forwarded


def frames(count: int) -> list[bytes]:
    return [LCP_ECHO + number.to_bytes(2, "big") for number in range(count)]


def around(rig: Rig, *sent: bytes) -> list[tuple[str, bytes]]:
    return [("tunnel", rig.outer.carry(each, ident=n)) for n, each in enumerate(sent)]


def test_frames_that_wait_leave_together_and_in_order():
    rig = Rig(outer=Outer())
    for frame in frames(5):
        rig.engine.inject(frame, rig.session, wait=True)
    assert rig.sent() == []
    assert counter(rig.engine, "injected") == 5
    rig.engine.send()
    assert rig.sent() == around(rig, *frames(5))
    rig.engine.send()
    assert rig.sent() == []


def test_one_that_does_not_wait_takes_those_before_it_along():
    rig = Rig(outer=Outer())
    first, second = frames(2)
    rig.engine.inject(first, rig.session, wait=True)
    rig.engine.inject(second, rig.session)
    assert rig.sent() == around(rig, first, second)


def test_packets_that_are_forwarded_leave_behind_what_waits():
    rig = Rig(outer=Outer())
    rig.engine.inject(LCP_ECHO, rig.session, wait=True)
    rig.hand_in(datagram())
    assert rig.sent() == [
        ("tunnel", rig.outer.carry(LCP_ECHO)),
        ("tunnel", rig.outer.around(forwarded(datagram()), ident=1)),
    ]


def test_more_than_the_queue_and_the_memory_hold_lose_nothing_and_keep_their_order():
    rig = Rig(outer=Outer())
    all_of_them = [bytes([number % 251]) * 3000 for number in range(1500)]
    for each in all_of_them:
        rig.engine.inject(each, rig.session, wait=True)
    rig.engine.send()
    assert rig.sent() == around(rig, *all_of_them)


def test_what_waits_is_sent_before_its_port_goes():
    rig = Rig(outer=Outer())
    rig.engine.inject(LCP_ECHO, rig.session, wait=True)
    rig.engine.detach(rig.index["tunnel"])
    assert rig.sent() == around(rig, LCP_ECHO)


def test_what_waits_is_sent_though_its_session_goes():
    rig = Rig(outer=Outer())
    rig.engine.inject(LCP_ECHO, rig.other, wait=True)
    with rig.engine.transaction() as t:
        t.delete_route(rig.table, "203.0.113.0/24")
        t.delete_adjacency(rig.other)
    rig.engine.send()
    assert rig.sent() == [("tunnel", rig.other_outer.carry(LCP_ECHO))]
