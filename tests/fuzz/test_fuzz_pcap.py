"""Hostile captures: whatever the octets are, the reader says the same as a slow and obvious one.

Inputs are arbitrary octets and well-formed files of both formats with damage done to them. Equal
answers mean: no crash, every packet lies inside the file, the walk always gets on, whole packets
are delivered, and the error names the octet where the fault is.
"""

from __future__ import annotations

import struct
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fastpath.ports.pcap import PcapError, PcapPort

NS = 10**9
SNAPLEN = 262144
TIME_MAX = 2**64 - 2
LINKS = {0: "null", 1: "ethernet", 9: "ppp", 50: "ppp-hdlc", 101: "raw", 113: "sll", 276: "sll2"}
LINKS |= {12: "raw", 14: "raw", 108: "loop", 204: "ppp-withdir", 228: "ipv4", 229: "ipv6"}
CHECKS = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class Fault(Exception):
    """Carries the offset at which the slow reader stops."""


class NoCapture(Exception):
    pass


# the slow readers: generators of (nanoseconds or None, link, wire length, data)


def slow(data: bytes):
    magics = {struct.pack(o + "I", m): (o, u) for o in "<>" for m, u in MAGICS}
    if data[:4] in magics:
        return slow_classic(data, *magics[data[:4]])
    if data[:4] == b"\x0a\x0d\x0d\x0a":
        return slow_pcapng(data)
    raise NoCapture


MAGICS = [(0xA1B2C3D4, 1000), (0xA1B23C4D, 1)]


def slow_classic(data: bytes, order: str, unit: int):
    if len(data) < 24 or struct.unpack_from(order + "HH", data, 4) != (2, 4):
        raise NoCapture
    (linktype,) = struct.unpack_from(order + "I", data, 20)
    link = "unsupported" if linktype & 0x03FF0000 else LINKS.get(linktype & 0xFFFF, "unsupported")

    def records():
        at = 24
        while at < len(data):
            if len(data) - at < 16:
                raise Fault(at)
            seconds, fraction, captured, length = struct.unpack_from(order + "IIII", data, at)
            if captured > SNAPLEN or captured > len(data) - at - 16:
                raise Fault(at)
            packet = data[at + 16 : at + 16 + captured]
            yield seconds * NS + fraction * unit, link, max(length, captured), packet
            at += 16 + captured

    return records()


LEAST = {0x0A0D0D0A: 28, 1: 20, 2: 32, 3: 16, 6: 32}


def slow_block(data: bytes, at: int, order: str):
    """The block at an offset: its byte order, type, length."""
    left = len(data) - at
    if left < 12:
        raise Fault(at)
    if data[at : at + 4] == b"\x0a\x0d\x0d\x0a":
        if left < 28:
            raise Fault(at)
        order = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}.get(data[at + 8 : at + 12])
        if order is None:
            raise Fault(at + 8)
        if struct.unpack_from(order + "H", data, at + 12) != (1,):
            raise Fault(at + 12)
    kind, total = struct.unpack_from(order + "II", data, at)
    if total < LEAST.get(kind, 12) or total % 4 or total > left:
        raise Fault(at)
    if data[at + total - 4 : at + total] != data[at + 4 : at + 8]:
        raise Fault(at + total - 4)
    return order, kind, total


def slow_interface(data: bytes, at: int, total: int, order: str):
    linktype, _, snaplen = struct.unpack_from(order + "HHI", data, at + 8)
    resolution, offset, here, end = 6, 0, at + 16, at + total - 4
    while end - here >= 4:
        code, length = struct.unpack_from(order + "HH", data, here)
        if code == 0:
            break
        if length > end - here - 4:
            raise Fault(here)
        here += 4
        if code == 9:
            resolution = data[here]
            if length != 1 or (resolution > 18 if resolution < 128 else resolution > 191):
                raise Fault(here)
        if code == 14:
            if length != 8:
                raise Fault(here)
            (offset,) = struct.unpack_from(order + "q", data, here)
        here += (length + 3) // 4 * 4
    units = 2 ** (resolution - 128) if resolution >= 128 else 10**resolution
    bound = 9223372036
    return LINKS.get(linktype, "unsupported"), snaplen, units, max(-bound, min(bound, offset))


def slow_pcapng(data: bytes):
    try:
        order, _, at = slow_block(data, 0, "<")
    except Fault as fault:
        raise NoCapture from fault
    return slow_blocks(data, at, order)


def slow_blocks(data: bytes, at: int, order: str):
    interfaces: list = []
    while at < len(data):
        order, kind, total = slow_block(data, at, order)
        if kind == 0x0A0D0D0A:
            interfaces = []
        elif kind == 1:
            interfaces.append(slow_interface(data, at, total, order))
        elif kind in (2, 3, 6):
            yield slow_packet(data, at, kind, total, order, interfaces)
        at += total


def slow_packet(data: bytes, at: int, kind: int, total: int, order: str, interfaces: list):
    if kind == 3:
        (length,) = struct.unpack_from(order + "I", data, at + 8)
        number, start, ticks, captured = 0, at + 12, None, length
        if interfaces and interfaces[0][1]:
            captured = min(length, interfaces[0][1])
    else:
        form = order + ("HxxIIII" if kind == 2 else "IIIII")
        number, high, low, captured, length = struct.unpack_from(form, data, at + 8)
        start, ticks = at + 28, high << 32 | low
    if number >= len(interfaces):
        raise Fault(at)
    if captured > SNAPLEN or captured > at + total - 4 - start:
        raise Fault(at)
    link, _, units, offset = interfaces[number]
    ns = None if ticks is None else slow_time(ticks, units, offset)
    return ns, link, max(length, captured), data[start : start + captured]


def slow_time(ticks: int, units: int, offset: int) -> int:
    return max(0, min(TIME_MAX, min(TIME_MAX, ticks * NS // units) + offset * NS))


# comparison


def expected(data: bytes):
    packets, last, at = [], 0, None
    records = slow(data)
    try:
        for ts, *rest in records:
            last = max(last, last if ts is None else ts)
            packets.append((last, *rest))
    except Fault as fault:
        (at,) = fault.args
    return packets, at


def agree(path, data: bytes, burst: int) -> None:
    path.write_bytes(data)
    try:
        packets, fault = expected(data)
    except NoCapture:
        with pytest.raises(PcapError):
            PcapPort(path)
        return
    port = PcapPort(path)
    seen = []
    while got := port.read(max=burst):
        seen += got
    error = port.error()
    # the binary resolutions finer than 2^-34 s are computed to the nanosecond before
    assert [p[1:] for p in seen] == [p[1:] for p in packets]
    assert all(abs(a[0] - b[0]) <= 1 for a, b in zip(seen, packets, strict=True))
    assert (error and error.offset) == fault
    assert all(a[0] <= b[0] for a, b in pairwise(seen))
    assert port.position == (fault_start(port, data) if fault is not None else len(data))
    rebased = PcapPort(path, rebase=True)
    assert rebased.drain() == len(seen)


def fault_start(port: PcapPort, data: bytes) -> int:
    # the error may be inside the block where the walk stopped
    assert port.position <= port.error().offset <= len(data)
    return port.position


# inputs

small = st.binary(max_size=40)
u32 = st.one_of(
    st.sampled_from([0, 1, 8, 11, 12, 13, 16, 28, 32, SNAPLEN, SNAPLEN + 1, 2**31, 2**32 - 1]),
    st.integers(0, 2**32 - 1),
)


@st.composite
def classic(draw) -> bytes:
    order, (magic, _) = draw(st.sampled_from("<>")), draw(st.sampled_from(MAGICS))
    linktype = draw(st.sampled_from([*LINKS, 51, 147, 0x14000001, 0x00010001]))
    out = struct.pack(order + "IHHIIII", magic, 2, 4, 0, 0, 65535, linktype)
    for data in draw(st.lists(small, max_size=6)):
        out += struct.pack(order + "II", draw(u32), draw(u32))
        out += struct.pack(order + "II", len(data), draw(u32)) + data
    return out


def block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    total = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + total + body + total


@st.composite
def any_block(draw, order: str) -> bytes:
    kind = draw(st.sampled_from([1, 1, 2, 3, 6, 6, 5, 0xBAD]))
    data = draw(small)
    number = draw(st.sampled_from([0, 0, 0, 1, 2]))
    if kind == 1:
        body = struct.pack(order + "HHI", draw(st.sampled_from([*LINKS, 51])), 0, draw(u32))
        for code in draw(st.lists(st.sampled_from([2, 9, 9, 14, 0]), max_size=3)):
            size = {9: 1, 14: 8}.get(code, draw(st.integers(0, 9)))
            value = draw(st.binary(min_size=size, max_size=size))
            body += struct.pack(order + "HH", code, size) + value + bytes(-size % 4)
    elif kind in (2, 6):
        form = order + ("HxxIIII" if kind == 2 else "IIIII")
        body = struct.pack(form, number, draw(u32), draw(u32), len(data), draw(u32)) + data
    elif kind == 3:
        body = struct.pack(order + "I", len(data)) + data
    else:
        body = data
    return block(order, kind, body)


@st.composite
def pcapng(draw) -> bytes:
    out = b""
    for order in draw(st.lists(st.sampled_from("<>"), min_size=1, max_size=3)):
        out += block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))
        out += block(order, 1, struct.pack(order + "HHI", 1, 0, 0))
        out += b"".join(draw(st.lists(any_block(order), max_size=8)))
    return out


@st.composite
def damaged(draw, whole) -> bytes:
    data = bytearray(draw(whole))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        how = draw(st.sampled_from(["word", "word", "octet", "cut", "insert", "delete"]))
        if how == "word":
            at = at // 4 * 4
            data[at : at + 4] = struct.pack(draw(st.sampled_from(["<I", ">I"])), draw(u32))
        elif how == "octet":
            data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
        elif how == "cut":
            del data[at:]
        elif how == "insert":
            data[at:at] = draw(small)
        else:
            del data[at : at + draw(st.integers(1, 9))]
    return bytes(data)


heads = st.sampled_from([b"", b"\xd4\xc3\xb2\xa1\2\0\4\0", b"\xa1\xb2\x3c\x4d\0\2\0\4"]) | st.just(
    block("<", 0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
)


@CHECKS
@given(head=heads, tail=st.binary(max_size=200), burst=st.integers(1, 256))
def test_arbitrary_octets(tmp_path, head, tail, burst):
    agree(tmp_path / "x", head + tail, burst)


@CHECKS
@given(data=damaged(classic()), burst=st.integers(1, 256))
def test_damaged_classic_files(tmp_path, data, burst):
    agree(tmp_path / "x", data, burst)


@CHECKS
@given(data=damaged(pcapng()), burst=st.integers(1, 256))
def test_damaged_pcapng_files(tmp_path, data, burst):
    agree(tmp_path / "x", data, burst)


@settings(CHECKS, max_examples=60)
@given(files=st.lists(damaged(classic() | pcapng()), min_size=2, max_size=4), data=st.data())
def test_merged_files_are_all_their_packets_sorted_by_time(tmp_path, files, data):
    paths, packets = [], []
    for i, content in enumerate(files):
        path = tmp_path / str(i)
        path.write_bytes(content)
        try:
            port = PcapPort(path)
        except PcapError:
            continue
        paths.append(path)
        while got := port.read():
            packets += [(p[0], i, p) for p in got]
    if not paths:
        return
    packets.sort(key=lambda p: p[:2])
    port, seen = PcapPort(*paths), []
    while got := port.read(max=data.draw(st.integers(1, 20)), until_ns=port.next_ns):
        seen += got
    assert seen == [p[2] for p in packets]
