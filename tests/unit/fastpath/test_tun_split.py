"""Superpackets cut into packets, against a slow twin and against headers that lie."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from offload_model import (
    ACK,
    CWR,
    DATA_VALID,
    ECE,
    FIN,
    NEEDS_CSUM,
    PSH,
    TCPV4,
    TCPV6,
    UDP_L4,
    Segment,
    segments,
    vnet,
)

from fastpath.ports.tun_split import split

OPTIONS = st.sampled_from([b"", b"\1\1\x08\x0a12345678", b"\1" * 40])
EXTENSION = bytes(7)
"""A header of 8 octets without its first, with padding."""

SUPERPACKETS = st.builds(
    Segment,
    payload=st.binary(min_size=1, max_size=4000),
    six=st.booleans(),
    tcp=st.booleans(),
    sequence=st.integers(0, 0xFFFFFFFF),
    flags=st.sampled_from([ACK, ACK | PSH, ACK | FIN, ACK | PSH | FIN | CWR, ACK | ECE, 0x1FF]),
    options=OPTIONS,
    identification=st.integers(0, 0xFFFF),
    ip_options=st.sampled_from([b"", b"\1" * 4, b"\x94\4\0\0"]),
    extension=st.sampled_from([b"", EXTENSION]),
    tos=st.integers(0, 255),
)


@given(whole=SUPERPACKETS, size=st.integers(1, 1500))
@settings(max_examples=300)
def test_a_superpacket_becomes_what_a_card_makes_of_it(whole, size):
    expected = [segment.packet() for segment in segments(whole, size)]
    assert split(*whole.superpacket(size)) == expected


@pytest.mark.parametrize("six", [False, True])
def test_65535_octets_are_cut_to_the_last(six):
    whole = Segment(bytes(range(256)) * 255, six=six)
    cut = split(*whole.superpacket(1000))
    assert cut == [segment.packet() for segment in segments(whole, 1000)]


@given(whole=SUPERPACKETS)
def test_a_checksum_that_was_left_to_the_card_is_completed(whole):
    header = vnet(NEEDS_CSUM, start=whole.l4, offset=16 if whole.tcp else 6)
    packet = bytearray(whole.packet())
    at = whole.l4 + (16 if whole.tcp else 6)
    if packet[at : at + 2] == b"\0\0":
        packet[at : at + 2] = b"\xff\xff"
    assert split(header, whole.partial()) == [bytes(packet)]


def test_a_packet_without_offloads_stays_as_it_is():
    packet = Segment().packet()
    assert split(vnet(), packet) == [packet]
    assert split(vnet(DATA_VALID), packet) == [packet]
    assert split(vnet(), b"no packet at all") == [b"no packet at all"]


WHOLE = Segment(bytes(100))
SIX = Segment(bytes(100), six=True)
DATAGRAM = Segment(bytes(100), tcp=False)
START, OFFSET = 20, 16

MALFORMED = [
    ("size 0", vnet(1, TCPV4, 40, 0, START, OFFSET), WHOLE),
    ("neither summed nor to be summed", vnet(0, TCPV4, 40, 50, START, OFFSET), WHOLE),
    ("sum begins elsewhere", vnet(1, TCPV4, 40, 50, 24, OFFSET), WHOLE),
    ("TCP said to be UDP", vnet(1, UDP_L4, 40, 50, START, OFFSET), WHOLE),
    ("IPv4 said to be IPv6", vnet(1, TCPV6, 40, 50, START, OFFSET), WHOLE),
    ("IPv6 said to be IPv4", vnet(1, TCPV4, 60, 50, 40, OFFSET), SIX),
    ("UDP said to be TCP", vnet(1, TCPV4, 28, 50, START, OFFSET), DATAGRAM),
    ("UDP fragmentation", vnet(1, 3, 28, 50, START, 6), DATAGRAM),
    ("a kind that nobody knows", vnet(1, 9, 28, 50, START, 6), DATAGRAM),
    ("no payload", vnet(1, TCPV4, 40, 50, START, OFFSET), Segment(b"")),
    ("a fragment", vnet(1, TCPV4, 40, 50, START, OFFSET), Segment(bytes(99), fragment=0x2000)),
    ("a later fragment", vnet(1, TCPV4, 40, 50, START, OFFSET), Segment(bytes(99), fragment=5)),
    ("sum outside", vnet(1, 0, 0, 0, 65535, 65535), WHOLE),
    ("half of the sum outside", vnet(1, 0, 0, 0, 139, 0), WHOLE),
]


@pytest.mark.parametrize(("header", "whole"), [row[1:] for row in MALFORMED], ids=lambda _: "")
def test_a_header_that_contradicts_the_packet_makes_nothing_of_it(header, whole):
    assert split(header, whole.partial()) is None


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda p: p[:-1], id="cut off"),
        pytest.param(lambda p: p + b"\0", id="octets behind it"),
        pytest.param(lambda p: p[:39], id="half a header"),
        pytest.param(lambda p: p[:19], id="less than an IP header"),
        pytest.param(lambda p: b"", id="nothing"),
        pytest.param(lambda p: b"\x44" + p[1:], id="header length 16"),
        pytest.param(lambda p: b"\x4f" + p[1:], id="header length 60, too far"),
        pytest.param(lambda p: p[:32] + b"\x40" + p[33:], id="TCP header of 16 octets"),
        pytest.param(lambda p: p[:2] + b"\xff\xff" + p[4:], id="total length lies"),
    ],
)
def test_a_superpacket_with_headers_that_lie_makes_nothing(change):
    header, packet = WHOLE.superpacket(50)
    assert split(header, change(packet)) is None


@given(header=st.binary(min_size=10, max_size=10), whole=SUPERPACKETS, data=st.data())
@settings(max_examples=300)
def test_no_octets_make_more_than_they_are(header, whole, data):
    packet = bytearray(whole.partial())
    for at in data.draw(st.lists(st.integers(0, min(99, len(packet) - 1)), max_size=5)):
        packet[at] = data.draw(st.integers(0, 255))
    for made in (split(header, bytes(packet)), split(whole.superpacket(9)[0], bytes(packet))):
        assert made is None or all(len(one) <= len(packet) for one in made)


def test_a_header_that_is_too_short_is_refused():
    with pytest.raises(ValueError, match="9 octets"):
        split(bytes(9), b"")
