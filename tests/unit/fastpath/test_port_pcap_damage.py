"""Damaged captures: all whole packets, then an error that says what and where."""

from __future__ import annotations

import os
import struct

import pytest
from pcap_bytes import (
    SNAPLEN,
    block,
    enhanced,
    header,
    interface,
    obsolete,
    option,
    put32,
    read_all,
    record,
    section,
    simple,
)

from fastpath.ports.pcap import PcapPort

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
