"""Captures built octet by octet, from the drafts and not by our own writers."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from fastpath.ports.pcap import PcapPort

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


START = (2005, 7, 0, 17, 0, 0, 46, 19)
"""SYSTEMTIME; the third word is the day of the week."""
START_NS = 1121558446019 * 10**6


def netmon(frames, version=(2, 0), media=1, start=START, offsets=None, length=None) -> bytes:
    """A Network Monitor file: header of 128 octets, frames, table."""
    at, table = 128, []
    for frame in frames:
        table.append(at)
        at += len(frame)
    table = table if offsets is None else offsets
    magic = b"RTSS" if version[0] == 1 else b"GMBU"
    head = magic + struct.pack("<BBH8H", version[1], version[0], media, *start)
    head += struct.pack("<II", at, 4 * len(table) if length is None else length)
    return head.ljust(128, b"\0") + b"".join(frames) + struct.pack(f"<{len(table)}I", *table)


def frame1(milliseconds: int, data: bytes, length=None, captured=None) -> bytes:
    length = len(data) if length is None else length
    captured = len(data) if captured is None else captured
    return struct.pack("<IHH", milliseconds, length, captured) + data


def frame2(microseconds: int, data: bytes, trailer=b"", length=None, captured=None) -> bytes:
    length = len(data) if length is None else length
    captured = len(data) if captured is None else captured
    return struct.pack("<QII", microseconds, length, captured) + data + trailer


def put32(data: bytes, at: int, value: int) -> bytes:
    at %= len(data)
    return data[:at] + struct.pack("<I", value) + data[at + 4 :]


def read_all(port: PcapPort) -> list[tuple[int, str, int, bytes]]:
    packets = []
    while got := port.read():
        packets += got
    return packets


def blocks(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and body of each block of a little-endian pcapng file."""
    at = 0
    while at < len(data):
        kind, total = struct.unpack_from("<II", data, at)
        assert struct.unpack_from("<I", data, at + total - 4) == (total,)
        yield kind, data[at + 8 : at + total - 4]
        at += total


def options(data: bytes) -> list[tuple[int, bytes]]:
    """Code and value of each option up to opt_endofopt, which must end `data`."""
    found, at = [], 0
    while True:
        code, length = struct.unpack_from("<HH", data, at)
        if code == 0:
            assert (length, at + 4) == (0, len(data))
            return found
        found.append((code, data[at + 4 : at + 4 + length]))
        at += 4 + (length + 3) // 4 * 4


def recorded(path) -> list[tuple[int, int, bool, str, bytes]]:
    """Packets of a pcapng file with comments: (time, interface, outbound, comment, octets)."""
    packets = []
    for kind, body in blocks(path.read_bytes()):
        if kind != 6:
            continue
        number, high, low, captured, _ = struct.unpack_from("<IIIII", body)
        found = dict(options(body[20 + (captured + 3) // 4 * 4 :]))
        outbound = struct.unpack("<I", found[2])[0] & 3 == 2
        octets = body[20 : 20 + captured]
        packets.append((high << 32 | low, number, outbound, found[1].decode(), octets))
    return packets
