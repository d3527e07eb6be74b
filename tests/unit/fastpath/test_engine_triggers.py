"""Triggers through the engine: outcomes, buffers, orders, holds and what a flush sends."""

from __future__ import annotations

import pytest
from engine_rig import Rig, counter
from packets import HOME, PPP_IP, SITE, Outer, data_message, datagram, forwarded, icmp_error
from parse_packets import ipv4

from fastpath import Engine, MemPort

TARGET, OTHER = "172.16.0.1", "172.16.0.2"
MACS = bytes(12) + b"\x08\x00"


def numbered(count: int, dst: str = TARGET, first: int = 0, **rest) -> list[bytes]:
    return [datagram(bytes([first + n]), dst=dst, **rest) for n in range(count)]


def around(outer: Outer, *packets: bytes, first: int = 0) -> list[tuple[str, bytes]]:
    """What a session sends of packets that go out one after the other."""
    return [
        ("tunnel", outer.around(forwarded(packet), ident=first + at))
        for at, packet in enumerate(packets)
    ]


def outcomes(rig: Rig) -> tuple[int, ...]:
    names = ("admitted", "buffered", "discarded", "missed")
    return tuple(counter(rig.engine, f"triggers_{name}") for name in names)


# --- events and buffers ---------------------------------------------------------------------------


def test_first_packet_is_an_event_and_all_are_sent_in_order_of_arrival():
    rig = Rig()
    packets = numbered(5)
    rig.hand_in(*packets, ts=77)
    (record,) = rig.engine.triggers.events()
    assert record == (record.key, rig.table, rig.glean, TARGET, HOME, 17, 5060, 5060, 77)
    assert outcomes(rig) == (1, 4, 0, 0)
    assert rig.engine.flush_trigger(record.key, rig.session, 100) == 5
    assert rig.ports["tunnel"].sent()[0][0] == 100
    assert rig.sent() == around(rig.outer, *packets)
    assert counter(rig.engine, "triggers_flushed") == 5
    assert rig.engine.session_counters(rig.session).packets_out == 5


@pytest.mark.parametrize("link", ["ethernet", "sll", "ppp", "null"])
def test_what_was_around_a_packet_is_not_buffered(link):
    header = {
        "ethernet": MACS,
        "sll": bytes(14) + b"\x08\x00",
        "ppp": PPP_IP,
        "null": b"\2\0\0\0",
    }[link]
    rig = Rig(link=link)
    packet = datagram(dst=TARGET)
    key = rig.trigger(header + packet + b"padding")
    assert rig.engine.triggers.counters()["octets"] == len(packet)
    assert rig.engine.flush_trigger(key, rig.session) == 1
    assert rig.sent() == around(rig.outer, packet)


def test_trigger_from_a_session_is_buffered_as_its_inner_packet():
    rig = Rig()
    packet = datagram(src=SITE, dst=TARGET)
    rig.hand_in(data_message(PPP_IP + packet), port="tunnel")
    (record,) = rig.engine.triggers.events()
    assert (record.source, record.destination) == (SITE, TARGET)
    assert rig.engine.flush_trigger(record.key, rig.other) == 1
    assert rig.sent() == around(rig.other_outer, packet)


def test_limit_of_a_table_counts_all_its_keys():
    rig = Rig()
    rig.hand_in(*numbered(10), *numbered(10, OTHER))
    assert outcomes(rig) == (2, 14, 4, 0)
    rig.engine.triggers.set_limits(rig.table, 17)
    rig.hand_in(*numbered(2))
    assert outcomes(rig) == (2, 15, 5, 0)


@pytest.mark.parametrize(("limit", "kept"), [(0, 0), (1, 1), (50, 50), (3276, 3276), (4096, 3276)])
def test_packets_and_octets_of_a_table_are_limited(limit, kept):
    # 3,276 of the shortest packets are all that 64 KiB hold.
    rig = Rig()
    rig.engine.triggers.set_limits(rig.table, limit)
    offered = max(1, limit) + 3
    key = rig.trigger(*[ipv4(dst=TARGET, proto=99)] * offered)
    assert rig.engine.triggers.buffered(key) == kept
    assert outcomes(rig) == (1, max(kept - 1, 0), offered - max(kept, 1), 0)
    assert rig.engine.flush_trigger(key, rig.session) == kept


def test_64_kib_hold_one_of_the_largest_packets_and_no_second():
    rig = Rig(mtu=65491)
    largest = datagram(bytes(65507 - 44), dst=TARGET)
    key = rig.trigger(largest, largest)
    assert outcomes(rig) == (1, 0, 1, 0)
    assert rig.engine.flush_trigger(key, rig.session) == 1
    assert rig.sent() == around(rig.outer, largest)


def test_destination_beyond_the_table_of_keys_is_missed_until_a_key_ends():
    rig = Rig(trigger_keys=2)
    rig.hand_in(*(datagram(dst=f"172.16.1.{n}") for n in range(4)))
    assert outcomes(rig) == (2, 0, 0, 2)
    rig.engine.drop_trigger(rig.engine.triggers.events()[0].key)
    rig.hand_in(datagram(dst="172.16.1.3"))
    assert outcomes(rig) == (3, 0, 0, 2)


def test_destinations_beyond_the_queue_of_events_are_missed():
    rig = Rig()
    rig.hand_in(*(datagram(dst=f"172.16.{n >> 8}.{n & 255}") for n in range(5000)))
    assert outcomes(rig) == (4096, 0, 0, 904)
    assert len(rig.engine.triggers.events(9999)) == 4096


# --- keys -----------------------------------------------------------------------------------------


def test_key_is_table_prefix_and_destination():
    engine = Engine()
    red, blue = engine.add_table("red"), engine.add_table("blue")
    ports = {name: MemPort(name) for name in ("red", "blue")}
    index = [engine.attach(ports["red"], red), engine.attach(ports["blue"], blue)]
    with engine.transaction() as t:
        gleans = {
            (table, prefix): t.add_adjacency("glean", table=table)
            for table in (red, blue)
            for prefix in ("172.16.0.0/16", "172.16.0.0/24")
        }
        for (table, prefix), nh in gleans.items():
            t.add_route(table, prefix, nh)
    for port in ports.values():
        port.push_many(datagram(dst=d) for d in ("172.16.0.1", "172.16.1.1", "172.16.0.1"))
    for at in index:
        engine.poll(at)
    seen = [(r.table, r.glean, r.destination) for r in engine.triggers.events()]
    assert seen == [
        (table, gleans[table, prefix], destination)
        for table in (red, blue)
        for prefix, destination in (
            ("172.16.0.0/24", "172.16.0.1"),
            ("172.16.0.0/16", "172.16.1.1"),
        )
    ]
    with engine.transaction() as t:
        t.delete_route(red, "172.16.0.0/24")
    ports["red"].push(datagram(dst="172.16.0.1"))
    engine.poll(index[0])
    (record,) = engine.triggers.events()
    assert (record.glean, record.destination) == (gleans[red, "172.16.0.0/16"], "172.16.0.1")


def test_limits_are_those_of_the_table_of_the_target():
    engine = Engine()
    red, blue = engine.add_table("red"), engine.add_table("blue")
    engine.triggers.set_limits(red, 1)
    port = [MemPort("red"), MemPort("blue")]
    index = [engine.attach(port[0], red), engine.attach(port[1], blue)]
    with engine.transaction() as t:
        for table in (red, blue):
            t.add_route(table, "172.16.0.0/16", t.add_adjacency("glean", table=table))
    for at in range(2):
        port[at].push_many(numbered(3))
        engine.poll(index[at])
    assert engine.triggers.counters(red)["enqueued"] == 1
    assert engine.triggers.counters(blue)["enqueued"] == 3


STALE = {
    "flush": lambda rig, key: rig.engine.flush_trigger(key, rig.session),
    "drop": lambda rig, key: rig.engine.drop_trigger(key),
    "drop, keep": lambda rig, key: rig.engine.drop_trigger(key, forget=False),
    "hold": lambda rig, key: rig.engine.triggers.hold(key),
    "discard": lambda rig, key: rig.engine.triggers.discard(key),
    "forget": lambda rig, key: rig.engine.triggers.forget(key),
    "buffered": lambda rig, key: rig.engine.triggers.buffered(key),
}


@pytest.mark.parametrize("order", STALE)
def test_order_for_a_key_that_is_gone_is_refused_and_changes_nothing(order):
    rig = Rig()
    old = rig.trigger(datagram(dst=TARGET))
    rig.engine.drop_trigger(old)
    new = rig.trigger(*numbered(2))
    for key in (old, 0, 1, -1, 1 << 64, (1 << 32) + 500):
        with pytest.raises(KeyError):
            STALE[order](rig, key)
    assert rig.engine.triggers.buffered(new) == 2
    assert rig.engine.flush_trigger(new, rig.session) == 2
    with pytest.raises(KeyError):
        STALE[order](rig, new)


@pytest.mark.parametrize("nh", ["lan", "glean", "address", "prohibited"])
def test_flush_needs_a_session_and_keeps_the_buffer_otherwise(nh):
    rig = Rig()
    key = rig.trigger(*numbered(2))
    with pytest.raises(KeyError, match="not a session"):
        rig.engine.flush_trigger(key, getattr(rig, nh))
    assert rig.engine.flush_trigger(key, rig.session) == 2


# --- orders ---------------------------------------------------------------------------------------


def test_after_discard_the_buffer_stays_and_grows_no_more():
    rig = Rig()
    packets = numbered(6)
    key = rig.trigger(*packets[:2])
    rig.engine.triggers.discard(key)
    rig.hand_in(*packets[2:4])
    rig.engine.triggers.hold(key)
    rig.hand_in(*packets[4:])
    assert outcomes(rig) == (1, 3, 2, 0)
    assert rig.engine.flush_trigger(key, rig.session) == 4
    assert rig.sent() == around(rig.outer, *packets[:2], *packets[4:])


def test_after_drop_the_next_packet_is_an_event_again():
    rig = Rig()
    key = rig.trigger(*numbered(3))
    assert rig.engine.drop_trigger(key) == 3
    assert counter(rig.engine, "triggers_dropped") == 3
    assert rig.sent() == []
    assert rig.trigger(datagram(dst=TARGET)) != key


def test_after_drop_that_keeps_the_key_packets_are_discarded_in_silence():
    rig = Rig()
    key = rig.trigger(*numbered(3))
    assert rig.engine.drop_trigger(key, forget=False) == 3
    assert rig.engine.drop_trigger(key, forget=False) == 0
    rig.hand_in(*numbered(2))
    assert outcomes(rig) == (1, 2, 2, 0)
    assert rig.engine.triggers.events() == []
    assert rig.engine.drop_trigger(key) == 0


def test_event_of_a_key_that_was_given_up_before_it_was_read_is_not_shown():
    rig = Rig()
    rig.hand_in(datagram(dst=TARGET), datagram(dst=OTHER))
    key = rig.engine.triggers.events(1)[0].key
    rig.engine.drop_trigger(key)
    rig.hand_in(datagram(dst=TARGET))
    assert [r.destination for r in rig.engine.triggers.events()] == [OTHER, TARGET]


def test_limits_set_while_packets_wait_hold_for_the_next_one():
    rig = Rig()
    key = rig.trigger(*numbered(5))
    rig.engine.triggers.set_limits(rig.table, 2)
    rig.hand_in(datagram(dst=TARGET))
    assert rig.engine.triggers.buffered(key) == 5
    assert outcomes(rig) == (1, 4, 1, 0)


# --- what a flush may still lose ------------------------------------------------------------------


def test_flushed_packet_that_may_not_go_on_is_dropped_answered_and_not_counted_as_sent():
    rig = Rig(mtu=576)
    old, big, cut = (
        datagram(b"old", dst=TARGET, ttl=1),
        datagram(bytes(600), dst=TARGET, fragment=0x4000),
        datagram(bytes(600), dst=TARGET),
    )
    fine = datagram(b"fine", dst=TARGET, ttl=2)
    key = rig.trigger(old, big, cut, fine)
    assert rig.engine.flush_trigger(key, rig.session) == 2
    sent = rig.sent()
    answers = [packet for port, packet in sent if port == "home"]
    assert answers == [icmp_error(old, 11, 0), icmp_error(big, 3, 4, mtu=576)]
    carried = [packet for port, packet in sent if port == "tunnel"]
    assert len(carried) == 3
    assert carried[2] == rig.outer.around(forwarded(fine), ident=2)
    assert counter(rig.engine, "triggers_flushed") == 2
    assert counter(rig.engine, "triggers_dropped") == 2
    assert counter(rig.engine, "fragments") == 2


def test_flush_to_a_port_that_is_gone_loses_the_buffer_and_ends_the_key():
    rig = Rig()
    with rig.engine.transaction() as t:
        lost = t.add_session(
            table=rig.table, port=9, local=("10.0.0.9", 1701), peer=("10.0.0.8", 1701),
            tunnel=1, session=1, peer_tunnel=1, peer_session=1,
        )  # fmt: skip
    key = rig.trigger(*numbered(3))
    assert rig.engine.flush_trigger(key, lost) == 0
    assert counter(rig.engine, "triggers_dropped") == 3
    with pytest.raises(KeyError):
        rig.engine.triggers.buffered(key)


def test_flush_of_more_than_the_engines_memory_holds_sends_each_whole():
    # More than the engine's memory for packets holds at once.
    rig = Rig(mtu=65491)
    rig.engine.triggers.set_limits(rig.table, 4096)
    packets = [datagram(bytes([n]) * 1200, dst=TARGET) for n in range(53)]
    key = rig.trigger(*packets)
    assert rig.engine.flush_trigger(key, rig.session) == 53
    assert rig.sent() == around(rig.outer, *packets)
