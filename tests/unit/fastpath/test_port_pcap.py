"""Reading captures: formats, byte orders, clocks, links, merging, and what damage becomes.

Inputs are built octet by octet here, from the drafts and not by our own writers.
"""

from __future__ import annotations

import csv
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from fastpath.ports.linktype import LINKS
from fastpath.ports.pcap import PcapError, PcapPort

NS = 10**9
SNAPLEN = 262144


def record(ts: int, data: bytes, order="<", unit=1000, length=None, captured=None) -> bytes:
    return (
        struct.pack(
            order + "IIII",
            ts // NS,
            ts % NS // unit,
            len(data) if captured is None else captured,
            len(data) if length is None else length,
        )
        + data
    )


def header(order="<", magic=0xA1B2C3D4, linktype=1, version=(2, 4), snaplen=65535) -> bytes:
    return struct.pack(order + "IHHIIII", magic, *version, 0, 0, snaplen, linktype)


def block(kind: int, body: bytes, order="<") -> bytes:
    body += bytes(-len(body) % 4)
    total = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + total + body + total


def section(order="<", major=1, mark=0x1A2B3C4D) -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", mark, major, 0, -1), order)


def option(code: int, value: bytes, order="<") -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def interface(linktype=1, order="<", options=b"", snaplen=0) -> bytes:
    return block(1, struct.pack(order + "HHI", linktype, 0, snaplen) + options, order)


def enhanced(ticks: int, data: bytes, number=0, order="<", captured=None, options=b"") -> bytes:
    captured = len(data) if captured is None else captured
    head = struct.pack(
        order + "IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, captured, len(data)
    )
    return block(6, head + data + bytes(-len(data) % 4) + options, order)


def simple(data: bytes, length=None) -> bytes:
    return block(3, struct.pack("<I", len(data) if length is None else length) + data)


def obsolete(ticks: int, data: bytes, number=0, order="<") -> bytes:
    head = struct.pack(
        order + "HHIIII", number, 0, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data)
    )
    return block(2, head + data, order)


@pytest.fixture
def save(tmp_path):
    def to_file(content: bytes, name="in.pcap") -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return to_file


def read_all(port: PcapPort) -> list[tuple[int, str, int, bytes]]:
    packets = []
    while got := port.read():
        packets += got
    return packets


# classic pcap


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "unit"), [(0xA1B2C3D4, 1000), (0xA1B23C4D, 1)])
def test_classic_is_read_in_both_orders_and_units(save, order, magic, unit):
    ts = 1_700_000_000 * NS + 123_456_789
    content = header(order, magic, 101) + record(ts, b"hello", order, unit, length=77)
    port = PcapPort(save(content))
    assert read_all(port) == [(ts // unit * unit, "raw", 77, b"hello")]
    assert port.errors() == []
    assert port.error() is None
    assert (port.packets, port.octets) == (1, 5)
    assert port.position == port.size == len(content)


LINKTYPES = [
    (0, "null"),
    (1, "ethernet"),
    (9, "ppp"),
    (12, "raw"),
    (14, "raw"),
    (50, "ppp-hdlc"),
    (51, "unsupported"),
    (101, "raw"),
    (105, "unsupported"),
    (108, "loop"),
    (113, "sll"),
    (147, "unsupported"),
    (204, "ppp-withdir"),
    (228, "ipv4"),
    (229, "ipv6"),
    (276, "sll2"),
    (511, "unsupported"),
    (512, "unsupported"),
    (65535, "unsupported"),
]


@pytest.mark.parametrize(("linktype", "link"), LINKTYPES)
def test_link_types(save, linktype, link):
    assert link in LINKS
    classic = save(header(linktype=linktype) + record(0, b"x"), "c")
    ng = save(section() + interface(linktype) + enhanced(0, b"x"), "n")
    assert [read_all(PcapPort(path))[0][1] for path in (classic, ng)] == [link, link]


def test_frame_check_sequence_bits_of_the_link_type_are_ignored_and_reserved_ones_are_not(save):
    fcs = save(header(linktype=0x14000001) + record(0, b"x"), "a")
    reserved = save(header(linktype=0x00010001) + record(0, b"x"), "b")
    assert read_all(PcapPort(fcs))[0][1] == "ethernet"
    assert read_all(PcapPort(reserved))[0][1] == "unsupported"


def test_file_without_records_is_whole(save):
    port = PcapPort(save(header()))
    assert (port.next_ns, port.first_ns, read_all(port), port.errors()) == (None, None, [], [])


def test_packet_longer_than_the_snapshot_length_is_read(save):
    data = bytes(1500)
    assert read_all(PcapPort(save(header(snaplen=96) + record(0, data))))[0][3] == data


def test_largest_packet_is_read(save):
    port = PcapPort(save(header() + record(0, bytes(SNAPLEN))))
    assert [p[2] for p in read_all(port)] == [SNAPLEN]
    assert not port.errors()


def test_wire_length_is_never_below_what_was_captured(save):
    assert read_all(PcapPort(save(header() + record(0, b"abc", length=1))))[0][2] == 3


# pcapng


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


# time and merging


def test_time_never_goes_back_within_a_file(save):
    content = header() + b"".join(record(t * NS, b"") for t in (5, 3, 9, 8))
    assert [p[0] for p in read_all(PcapPort(save(content)))] == [5 * NS, 5 * NS, 9 * NS, 9 * NS]


def test_files_are_merged_by_time_and_ties_by_argument(save):
    a = save(header() + b"".join(record(t * NS, b"a") for t in (1, 3, 3, 5)), "a")
    b = save(header() + b"".join(record(t * NS, b"b") for t in (0, 3, 4, 5)), "b")
    c = save(section() + interface() + enhanced(3_000_000, b"c"), "c")

    def order(*paths):
        return b"".join(p[3] for p in read_all(PcapPort(*paths)))

    assert order(a, b, c) == b"baaabcbab"
    assert order(b, a, c) == b"babaacbba"


def test_merging_many_bursts_keeps_the_order(save):
    paths = []
    for k in range(5):
        times = [(i * 5 + k) // 3 * 1000 for i in range(0, 2000, k + 1)]
        content = header() + b"".join(record(t, bytes([k])) for t in times)
        paths.append(save(content, str(k)))
    everything = [(p[0], k, p[3]) for k, path in enumerate(paths) for p in read_all(PcapPort(path))]
    everything.sort(key=lambda p: p[:2])
    port = PcapPort(*paths)
    seen = []
    limit = 1
    while got := port.read(max=limit):
        seen += got
        limit = limit % 256 + 37
    assert [(p[0], p[3]) for p in seen] == [(p[0], p[2]) for p in everything]


def test_rebase_starts_the_time_at_the_earliest_first_packet(save):
    a = save(header() + record(100 * NS, b"a") + record(90 * NS, b"A"), "a")
    b = save(header() + record(98 * NS, b"b"), "b")
    port = PcapPort(a, b, rebase=True)
    assert port.first_ns == 98 * NS
    assert port.next_ns == 0
    assert [(p[0], p[3]) for p in read_all(port)] == [(0, b"b"), (2 * NS, b"a"), (2 * NS, b"A")]


def test_packets_later_than_until_wait(save):
    content = header() + b"".join(record(t * 1000, bytes([t])) for t in range(100, 110))
    port = PcapPort(save(content), rebase=True)
    assert [p[0] for p in port.read(until_ns=4000)] == [0, 1000, 2000, 3000, 4000]
    assert port.read(until_ns=4999) == []
    assert port.next_ns == 5000
    assert port.drain(until_ns=6000) == 2
    assert len(port.read()) == 3
    assert port.next_ns is None


def test_position_grows_to_size(save):
    content = header() + record(0, bytes(60)) * 1000
    port = PcapPort(save(content))
    seen = []
    while port.read(max=100):
        seen.append(port.position)
    assert seen == sorted(seen)
    assert seen[-1] == port.size == len(content)
    assert seen[4] == pytest.approx(len(content) / 2, abs=100)


# damage


WHOLE = record(1000, b"first") + record(2000, b"second")
AT = 24 + len(WHOLE)
CLASSIC_DAMAGE = [
    ("cut header", record(0, b"")[:7], AT, "7 octets are left of a header of 16"),
    ("cut data", record(0, b"abcdef")[:-2], AT, "record of 22 octets, only 20 are left"),
    (
        "hostile length",
        record(0, b"abc", captured=SNAPLEN + 1),
        AT,
        "captured length 262145, at most 262144",
    ),
    (
        "largest length",
        record(0, b"abc", captured=2**32 - 1),
        AT,
        "captured length 4294967295, at most 262144",
    ),
]


@pytest.mark.parametrize(
    ("damage", "at", "reason"),
    [row[1:] for row in CLASSIC_DAMAGE],
    ids=[row[0] for row in CLASSIC_DAMAGE],
)
def test_damaged_classic_file_gives_whole_packets_then_the_error(save, damage, at, reason):
    path = save(header() + WHOLE + damage)
    port = PcapPort(path)
    assert [p[3] for p in read_all(port)] == [b"first", b"second"]
    (error,) = port.errors()
    assert (error.path, error.offset) == (str(path), at)
    assert reason in error.reason
    assert str(error) == f"{path}: octet {at}: {error.reason}"
    assert port.error().offset == at
    assert port.read() == []
    assert port.next_ns is None


NG = section() + interface() + enhanced(1, b"first")


def put32(data: bytes, at: int, value: int) -> bytes:
    at %= len(data)
    return data[:at] + struct.pack("<I", value) + data[at + 4 :]


NG_DAMAGE = [
    ("cut header", bytes(11), 0, "11 octets are left of a header of 12"),
    ("short block", put32(block(9, b""), 4, 8), 0, "block length 8, at least 12"),
    ("zero block", put32(block(9, b""), 4, 0), 0, "block length 0, at least 12"),
    ("odd block", put32(block(9, bytes(4)), 4, 14), 0, "block length 14, only multiples of 4"),
    ("long block", put32(block(9, bytes(4)), 4, 20), 0, "block length 20, only 16 octets are left"),
    ("huge block", put32(block(9, b""), 4, 2**32 - 4), 0, "block length 4294967292, only 12"),
    ("trailer", put32(block(9, bytes(4)), -4, 20), 12, "length 20 at the end of a block of 16"),
    ("short packet block", block(6, bytes(16)), 0, "block length 28, at least 32"),
    ("short simple block", block(3, b""), 0, "block length 12, at least 16"),
    ("short obsolete block", block(2, bytes(16)), 0, "block length 28, at least 32"),
    ("short interface", block(1, b""), 0, "block length 12, at least 20"),
    ("packet too long", enhanced(0, b"abcd", captured=5), 0, "length 5, the block has room for 4"),
    (
        "hostile packet length",
        enhanced(0, b"", captured=2**32 - 1),
        0,
        "captured length 4294967295, at most 262144",
    ),
    ("simple too long", simple(b"abcd", 5), 0, "captured length 5, the block has room for 4"),
    ("hostile simple", simple(b"", 2**31), 0, "captured length 2147483648, at most"),
    ("no interface", enhanced(0, b"", 1), 0, "interface 1, the section has described 1"),
    ("no interface, obsolete", obsolete(0, b"", 7), 0, "interface 7, the section has described 1"),
    ("simple first", section() + simple(b""), 28, "interface 0, the section has described 0"),
    ("short section", block(0x0A0D0D0A, b""), 0, "12 octets are left of a header of 28"),
    ("section length", put32(section(), 4, 24), 0, "block length 24, at least 28"),
    ("byte order", section(mark=0x01020304), 8, "mark 0x01020304, allowed is 0x1a2b3c4d"),
    ("version", section(major=2), 12, "format version 2.0, allowed is 1.0"),
    (
        "option leaves the block",
        interface(options=struct.pack("<HH", 2, 5) + b"eth0"),
        16,
        "option of 5 octets, only 4 are left",
    ),
    (
        "huge option",
        interface(options=struct.pack("<HH", 0x8000, 65535)),
        16,
        "option of 65535 octets, only 0 are left",
    ),
    ("decimal resolution", interface(options=option(9, b"\x13")), 20, "resolution 0x13, at most 0"),
    ("binary resolution", interface(options=option(9, b"\xc0")), 20, "resolution 0xc0, at most 0x"),
    ("resolution length", interface(options=option(9, b"\x06\x06")), 20, "option of 2 octets, it"),
    ("offset length", interface(options=option(14, bytes(4))), 20, "of 4 octets, it must have 8"),
]


@pytest.mark.parametrize(
    ("damage", "at", "reason"), [row[1:] for row in NG_DAMAGE], ids=[row[0] for row in NG_DAMAGE]
)
def test_damaged_pcapng_file_gives_whole_packets_then_the_error(save, damage, at, reason):
    port = PcapPort(save(NG + damage))
    assert [p[3] for p in read_all(port)] == [b"first"]
    (error,) = port.errors()
    assert reason in error.reason
    assert error.offset == len(NG) + at


def test_fault_comes_after_all_packets_of_many_bursts(save):
    port = PcapPort(save(header() + record(0, b"x") * 1000 + b"short"))
    assert len(port.read(max=10)) == 10
    assert len(read_all(port)) == 990
    assert port.error().offset == 24 + 1000 * 17


def test_options_end_where_their_end_says(save):
    options = option(0, b"") + struct.pack("<HH", 9, 60000)
    port = PcapPort(save(section() + interface(options=options) + enhanced(1, b"a")))
    assert len(read_all(port)) == 1
    assert port.errors() == []


def test_other_files_go_on_after_a_damaged_one(save):
    bad = save(header() + record(1000, b"bad") + b"short", "bad")
    good = save(header() + b"".join(record(t * 1000, b"good") for t in range(1000)), "good")
    worse = save(section() + b"short", "worse")
    port = PcapPort(bad, good, worse)
    assert len(read_all(port)) == 1001
    assert [os.path.basename(e.path) for e in port.errors()] == ["bad", "worse"]


# what is no capture


NO_CAPTURES = [
    (b"", "the file is empty"),
    (b"\xd4\xc3", "2 octets are too few"),
    (header()[:23], "23 octets are left of a header of 24"),
    (header(version=(2, 3)), "format version 2.3, allowed is 2.4"),
    (header(">", version=(543, 0)), "format version 543.0, allowed is 2.4"),
    (b"hello world, this is text" * 3, "neither pcap nor pcapng: it begins with 68 65 6c 6c"),
    (b"\x1f\x8b\x08\0" + bytes(40), "compressed by gzip: run gunzip"),
    (b"\x28\xb5\x2f\xfd" + bytes(40), "unzstd"),
    (b"\xfd7zXZ\0" + bytes(40), "unxz"),
    (b"GMBU" + bytes(40), "Microsoft Network Monitor"),
    (header(magic=0xA1B2CD34), "modified pcap"),
    (section()[:20], "20 octets are left of a header of 28"),
    (section(mark=7), "byte-order mark 0x00000007"),
]


@pytest.mark.parametrize(("content", "reason"), NO_CAPTURES)
def test_what_is_no_capture_is_refused_at_open(save, content, reason):
    with pytest.raises(PcapError) as caught:
        PcapPort(save(content))
    assert reason in caught.value.reason


def test_missing_file_directory_pipe_and_no_path(tmp_path):
    with pytest.raises(FileNotFoundError):
        PcapPort(tmp_path / "none")
    with pytest.raises(IsADirectoryError):
        PcapPort(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        PcapPort(tmp_path / "pipe")
    with pytest.raises(ValueError, match="at least one path"):
        PcapPort()


def test_opening_keeps_no_descriptor_when_it_fails(save):
    good = save(header(), "good")
    bad = save(b"nothing that is a capture", "bad")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(300):
        with pytest.raises(PcapError):
            PcapPort(good, bad)
    assert len(os.listdir("/proc/self/fd")) == before


def test_close_ends_the_port_and_keeps_counters_and_errors(save):
    port = PcapPort(save(header() + WHOLE + b"short"))
    assert len(port.read(max=1)) == 1
    port.close()
    assert port.read() == []
    assert port.next_ns is None
    assert (port.packets, len(port.errors())) == (1, 1)
    assert port.position < port.size
    port.close()


def test_more_captures_than_can_be_guarded_are_refused(save):
    path = save(header() + record(0, b"x"))
    ports = [PcapPort(path) for _ in range(256)]
    with pytest.raises(OSError, match="more than 256 captures are open"):
        PcapPort(path)
    del ports[0]
    assert len(read_all(PcapPort(path))) == 1


# a file that shrinks


SHRINK = """
import os, signal, sys
from fastpath.ports.pcap import PcapPort
path, keep, taken = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
port = PcapPort(path)
got = []
while len(got) < taken:
    got += port.read(max=taken - len(got))
os.truncate(path, keep)
while more := port.read():
    got += more
print(len(got), all(p[3] == b"\\xaa" * 1400 for p in got), port.errors())
"""


@pytest.mark.parametrize(
    ("records", "keep", "taken", "whole"),
    [
        (40, 0, 5, 5),
        (40, 4096, 1, 2),
        (40, 24 + 1416 * 10 + 3, 5, 10),
        (3000, 24 + 1416 * 1000 + 100, 300, 1000),
        (3000, 4096 * 100, 2, 289),
        (3000, 4096 * 100 + 4000, 2, 292),
    ],
)
@pytest.mark.parametrize("form", ["pcap", "pcapng"])
def test_file_that_shrinks_while_read_is_an_error_and_no_crash(
    save, form, records, keep, taken, whole
):
    if form == "pcap":
        content = header() + record(0, b"\xaa" * 1400) * records
    else:
        content = section() + interface() + enhanced(0, b"\xaa" * 1400) * records
        whole = max(taken, (keep - 48) // 1432)
    result = subprocess.run(
        [sys.executable, "-c", SHRINK, str(save(content)), str(keep), str(taken)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert result.returncode == 0, result.stderr
    count, intact, errors = result.stdout.split(maxsplit=2)
    assert intact == "True"
    # of a pcapng block only the trailer may be gone
    assert whole <= int(count) <= whole + (form == "pcapng")
    assert f"the file shrank while it was read: {keep} octets are left of {len(content)}" in errors


FOREIGN = """
import ctypes, faulthandler, mmap, os, sys
if sys.argv[3] == "before": faulthandler.enable()
from fastpath.ports.pcap import PcapPort
port = PcapPort(sys.argv[1])
if sys.argv[3] == "between":
    faulthandler.enable()
    other = PcapPort(sys.argv[1])
if sys.argv[3] == "kill":
    os.kill(os.getpid(), 7)
with open(sys.argv[2], "r+b") as file:
    file.truncate(8192)
    memory = mmap.mmap(file.fileno(), 8192)
    file.truncate(0)
    memory[5000]
"""


@pytest.mark.parametrize("mode", ["plain", "before", "between", "kill"])
def test_bus_error_elsewhere_still_ends_the_process(save, tmp_path, mode):
    path = save(header() + record(0, bytes(60)))
    other = tmp_path / "other"
    other.touch()
    result = subprocess.run(
        [sys.executable, "-c", FOREIGN, str(path), str(other), mode],
        capture_output=True,
        text=True,
        timeout=20,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert result.returncode == -7
    assert ("Bus error" in result.stderr) == (mode in ("before", "between"))


# real captures


def test_real_captures_have_the_packets_that_their_index_says():
    folder = os.environ.get("DIALOUT_DATA")
    if not folder or not (Path(folder) / "pcap" / "index.tsv").exists():
        pytest.skip("no DIALOUT_DATA")
    with open(Path(folder) / "pcap" / "index.tsv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    for row in rows:
        path = Path(folder) / "pcap" / row["file"]
        if path.read_bytes()[:4] == b"GMBU":
            with pytest.raises(PcapError, match="Network Monitor"):
                PcapPort(path)
            continue
        port = PcapPort(path)
        assert (row["file"], port.drain()) == (row["file"], int(row["packets"]))
        assert port.errors() == []
        assert port.position == port.size == int(row["bytes"])
