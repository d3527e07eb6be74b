"""Fragments of IPv4 packets: a slow reassembly gives the packet back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parse_packets import ipv4, sealed

from fastpath.dissect import dissect, fragment

RECORD_ROUTE = b"\x07\x07\x04\x00\x00\x00\x00"  # not copied
SOURCE_ROUTE = b"\x83\x07\x04\xc0\x00\x02\x09"  # copied
ROUTER_ALERT = b"\x94\x04\x00\x00"  # copied
DATA = bytes(at * 31 & 255 for at in range(4000))


def header_of(packet: bytes) -> int:
    return (packet[0] & 15) * 4


def words(packet: bytes) -> tuple[int, int]:
    """The MF bit and the offset in octets."""
    word = int.from_bytes(packet[6:8], "big")
    return word >> 13 & 1, (word & 0x1FFF) * 8


def reassemble(fragments: list[bytes]) -> bytes:
    """RFC 791 3.2 with one octet of memory per octet of data: the packet whose pieces these are."""
    first = min(fragments, key=lambda piece: words(piece)[1])
    start = words(first)[1]
    octets: dict[int, int] = {}
    end, more = 0, 0
    for piece in fragments:
        mf, offset = words(piece)
        for at, octet in enumerate(piece[header_of(piece) :], offset):
            assert at not in octets, "fragments overlap"
            octets[at] = octet
        if offset + len(piece) - header_of(piece) >= end:
            end, more = offset + len(piece) - header_of(piece), mf
    data = bytes(octets[at] for at in range(start, end))
    header = first[: header_of(first)]
    flags = int.from_bytes(first[6:8], "big") & 0xC000 | more << 13 | start // 8
    header = header[:2] + (len(header) + len(data)).to_bytes(2, "big") + header[4:6] \
        + flags.to_bytes(2, "big") + header[8:]  # fmt: skip
    return sealed(header) + data


def check(packet: bytes, mtu: int) -> list[bytes]:
    """Cuts a packet and checks what holds for every packet."""
    pieces = fragment(packet, mtu)
    assert reassemble(pieces) == packet
    for piece in pieces:
        assert len(piece) <= mtu
        seen = dissect(piece, "ipv4")
        assert (seen["reason"], seen["len"]) == ("none", len(piece))
        assert piece[1:2] + piece[4:6] + piece[8:10] + piece[12:20] == (
            packet[1:2] + packet[4:6] + packet[8:10] + packet[12:20]
        )
    for piece in pieces[:-1]:
        assert words(piece)[0] == 1
        assert (len(piece) - header_of(piece)) % 8 == 0
    assert words(pieces[-1])[0] == words(packet)[0]
    return pieces


def test_packet_is_cut_into_as_few_pieces_as_the_mtu_allows():
    pieces = check(ipv4(DATA, proto=99), 1500)
    assert [len(piece) for piece in pieces] == [1500, 1500, 20 + 4000 - 2 * 1480]
    assert [words(piece) for piece in pieces] == [(1, 0), (1, 1480), (0, 2960)]


def test_packet_that_fits_stays_as_it_is():
    for packet in (ipv4(DATA[:80], proto=99), ipv4(DATA[:80], proto=99, fragment=0x4000)):
        assert fragment(packet, 100) == [packet]
        assert fragment(packet + b"padding", 100) == [packet]


def test_mtu_that_is_no_multiple_of_8_is_not_filled():
    assert [len(piece) for piece in check(ipv4(DATA[:100], proto=99), 59)] == [52, 52, 56]


@pytest.mark.parametrize("mtu", range(28, 140))
def test_every_small_mtu(mtu):
    check(ipv4(DATA[:97], proto=99), mtu)


@pytest.mark.parametrize("fragment_word", [0x2000, 0x2005, 0x0005, 0x20B9])
def test_fragment_is_cut_again(fragment_word):
    packet = ipv4(DATA[:800], proto=99, fragment=fragment_word)
    pieces = check(packet, 300)
    assert [words(piece)[1] - words(packet)[1] for piece in pieces] == [0, 280, 560]


def test_fragments_of_fragments_still_make_the_packet():
    packet = ipv4(DATA, proto=99)
    pieces = [inner for outer in fragment(packet, 1500) for inner in fragment(outer, 297)]
    assert len(pieces) > 14
    assert reassemble(pieces[::-1]) == packet


@pytest.mark.parametrize(
    ("description", "options", "later"),
    [
        ("none copied", RECORD_ROUTE + b"\0", b""),
        ("all copied", ROUTER_ALERT, ROUTER_ALERT),
        ("one of two", RECORD_ROUTE + SOURCE_ROUTE + b"\0\0", SOURCE_ROUTE + b"\0"),
        ("no-operations are dropped", b"\x01" + SOURCE_ROUTE, SOURCE_ROUTE + b"\0"),
        ("behind the end", ROUTER_ALERT + b"\0" + SOURCE_ROUTE, ROUTER_ALERT),
        ("length of 1", ROUTER_ALERT + b"\x94\x01\0\0", ROUTER_ALERT),
        ("length behind the header", ROUTER_ALERT + b"\x94\x05\0\0", ROUTER_ALERT),
        ("type without a length", ROUTER_ALERT + b"\x01\x01\x01\x94", ROUTER_ALERT),
        ("40 octets", b"\x94\x28" + bytes(38), b"\x94\x28" + bytes(38)),
    ],
)
def test_later_fragments_have_the_copied_options(description, options, later):
    pieces = check(ipv4(DATA[:300], proto=99, options=options), 150)
    assert len(pieces) > 2
    assert pieces[0][20 : header_of(pieces[0])] == options
    for piece in pieces[1:]:
        assert piece[20 : header_of(piece)] == later


@pytest.mark.parametrize(
    ("description", "packet", "mtu", "reason"),
    [
        ("DF", ipv4(DATA[:100], proto=99, fragment=0x4000), 100, "too-big"),
        ("no room for 8 octets", ipv4(DATA[:100], proto=99), 27, "too-big"),
        ("no room behind options", ipv4(DATA, proto=99, options=bytes(40)), 67, "too-big"),
        ("MTU of 0", ipv4(DATA[:100], proto=99), 0, "too-big"),
        ("end behind octet 65,535", ipv4(DATA, fragment=0x1FF0), 1500, "ip-total-length"),
        ("19 octets", ipv4()[:19], 1500, "ip-short"),
        ("version 6", b"\x65" + ipv4()[1:], 1500, "ip-version"),
        ("header of 4 words", b"\x44" + ipv4()[1:], 1500, "ip-header-length"),
        ("header behind the packet", b"\x46" + ipv4()[1:], 1500, "ip-header-length"),
        ("cut", ipv4(DATA)[:-1], 1500, "ip-total-length"),
        ("length below the header", b"\x45\0\0\x13" + ipv4()[4:], 1500, "ip-total-length"),
    ],
)
def test_packet_that_cannot_be_cut_says_why(description, packet, mtu, reason):
    with pytest.raises(ValueError, match=f"^{reason}$"):
        fragment(packet, mtu)


def test_longest_packet_and_smallest_mtu():
    packet = ipv4(bytes(65515), proto=99)
    pieces = fragment(packet, 28)
    assert len(pieces) == 8190
    assert words(pieces[-1]) == (0, 65512)
    assert [len(piece) for piece in fragment(packet, 65535)] == [65535]
    assert [len(piece) for piece in fragment(packet, 65534)] == [65532, 23]


@settings(deadline=None, max_examples=200)
@given(
    st.integers(0, 1500),
    st.integers(0, 10),
    st.randoms(use_true_random=False),
    st.sampled_from([0, 0x2000, 0x2010, 0x0010, 0x8000, 0x1000]),
    st.integers(28, 1600),
)
def test_any_packet_comes_back_from_its_fragments(size, option_words, random, flags, mtu):
    packet = ipv4(DATA[:size], proto=99, options=random.randbytes(option_words * 4), fragment=flags)
    if len(packet) > mtu and mtu < header_of(packet) + 8:
        with pytest.raises(ValueError, match="too-big"):
            fragment(packet, mtu)
    else:
        check(packet, mtu)
