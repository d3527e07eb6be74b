"""The octets before a PPP payload (RFC 1661 2, RFC 1662 3.1), compressed or not."""

from __future__ import annotations

import pytest

from fastpath.dissect import ppp_header

# (description, frame, protocol, offset of the payload)
ROWS = [
    ("nothing compressed", b"\xff\x03\x00\x21E", 0x21, 4),
    ("protocol compressed", b"\xff\x03\x21E", 0x21, 3),
    ("address and control compressed", b"\x00\x21E", 0x21, 2),
    ("all compressed", b"\x21E", 0x21, 1),
    ("IPv6", b"\x57", 0x57, 1),
    ("LCP", b"\xff\x03\xc0\x21\x01", 0xC021, 4),
    ("LCP without address", b"\xc0\x21\x01", 0xC021, 2),
    ("CHAP", b"\xc2\x23\x01", 0xC223, 2),
    ("no payload", b"\x00\x21", 0x21, 2),
    ("address without control is a protocol", b"\xff\x21E", 0xFF, 1),
    ("address and control twice", b"\xff\x03\xff\x03", 0xFF, 3),
    ("even number, to be rejected by its value", b"\x00\x20", 0x20, 2),
]


@pytest.mark.parametrize(("description", "frame", "protocol", "payload"), ROWS)
def test_protocol_and_payload_are_found(description, frame, protocol, payload):
    assert ppp_header(frame) == {"protocol": protocol, "payload": payload}


@pytest.mark.parametrize("frame", [b"", b"\xff", b"\x00", b"\xc0", b"\xff\x03", b"\xff\x03\x00"])
def test_frame_that_ends_in_its_header_is_short(frame):
    assert ppp_header(frame) == "ppp-short"


def slow_header(frame: bytes) -> dict | str:
    """The same, by taking octets off the front."""
    rest = frame
    if rest == b"\xff":
        return "ppp-short"
    if rest.startswith(b"\xff\x03"):
        rest = rest[2:]
    protocol = b""
    while not protocol or not protocol[-1] & 1:
        if len(protocol) == 2:
            break
        if not rest:
            return "ppp-short"
        protocol, rest = protocol + rest[:1], rest[1:]
    return {"protocol": int.from_bytes(protocol, "big"), "payload": len(frame) - len(rest)}


@pytest.mark.parametrize("tail", [b"", b"\x00", b"\x21", b"\x00\x21"])
def test_every_start_of_a_frame_reads_as_in_the_slow_twin(tail):
    for word in range(65536):
        frame = word.to_bytes(2, "big") + tail
        assert ppp_header(frame) == slow_header(frame), frame.hex()
    for octet in range(256):
        assert ppp_header(bytes([octet])) == slow_header(bytes([octet]))
