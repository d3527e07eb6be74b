"""Triggers: outcomes, events, buffers and orders, row by row."""

from __future__ import annotations

import random
import struct

import pytest
from trigger_cases import ADMITTED, BUFFERED, DISCARDED, ICMP, MISSED, UDP, ip4, ip6

from fastpath.trigger import TriggerRecord, TriggerTable

GLEAN = 7


def ports(source: int, destination: int) -> bytes:
    return struct.pack(">HHHH", source, destination, 8, 0)


def admitted(table: TriggerTable, packet: bytes, glean: int = GLEAN) -> int:
    """Offers the first packet of a key and returns the key."""
    assert table.offer_packet(packet, 0, glean) == ADMITTED
    (record,) = table.events()
    return record.key


def drained(table: TriggerTable, key: int) -> list[bytes]:
    packets = []
    while (taken := table.take_packet(key)) is not None:
        packets.append(taken[0])
    return packets


def test_first_packet_of_a_destination_is_the_only_event():
    table = TriggerTable()
    packet = ip4("10.1.2.3", ports(5060, 53))
    assert table.offer_packet(packet, 3, GLEAN, ts=42) == ADMITTED
    assert table.offer_packet(packet, 3, GLEAN) == BUFFERED
    (record,) = table.events()
    expected = (3, GLEAN, "10.1.2.3", "192.0.2.1", UDP, 5060, 53, 42)
    assert record == TriggerRecord(record.key, *expected)
    assert table.events() == []
    assert table.buffered(record.key) == 2
    assert table.take_packet(record.key) == (packet, 42)


def test_another_destination_or_glean_is_another_event():
    table = TriggerTable()
    for destination, glean in (("10.0.0.1", 1), ("10.0.0.2", 1), ("10.0.0.1", 2)):
        assert table.offer_packet(ip4(destination), 0, glean) == ADMITTED
    assert table.offer_packet(ip6("2001:db8::a"), 0, 3) == ADMITTED
    records = table.events()
    assert [(r.destination, r.glean) for r in records] == [
        ("10.0.0.1", 1), ("10.0.0.2", 1), ("10.0.0.1", 2), ("2001:db8::a", 3),
    ]  # fmt: skip
    assert len({r.key for r in records}) == table.keys == 4
    assert records[3].source == "2001:db8::1"


PORT_ROWS = [
    ("udp", ip4("10.0.0.1", ports(1, 2)), (1, 2)),
    ("tcp", ip4("10.0.0.1", ports(80, 443), proto=6), (80, 443)),
    ("icmp has none", ip4("10.0.0.1", ports(1, 2), proto=ICMP), (0, 0)),
    ("first fragment", ip4("10.0.0.1", ports(1, 2), fragment=0x2000), (1, 2)),
    ("later fragment", ip4("10.0.0.1", ports(1, 2), fragment=0x2001), (0, 0)),
    ("cut in the ports", ip4("10.0.0.1", b"\1\2\3"), (0, 0)),
    ("header longer than packet", b"\x4f" + ip4("10.0.0.1", ports(1, 2))[1:], (0, 0)),
    ("udp over ipv6", ip6("2001:db8::a", ports(1, 2)), (1, 2)),
    ("fragment header of ipv6", ip6("2001:db8::a", ports(1, 2), proto=44), (0, 0)),
]


@pytest.mark.parametrize(("packet", "expected"), [row[1:] for row in PORT_ROWS],
                         ids=[row[0] for row in PORT_ROWS])  # fmt: skip
def test_ports_are_told_where_the_packet_holds_them(packet, expected):
    table = TriggerTable()
    table.offer_packet(packet, 0, GLEAN)
    (record,) = table.events()
    assert (record.source_port, record.destination_port) == expected


def test_buffer_keeps_arrival_order_per_key():
    table = TriggerTable()
    packets = {d: [ip4(d, bytes([i])) for i in range(4)] for d in ("10.0.0.1", "10.0.0.2")}
    for pair in zip(*packets.values(), strict=True):
        for packet in pair:
            table.offer_packet(packet, 0, GLEAN)
    for record in table.events():
        assert drained(table, record.key) == packets[record.destination]


def test_packet_limit_is_per_routing_table():
    table = TriggerTable()
    outcomes = [table.offer_packet(ip4("10.0.0.1"), 0, GLEAN) for _ in range(20)]
    assert outcomes == [ADMITTED] + 15 * [BUFFERED] + 4 * [DISCARDED]
    assert table.offer_packet(ip4("10.0.0.2"), 0, GLEAN) == ADMITTED
    assert table.counters(0)["admitted_unbuffered"] == 1
    assert table.offer_packet(ip4("10.0.0.1"), 1, GLEAN + 1) == ADMITTED
    assert table.counters(1)["enqueued"] == 1
    assert table.counters()["max_enqueued"] == 17


def test_octet_limit_is_64_kib_and_can_be_lowered():
    table = TriggerTable()
    table.set_limits(0, 4096)
    big = ip4("10.0.0.1", bytes(16364))
    assert [table.offer_packet(big, 0, GLEAN) for _ in range(5)] == [
        ADMITTED, BUFFERED, BUFFERED, BUFFERED, DISCARDED,
    ]  # fmt: skip
    assert table.counters(0)["octets"] == 65536
    table.set_limits(1, 4096, 40)
    assert table.offer_packet(ip4("10.0.0.1", bytes(21)), 1, 9) == ADMITTED
    assert table.offer_packet(ip4("10.0.0.1", bytes(20)), 1, 9) == BUFFERED
    assert table.counters(1)["admitted_unbuffered"] == 1


def test_limit_of_zero_keeps_the_event_and_drops_all_packets():
    table = TriggerTable()
    table.set_limits(0, 0)
    key = admitted(table, ip4("10.0.0.1"))
    assert table.offer_packet(ip4("10.0.0.1"), 0, GLEAN) == DISCARDED
    assert table.buffered(key) == 0


def test_discard_and_hold_decide_what_later_packets_meet():
    table = TriggerTable()
    first, second = ip4("10.0.0.1", b"1"), ip4("10.0.0.1", b"2")
    key = admitted(table, first)
    table.discard(key)
    assert table.offer_packet(first, 0, GLEAN) == DISCARDED
    assert table.buffered(key) == 1
    table.hold(key)
    assert table.offer_packet(second, 0, GLEAN) == BUFFERED
    assert drained(table, key) == [first, second]


def test_packets_of_the_session_join_the_tail_whatever_triggers_meet():
    table = TriggerTable()
    table.set_limits(0, 3)
    packets = [ip4("10.0.0.1", bytes([i])) for i in range(4)]
    key = admitted(table, packets[0])
    table.discard(key)
    outcomes = [table.offer_tail_packet(packet, key) for packet in packets[1:]]
    assert outcomes == [BUFFERED, BUFFERED, DISCARDED]
    assert drained(table, key) == packets[:3]


def test_forget_drops_the_buffer_and_makes_the_next_packet_an_event():
    table = TriggerTable()
    key = admitted(table, ip4("10.0.0.1"))
    table.offer_packet(ip4("10.0.0.1"), 0, GLEAN)
    assert table.forget(key) == 2
    assert table.keys == 0
    again = admitted(table, ip4("10.0.0.1"))
    assert again != key
    counters = table.counters()
    assert (counters["dropped"], counters["enqueued"]) == (2, 1)


def test_a_key_that_is_gone_is_refused_even_if_its_entry_is_used_again():
    table = TriggerTable(capacity=1)
    stale = admitted(table, ip4("10.0.0.1"))
    table.forget(stale)
    admitted(table, ip4("10.0.0.2"))
    for key in (stale, 0, 1, -1, 1 << 32, 1 << 64, (1 << 64) - 1, None, "1"):
        for order in (table.hold, table.discard, table.forget, table.finish, table.buffered):
            with pytest.raises(KeyError):
                order(key)
        with pytest.raises(KeyError):
            table.offer_tail_packet(ip4("10.0.0.1"), key)


def test_finish_ends_a_flushed_key_and_refuses_one_that_is_not():
    table = TriggerTable()
    key = admitted(table, ip4("10.0.0.1"))
    with pytest.raises(ValueError, match="1 packets are still buffered"):
        table.finish(key)
    assert len(drained(table, key)) == 1
    table.finish(key)
    assert table.keys == 0
    assert table.counters()["flushed"] == 1


def test_a_full_event_queue_makes_new_destinations_missed_until_it_is_read():
    table = TriggerTable(events=2)
    outcomes = [table.offer_packet(ip4(f"10.0.0.{i}"), 0, GLEAN) for i in range(4)]
    assert outcomes == [ADMITTED, ADMITTED, MISSED, MISSED]
    assert table.offer_packet(ip4("10.0.0.0"), 0, GLEAN) == BUFFERED
    assert [r.destination for r in table.events(1)] == ["10.0.0.0"]
    assert table.offer_packet(ip4("10.0.0.3"), 0, GLEAN) == ADMITTED
    assert [r.destination for r in table.events()] == ["10.0.0.1", "10.0.0.3"]


def test_a_full_key_table_makes_new_destinations_missed_until_one_ends():
    table = TriggerTable(capacity=2)
    key = admitted(table, ip4("10.0.0.1"))
    admitted(table, ip4("10.0.0.2"))
    assert table.offer_packet(ip4("10.0.0.3"), 0, GLEAN) == MISSED
    table.forget(key)
    assert table.offer_packet(ip4("10.0.0.3"), 0, GLEAN) == ADMITTED


@pytest.mark.parametrize("seed", [0, 1, (1 << 64) - 1])
def test_many_keys_come_and_go_in_any_order(seed):
    rng = random.Random(seed)
    table = TriggerTable(capacity=500, seed=seed)
    table.set_limits(0, 0)
    live: dict[str, int] = {}
    for number in range(3000):
        if len(live) == 500 or (live and rng.random() < 0.4):
            table.forget(live.pop(rng.choice(list(live))))
        destination = f"10.0.{number >> 8}.{number & 255}"
        live[destination] = admitted(table, ip4(destination))
    assert table.keys == len(live)
    for destination, key in live.items():
        assert table.offer_packet(ip4(destination), 0, GLEAN) == DISCARDED
        table.finish(key)
    assert table.keys == 0


def test_malformed_arguments_are_refused():
    for arguments in ({"capacity": 0}, {"events": 3}, {"events": 0}, {"capacity": 1 << 25}):
        with pytest.raises(ValueError, match="is not"):
            TriggerTable(**arguments)
    table = TriggerTable()
    for limits in ((0, -1), (0, 4097), (0, 1, 65537), (0, 1, -1), (65536, 1), (-1, 1)):
        with pytest.raises(ValueError, match="not in"):
            table.set_limits(*limits)
    for packet in (b"", b"\x45", ip4("10.0.0.1")[:19], ip6("::1")[:39], b"\x55" + bytes(60)):
        with pytest.raises(ValueError, match="not an IP packet"):
            table.offer_packet(packet, 0, GLEAN)
    with pytest.raises(ValueError, match="table 65536"):
        table.counters(65536)
    assert set(table.counters().values()) == {0}
