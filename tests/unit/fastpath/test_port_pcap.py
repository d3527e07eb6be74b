"""Reading classic pcap, several files at once, and what is no capture."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest
from pcap_bytes import (
    NS,
    SNAPLEN,
    enhanced,
    header,
    interface,
    read_all,
    record,
    section,
)

from fastpath.ports.linktype import LINKS
from fastpath.ports.pcap import PcapError, PcapPort


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


NO_CAPTURES = [
    (b"", "the file is empty"),
    (b"\xd4\xc3", "2 octets are too few"),
    (header()[:23], "23 octets are left of a header of 24"),
    (header(version=(2, 3)), "format version 2.3, allowed is 2.4"),
    (header(">", version=(543, 0)), "format version 543.0, allowed is 2.4"),
    (
        b"hello world, this is text" * 3,
        "neither pcap, pcapng nor Network Monitor: it begins with 68 65 6c 6c",
    ),
    (b"\x1f\x8b\x08\0" + bytes(40), "compressed by gzip: run gunzip"),
    (b"\x28\xb5\x2f\xfd" + bytes(40), "unzstd"),
    (b"\xfd7zXZ\0" + bytes(40), "unxz"),
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
    port = PcapPort(save(header() + record(0, b"x") * 2 + b"short"))
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


def test_real_captures_have_the_packets_that_their_index_says():
    folder = os.environ.get("DIALOUT_DATA")
    if not folder or not (Path(folder) / "pcap" / "index.tsv").exists():
        pytest.skip("no DIALOUT_DATA")
    with open(Path(folder) / "pcap" / "index.tsv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    for row in rows:
        path = Path(folder) / "pcap" / row["file"]
        port = PcapPort(path)
        assert (row["file"], port.drain()) == (row["file"], int(row["packets"]))
        assert port.errors() == []
        assert port.position == port.size == int(row["bytes"])
