"""IP and UDP headers: each check alone, the fields found, and a slow twin on random headers."""

from __future__ import annotations

import ipaddress
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parse_packets import internet_checksum, ipv4, ipv6, sealed, udp, udp_in

from fastpath.dissect import dissect

GOOD = ipv4(b"payload!", proto=99)


def with_octets(packet: bytes, at: int, octets: bytes) -> bytes:
    """`packet` with some octets of its 20-octet header replaced and the checksum put right."""
    changed = packet[:at] + octets + packet[at + len(octets) :]
    return sealed(changed[:20]) + changed[20:]


# (description, packet, reason)
ROWS = [
    ("good", GOOD, "none"),
    ("no payload", ipv4(proto=99), "none"),
    ("TTL 0: only forwarding minds", ipv4(ttl=0, proto=99), "none"),
    ("options", ipv4(b"data", options=b"\x94\x04\0\0", proto=99), "none"),
    ("60 octets of header", ipv4(b"data", options=b"\x01" * 40, proto=99), "none"),
    ("first fragment", ipv4(bytes(8), fragment=0x2000), "none"),
    ("version 5", with_octets(GOOD, 0, b"\x55"), "ip-version"),
    ("version 6", with_octets(GOOD, 0, b"\x65"), "ip-version"),
    ("header of 4 words", with_octets(GOOD, 0, b"\x44"), "ip-header-length"),
    ("header of no words", with_octets(GOOD, 0, b"\x40"), "ip-header-length"),
    ("header behind the frame", with_octets(GOOD, 0, b"\x4f"), "ip-header-length"),
    ("total length of 19", with_octets(GOOD, 2, b"\x00\x13"), "ip-total-length"),
    ("total length of 0", with_octets(GOOD, 2, b"\x00\x00"), "ip-total-length"),
    ("total length below the options", with_octets(ipv4(options=bytes(40)), 2, b"\0\x3b"),
     "ip-total-length"),
    ("total length behind the frame", with_octets(GOOD, 2, b"\x00\x1d"), "ip-total-length"),
    ("checksum", GOOD[:10] + b"\x12\x34" + GOOD[12:], "ip-checksum"),
    ("checksum of 0", GOOD[:10] + b"\0\0" + GOOD[12:], "ip-checksum"),
    ("damaged option", ipv4(options=bytes(4))[:23] + b"\x01", "ip-checksum"),
    ("a header of zeros", b"\x45" + bytes(2) + b"\x14" + bytes(16), "ip-checksum"),
]  # fmt: skip

# (source, destination, reason)
ADDRESSES = [
    ("0.0.0.0", "198.51.100.2", "martian-source"),
    ("0.255.255.255", "198.51.100.2", "martian-source"),
    ("1.0.0.0", "198.51.100.2", "none"),
    ("126.255.255.255", "198.51.100.2", "none"),
    ("127.0.0.1", "198.51.100.2", "martian-source"),
    ("127.255.255.255", "198.51.100.2", "martian-source"),
    ("128.0.0.0", "198.51.100.2", "none"),
    ("223.255.255.255", "198.51.100.2", "none"),
    ("224.0.0.1", "198.51.100.2", "martian-source"),
    ("239.255.255.255", "198.51.100.2", "martian-source"),
    ("240.0.0.0", "198.51.100.2", "martian-source"),
    ("255.255.255.255", "198.51.100.2", "martian-source"),
    ("192.0.2.1", "0.0.0.0", "multicast"),
    ("192.0.2.1", "0.1.2.3", "multicast"),
    ("192.0.2.1", "127.0.0.1", "martian-destination"),
    ("192.0.2.1", "223.255.255.255", "none"),
    ("192.0.2.1", "224.0.0.0", "multicast"),
    ("192.0.2.1", "239.255.255.255", "multicast"),
    ("192.0.2.1", "240.0.0.0", "none"),
    ("192.0.2.1", "255.255.255.254", "none"),
    ("192.0.2.1", "255.255.255.255", "multicast"),
    ("127.0.0.1", "224.0.0.1", "martian-source"),
]

ROWS6 = [
    ("good", ipv6(b"payload", proto=99), "none"),
    ("no payload", ipv6(proto=59), "none"),
    ("hop-by-hop options", ipv6(bytes(8), proto=0), "none"),
    ("jumbogram", ipv6(proto=0), "ip6-header"),
    ("version 4", b"\x40" + ipv6()[1:], "ip-version"),
    ("39 octets", ipv6()[:39], "ip6-header"),
    ("payload behind the frame", ipv6(b"payload")[:-1], "ip6-header"),
]


@pytest.mark.parametrize(("description", "packet", "reason"), ROWS)
def test_ipv4_header_is_checked(description, packet, reason):
    assert dissect(packet, "ipv4")["reason"] == reason


@pytest.mark.parametrize(("src", "dst", "reason"), ADDRESSES)
def test_addresses_that_no_packet_may_have_are_dropped(src, dst, reason):
    assert dissect(ipv4(src=src, dst=dst, proto=99), "raw")["reason"] == reason


@pytest.mark.parametrize(("description", "packet", "reason"), ROWS6)
def test_ipv6_header_is_checked(description, packet, reason):
    assert dissect(packet, "ipv6")["reason"] == reason


def test_fields_are_found_and_padding_is_cut_off():
    packet = ipv4(b"data", proto=6, options=b"\x01" * 8)
    seen = dissect(bytes(12) + b"\x08\x00" + packet + bytes(18))
    assert (seen["l3"], seen["l4"], seen["proto"], seen["len"]) == (14, 42, 6, 46)
    seen = dissect(bytes(12) + b"\x86\xdd" + ipv6(b"data", proto=58) + bytes(2))
    assert (seen["l3"], seen["l4"], seen["proto"], seen["len"]) == (14, 54, 58, 58)


def test_length_that_not_even_the_wire_had_is_no_matter_of_the_capture():
    packet = ipv4(bytes(100))
    assert dissect(packet[:60], "raw", wire_len=120)["reason"] == "captured-short"
    assert dissect(packet[:60], "raw", wire_len=119)["reason"] == "ip-total-length"
    assert dissect(packet[:10], "raw", wire_len=20)["reason"] == "captured-short"
    assert dissect(packet[:10], "raw", wire_len=19)["reason"] == "ip-short"
    long = ipv4(options=bytes(40))
    assert dissect(long[:59], "raw", wire_len=60)["reason"] == "captured-short"
    six = ipv6(bytes(10))
    assert dissect(six[:45], "raw", wire_len=50)["reason"] == "captured-short"
    assert dissect(six[:45], "raw", wire_len=49)["reason"] == "ip6-header"


def test_capture_that_lost_only_padding_is_whole():
    assert dissect(ipv4(proto=99) + bytes(3), "raw", wire_len=60)["reason"] == "none"


def slow_ip4(data: bytes) -> str:
    """RFC 1812 5.2.2 and 5.3.7 over a datagram, check by check."""
    if len(data) < 20:
        return "ip-short"
    version, words = divmod(data[0], 16)
    length = int.from_bytes(data[2:4], "big")
    if version != 4:
        return "ip-version"
    if not 20 <= words * 4 <= len(data):
        return "ip-header-length"
    if not words * 4 <= length <= len(data):
        return "ip-total-length"
    header = data[: words * 4]
    if sealed(header) != header:
        return "ip-checksum"
    source, destination = ipaddress.ip_address(data[12:16]), ipaddress.ip_address(data[16:20])
    if any(source in ipaddress.ip_network(net)
           for net in ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4")):  # fmt: skip
        return "martian-source"
    if any(destination in ipaddress.ip_network(net)
           for net in ("0.0.0.0/8", "224.0.0.0/4", "255.255.255.255/32")):  # fmt: skip
        return "multicast"
    return "martian-destination" if destination.is_loopback else "none"


@settings(deadline=None, max_examples=400)
@given(
    st.sampled_from([0x45] * 8 + [0x46, 0x4A, 0x4F, 0x44, 0x55]),
    st.one_of(st.integers(0, 120), st.just(60)),
    st.binary(min_size=16, max_size=56),
    st.integers(0, 60),
    st.booleans(),
)
def test_random_headers_fare_as_in_the_slow_twin(first, length, rest, payload, seal):
    header = struct.pack("!BBH", first, 0, length) + rest
    words = (first & 15) * 4
    if seal and words >= 20:
        header = sealed(header[:words]) + header[words:]
    packet = header + bytes([99]) * payload
    expected = slow_ip4(packet)
    reason = dissect(packet, "ipv4")["reason"]
    if expected == "none" and packet[9] == 17:
        assert reason in ("none", "udp-length", "udp-checksum")
    else:
        assert reason == expected


# --- UDP ------------------------------------------------------------------------------------------

MESSAGE = udp(b"payload", sport=5000, dport=53)

# (description, UDP message, reason)
UDP_ROWS = [
    ("no checksum", MESSAGE, "none"),
    ("header only", udp(sport=5000, dport=53), "none"),
    ("octets behind the message", MESSAGE + b"more", "none"),
    ("7 octets", MESSAGE[:7], "udp-length"),
    ("nothing", b"", "udp-length"),
    ("length of 7", MESSAGE[:4] + b"\x00\x07" + MESSAGE[6:], "udp-length"),
    ("length of 0", MESSAGE[:4] + b"\x00\x00" + MESSAGE[6:], "udp-length"),
    ("length behind the packet", MESSAGE[:-1], "udp-length"),
    ("wrong checksum", MESSAGE[:6] + b"\x00\x01" + MESSAGE[8:], "udp-checksum"),
]


@pytest.mark.parametrize(("description", "message", "reason"), UDP_ROWS)
def test_udp_header_is_checked(description, message, reason):
    assert dissect(ipv4(message), "raw")["reason"] == reason


def test_udp_ports_and_payload_are_found():
    for behind in (b"", b"octets that UDP does not have"):
        seen = dissect(ipv4(MESSAGE + behind, options=bytes(4)), "raw")["udp"]
        assert seen == {"source": 5000, "destination": 53, "checksum": 0, "payload": 32,
                        "payload_len": 7}  # fmt: skip


def test_ipv6_requires_a_udp_checksum():
    packet = ipv6(MESSAGE)
    assert dissect(packet, "raw")["reason"] == "udp-checksum"
    assert dissect(udp_in(packet, 40), "raw")["reason"] == "none"


@pytest.mark.parametrize("fragment", [0x2000, 0x0001, 0x3FFF])
def test_fragments_are_not_read_as_udp(fragment):
    seen = dissect(ipv4(MESSAGE[:7], fragment=fragment), "raw")
    assert (seen["reason"], seen["udp"]) == ("none", None)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=70), st.booleans(), st.data())
def test_udp_checksum_finds_any_flipped_bit(payload, six, data):
    header = 40 if six else 20
    packet = udp_in((ipv6 if six else ipv4)(udp(payload, sport=7, dport=9)), header)
    assert dissect(packet, "raw")["reason"] == "none"
    # The length field aside, which has its own check.
    at = data.draw(st.integers(header, len(packet) - 1).filter(lambda i: i - header not in (4, 5)))
    bit = 1 << data.draw(st.integers(0, 7))
    damaged = packet[:at] + bytes([packet[at] ^ bit]) + packet[at + 1 :]
    if damaged[header + 6 : header + 8] == b"\0\0" and not six:
        return
    assert dissect(damaged, "raw")["reason"] == "udp-checksum"


def test_udp_checksum_that_computes_to_zero_is_sent_as_ones():
    payload = next(
        word.to_bytes(2, "big")
        for word in range(65536)
        if udp_in(ipv4(udp(word.to_bytes(2, "big"), sport=7, dport=9)), 20)[26:28] == b"\xff\xff"
    )
    packet = udp_in(ipv4(udp(payload, sport=7, dport=9)), 20)
    assert internet_checksum(packet[12:20] + b"\x00\x11\x00\x0a" + packet[20:]) == 0
    assert dissect(packet, "raw")["reason"] == "none"
