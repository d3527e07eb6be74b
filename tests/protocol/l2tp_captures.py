"""L2TP of real captures, which are not part of the project: DIALOUT_DATA names their folder."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

DATA = os.environ.get("DIALOUT_DATA", "")
needs_data = pytest.mark.skipif(not DATA, reason="DIALOUT_DATA is not set")


@dataclass(frozen=True)
class Packet:
    time: float
    """Seconds since the first packet of the capture."""
    source_port: int
    destination_port: int
    payload: bytes


def packets(name: str) -> Iterator[Packet]:
    """UDP payloads on port 1701 in a classic Ethernet pcap, PPPoE sessions included."""
    data = (Path(DATA) / "pcap" / name).read_bytes()
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    offset, start = 24, 0.0
    while offset + 16 <= len(data):
        seconds, fraction, caplen = struct.unpack_from(order + "III", data, offset)
        time = seconds + fraction / 1e6
        start = start or time
        frame = data[offset + 16 : offset + 16 + caplen]
        offset += 16 + caplen
        packet = _udp(time - start, frame)
        if packet is not None and 1701 in (packet.source_port, packet.destination_port):
            yield packet


def _udp(time: float, frame: bytes) -> Packet | None:
    kind, at = int.from_bytes(frame[12:14], "big"), 14
    while kind == 0x8100:
        kind, at = int.from_bytes(frame[at + 2 : at + 4], "big"), at + 4
    if kind == 0x8864 and frame[at + 6 : at + 8] == b"\x00\x21":
        kind, at = 0x0800, at + 8
    if kind != 0x0800 or frame[at + 9] != 17:
        return None
    udp = at + (frame[at] & 15) * 4
    source, destination, length = struct.unpack_from(">HHH", frame, udp)
    return Packet(time, source, destination, frame[udp + 8 : udp + length])


def control(name: str) -> list[Packet]:
    return [p for p in packets(name) if p.payload[:1] and p.payload[0] & 0x80]
