"""Generated traffic: what is in it, that its checksums are right, and that it is reproducible."""

from __future__ import annotations

import ipaddress
import struct
from pathlib import Path

import pytest

from control.sim.traffic import (
    HOME_HOSTS,
    REMOTE_HOSTS,
    START,
    UNROUTED_HOSTS,
    checksum,
    flood_capture,
    home_site_capture,
    ping_frame,
    tcp_frame,
    udp_frame,
)
from fastpath.ports.pcap import PcapPort

EXAMPLE = Path(__file__).parents[3] / "examples" / "home-site.pcap"


def frames(path) -> list[tuple[int, bytes]]:
    """(nanoseconds since the first packet, frame) of all packets."""
    port, found = PcapPort(path, rebase=True), []
    while got := port.read():
        assert all(link == "ethernet" and wire == len(data) for _, link, wire, data in got)
        found += [(ts, data) for ts, _, _, data in got]
    assert port.errors() == []
    assert port.first_ns == START * 10**9
    return found


def ones_sum(data: bytes) -> int:
    """0 if the octets contain their right checksum: a sum by division, unlike the generator's."""
    data += bytes(len(data) % 2)
    return int.from_bytes(data, "big") % 0xFFFF


def fields(frame: bytes) -> tuple[int, str, str, int, bytes]:
    """Protocol, source, destination, TTL and payload of an IPv4 frame with right checksums."""
    ip = frame[14:]
    length = struct.unpack_from("!H", ip, 2)[0]
    assert ip[0] == 0x45
    assert len(ip) >= length
    assert ones_sum(ip[:20]) == 0
    payload, protocol = ip[20:length], ip[9]
    pseudo = ip[12:20] + struct.pack("!HH", protocol, len(payload)) if protocol != 1 else b""
    assert ones_sum(pseudo + payload) == 0
    if protocol == 17:
        assert struct.unpack_from("!H", payload, 4)[0] == len(payload)
        assert payload[6:8] != b"\0\0"
    source, destination = (str(ipaddress.IPv4Address(ip[at : at + 4])) for at in (12, 16))
    return protocol, source, destination, ip[8], payload


def test_example_is_what_the_generator_makes(tmp_path):
    home_site_capture(tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == EXAMPLE.read_bytes()
    assert EXAMPLE.stat().st_size <= 65536


def test_home_site_begins_with_a_ping_to_the_remote_site(tmp_path):
    assert home_site_capture(tmp_path / "x") == 200
    ts, first = frames(tmp_path / "x")[0]
    protocol, source, destination, ttl, payload = fields(first)
    assert (ts, protocol, source, destination, ttl) == (0, 1, "192.0.2.10", "198.51.100.10", 64)
    assert payload[0] == 8


def test_home_site_has_all_kinds_of_traffic_in_order_of_time(tmp_path):
    home_site_capture(tmp_path / "x")
    found = frames(tmp_path / "x")
    times = [ts for ts, _ in found]
    assert times == sorted(times)
    assert 5e9 < times[-1] < 6e9
    types = [frame[12:14] for _, frame in found]
    assert (types.count(b"\x08\x06"), types.count(b"\x86\xdd")) == (1, 1)
    arp = next(frame for _, frame in found if frame[12:14] == b"\x08\x06")
    assert arp[:6] == b"\xff" * 6
    packets = [fields(frame) for _, frame in found if frame[12:14] == b"\x08\x00"]
    assert {p[1] for p in packets} == set(HOME_HOSTS)
    assert {p[2] for p in packets} == {*REMOTE_HOSTS, *UNROUTED_HOSTS}
    assert [p[3] for p in packets].count(1) == 1
    assert {p[0] for p in packets} == {1, 6, 17}
    ports = {struct.unpack_from("!H", p[4], 2)[0] for p in packets if p[0] == 17 and p[3] == 64}
    assert ports == {7, 53}
    for address in REMOTE_HOSTS:
        flags = [p[4][13] for p in packets if p[0] == 6 and p[2] == address]
        assert (flags[0], flags[-1], len(flags)) == (0x02, 0x11, 15)


def test_seed_changes_the_traffic_and_nothing_else_does(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        home_site_capture(tmp_path / name, seed=seed)
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b != c


def test_home_site_takes_addresses_duration_rate_and_sizes(tmp_path):
    count = home_site_capture(
        tmp_path / "x",
        sources=["10.0.0.1"],
        destinations=["10.1.0.1"],
        unrouted=[],
        duration=20.0,
        rate=50.0,
        sizes=[1514],
    )
    assert count == 1000
    found = frames(tmp_path / "x")
    packets = [fields(frame) for _, frame in found if frame[12:14] == b"\x08\x00"]
    assert {(p[1], p[2]) for p in packets} == {("10.0.0.1", "10.1.0.1")}
    assert max(len(frame) for _, frame in found) == 1514
    assert 18e9 < found[-1][0] < 20e9


@pytest.mark.parametrize(
    "arguments",
    [
        {"sources": []},
        {"destinations": []},
        {"rate": 0},
        {"duration": -1},
        {"rate": 1e9},
        {"sizes": [59]},
        {"sizes": [1515]},
        {"sources": ["300.0.0.1"]},
    ],
)
def test_home_site_refuses_what_it_cannot_make(tmp_path, arguments):
    with pytest.raises(ValueError, match=r"allowed|needs|permitted"):
        home_site_capture(tmp_path / "x", **arguments)


@pytest.mark.parametrize("size", [60, 61, 1514])
def test_flood_has_right_checksums_numbers_and_addresses(tmp_path, size):
    path = tmp_path / "x"
    assert flood_capture(path, packets=1000, size=size, rate=1000.0, chunk=300) == 1000
    found = frames(path)
    assert [ts for ts, _ in found] == [number * 10**6 for number in range(1000)]
    for number, (_, frame) in enumerate(found):
        protocol, source, destination, ttl, payload = fields(frame)
        assert (len(frame), protocol, ttl) == (size, 17, 64)
        assert ipaddress.IPv4Address(source) in ipaddress.IPv4Network("192.0.2.0/24")
        assert ipaddress.IPv4Address(destination) in ipaddress.IPv4Network("198.51.100.0/24")
        assert payload[2:4] == b"\0\7"
        assert int.from_bytes(payload[8:16], "big") == number
    assert len({fields(frame)[2] for _, frame in found}) > 200


def test_flood_numbers_beyond_16_bits_are_in_the_checksums(tmp_path):
    path = tmp_path / "x"
    flood_capture(path, packets=66_000, sources=["10.0.0.0/8", "172.16.0.1/32"])
    for _, frame in frames(path)[65_000:66_000:7]:
        fields(frame)


def test_flood_is_reproducible(tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        flood_capture(tmp_path / name, packets=500, seed=seed)
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b != c


@pytest.mark.parametrize(
    "arguments",
    [
        {"packets": -1},
        {"packets": 10**9},
        {"size": 59},
        {"rate": 0},
        {"chunk": 0},
        {"sources": []},
        {"destinations": ["198.51.100.1/24"]},
    ],
)
def test_flood_refuses_what_it_cannot_make(tmp_path, arguments):
    with pytest.raises(ValueError, match=r"allowed|needs|host bits"):
        flood_capture(tmp_path / "x", **arguments)


def test_empty_flood_is_a_capture(tmp_path):
    assert flood_capture(tmp_path / "x", packets=0) == 0
    assert PcapPort(tmp_path / "x").drain() == 0


@pytest.mark.parametrize("octets", [0, 1, 17, 18, 19, 100])
def test_frames_are_padded_to_the_least_size_behind_the_packet(octets):
    frame = udp_frame("192.0.2.1", "192.0.2.2", 1, 2, bytes(octets))
    assert len(frame) == max(60, 42 + octets)
    assert fields(frame)[4][8:] == bytes(octets)
    assert fields(ping_frame("192.0.2.1", "192.0.2.2", 1, 2, 60 + octets))[0] == 1
    assert fields(tcp_frame("192.0.2.1", "192.0.2.2", (1, 2), (3, 4), 2, bytes(octets)))[0] == 6


def test_checksum_of_the_example_in_rfc_1071():
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0x220D
