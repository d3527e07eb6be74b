"""Writing captures: the octets, what comes back when they are read, and errors of the file."""

from __future__ import annotations

import errno
import os
import resource
import stat
import struct
import subprocess
import sys

import pytest
from pcap_bytes import blocks, options

from fastpath.ports.linktype import LINKS
from fastpath.ports.pcap import PcapPort
from fastpath.ports.pcap_writer import PcapWriter
from fastpath.ports.pcapng_writer import PcapngWriter

NS = 10**9
SNAPLEN = 262144
EMPTY_SECTION = bytes.fromhex(
    "0a0d0d0a 2c000000 4d3c2b1a 01000000 ffffffffffffffff"
    "0400 0700 6469616c6f757400 0000 0000 2c000000"
)


def read_back(path):
    port = PcapPort(path)
    packets = []
    while got := port.read():
        packets += got
    assert port.errors() == []
    return packets


def test_empty_pcapng_names_the_application_and_nothing_of_the_host(tmp_path):
    with PcapngWriter(tmp_path / "x"):
        pass
    assert (tmp_path / "x").read_bytes() == EMPTY_SECTION


def test_pcapng_packet_has_its_time_direction_and_comment(tmp_path):
    path = tmp_path / "x"
    with PcapngWriter(path, [("lan", "ethernet"), ("wan0", "raw")]) as writer:
        writer.write(1_700_000_000 * NS + 1, b"abcde", 1, "raw", "FORWARD", True, wire_len=9)
        writer.write(7, b"", 0, "ethernet")
        assert writer.records == 2
    _, lan, wan, first, second = blocks(path.read_bytes())
    assert lan == (1, struct.pack("<HHI", 1, 0, SNAPLEN) + lan[1][8:])
    assert options(lan[1][8:]) == [(2, b"lan"), (9, b"\x09")]
    assert struct.unpack_from("<HHI", wan[1]) == (101, 0, SNAPLEN)
    assert options(wan[1][8:]) == [(2, b"wan0"), (9, b"\x09")]
    number, high, low, captured, length = struct.unpack_from("<IIIII", first[1])
    assert (first[0], number, captured, length) == (6, 1, 5, 9)
    assert high << 32 | low == 1_700_000_000 * NS + 1
    assert first[1][20:28] == b"abcde\0\0\0"
    assert options(first[1][28:]) == [(1, b"FORWARD"), (2, struct.pack("<I", 2))]
    assert options(second[1][20:]) == [(2, struct.pack("<I", 1))]


def test_each_pair_of_interface_and_link_gets_one_interface_block(tmp_path):
    path = tmp_path / "x"
    with PcapngWriter(path, [("lan", "ethernet")]) as writer:
        for _ in range(2):
            writer.write(0, b"1", 0, "ppp")
            writer.write(0, b"2", 0, "ethernet")
            writer.write(0, b"3", 65535, "raw")
            writer.write(0, b"4", 0, "unsupported")
    found = list(blocks(path.read_bytes()))
    names = [options(b[8:])[0][1] for kind, b in found if kind == 1]
    assert names == [b"lan", b"lan", b"interface 65535", b"lan"]
    links = ["ppp", "ethernet", "raw", "unsupported"]
    assert [(p[1], p[3]) for p in read_back(path)] == list(
        zip(links, [b"1", b"2", b"3", b"4"], strict=True)
    ) * 2


@pytest.mark.parametrize("link", LINKS)
def test_every_link_type_comes_back(tmp_path, link):
    with PcapngWriter(tmp_path / "ng", [("x", link)]) as ng, PcapWriter(tmp_path / "c", link) as c:
        ng.write(5000, b"data", 0, link)
        c.write(5000, b"data", 0, link)
    expected = [(5000, link, 4, b"data")]
    assert read_back(tmp_path / "ng") == read_back(tmp_path / "c") == expected


@pytest.mark.parametrize("nanosecond", [False, True])
def test_classic_writer(tmp_path, nanosecond):
    path = tmp_path / "x"
    with PcapWriter(path, "raw", nanosecond=nanosecond) as writer:
        writer.write(3 * NS + 1_234_567, b"abc", 4, "raw", "no comments here", wire_len=77)
        writer.write(4 * NS, b"other link", 0, "ppp")
        assert (writer.records, writer.skipped) == (1, 1)
    magic, fraction = (0xA1B23C4D, 1_234_567) if nanosecond else (0xA1B2C3D4, 1_234)
    assert path.read_bytes() == (
        struct.pack("<IHHIIII", magic, 2, 4, 0, 0, SNAPLEN, 101)
        + struct.pack("<IIII", 3, fraction, 3, 77)
        + b"abc"
    )


def test_base_is_added_to_all_times_and_saturates(tmp_path):
    base = 1_700_000_000 * NS
    with PcapngWriter(tmp_path / "ng", base_ns=base) as ng:
        ng.write(1, b"")
        ng.write(2**64 - 1, b"")
    with PcapWriter(tmp_path / "c", nanosecond=True, base_ns=base) as c:
        c.write(1, b"")
        c.write(2**64 - 1, b"")
    assert [p[0] for p in read_back(tmp_path / "ng")] == [base + 1, 2**64 - 2]
    assert read_back(tmp_path / "c")[0][0] == base + 1
    assert read_back(tmp_path / "c")[1][0] // NS == 2**32 - 1


def test_replay_of_a_rebased_capture_gives_its_times_back(tmp_path):
    with PcapngWriter(tmp_path / "a") as writer:
        for ts in (17 * NS + 5, 18 * NS):
            writer.write(ts, b"x")
    port = PcapPort(tmp_path / "a", rebase=True)
    with PcapngWriter(tmp_path / "b", base_ns=port.first_ns) as writer:
        for ts, link, _, data in port.read():
            writer.write(ts, data, link=link)
    assert read_back(tmp_path / "a") == read_back(tmp_path / "b")


def test_more_than_a_reader_takes_is_cut(tmp_path):
    with PcapngWriter(tmp_path / "ng") as ng, PcapWriter(tmp_path / "c") as c:
        for writer in (ng, c):
            writer.write(0, bytes(SNAPLEN + 1))
    for path in (tmp_path / "ng", tmp_path / "c"):
        assert [(p[2], len(p[3])) for p in read_back(path)] == [(SNAPLEN + 1, SNAPLEN)]


@pytest.mark.parametrize("octets", range(9))
def test_padding_of_packets_and_comments(tmp_path, octets):
    path = tmp_path / "x"
    with PcapngWriter(path) as writer:
        writer.write(0, bytes(octets), comment="c" * octets)
        writer.write(0, b"next")
    assert [p[3] for p in read_back(path)] == [bytes(octets), b"next"]
    first = next(b for kind, b in blocks(path.read_bytes()) if kind == 6)
    said = [v for code, v in options(first[20 + (octets + 3) // 4 * 4 :]) if code == 1]
    assert said == [b"c" * octets] * bool(octets)


def test_many_packets_with_little_memory(tmp_path):
    path = tmp_path / "x"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    data = bytes(SNAPLEN)
    with PcapngWriter(path) as writer:
        for i in range(200):
            writer.write(i, data, comment="x" * 65535)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000
    assert PcapPort(path).drain() == 200


def test_same_input_gives_the_same_octets(tmp_path):
    for name in "ab":
        with PcapngWriter(tmp_path / name, [("lan", "ethernet")]) as writer:
            for i in range(100):
                writer.write(i, bytes([i]) * i, i % 3, "raw", f"packet {i}", i % 2 == 1)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_file_is_for_its_owner_only(tmp_path):
    with PcapWriter(tmp_path / "x"):
        assert stat.S_IMODE(os.stat(tmp_path / "x").st_mode) == 0o600


def test_flush_makes_what_was_written_readable(tmp_path):
    writer = PcapngWriter(tmp_path / "x")
    writer.write(0, b"a")
    assert os.path.getsize(tmp_path / "x") == 0
    writer.flush()
    assert len(read_back(tmp_path / "x")) == 1
    writer.close()


@pytest.mark.parametrize("kind", [PcapWriter, PcapngWriter])
def test_full_disk_is_told_by_flush_and_close_and_later_packets_are_lost(kind):
    writer = kind("/dev/full")
    writer.write(0, b"a")
    with pytest.raises(OSError, match="No space left") as caught:
        writer.flush()
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, "/dev/full")
    with pytest.raises(OSError, match="No space left"):
        writer.write(0, b"b")
    assert writer.lost == 1
    with pytest.raises(OSError, match="No space left"):
        writer.close()
    writer.close()


def test_full_disk_is_told_by_the_end_of_a_with_block():
    with pytest.raises(OSError, match="No space left"), PcapngWriter("/dev/full") as writer:
        writer.write(0, b"a")


@pytest.mark.parametrize("kind", [PcapWriter, PcapngWriter])
def test_closed_writer_refuses(tmp_path, kind):
    writer = kind(tmp_path / "x")
    writer.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        writer.write(0, b"a")


def test_writer_that_is_dropped_writes_out_what_it_has(tmp_path):
    writer = PcapngWriter(tmp_path / "x")
    writer.write(0, b"a")
    del writer
    assert len(read_back(tmp_path / "x")) == 1


def test_arguments_out_of_range(tmp_path):
    with PcapngWriter(tmp_path / "x") as writer:
        with pytest.raises(ValueError, match="comment of 65536 octets"):
            writer.write(0, b"", comment="x" * 65536)
        with pytest.raises(ValueError, match="wire length"):
            writer.write(0, b"", wire_len=2**32)
        with pytest.raises(ValueError, match="link type 'x' is not one of"):
            writer.write(0, b"", link="x")
        with pytest.raises(OverflowError):
            writer.write(0, b"", 65536)
    with pytest.raises(ValueError, match="link type 'x' is not one of"):
        PcapngWriter(tmp_path / "y", [("lan", "x")])
    with pytest.raises(FileNotFoundError):
        PcapWriter(tmp_path / "none" / "x")


PIPE = """
import sys
from fastpath.ports.pcapng_writer import PcapngWriter
with PcapngWriter("/dev/stdout") as writer:
    writer.write(0, b"through a pipe")
"""


def test_a_pipe_can_be_written_to(tmp_path):
    result = subprocess.run(
        [sys.executable, "-c", PIPE],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
    )
    path = tmp_path / "x"
    path.write_bytes(result.stdout)
    assert [p[3] for p in read_back(path)] == [b"through a pipe"]
