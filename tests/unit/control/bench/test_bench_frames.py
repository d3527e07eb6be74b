"""Packets made in bulk are right, octet by octet, and go where they are meant to."""

from __future__ import annotations

import numpy as np
import pytest

from control.bench.context import QUICK
from control.bench.frames import OUTER, header, to_home, to_sites
from control.bench.packets import Path
from control.bench.tables import internet_like, with_access_routes
from fastpath.dissect import dissect, header_checksum_ok

SITES = np.random.default_rng(1).integers(1, 200, (50, 4), dtype=np.uint8)
lengths = pytest.mark.parametrize("length", [28, 46, 47, 1500])


def whole(segment: bytes, addresses: bytes) -> bool:
    """Whether a UDP datagram's checksum is right, word by word (RFC 768)."""
    data = addresses + bytes([0, 17]) + len(segment).to_bytes(2, "big") + segment
    data += b"\0" * (len(data) % 2)
    total = sum(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total == 0xFFFF


@lengths
def test_packets_to_sites_are_right(length):
    for row, site in zip(to_sites(SITES, "198.18.0.1", length), SITES, strict=True):
        packet = bytes(row)
        assert len(packet) == length == int.from_bytes(packet[2:4], "big")
        assert packet[12:20] == bytes([198, 18, 0, 1]) + bytes(site)
        assert header_checksum_ok(packet[:20])
        assert whole(packet[20:], packet[12:20])


@lengths
@pytest.mark.parametrize("checksum", [False, True])
def test_packets_home_are_right_inside_and_out(length, checksum):
    headers = np.stack([header(1, 2, "10.0.0.2", "10.0.0.1")] * len(SITES))
    for row, site in zip(
        to_home(SITES, headers, "198.18.0.1", length, checksum), SITES, strict=True
    ):
        packet, inner = bytes(row), bytes(row[OUTER:])
        assert header_checksum_ok(packet[:20])
        assert header_checksum_ok(inner[:20])
        assert whole(inner[20:], inner[12:20])
        assert inner[12:16] == bytes(site)
        assert whole(packet[20:], packet[12:20]) == checksum
        assert (packet[26:28] == b"\0\0") != checksum
        seen = dissect(packet, "raw")
        assert seen["reason"] == "none"
        assert seen["l2tp"]["tunnel"] == 1
        assert seen["l2tp"]["session"] == 2


@pytest.mark.parametrize("incoming", [False, True], ids=["encap", "decap"])
@pytest.mark.parametrize("checksum", [False, True])
def test_every_packet_of_a_pool_comes_out(incoming, checksum):
    table = with_access_routes(internet_like(4, QUICK.routes4, 1), 20, 1)
    path = Path(table, 128, checksum=checksum, incoming=incoming)
    assert path.from_c(64) > 0
    assert path.from_python(64) > 0
    counters = path.engine.counters()["verdict"]
    assert counters["FORWARD" if not incoming else "DELIVER"] == 256
    assert path.port.tx_octets == 256 * (46 if incoming else 46 + OUTER)
