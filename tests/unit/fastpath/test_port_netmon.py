"""Captures of Microsoft Network Monitor: both formats, their times and media, and damage."""

from __future__ import annotations

import os
import struct
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pcap_bytes import (
    NS,
    SNAPLEN,
    START,
    START_NS,
    frame1,
    frame2,
    header,
    netmon,
    put32,
    read_all,
    record,
)

from fastpath.ports.pcap import PcapError, PcapPort

TIME_MAX = 2**64 - 2
FILETIME_1970 = 116444736000000000


def trailer(version, media, filetime=0) -> bytes:
    whole = struct.pack("<HIQB", media, 7, filetime, 1)
    return whole[: {1: 2, 2: 6}.get(version[1], 15)]


def table_first(frames, version=(2, 0)) -> bytes:
    """The table lies between the header and the frames."""
    at, table = 128 + 4 * len(frames), []
    for frame in frames:
        table.append(at)
        at += len(frame)
    head = put32(put32(netmon([], version=version), 24, 128), 28, 4 * len(frames))
    return head + struct.pack(f"<{len(table)}I", *table) + b"".join(frames)


def test_version_1_counts_milliseconds(save):
    frames = [frame1(0, b"first"), frame1(1500, b"second", length=60), frame1(2**32 - 1, b"")]
    port = PcapPort(save(netmon(frames, version=(1, 1))))
    assert port.first_ns == START_NS
    assert read_all(port) == [
        (START_NS, "ethernet", 5, b"first"),
        (START_NS + 1500 * 10**6, "ethernet", 60, b"second"),
        (START_NS + (2**32 - 1) * 10**6, "ethernet", 0, b""),
    ]
    assert port.errors() == []
    assert port.position == port.size


def test_version_2_counts_microseconds(save):
    frames = [frame2(7, b"first"), frame2(2**33, b"second", length=70000)]
    assert read_all(PcapPort(save(netmon(frames)))) == [
        (START_NS + 7000, "ethernet", 5, b"first"),
        (START_NS + 2**33 * 1000, "ethernet", 70000, b"second"),
    ]


def test_frame_from_before_the_start_has_a_negative_time(save):
    minus = (2**64 - 30_000_000) // 10
    port = PcapPort(save(netmon([frame2(minus, b"early"), frame2(0, b"late")])))
    assert [p[0] for p in read_all(port)] == [START_NS - 3 * NS - 600, START_NS]


@pytest.mark.parametrize("minor", [1, 2, 3, 4])
def test_from_2_1_on_each_frame_has_its_media_type(save, minor):
    version = (2, minor)
    media = {0: "ethernet", 1: "ethernet", 2: "unsupported", 6: "unsupported", 8: "raw", 9: "raw"}
    media |= {0xE009: "ppp", 0xE065: "raw", 0xE080: "unsupported", 12: "unsupported"}
    frames = [frame2(n, b"x", trailer(version, m)) for n, m in enumerate(media)]
    port = PcapPort(save(netmon(frames, version=version, media=2)))
    assert [p[1] for p in read_all(port)] == list(media.values())


def test_before_2_1_the_file_has_the_media_type(save):
    for media, link in ((1, "ethernet"), (3, "unsupported"), (9, "raw"), (0xE032, "ppp-hdlc")):
        port = PcapPort(save(netmon([frame2(0, b"x")], media=media)))
        assert read_all(port)[0][1] == link


def test_records_of_the_program_itself_are_skipped(save):
    version = (2, 2)
    notes = (0xFFE0, 0xFFFB, 0xFFFC, 0xFFFD, 0xFFFE, 0xFFFF)
    frames = [frame2(n, b"note", trailer(version, m)) for n, m in enumerate(notes)]
    frames += [frame2(9, b"packet", trailer(version, 1))]
    port = PcapPort(save(netmon(frames, version=version)))
    assert [p[3] for p in read_all(port)] == [b"packet"]
    assert (port.packets, port.errors()) == (1, [])


def test_from_2_3_on_each_frame_has_its_own_time(save):
    version = (2, 3)
    filetime = FILETIME_1970 + 1_000_000_000 * 10**7 + 3
    frames = [
        frame2(5, b"offset", trailer(version, 1)),
        frame2(6, b"own", trailer(version, 1, filetime + 400_000_000 * 10**7)),
        frame2(7, b"last", trailer(version, 1, 2**64 - 1)),
    ]
    port = PcapPort(save(netmon(frames, version=version)))
    assert [p[0] for p in read_all(port)] == [
        START_NS + 5000,
        1_400_000_000 * NS + 300,
        TIME_MAX,
    ]


STARTS = [
    (1970, 1, 4, 1, 0, 0, 0, 0),
    (1996, 2, 4, 29, 23, 59, 59, 999),
    (2000, 3, 3, 1, 12, 0, 0, 1),
    (2000, 12, 0, 31, 1, 2, 3, 4),
    (2001, 1, 1, 1, 0, 0, 0, 0),
    (2100, 2, 0, 28, 6, 30, 0, 0),
    (2400, 2, 2, 29, 0, 0, 0, 0),
]


@pytest.mark.parametrize("start", STARTS, ids=lambda s: f"{s[0]}-{s[1]}-{s[3]}")
def test_start_is_a_date_of_the_calendar_in_utc(save, start):
    year, month, _, day, hour, minute, second, millisecond = start
    moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    expected = int(moment.timestamp()) * NS + millisecond * 10**6
    assert PcapPort(save(netmon([frame2(0, b"")], start=start))).first_ns == expected


@pytest.mark.parametrize(
    ("start", "microseconds", "expected"),
    [
        ((1601, 1, 1, 1, 0, 0, 0, 0), 0, 0),
        ((1601, 1, 1, 1, 0, 0, 0, 0), 2**63 // 10 + 1, 0),
        (START, 2**63 // 10 + 1, 0),
        (START, 2**63 // 10, TIME_MAX),
        ((30827, 12, 0, 31, 23, 59, 59, 999), 0, TIME_MAX),
        ((30827, 12, 0, 31, 23, 59, 59, 999), 2**63 // 10, TIME_MAX),
    ],
)
def test_time_beyond_what_is_counted_stops_at_its_end(save, start, microseconds, expected):
    port = PcapPort(save(netmon([frame2(microseconds, b"")], start=start)))
    assert [p[0] for p in read_all(port)] == [expected]


def test_frames_lie_in_any_order_with_gaps(save):
    second, first = frame2(1, b"second"), frame2(0, b"first")
    gap = b"\xff" * 33
    offsets = [128 + len(second) + len(gap), 128]
    port = PcapPort(save(netmon([second, gap, first], offsets=offsets)))
    assert [p[3] for p in read_all(port)] == [b"first", b"second"]
    assert port.errors() == []


def test_table_may_lie_before_the_frames(save):
    port = PcapPort(save(table_first(WHOLE)))
    assert [p[3] for p in read_all(port)] == [b"first", b"second"]
    assert port.errors() == []


def test_file_without_frames_is_whole(save):
    port = PcapPort(save(netmon([])))
    assert (read_all(port), port.errors(), port.first_ns) == ([], [], None)


def test_many_frames_in_many_bursts(save):
    frames = [frame2(n, struct.pack("<I", n)) for n in range(2000)]
    port = PcapPort(save(netmon(frames)), rebase=True)
    packets = []
    while got := port.read(max=77):
        packets += got
    assert packets == [(n * 1000, "ethernet", 4, struct.pack("<I", n)) for n in range(2000)]


def test_file_merges_with_captures_of_other_formats(save):
    paths = [
        save(netmon([frame2(10**6 * n, b"n") for n in (0, 2)]), "n"),
        save(header() + record(START_NS + NS, b"p") + record(START_NS + 2 * NS, b"p"), "p"),
    ]
    assert b"".join(p[3] for p in read_all(PcapPort(*paths))) == b"npnp"


WHOLE = [frame2(0, b"first"), frame2(1, b"second")]
NEXT = 128 + 21 + 22
CUT = netmon([*WHOLE, frame2(2, b"third")])
DAMAGE = [
    (
        "captured length beyond the file",
        netmon([*WHOLE, frame2(2, b"x", captured=2000)]),
        NEXT,
        "record of 2016 octets, only 29 are left in the file",
    ),
    (
        "captured length beyond all sense",
        netmon([*WHOLE, frame2(2, b"x", captured=2**32 - 1)]),
        NEXT,
        f"captured length 4294967295, at most {SNAPLEN} is allowed",
    ),
    (
        "frame behind the file",
        netmon(WHOLE, offsets=[128, 149, 10**6]),
        NEXT + 8,
        "frame at octet 1000000, allowed are 32 to 183",
    ),
    (
        "frame in the header",
        netmon(WHOLE, offsets=[128, 149, 31]),
        NEXT + 8,
        "frame at octet 31",
    ),
    (
        "frame header cut off",
        netmon(WHOLE, offsets=[128, 149, 181]),
        181,
        "2 octets are left of a header of 16",
    ),
    (
        "table cut off",
        CUT[:-2],
        len(CUT) - 4,
        "frame table of 3 entries, only 2 are left in the file",
    ),
    (
        "table longer than the file",
        netmon(WHOLE, length=2**32 - 4),
        NEXT + 8,
        "frame table of 1073741823 entries, only 2 are left",
    ),
    (
        "trailer cut off",
        table_first(
            [frame2(n, d, b"\1\0") for n, d in enumerate((b"first", b"second", b"third"))],
            version=(2, 1),
        )[:-1],
        128 + 12 + 23 + 24,
        "record of 23 octets, only 22 are left",
    ),
]


@pytest.mark.parametrize(
    ("content", "at", "reason"), [row[1:] for row in DAMAGE], ids=[row[0] for row in DAMAGE]
)
def test_damaged_file_gives_whole_packets_then_the_error(save, content, at, reason):
    port = PcapPort(save(content))
    assert [p[3] for p in read_all(port)] == [b"first", b"second"]
    (error,) = port.errors()
    assert (error.offset, reason in error.reason) == (at, True), error


def test_table_that_names_one_frame_again_and_again_ends(save):
    content = netmon([frame2(0, bytes(1000))], offsets=[128] * 10000)
    port = PcapPort(save(content))
    packets = read_all(port)
    assert 0 < sum(16 + len(p[3]) for p in packets) <= len(content)
    assert port.error().offset == 128
    assert "belong to no other" in port.error().reason


@pytest.mark.parametrize(
    ("content", "at", "reason"),
    [
        (b"GMBU", 0, "4 octets are left of a header of 32"),
        (netmon([], version=(3, 1)), 4, "format version 3.1, allowed is 2.0"),
        (b"RTSS" + netmon([])[4:], 4, "format version 2.0, allowed is 1.0"),
        (netmon([], start=(2005, 13, *START[2:])), 10, "13 where at most 12 is allowed"),
        (netmon([], start=(2005, 1, 0, 0, *START[4:])), 14, "0 where"),
        (netmon([], start=(1600, 1, *START[2:])), 8, "1600 where"),
        (netmon([], length=7), 28, "frame table of 7 octets, only multiples of 4 are allowed"),
    ],
)
def test_file_with_a_damaged_header_is_refused_at_open(save, content, at, reason):
    with pytest.raises(PcapError) as caught:
        PcapPort(save(content))
    assert (caught.value.offset, reason in caught.value.reason) == (at, True), caught.value


@pytest.mark.parametrize("keep", [0, 4096, 128 + 1416 * 10 + 3, 128 + 1416 * 40 + 10])
def test_file_that_shrinks_gives_only_what_is_whole(save, keep):
    content = netmon([frame2(0, b"\xaa" * 1400) for _ in range(40)])
    path = save(content)
    port = PcapPort(path)
    taken = port.read(max=3)
    os.truncate(path, keep)
    rest = read_all(port)
    assert all(p[3] == b"\xaa" * 1400 for p in taken + rest)
    assert len(taken + rest) <= max(3, (keep - 128) // 1416)
    assert f"{keep} octets are left of {len(content)}" in port.error().reason


def test_real_capture_has_its_twenty_packets():
    folder = os.environ.get("DIALOUT_DATA")
    path = Path(folder or "") / "pcap" / "ppp-mschap-failure-handshake.cap"
    if not folder or not path.exists():
        pytest.skip("no DIALOUT_DATA")
    port = PcapPort(path)
    packets = read_all(port)
    # times, lengths and types as tshark shows them
    failure, response = [66] * 2, [73] * 2
    lengths = failure * 4 + response + failure + response + [28] * 2 + [30] * 4
    assert [p[2] for p in packets] == lengths
    assert [p[0] for p in packets[:2]] == [1121558446019000000, 1121558446019976000]
    assert packets[-1][0] == 1121558454845172000
    assert [p[3][12:14].hex() for p in packets] == ["c223"] * 16 + ["c021"] * 4
    assert port.errors() == []
