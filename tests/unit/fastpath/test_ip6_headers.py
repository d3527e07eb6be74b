"""IPv6 extension headers, MSS options and ICMPv6 answers against plain Python."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from packets6 import HOME6, SITE6, assert_sound6, behind, datagram6, icmp6_error
from parse_packets import ipv6

from control.sim import host6
from fastpath.dissect import cut_mss, dissect, icmp6_echo_reply
from fastpath.dissect import icmp6_error as built_error

EXTENSIONS = {0, 43, 44, 51, 60, 135, 139, 140}
OUR_ADDRESS = host6.pack_address("2001:db8::1")


def upper(packet: bytes) -> tuple[int, int]:
    """Protocol and offset of what is behind the extension headers, the obvious way."""
    kind, at, end = packet[6], 40, len(packet)
    while kind in EXTENSIONS:
        if at + 8 > end or at > 2048:
            return kind, min(at, end)
        if kind == 44:
            kind, offset, at = packet[at], int.from_bytes(packet[at + 2 : at + 4], "big"), at + 8
            if offset & 0xFFF8:
                return kind, min(at, end)
            continue
        size = (packet[at + 1] + 2) * 4 if kind == 51 else (packet[at + 1] + 1) * 8
        kind, at = packet[at], at + size
    return kind, min(at, end)


@st.composite
def chains(draw) -> bytes:
    packet = datagram6(draw(st.binary(max_size=40)))
    for _ in range(draw(st.integers(0, 5))):
        kind = draw(st.sampled_from(sorted(EXTENSIONS)))
        words = draw(st.integers(0, 3))
        if kind == 44:
            body = b"\0" + draw(st.binary(min_size=6, max_size=6))
        elif kind == 51:
            body = bytes((2 * words,)) + bytes(8 * words + 6)
        else:
            body = bytes((words,)) + bytes(8 * words + 6)
        packet = behind(body, packet, proto=kind)
    return packet


@settings(deadline=None, max_examples=400)
@given(chains(), st.integers(0, 60), st.data())
def test_what_is_behind_a_chain_is_found_whole_or_damaged(packet, cut, data):
    octets = bytearray(packet[: max(40, len(packet) - cut)])
    octets[4:6] = (len(octets) - 40).to_bytes(2, "big")
    for _ in range(data.draw(st.integers(0, 2))):
        if len(octets) > 40:
            octets[data.draw(st.integers(40, len(octets) - 1))] = data.draw(st.integers(0, 255))
    seen = dissect(bytes(octets), "raw")
    if octets[6] == 0 and len(octets) == 40:
        assert seen["reason"] == "ip6-header"
        return
    assert (seen["proto"], seen["l4"]) == upper(bytes(octets))
    assert seen["l4"] <= len(octets)


@settings(deadline=None, max_examples=200)
@given(
    st.integers(0, 65535),
    st.integers(1, 65535),
    st.lists(st.sampled_from([b"\1", b"\3\3\7"]), max_size=8),
)
def test_mss_is_cut_to_twenty_less_and_the_checksum_stays_right(announced, mss, before):
    options = b"".join(before) + b"\2\4" + announced.to_bytes(2, "big")
    options += bytes(-len(options) % 4)
    tcp = bytes(12) + bytes(((5 + len(options) // 4) << 4, 2)) + bytes(6) + options
    ends = host6.pack_address(HOME6) + host6.pack_address(SITE6)
    value = host6._sum(ends, 6, tcp)
    packet = ipv6(tcp[:16] + value.to_bytes(2, "big") + tcp[18:], proto=6, src=HOME6, dst=SITE6)
    cut, count = cut_mss(packet, mss)
    most = max(mss - 20, 1)
    assert count == (announced > most)
    at = packet.index(b"\2\4" + announced.to_bytes(2, "big"), 60) + 2
    assert int.from_bytes(cut[at : at + 2], "big") == min(announced, most)
    assert host6._sum(cut[8:40], 6, cut[40:]) == 0


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=1500), st.sampled_from([1, 2, 3]), st.integers(0, 65535))
def test_error_quotes_what_fits_and_is_sound(payload, kind, mtu):
    packet = ipv6(payload, proto=17, src=HOME6, dst=SITE6)
    answer = built_error(packet, OUR_ADDRESS, kind, 0, mtu)
    assert answer == icmp6_error(packet, kind, 0, mtu=mtu if kind == 2 else 0)
    assert len(answer) == min(1280, 48 + len(packet))
    assert_sound6(answer)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=100), st.integers(0, 255), st.integers(0, 255))
def test_only_a_whole_sound_request_is_answered(data, at, value):
    request = bytearray(host6.ping_packet(HOME6, "2001:db8::1", data=data))
    whole = bytes(request)
    assert icmp6_echo_reply(whole) == host6.ping_reply(whole)
    if 40 <= at < len(request) and request[at] != value:
        request[at] = value
        assert icmp6_echo_reply(bytes(request)) == b""


def test_answers_fit_the_room_or_are_none():
    packet = datagram6(bytes(2000))
    assert built_error(packet, OUR_ADDRESS, 1, 0, 0, 87) == b""
    assert len(built_error(packet, OUR_ADDRESS, 1, 0, 0, 88)) == 88
    assert built_error(packet[:39], OUR_ADDRESS, 1, 0) == b""
