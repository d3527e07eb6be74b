"""A session that waits for the flush of a trigger: until then its packets join the buffer."""

from __future__ import annotations

import pytest
from engine_rig import Rig, counter, session
from packets import HOME, PPP_IP, SITE, Outer, data_message, datagram, forwarded

TARGET, OTHER = "172.16.0.1", "172.16.0.2"


def packet(number: int, dst: str = TARGET) -> bytes:
    return datagram(bytes([number]), dst=dst)


def connected(rig: Rig, key: int, prefix: str = f"{TARGET}/32") -> int:
    """The call is up: a session with an access route, on hold for the key."""
    with rig.engine.transaction() as t:
        nh = t.add_session(**session(9, Outer(peer_session=9), table=rig.table, port=1))
        t.add_route(rig.table, prefix, nh)
        t.hold(nh, key)
    return nh


def sent(rig: Rig) -> list[bytes]:
    return [octets for _, octets in rig.sent()]


def carried(*packets: bytes, first: int = 0) -> list[bytes]:
    outer = Outer(peer_session=9)
    return [outer.around(forwarded(p), ident=first + at) for at, p in enumerate(packets)]


def test_packets_before_the_flush_wait_behind_the_buffer_and_later_ones_pass():
    rig = Rig()
    key = rig.trigger(packet(0), packet(1))
    nh = connected(rig, key)
    assert rig.hand_in(packet(2), packet(3)) == {"TRIGGER": 2}
    assert sent(rig) == []
    assert rig.engine.flush_trigger(key, nh) == 4
    assert rig.hand_in(packet(4)) == {"FORWARD": 1}
    assert sent(rig) == carried(*(packet(n) for n in range(5)))
    assert counter(rig.engine, "triggers_buffered") == 3


def test_packets_to_other_destinations_of_the_session_wait_too():
    rig = Rig()
    key = rig.trigger(packet(0))
    nh = connected(rig, key, "172.16.0.0/24")
    assert rig.hand_in(packet(1, OTHER), packet(2), packet(3, OTHER)) == {"TRIGGER": 3}
    assert rig.engine.triggers.events() == []
    assert rig.engine.flush_trigger(key, nh) == 4
    assert sent(rig) == carried(packet(0), packet(1, OTHER), packet(2), packet(3, OTHER))


def test_hold_is_that_of_its_session_only():
    rig = Rig()
    connected(rig, rig.trigger(packet(0)))
    assert rig.hand_in(datagram(), datagram(dst="203.0.113.1")) == {"FORWARD": 2}


def test_control_frames_pass_while_packets_wait():
    rig = Rig()
    nh = connected(rig, rig.trigger(packet(0)))
    rig.engine.inject(b"\xff\x03\xc0\x21\x09\x01\x00\x04", nh)
    assert sent(rig) == [Outer(peer_session=9).carry(b"\xff\x03\xc0\x21\x09\x01\x00\x04")]


def test_packets_from_another_session_wait_as_inner_packets():
    rig = Rig()
    key = rig.trigger(packet(0))
    nh = connected(rig, key)
    inner = datagram(src=SITE, dst=TARGET)
    assert rig.hand_in(data_message(PPP_IP + inner), port="tunnel") == {"TRIGGER": 1}
    assert rig.engine.flush_trigger(key, nh) == 2
    assert sent(rig) == carried(packet(0), inner)


def test_what_the_session_sends_to_us_does_not_wait():
    rig = Rig()
    with rig.engine.transaction() as t:
        t.hold(rig.session, rig.trigger(packet(0)))
    inner = datagram(src=SITE, dst=HOME)
    assert rig.hand_in(data_message(PPP_IP + inner), port="tunnel") == {"DELIVER": 1}


def test_discard_of_the_key_is_about_new_triggers_and_not_about_the_session():
    rig = Rig()
    key = rig.trigger(packet(0))
    rig.engine.triggers.discard(key)
    nh = connected(rig, key)
    assert rig.hand_in(packet(1)) == {"TRIGGER": 1}
    assert rig.engine.flush_trigger(key, nh) == 2


def test_packets_over_the_limit_are_discarded_and_counted():
    rig = Rig()
    rig.engine.triggers.set_limits(rig.table, 3)
    key = rig.trigger(packet(0), packet(1))
    nh = connected(rig, key)
    assert rig.hand_in(*(packet(n) for n in range(2, 6))) == {"TRIGGER": 4}
    assert counter(rig.engine, "triggers_discarded") == 3
    assert rig.engine.flush_trigger(key, nh) == 3
    assert sent(rig) == carried(packet(0), packet(1), packet(2))


def test_flush_with_an_empty_buffer_ends_the_hold():
    rig = Rig()
    rig.engine.triggers.set_limits(rig.table, 0)
    key = rig.trigger(packet(0))
    nh = connected(rig, key)
    assert rig.hand_in(packet(1)) == {"TRIGGER": 1}
    assert rig.engine.flush_trigger(key, nh) == 0
    assert rig.hand_in(packet(2)) == {"FORWARD": 1}


def test_flush_of_another_key_over_the_session_leaves_the_hold():
    rig = Rig()
    key, other = rig.trigger(packet(0)), rig.trigger(packet(1, OTHER))
    nh = connected(rig, key)
    assert rig.engine.flush_trigger(other, nh) == 1
    assert rig.hand_in(packet(2)) == {"TRIGGER": 1}
    assert rig.engine.flush_trigger(key, nh) == 2
    assert sent(rig) == carried(packet(1, OTHER), packet(0), packet(2))


@pytest.mark.parametrize("forget", ["drop_trigger", "triggers.forget", "triggers.finish"])
def test_hold_for_a_key_that_is_gone_is_over(forget):
    rig = Rig()
    key = rig.trigger(packet(0))
    connected(rig, key)
    if forget == "triggers.finish":
        rig.engine.triggers.take_packet(key)
    owner = rig.engine.triggers if "." in forget else rig.engine
    getattr(owner, forget.rpartition(".")[2])(key)
    assert rig.hand_in(packet(1)) == {"FORWARD": 1}
    assert sent(rig) == carried(packet(1))


def test_hold_for_a_key_that_is_gone_takes_nothing_of_the_entrys_next_owner():
    rig = Rig(trigger_keys=1)
    old = rig.trigger(packet(0))
    connected(rig, old)
    rig.engine.drop_trigger(old)
    new = rig.trigger(packet(1, OTHER))
    assert (old ^ new) & 0xFFFFFFFF == 0
    assert rig.hand_in(packet(2)) == {"FORWARD": 1}
    assert rig.engine.triggers.buffered(new) == 1


def test_update_of_a_session_keeps_its_hold():
    rig = Rig()
    key = rig.trigger(packet(0))
    nh = connected(rig, key)
    with rig.engine.transaction() as t:
        t.update_session(nh, peer_tunnel=3, peer_session=9)
    assert rig.hand_in(packet(1)) == {"TRIGGER": 1}
    assert rig.engine.flush_trigger(key, nh) == 2


def test_hold_may_come_back_after_a_flush():
    rig = Rig()
    key = rig.trigger(packet(0))
    nh = connected(rig, key)
    rig.engine.flush_trigger(key, nh)
    again = rig.trigger(packet(1, OTHER))
    with rig.engine.transaction() as t:
        t.hold(nh, again)
    assert rig.hand_in(packet(2)) == {"TRIGGER": 1}
    assert rig.engine.flush_trigger(again, nh) == 2
