"""PPP framing and the common packet form, rows in both directions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.errors import DecodeError
from control.ppp.frame import (
    Frame,
    Packet,
    Protocol,
    decode_frame,
    decode_packet,
    encode_frame,
)

FRAMES = [
    ("LCP with address and control", "ff03c02101020304", 0xC021, "01020304"),
    ("LCP without", "c02101020304", 0xC021, "01020304"),
    ("IP, two octets", "ff03002145", 0x0021, "45"),
    ("IP, one octet", "ff032145", 0x0021, "45"),
    ("IP, one octet, no address", "2145", 0x0021, "45"),
    ("IP, leading zero, no address", "002145", 0x0021, "45"),
    ("nothing behind the protocol", "c223", 0xC223, ""),
    ("address octet without control is a one-octet protocol", "ff04aa", 0x00FF, "04aa"),
    ("even last octet is an unknown protocol", "c020aa", 0xC020, "aa"),
]


@pytest.mark.parametrize(
    ("octets", "protocol", "information"),
    [row[1:] for row in FRAMES],
    ids=[row[0] for row in FRAMES],
)
def test_frame_is_split_in_every_form(octets: str, protocol: int, information: str) -> None:
    assert decode_frame(bytes.fromhex(octets)) == Frame(protocol, bytes.fromhex(information))


@pytest.mark.parametrize("octets", ["", "ff03", "ff03c0", "c0", "00"])
def test_frame_without_whole_protocol_is_an_error(octets: str) -> None:
    with pytest.raises(DecodeError):
        decode_frame(bytes.fromhex(octets))


@pytest.mark.parametrize(
    ("protocol", "acfc", "octets"),
    [
        (Protocol.LCP, False, "ff03c02199"),
        (Protocol.LCP, True, "ff03c02199"),
        (Protocol.IPCP, False, "ff03802199"),
        (Protocol.IPCP, True, "802199"),
        (Protocol.CHAP, True, "c22399"),
    ],
)
def test_frame_is_compressed_only_when_agreed_and_never_of_lcp(
    protocol: int, acfc: bool, octets: str
) -> None:
    assert encode_frame(protocol, b"\x99", acfc=acfc) == bytes.fromhex(octets)


PACKETS = [
    ("09010004", Packet(9, 1)),
    ("0102000401"[:8], Packet(1, 2)),
    ("05ff0006abcd", Packet(5, 255, b"\xab\xcd")),
]


@pytest.mark.parametrize(("octets", "packet"), PACKETS)
def test_packet_row_in_both_directions(octets: str, packet: Packet) -> None:
    assert decode_packet(bytes.fromhex(octets)) == packet
    assert packet.encode() == bytes.fromhex(octets)


def test_padding_behind_the_length_is_ignored() -> None:
    assert decode_packet(bytes.fromhex("05010005aabbcc")) == Packet(5, 1, b"\xaa")


@pytest.mark.parametrize(
    "octets", ["", "01", "010200", "01020003", "01020000", "01020005", "0102ffff"]
)
def test_packet_with_bad_length_is_an_error(octets: str) -> None:
    with pytest.raises(DecodeError):
        decode_packet(bytes.fromhex(octets))


@given(st.binary(max_size=80))
def test_any_octets_give_a_value_or_decode_error(data: bytes) -> None:
    try:
        frame = decode_frame(data)
        packet = decode_packet(frame.information)
    except DecodeError:
        return
    assert frame.information.startswith(packet.encode())


@given(st.integers(0, 255), st.integers(0, 255), st.binary(max_size=1500))
def test_packet_survives_the_way_there_and_back(code: int, identifier: int, data: bytes) -> None:
    packet = Packet(code, identifier, data)
    assert decode_packet(packet.encode() + b"padding") == packet


def test_packet_does_not_show_its_data() -> None:
    assert "hunter2" not in repr(Packet(1, 1, b"hunter2"))
