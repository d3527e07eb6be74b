"""control.sim.host: packets of an end host, checked against sums done the slow way."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control.errors import DecodeError, LocalProtocolError
from control.sim import host

A, B = "192.0.2.1", "198.51.100.7"


def slow_checksum(data: bytes) -> int:
    """RFC 1071 word by word."""
    data += b"\0" * (len(data) % 2)
    total = 0
    for at in range(0, len(data), 2):
        total += data[at] << 8 | data[at + 1]
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=80) | st.sampled_from([b"\xff\xff" * 3, b"\0" * 7, b"\xff\xfe\0\1"]))
def test_checksum_agrees_with_the_sum_word_by_word(data: bytes) -> None:
    assert host.checksum(data) == slow_checksum(data)


def test_a_known_udp_packet_is_built_octet_by_octet() -> None:
    packet = host.udp_packet("10.0.0.1", 1701, "10.0.0.2", 1702, b"abc", identification=0x1234)
    header = "4500 001f 1234 0000 4011 5498 0a000001 0a000002"
    assert slow_checksum(bytes.fromhex(header)) == 0
    assert packet == bytes.fromhex(header + "06a5 06a6 000b") + packet[26:28] + b"abc"
    pseudo = packet[12:20] + bytes.fromhex("0011 000b")
    assert slow_checksum(pseudo + packet[20:]) == 0


ports = st.integers(0, 0xFFFF)


@settings(deadline=None)
@given(ports, ports, st.binary(max_size=50), st.integers(1, 255), st.integers(0, 255))
def test_udp_packets_round_trip(
    source: int, destination: int, payload: bytes, ttl: int, tos: int
) -> None:
    packet = host.udp_packet(A, source, B, destination, payload, ttl=ttl, tos=tos)
    assert host.parse_udp(packet) == host.UdpPacket(
        (A, source), (B, destination), payload, ttl, tos
    )
    assert host.parse_udp(packet + b"padding").payload == payload


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=60) | st.binary(max_size=40).map(lambda rest: b"\x45" + rest))
def test_any_octets_are_read_or_refused(packet: bytes) -> None:
    for read in (host.parse_udp, host.ping_reply, host.udp_echo, host.read_ip):
        try:
            read(packet)
        except DecodeError:
            continue


def test_every_flipped_bit_is_noticed() -> None:
    packet = host.udp_packet(A, 1, B, 2, b"payload")
    for bit in range(len(packet) * 8):
        damaged = bytearray(packet)
        damaged[bit // 8] ^= 0x80 >> bit % 8
        with pytest.raises(DecodeError):
            host.parse_udp(bytes(damaged))


def test_every_cut_is_refused() -> None:
    packet = host.udp_packet(A, 1, B, 2, b"payload")
    for size in range(len(packet)):
        with pytest.raises(DecodeError):
            host.parse_udp(packet[:size])


def without_checksum(packet: bytes) -> bytes:
    return packet[:26] + b"\0\0" + packet[28:]


def test_a_zero_udp_checksum_means_none() -> None:
    assert host.parse_udp(without_checksum(host.udp_packet(A, 1, B, 2, b"x"))).payload == b"x"


def test_a_computed_zero_checksum_is_sent_as_all_ones() -> None:
    for word in range(0x10000):
        packet = host.udp_packet(A, 1, B, 2, word.to_bytes(2, "big"))
        if packet[26:28] == b"\xff\xff":
            assert host.parse_udp(packet).payload == word.to_bytes(2, "big")
            return
    pytest.fail("no payload has the sum zero")


def with_header(packet: bytes, at: int, octets: bytes) -> bytes:
    """A packet with octets of its IP header replaced and the header's checksum made good."""
    raw = bytearray(packet)
    raw[at : at + len(octets)] = octets
    raw[10:12] = b"\0\0"
    raw[10:12] = host.checksum(bytes(raw[: (raw[0] & 15) * 4])).to_bytes(2, "big")
    return bytes(raw)


PACKET = host.udp_packet(A, 1, B, 2, b"payload" * 10)


@pytest.mark.parametrize(
    ("reason", "packet"),
    [
        ("version 6", with_header(PACKET, 0, b"\x65")),
        ("header length below five words", with_header(PACKET, 0, b"\x44")),
        ("header length beyond the packet", with_header(PACKET, 2, b"\0\x13")),
        ("total length beyond the packet", with_header(PACKET, 2, b"\0\xff")),
        ("more fragments", with_header(PACKET, 6, b"\x20\0")),
        ("fragment offset", with_header(PACKET, 6, b"\0\1")),
        ("TCP", with_header(PACKET, 9, b"\x06")),
        ("UDP header cut off", with_header(PACKET, 2, b"\0\x1b")),
        ("UDP length below its header", PACKET[:24] + b"\0\7" + PACKET[26:]),
        ("UDP length beyond the packet", PACKET[:24] + b"\0\xff" + PACKET[26:]),
    ],
)
def test_wrong_packets_are_refused(reason: str, packet: bytes) -> None:
    with pytest.raises(DecodeError):
        host.read_udp(packet)


def with_options(packet: bytes) -> bytes:
    """The same packet with one word of IP options."""
    longer = packet[:20] + b"\1\1\1\0" + packet[20:]
    longer = longer[:2] + len(longer).to_bytes(2, "big") + longer[4:]
    return with_header(longer, 0, b"\x46")


def test_options_are_skipped() -> None:
    assert host.parse_udp(with_options(PACKET)).payload == b"payload" * 10
    assert host.parse_udp(host.udp_echo(with_options(PACKET))).payload == b"payload" * 10


@settings(deadline=None, max_examples=50)
@given(st.binary(max_size=40), ports, ports)
def test_a_ping_is_answered_with_its_own_data(data: bytes, identifier: int, sequence: int) -> None:
    ping = host.ping_packet(A, B, identifier=identifier, sequence=sequence, data=data)
    assert host.is_ping(ping)
    reply = host.ping_reply(ping, identification=9)
    assert slow_checksum(reply[:20]) == slow_checksum(reply[20:]) == 0
    assert (reply[12:16], reply[16:20]) == (ping[16:20], ping[12:16])
    assert reply[20:22] == b"\0\0"
    assert reply[24:] == ping[24:]
    assert not host.is_ping(reply)


def test_only_a_sound_echo_request_is_answered() -> None:
    ping = host.ping_packet(A, B, data=b"data")
    with pytest.raises(DecodeError):
        host.ping_reply(host.ping_reply(ping))
    with pytest.raises(DecodeError):
        host.ping_reply(ping[:-1] + b"X")
    with pytest.raises(DecodeError):
        host.ping_reply(with_header(ping, 6, b"\x20\0"))
    with pytest.raises(DecodeError):
        host.ping_reply(PACKET)


@settings(deadline=None, max_examples=50)
@given(ports, ports, st.binary(max_size=40))
def test_an_echo_swaps_addresses_and_ports_and_keeps_the_rest(
    source: int, destination: int, payload: bytes
) -> None:
    packet = host.udp_packet(A, source, B, destination, payload, tos=0x20, ttl=3)
    echo = host.udp_echo(packet)
    assert host.parse_udp(echo) == host.UdpPacket((B, destination), (A, source), payload, 64, 0x20)


def test_an_echo_is_known_as_one_and_an_ordinary_packet_is_not() -> None:
    assert host.is_udp_echo(host.udp_echo(PACKET))
    assert host.is_udp_echo(host.udp_echo(host.udp_echo(PACKET)))
    assert not host.is_udp_echo(PACKET)


def test_an_echo_without_checksum_stays_without() -> None:
    assert host.udp_echo(without_checksum(PACKET))[26:28] == b"\0\0"


@pytest.mark.parametrize(
    ("source", "destination", "expected"),
    [
        (A, B, True),
        (A, "224.0.0.1", False),
        (A, "255.255.255.255", False),
        (A, "0.0.0.0", False),
        ("0.0.0.0", B, False),
        ("127.0.0.1", B, False),
        (A, "127.0.0.1", False),
        ("240.0.0.1", B, False),
    ],
)
def test_only_unicast_deserves_an_answer(source: str, destination: str, expected: bool) -> None:
    assert host.is_unicast(host.udp_packet(source, 1, destination, 2, b"")) is expected


def test_what_cannot_be_written_is_refused() -> None:
    with pytest.raises(LocalProtocolError):
        host.udp_packet(A, 1, B, 2, bytes(0xFFFF))
    with pytest.raises(LocalProtocolError):
        host.udp_packet(A, 1, B, 2, bytes(0xFFFF - 27))
    with pytest.raises(LocalProtocolError):
        host.udp_packet("192.0.2", 1, B, 2, b"")
    assert len(host.udp_packet(A, 1, B, 2, bytes(0xFFFF - 28))) == 0xFFFF
