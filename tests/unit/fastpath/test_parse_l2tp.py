"""The L2TP header (RFC 2661 3.1): every flag word and every header form against a slow twin."""

from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parse_packets import ipv4, udp

from fastpath.dissect import dissect, l2tp_header

FORMS = list(itertools.product([False, True], repeat=4))


def slow_header(data: bytes) -> dict | str:
    """RFC 2661 3.1, field by field from left to right."""
    if len(data) < 2:
        return "l2tp-short"
    word = int.from_bytes(data[:2], "big")
    bits = f"{word:016b}"
    control, has_length, has_ns = bits[0] == "1", bits[1] == "1", bits[4] == "1"
    has_offset, priority, version = bits[6] == "1", bits[7] == "1", word % 16
    if version != 2:
        return {1: "l2f", 3: "l2tpv3"}.get(version, "l2tp-version")
    if control and (not has_length or not has_ns or has_offset or priority):
        return "l2tp-control-flags"
    names = [*(["length"] if has_length else []), "tunnel", "session",
             *(["ns", "nr"] if has_ns else []), *(["offset"] if has_offset else [])]  # fmt: skip
    header = 2 + 2 * len(names)
    if len(data) < header:
        return "l2tp-short"
    fields = dict(zip(names, struct.unpack_from(f"!{len(names)}H", data, 2), strict=True))
    length = fields.get("length", len(data))
    if not header <= length <= len(data):
        return "l2tp-length"
    payload = header + fields.get("offset", 0)
    if payload > length:
        return "l2tp-offset"
    return {"flags": word, "control": control, "length": length, "tunnel": fields["tunnel"],
            "session": fields["session"], "ns": fields.get("ns"), "nr": fields.get("nr"),
            "payload": payload, "payload_len": length - payload}  # fmt: skip


def encode(
    flags: int, *, length: int | None = None, offset: int = 0, payload: bytes = b""
) -> bytes:
    """A message with the fields that flags ask for. Without one given, Length is the right one."""
    size = 6 + 2 * bool(flags & 0x4000) + 4 * bool(flags & 0x0800) + 2 * bool(flags & 0x0200)
    if length is None:
        length = size + (offset if flags & 0x0200 else 0) + len(payload)
    out = struct.pack("!H", flags)
    out += struct.pack("!H", length) if flags & 0x4000 else b""
    out += struct.pack("!HH", 0x1111, 0x2222)
    out += struct.pack("!HH", 0x3333, 0x4444) if flags & 0x0800 else b""
    out += struct.pack("!H", offset) + bytes(offset) if flags & 0x0200 else b""
    return out + payload


def flags_of(has_length: bool, has_ns: bool, has_offset: bool, priority: bool) -> int:
    return 2 | has_length << 14 | has_ns << 11 | has_offset << 9 | priority << 8


def test_every_flag_word_reads_as_in_the_slow_twin():
    # Filled so that Length and Offset Size, wherever they stand, are small and often fit.
    tails = [bytes(size) for size in (0, 3, 4, 8, 12)]
    tails += [bytes([0, 16]) * 10, bytes([0, 12]) * 7, bytes(range(40))]
    for tail in tails:
        for word in range(65536):
            data = word.to_bytes(2, "big") + tail
            assert l2tp_header(data) == slow_header(data), data.hex()


def test_every_form_at_every_length_with_every_kind_of_field():
    words = [t << 15 | flags_of(*form) & ~15 | version
             for t in (0, 1) for form in FORMS for version in (0, 1, 2, 3, 15)]  # fmt: skip
    fields = (0, 5, 6, 12, 16, 24, 65535)
    for word in words:
        for length, offset in itertools.product(fields, fields[:-2]):
            data = encode(word, length=length, offset=offset, payload=b"\xff\x03\x00\x21")
            for end in range(0, len(data) + 1, 1 if word & 15 == 2 else 7):
                assert l2tp_header(data[:end]) == slow_header(data[:end]), data[:end].hex()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("offset", [0, 1, 2, 16, 17, 1000])
def test_every_data_form_is_accepted(form, offset):
    flags = flags_of(*form)
    data = encode(flags, offset=offset, payload=b"payload")
    seen = l2tp_header(data + (b"behind Length" if flags & 0x4000 else b""))
    assert not seen["control"]
    assert (seen["tunnel"], seen["session"]) == (0x1111, 0x2222)
    assert (seen["ns"], seen["nr"]) == ((0x3333, 0x4444) if form[1] else (None, None))
    assert data[seen["payload"] :][: seen["payload_len"]] == b"payload"


@pytest.mark.parametrize("form", FORMS)
def test_control_message_has_length_and_ns_and_nothing_else(form):
    seen = l2tp_header(encode(0x8000 | flags_of(*form), payload=b"avps"))
    if form == (True, True, False, False):
        assert seen["control"]
        assert (seen["payload"], seen["payload_len"]) == (12, 4)
    else:
        assert seen == "l2tp-control-flags"


@pytest.mark.parametrize("control", [0, 0x8000])
def test_reserved_bits_are_ignored(control):
    plain = 2 | control | (0x4800 if control else 0)
    for reserved in range(1, 128):
        bits = sum(1 << place for at, place in enumerate((13, 12, 10, 7, 6, 5, 4))
                   if reserved >> at & 1)  # fmt: skip
        seen, expected = (l2tp_header(encode(f, payload=b"x")) for f in (plain | bits, plain))
        assert seen["flags"] == plain | bits
        assert seen | {"flags": plain} == expected


def test_zero_length_body_is_a_message():
    assert l2tp_header(bytes.fromhex("c802000c0001000000050007")) == {
        "flags": 0xC802, "control": True, "length": 12, "tunnel": 1, "session": 0, "ns": 5,
        "nr": 7, "payload": 12, "payload_len": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("description", "header", "reason"),
    [
        ("L2F", "6001000000000000", "l2f"),
        ("L2TPv3 data over UDP", "0003000000000001", "l2tpv3"),
        ("L2TPv3 control", "c803000c0000000000000000", "l2tpv3"),
        ("version 0", "00000001000100", "l2tp-version"),
        ("version 9", "0009000100010000", "l2tp-version"),
        ("Length of 7", "400200070001000100", "l2tp-length"),
        ("Length behind the datagram", "4002000a0001000100", "l2tp-length"),
        ("offset behind the datagram", "02020001000100020f", "l2tp-offset"),
        ("offset behind Length", "4202000b000100010002ffffff", "l2tp-offset"),
        ("offset of 65535", "020200010001ffff0f", "l2tp-offset"),
    ],
)
def test_bad_header_names_its_reason(description, header, reason):
    assert l2tp_header(bytes.fromhex(header)) == reason


@settings(deadline=None, max_examples=300)
@given(st.integers(0, 65535), st.binary(max_size=40))
def test_random_octets_read_as_in_the_slow_twin(word, tail):
    data = (word & 0xFFF0 | 2).to_bytes(2, "big") + tail
    assert l2tp_header(data) == slow_header(data)


def test_offsets_in_a_dissected_frame_count_from_its_start():
    frame = bytes(12) + b"\x08\x00" + ipv4(udp(encode(0x4A02, offset=3, payload=b"\xff\x03\x21IP")))
    seen = dissect(frame)
    assert seen["reason"] == "none"
    assert seen["udp"]["payload"] == 42
    assert seen["l2tp"]["payload"] == 42 + 14 + 3
    assert seen["ppp"] == {"protocol": 0x21, "payload": 42 + 14 + 3 + 3, "payload_len": 2}


@pytest.mark.parametrize(
    ("sport", "dport", "read"), [(1701, 5, True), (5, 1701, True), (5, 6, False)]
)
def test_l2tp_is_port_1701_on_either_side(sport, dport, read):
    seen = dissect(ipv4(udp(encode(2, payload=b"\x21"), sport=sport, dport=dport)), "raw")
    assert (seen["l2tp"] is not None) is read


def test_control_message_is_not_read_as_ppp():
    seen = dissect(ipv4(udp(encode(0xC802))), "raw")
    assert (seen["reason"], seen["l2tp"]["control"], seen["ppp"]) == ("none", True, None)


def test_data_message_without_payload_is_ppp_short():
    assert dissect(ipv4(udp(encode(2))), "raw")["reason"] == "ppp-short"
