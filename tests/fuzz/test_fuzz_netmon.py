"""Hostile Network Monitor captures: the reader says the same as a slow and obvious one.

As test_fuzz_pcap.py does for the other formats: no crash, every packet lies inside the file, the
walk ends, whole packets are delivered, and the error names the octet where the fault is.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_fuzz_pcap import CHECKS, LINKS, SNAPLEN, TIME_MAX, Fault, NoCapture, damaged, u32

from fastpath.ports.pcap import PcapError, PcapPort

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TICKS = 10**7
RANGES = ((1601, 30827), (1, 12), (0, 6), (1, 31), (0, 23), (0, 59), (0, 59), (0, 999))
MEDIA = {0: "ethernet", 1: "ethernet", 7: "raw", 8: "raw", 9: "raw"}


def link_of(media: int) -> str:
    if media >= 0xE000:
        return LINKS.get(media & 0xFFF, "unsupported")
    return MEDIA.get(media, "unsupported")


def start_of(words: tuple[int, ...]) -> int:
    """Ticks of 100 ns since 1970. A day too many for its month runs on into the next one."""
    year, month, _, day, hour, minute, second, millisecond = words
    if not all(low <= w <= high for w, (low, high) in zip(words, RANGES, strict=True)):
        raise NoCapture
    # the calendar repeats every 400 years, which are 146,097 days
    cycles, year = divmod(year - 1600, 400)
    days = (datetime(1600 + year, month, 1, tzinfo=UTC) - EPOCH).days + day - 1 + cycles * 146097
    time = timedelta(days, second, 0, millisecond, minute, hour)
    return time // timedelta(microseconds=1) * 10


def slow(data: bytes):
    """Packets of (time, link, wire length, data), and the offset of the fault if there is one."""
    if data[:4] not in (b"RTSS", b"GMBU") or len(data) < 32:
        raise NoCapture
    minor, major, media = struct.unpack_from("<BBH", data, 4)
    *words, table, length = struct.unpack_from("<8HII", data, 8)
    if major != {b"RTSS": 1, b"GMBU": 2}[data[:4]] or length % 4:
        raise NoCapture
    start, packets, last, room = start_of(tuple(words)), [], 0, len(data) - 32
    behind = {0: 0, 1: 2, 2: 6}.get(minor, 15) if major == 2 else 0
    try:
        for at in slow_table(data, table, length // 4):
            ticks, kind, wire, octets = slow_frame(data, at, major, behind, start)
            room -= (8, 16)[major - 1] + len(octets) + behind
            if room < 0:
                raise Fault(at)
            if behind and kind >= 0xF000:
                continue
            last = max(last, min(max(ticks, 0) * 100, TIME_MAX))
            packets.append((last, link_of(kind if behind else media), wire, octets))
    except Fault as fault:
        return packets, fault.args[0]
    return packets, None


def slow_table(data: bytes, table: int, entries: int):
    for n in range(entries):
        entry = table + 4 * n
        if entry + 4 > len(data):
            raise Fault(min(entry, len(data)))
        (at,) = struct.unpack_from("<I", data, entry)
        if not 32 <= at < len(data):
            raise Fault(entry)
        yield at


def slow_frame(data: bytes, at: int, major: int, behind: int, start: int):
    head = 8 if major == 1 else 16
    if len(data) - at < head:
        raise Fault(at)
    delta, wire, captured = struct.unpack_from("<IHH" if major == 1 else "<QII", data, at)
    if captured > SNAPLEN or at + head + captured + behind > len(data):
        raise Fault(at)
    octets = data[at + head : at + head + captured]
    kind = 1
    ticks = delta * 10**4 if major == 1 else (delta * 10 + 2**63) % 2**64 - 2**63
    if behind:
        (kind,) = struct.unpack_from("<H", data, at + head + captured)
    if behind == 15:
        (filetime,) = struct.unpack_from("<Q", data, at + head + captured + 6)
        if filetime:
            return filetime - 11644473600 * TICKS, kind, max(wire, captured), octets
    return start + ticks, kind, max(wire, captured), octets


def agree(path, data: bytes, burst: int) -> None:
    path.write_bytes(data)
    try:
        packets, fault = slow(data)
    except NoCapture:
        with pytest.raises(PcapError):
            PcapPort(path)
        return
    port, seen = PcapPort(path), []
    while got := port.read(max=burst):
        seen += got
    assert seen == packets
    error = port.error()
    assert (error and error.offset) == fault
    assert all(a[0] <= b[0] for a, b in pairwise(seen))
    assert fault is not None or port.position == len(data)
    assert 0 <= port.position <= len(data)


u64 = st.one_of(st.integers(0, 2**40), st.integers(0, 2**64 - 1))
kinds = st.sampled_from([0, 1, 1, 6, 8, 9, 0xE001, 0xE065, 0xE080, 0xFFE0, 0xFFFF])


@st.composite
def netmon(draw) -> bytes:
    major = draw(st.sampled_from([1, 2, 2]))
    minor = draw(st.sampled_from([0, 0, 1, 2, 3, 4]))
    behind = {0: 0, 1: 2, 2: 6}.get(minor, 15) if major == 2 else 0
    out, table = bytes(96), []
    for data in draw(st.lists(st.binary(max_size=40), max_size=6)):
        table.append(32 + len(out))
        if major == 1:
            out += struct.pack("<IHH", draw(u32), draw(st.integers(0, 65535)), len(data))
        else:
            out += struct.pack("<QII", draw(u64), draw(u32), len(data))
        out += data + struct.pack("<HIQB", draw(kinds), 1, draw(st.just(0) | u64), 0)[:behind]
    table = draw(st.permutations(table))
    start = [draw(st.integers(*bounds)) for bounds in RANGES]
    head = (b"RTSS", b"GMBU")[major - 1] + struct.pack("<BBH", minor, major, draw(kinds))
    head += struct.pack("<8HII", *start, 32 + len(out), 4 * len(table))
    return head + out + struct.pack(f"<{len(table)}I", *table)


@CHECKS
@given(data=netmon(), burst=st.integers(1, 256))
def test_well_formed_netmon_files(tmp_path, data, burst):
    agree(tmp_path / "x", data, burst)


@CHECKS
@given(data=damaged(netmon()), burst=st.integers(1, 256))
def test_damaged_netmon_files(tmp_path, data, burst):
    agree(tmp_path / "x", data, burst)


@CHECKS
@given(magic=st.sampled_from([b"RTSS\0\1", b"GMBU\0\2", b"GMBU\3\2"]),
       table=st.integers(0, 260), entries=st.integers(0, 300), tail=st.binary(max_size=200),
       burst=st.integers(1, 256))  # fmt: skip
def test_arbitrary_octets_behind_a_good_header(tmp_path, magic, table, entries, tail, burst):
    head = magic + struct.pack("<H8HII", 1, 2005, 7, 0, 17, 0, 0, 46, 19, table, 4 * entries)
    agree(tmp_path / "x", head + tail, burst)
