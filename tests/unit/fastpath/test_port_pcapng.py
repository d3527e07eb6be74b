"""Reading pcapng: byte orders, sections, interfaces, clocks."""

from __future__ import annotations

import struct

import pytest
from pcap_bytes import (
    NS,
    block,
    enhanced,
    interface,
    obsolete,
    option,
    read_all,
    section,
    simple,
)

from fastpath.ports.pcap import PcapPort


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng_is_read_in_both_orders(save, order):
    content = section(order) + interface(113, order) + enhanced(5_000_001, b"abcde", 0, order)
    port = PcapPort(save(content + obsolete(6_000_000, b"old", 0, order)))
    assert read_all(port) == [(5_000_001_000, "sll", 5, b"abcde"), (6 * NS, "sll", 3, b"old")]
    assert port.errors() == []


def test_sections_have_their_own_order_and_interfaces(save):
    content = (
        section("<")
        + interface(1)
        + interface(9)
        + enhanced(1, b"a", 1)
        + section(">")
        + interface(101, ">")
        + enhanced(2, b"b", 0, ">")
    )
    port = PcapPort(save(content))
    assert [(p[1], p[3]) for p in read_all(port)] == [("ppp", b"a"), ("raw", b"b")]
    assert port.errors() == []


def test_interfaces_of_the_section_before_are_forgotten(save):
    content = section() + interface() + interface() + section() + interface() + enhanced(0, b"", 1)
    port = PcapPort(save(content))
    assert read_all(port) == []
    assert "interface 1, the section has described 1" in port.error().reason


def test_interface_may_be_described_after_packets_of_another(save):
    content = section() + interface(1) + enhanced(1, b"a") + interface(9) + enhanced(2, b"b", 1)
    assert [p[1] for p in read_all(PcapPort(save(content)))] == ["ethernet", "ppp"]


def test_many_interfaces(save):
    content = section() + b"".join(interface(1 if i % 2 else 9) for i in range(300))
    content += b"".join(enhanced(i, b"", i) for i in range(300))
    links = [p[1] for p in read_all(PcapPort(save(content)))]
    assert links == ["ethernet" if i % 2 else "ppp" for i in range(300)]


def test_unknown_blocks_are_skipped(save):
    name_resolution, statistics, custom = block(4, bytes(8)), block(5, bytes(12)), block(0xBAD, b"")
    content = section() + custom + interface() + name_resolution + enhanced(1, b"a") + statistics
    port = PcapPort(save(content))
    assert [p[3] for p in read_all(port)] == [b"a"]
    assert port.errors() == []
    assert port.position == port.size


def test_simple_packet_has_the_time_of_the_one_before_and_the_snapshot_length(save):
    content = section() + interface(101, snaplen=4) + simple(b"abcd", 9) + enhanced(7, b"x")
    content += simple(b"yz")
    assert read_all(PcapPort(save(content))) == [
        (0, "raw", 9, b"abcd"),
        (7000, "raw", 1, b"x"),
        (7000, "raw", 2, b"yz"),
    ]


def test_packet_without_time_before_the_first_with_one_counts_as_its_start(save):
    content = section() + interface() + simple(b"a") + enhanced(5_000_000, b"b")
    port = PcapPort(save(content), rebase=True)
    assert port.first_ns == 5 * NS
    assert [(p[0], p[3]) for p in read_all(port)] == [(0, b"a"), (0, b"b")]


RESOLUTIONS = [
    # if_tsresol, ticks, nanoseconds
    (0, 3, 3 * NS),
    (3, 1500, 1_500_000_000),
    (6, 1_234_567, 1_234_567_000),
    (9, 1_234_567_890, 1_234_567_890),
    (12, 1_234_567_890_123, 1_234_567_890),
    (18, 2 * 10**18 + 999_999_999, 2 * NS),
    (0x80, 5, 5 * NS),
    (0x8A, 1536, 1_500_000_000),
    (0x80 | 34, 3 << 33, 1_500_000_000),
    (0x80 | 40, 3 << 39, 1_500_000_000),
    (0x80 | 63, 3 << 62, 1_500_000_000),
    # out of range: the largest time
    (0, 2**64 - 1, 2**64 - 2),
    (6, 2**64 - 1, 2**64 - 2),
    (9, 2**64 - 1, 2**64 - 2),
    (0x80, 2**64 - 1, 2**64 - 2),
]


@pytest.mark.parametrize(("resolution", "ticks", "ns"), RESOLUTIONS)
def test_time_stamp_resolutions(save, resolution, ticks, ns):
    options = option(2, b"eth0") + option(9, bytes([resolution])) + option(0, b"")
    content = section() + interface(options=options) + enhanced(ticks, b"")
    assert read_all(PcapPort(save(content)))[0][0] == ns


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("seconds", "ns"),
    [(10, 15 * NS), (-3, 2 * NS), (-6, 0), (2**63 - 1, 2**63 // NS * NS + 5 * NS), (-(2**63), 0)],
)
def test_time_stamp_offsets(save, order, seconds, ns):
    options = option(14, struct.pack(order + "q", seconds), order)
    content = section(order) + interface(1, order, options) + enhanced(5_000_000, b"", 0, order)
    assert read_all(PcapPort(save(content)))[0][0] == ns


def test_time_stamp_offset_saturates(save):
    options = option(9, b"\x09") + option(14, struct.pack("<q", 2**62))
    content = section() + interface(1, options=options) + enhanced(2**64 - 1, b"")
    assert read_all(PcapPort(save(content)))[0][0] == 2**64 - 2
