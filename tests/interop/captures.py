"""Capture files for the interoperation tests, read and written from the formats' descriptions and
not by the ports under test."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ETHERNET, RAW, IPV4 = 1, 101, 228
"""Link types (LINKTYPE_ of the pcap format)."""
VLAN_TYPES = (0x8100, 0x88A8)
NS = 1_000_000_000


@dataclass(frozen=True)
class Record:
    """A packet of a capture."""

    time: int
    """Nanoseconds."""
    link: int
    data: bytes

    def ip(self) -> bytes | None:
        """The IPv4 packet in it, None if it is no whole one."""
        packet = self.data
        if self.link == ETHERNET:
            kind, at = self.data[12:14], 14
            while int.from_bytes(kind, "big") in VLAN_TYPES:
                kind, at = self.data[at + 2 : at + 4], at + 4
            packet = self.data[at:] if kind == b"\x08\x00" else b""
        elif self.link not in (RAW, IPV4):
            raise ValueError(f"link type {self.link}")
        if len(packet) < 20 or packet[0] >> 4 != 4:
            return None
        length = int.from_bytes(packet[2:4], "big")
        return packet[:length] if 20 <= length <= len(packet) else None


def read(path: Path) -> list[Record]:
    """The packets of a little-endian pcap or pcapng file."""
    data = path.read_bytes()
    return _read_pcapng(data) if data[:4] == b"\x0a\x0d\x0d\x0a" else _read_pcap(data)


def _read_pcap(data: bytes) -> list[Record]:
    magic, link = struct.unpack_from("<I16xI", data)
    unit = {0xA1B2C3D4: 1000, 0xA1B23C4D: 1}[magic]
    records, at = [], 24
    while at < len(data):
        seconds, fraction, size = struct.unpack_from("<III", data, at)
        records.append(Record(seconds * NS + fraction * unit, link, data[at + 16 : at + 16 + size]))
        at += 16 + size
    return records


def _read_pcapng(data: bytes) -> list[Record]:
    """Times in nanoseconds, as our writer has them."""
    records, links, at = [], [], 0
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        if kind == 1:
            links.append(struct.unpack_from("<H", data, at + 8)[0])
        elif kind == 6:
            interface, high, low, size = struct.unpack_from("<IIII", data, at + 8)
            packet = data[at + 28 : at + 28 + size]
            records.append(Record(high << 32 | low, links[interface], packet))
        at += length
    return records


def write(path: Path, link: int, packets: Iterable[tuple[int, bytes]]) -> int:
    """Writes (nanoseconds, packet) as pcap; returns how many there were."""
    count = 0
    with path.open("wb") as file:
        file.write(struct.pack("<IHHIIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, link))
        for time, packet in packets:
            file.write(struct.pack("<IIII", time // NS, time % NS, len(packet), len(packet)))
            file.write(packet)
            count += 1
    return count
