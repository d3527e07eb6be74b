"""Every code and every option of every protocol, with every length from 0 to 64.

A length is that which the packet or option says of itself, or that at which it is cut off.
"""

from __future__ import annotations

from random import Random

import pytest

from control.ppp.config import LinkConfig
from control.ppp.frame import Packet, decode_frame, decode_packet, encode_frame
from control.ppp.link import Link
from control.ppp.options import decode_options
from control.ppp.phase import Phase

LCP, IPCP, IPV6CP, PAP, CHAP = 0xC021, 0x8021, 0x8057, 0xC023, 0xC223
PROTOCOLS = {"lcp": LCP, "ipcp": IPCP, "ipv6cp": IPV6CP, "pap": PAP, "chap": CHAP}
CONFIG = LinkConfig(
    local_address="10.0.0.1",
    ipv6=True,
    dns=("10.0.0.53",),
    nbns=("10.0.0.54",),
    want_acfc=True,
    want_pfc=True,
)
METHODS = {PAP: ("pap",), CHAP: ("chap",)}
MAXIMUM = 64


def link_for(protocol: int) -> Link:
    """A link in the phase that has this protocol, with nothing left to send."""
    methods = METHODS.get(protocol, ())
    link = Link(
        LinkConfig(
            local_address="10.0.0.1",
            ipv6=True,
            authenticate_peer=methods,
            answer_protocols=methods,
            username="us",
            password=b"secret",
        ),
        Random(1),
    )
    link.open(0.0)
    if protocol != LCP:
        (request,) = link.frames_to_send()
        packet = decode_packet(decode_frame(request).information)
        link.receive_frame(encode_frame(LCP, Packet(2, packet.identifier, packet.data).encode()), 0)
        wanted = {PAP: b"\x03\x04\xc0\x23", CHAP: b"\x03\x05\xc2\x23\x05"}.get(protocol, b"")
        link.receive_frame(encode_frame(LCP, Packet(1, 1, wanted).encode()), 0.0)
    link.frames_to_send()
    return link


def declared(code: int, identifier: int, length: int, fill: bytes) -> bytes:
    """A packet that says it has `length` octets, and has 64."""
    data = (fill * MAXIMUM)[: MAXIMUM - 4]
    return bytes((code, identifier)) + length.to_bytes(2, "big") + data


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_every_code_with_every_declared_length(protocol: int) -> None:
    for code in range(256):
        link = link_for(protocol)
        for length in range(MAXIMUM + 1):
            for fill in (b"\x00", b"\x01\x04"):
                # One at a time, so that no limit of rate stands before what is tested.
                now = float(length)
                before = link.counters["malformed"]
                link.receive_frame(encode_frame(protocol, declared(code, 7, length, fill)), now)
                if length < 4 and link.phase is not Phase.DEAD:
                    assert link.counters["malformed"] == before + 1
                for frame in link.frames_to_send():
                    decode_packet(decode_frame(frame).information)


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_every_code_with_every_length_cut_off_there(protocol: int) -> None:
    for code in range(16):
        link = link_for(protocol)
        for length in range(MAXIMUM + 1):
            whole = Packet(code, 7, bytes(MAXIMUM)).encode()
            link.receive_frame(encode_frame(protocol, whole[:length]), 1.0)
        # Each is shorter than it says.
        assert link.counters["malformed"] == MAXIMUM + 1
        assert link.frames_to_send() == []


@pytest.mark.parametrize("protocol", [LCP, IPCP, IPV6CP], ids=["lcp", "ipcp", "ipv6cp"])
@pytest.mark.parametrize("fill", [0, 1, 0xC0, 0xFF])
def test_every_option_with_every_length_is_taken_refused_or_not_one(
    protocol: int, fill: int
) -> None:
    link = link_for(protocol)
    now = 0.0
    for kind in range(256):
        for length in range(MAXIMUM + 1):
            now += 0.1
            if link.phase is Phase.DEAD:
                link, now = link_for(protocol), 0.0
            body = (bytes((kind, length)) + bytes([fill]) * MAXIMUM)[: max(length, 2)]
            link.receive_frame(encode_frame(protocol, Packet(1, 9, body).encode()), now)
            check_answer(link, protocol, body, malformed=length < 2)


def check_answer(link: Link, protocol: int, body: bytes, *, malformed: bool) -> None:
    """RFC 1661 5.2 to 5.4 of what a Configure-Request got."""
    answers = [decode_frame(frame) for frame in link.frames_to_send()]
    packets = [decode_packet(a.information) for a in answers if a.protocol == protocol]
    replies = [packet for packet in packets if packet.code in (2, 3, 4) and packet.identifier == 9]
    if malformed:
        assert replies == []
    for reply in replies:
        if reply.code in (2, 4):
            asked = decode_options(body)
            assert all(option in asked for option in decode_options(reply.data))
        if reply.code == 2:
            assert reply.data == body


@pytest.mark.parametrize("size", range(MAXIMUM + 1))
def test_every_value_size_of_a_challenge_and_a_response(size: int) -> None:
    for code in (1, 2):
        for length in range(MAXIMUM + 1):
            link = link_for(CHAP)
            data = (bytes((size,)) + b"v" * MAXIMUM)[:length]
            link.receive_frame(encode_frame(CHAP, Packet(code, 1, data).encode()), 1.0)
            sound = 0 < size < length
            if not sound:
                assert link.counters["malformed"] == 1
                assert link.frames_to_send() == []
            elif code == 1:
                assert len(link.frames_to_send()) == 1


@pytest.mark.parametrize("first", range(MAXIMUM + 1))
def test_every_pair_of_lengths_of_a_pap_request(first: int) -> None:
    for second in range(MAXIMUM + 1):
        link = link_for(PAP)
        data = bytes((first,)) + b"n" * first + bytes((second,)) + b"p" * (second - 1)
        link.receive_frame(encode_frame(PAP, Packet(1, 1, data).encode()), 1.0)
        # The last octet of the password is missing, unless there is none.
        assert link.counters["malformed"] == (second > 0)
