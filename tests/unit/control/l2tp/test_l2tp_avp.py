"""AVP codec: every AVP in both directions, every header, every refusal (RFC 2661 4.1 to 4.4)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control.errors import DecodeError, LocalProtocolError
from control.l2tp.avp import Avp, decode_avps, encode_avps, hide_avps, make, walk
from control.l2tp.avp_table import AVPS, REQUIRED, ROWS, Attribute, MessageType
from control.l2tp.avp_value import (
    Accm,
    CallErrors,
    DisconnectCause,
    Q931Cause,
    ResultCode,
)

A = Attribute
M = MessageType

WIRE = [
    (A.MESSAGE_TYPE, "8008 0000 0000 0001", 1),
    (A.RESULT_CODE, "8008 0000 0001 0003", ResultCode(3)),
    (A.RESULT_CODE, "800a 0000 0001 0002 0008", ResultCode(2, 8)),
    (A.RESULT_CODE, "800a 0000 0001 0002 0000", ResultCode(2, 0)),
    (A.RESULT_CODE, "800e 0000 0001 0002 0006 c3a9 2121", ResultCode(2, 6, "é!!")),
    (A.PROTOCOL_VERSION, "8008 0000 0002 0100", 0x0100),
    (A.FRAMING_CAPABILITIES, "800a 0000 0003 00000003", 3),
    (A.BEARER_CAPABILITIES, "800a 0000 0004 00000001", 1),
    (A.TIE_BREAKER, "000e 0000 0005 0102030405060708", bytes(range(1, 9))),
    (A.FIRMWARE_REVISION, "0008 0000 0006 0108", 0x0108),
    (A.HOST_NAME, "8009 0000 0007 6c6163", "lac"),
    (A.HOST_NAME, "8008 0000 0007 ff80", "\udcff\udc80"),
    (A.VENDOR_NAME, "0006 0000 0008", ""),
    (A.VENDOR_NAME, "0009 0000 0008 616263", "abc"),
    (A.ASSIGNED_TUNNEL_ID, "8008 0000 0009 ffff", 65535),
    (A.RECEIVE_WINDOW_SIZE, "8008 0000 000a 0004", 4),
    (A.CHALLENGE, "8007 0000 000b aa", b"\xaa"),
    (A.Q931_CAUSE_CODE, "8009 0000 000c 0011 45", Q931Cause(17, 0x45)),
    (A.Q931_CAUSE_CODE, "800d 0000 000c 0011 45 62757379", Q931Cause(17, 0x45, "busy")),
    (A.CHALLENGE_RESPONSE, "8016 0000 000d" + "5a" * 16, b"\x5a" * 16),
    (A.ASSIGNED_SESSION_ID, "8008 0000 000e 0001", 1),
    (A.CALL_SERIAL_NUMBER, "800a 0000 000f ffffffff", 0xFFFFFFFF),
    (A.MINIMUM_BPS, "800a 0000 0010 0000fa00", 64000),
    (A.MAXIMUM_BPS, "800a 0000 0011 0001f400", 128000),
    (A.BEARER_TYPE, "800a 0000 0012 00000002", 2),
    (A.FRAMING_TYPE, "800a 0000 0013 00000001", 1),
    (A.CALLED_NUMBER, "800d 0000 0015 35353531323334", "5551234"),
    (A.CALLING_NUMBER, "8006 0000 0016", ""),
    (A.SUB_ADDRESS, "8008 0000 0017 3132", "12"),
    (A.TX_CONNECT_SPEED, "800a 0000 0018 0000fa00", 64000),
    (A.PHYSICAL_CHANNEL_ID, "000a 0000 0019 00000007", 7),
    (A.INITIAL_RECEIVED_CONFREQ, "000a 0000 001a 010405b4", bytes.fromhex("010405b4")),
    (A.LAST_SENT_CONFREQ, "0006 0000 001b", b""),
    (A.LAST_RECEIVED_CONFREQ, "0007 0000 001c 00", b"\x00"),
    (A.PROXY_AUTHEN_TYPE, "0008 0000 001d 0002", 2),
    (A.PROXY_AUTHEN_NAME, "0009 0000 001e 637065", b"cpe"),
    (A.PROXY_AUTHEN_CHALLENGE, "0008 0000 001f 0102", b"\x01\x02"),
    (A.PROXY_AUTHEN_ID, "0008 0000 0020 00ff", 255),
    (A.PROXY_AUTHEN_RESPONSE, "0008 0000 0021 7077", b"pw"),
    (
        A.CALL_ERRORS,
        "8020 0000 0022 0000 00000001 00000002 00000003 00000004 00000005 00000006",
        CallErrors(1, 2, 3, 4, 5, 6),
    ),
    (A.ACCM, "8010 0000 0023 0000 000a0000 ffffffff", Accm(0x000A0000, 0xFFFFFFFF)),
    (A.RANDOM_VECTOR, "8008 0000 0024 0f0f", b"\x0f\x0f"),
    (A.PRIVATE_GROUP_ID, "0007 0000 0025 67", b"g"),
    (A.RX_CONNECT_SPEED, "000a 0000 0026 00007d00", 32000),
    (A.SEQUENCING_REQUIRED, "8006 0000 0027", None),
    (A.DISCONNECT_CAUSE, "000b 0000 002e 0003 c021 01", DisconnectCause(3, 0xC021, 1)),
    (A.DISCONNECT_CAUSE, "000d 0000 002e 0003 c021 02 6869", DisconnectCause(3, 0xC021, 2, "hi")),
]


@pytest.mark.parametrize(("attribute", "wire", "value"), WIRE)
def test_avp_row_both_ways(attribute: Attribute, wire: str, value: object) -> None:
    octets = bytes.fromhex(wire)
    (avp,) = decode_avps(octets)
    assert (avp.attribute, avp.value, avp.known) == (attribute, value, True)
    assert encode_avps([make(attribute, value)]) == octets
    assert encode_avps([avp]) == octets


def test_every_row_has_a_wire_example() -> None:
    assert {row.attribute for row in ROWS} == {attribute for attribute, _, _ in WIRE}


SPECIFIED = {
    M.SCCRQ: ((0, 2, 3, 7, 9), (4, 5, 6, 8, 10, 11)),
    M.SCCRP: ((0, 2, 3, 7, 9), (4, 6, 8, 10, 11, 13)),
    M.SCCCN: ((0,), (13,)),
    M.STOPCCN: ((0, 1, 9), ()),
    M.HELLO: ((0,), ()),
    M.OCRQ: ((0, 14, 15, 16, 17, 18, 19, 21), (23,)),
    M.OCRP: ((0, 14), (25,)),
    M.OCCN: ((0, 19, 24), (38, 39)),
    M.ICRQ: ((0, 14, 15), (18, 21, 22, 23, 25)),
    M.ICRP: ((0, 14), ()),
    M.ICCN: ((0, 19, 24), (26, 27, 28, 29, 30, 31, 32, 33, 37, 38, 39)),
    M.CDN: ((0, 1, 14), (12, 46)),
    M.WEN: ((0, 34), ()),
    M.SLI: ((0, 35), ()),
}


@pytest.mark.parametrize("kind", list(MessageType))
def test_message_table_is_that_of_the_specification(kind: MessageType) -> None:
    must, may = SPECIFIED[kind]
    assert tuple(sorted(REQUIRED[kind])) == must
    optional = {r.attribute for r in ROWS if kind in r.may and r.attribute != A.RANDOM_VECTOR}
    assert tuple(sorted(optional)) == may


NOT_MANDATORY = {5, 6, 8, 25, 26, 27, 28, 29, 30, 31, 32, 33, 37, 38, 46}
NOT_HIDEABLE = {0, 1, 2, 5, 7, 10, 12, 36, 39}


def test_mandatory_and_hideable_are_those_of_the_specification() -> None:
    assert {r.attribute for r in ROWS if not r.mandatory} == NOT_MANDATORY
    assert {r.attribute for r in ROWS if not r.hideable} == NOT_HIDEABLE


MALFORMED = [
    ("result of 3 octets", "8009 0000 0001 000300", 2),
    ("result of 1 octet", "8007 0000 0001 00", 2),
    ("version of 1 octet", "8007 0000 0002 01", 2),
    ("framing of 2 octets", "8008 0000 0003 0003", 2),
    ("tunnel id 0", "8008 0000 0009 0000", 3),
    ("session id 0", "8008 0000 000e 0000", 3),
    ("window 0", "8008 0000 000a 0000", 3),
    ("empty host name", "8006 0000 0007", 2),
    ("empty challenge", "8006 0000 000b", 2),
    ("response of 15 octets", "8015 0000 000d" + "00" * 15, 2),
    ("response of 17 octets", "8017 0000 000d" + "00" * 17, 2),
    ("cause of 2 octets", "8008 0000 000c 0011", 2),
    ("call errors of 24 octets", "801e 0000 0022" + "00" * 24, 2),
    ("call errors, reserved set", "8020 0000 0022 0001" + "00" * 24, 3),
    ("accm, reserved set", "8010 0000 0023 0001" + "00" * 8, 3),
    ("sequencing with a value", "8007 0000 0027 00", 2),
    ("host name hidden", "c00a 0000 0007 00000000", 3),
    ("hidden without Random Vector", "c00a 0000 0009 00000000", 3),
    ("length 0", "8000 0000 0000 0001", 2),
    ("length 5", "8005 0000 0000 0001", 2),
    ("length beyond the body", "8009 0000 0000 0001", 2),
    ("half a header", "8008 0000 0000 0001 8008 00", 2),
    ("second Message Type", "8008 0000 0000 0001 8008 0000 0000 0002", 3),
    ("second unknown AVP", "0006 0009 0001 0006 0009 0001", 3),
]


@pytest.mark.parametrize(("reason", "wire", "error"), MALFORMED)
def test_malformed_avp_is_refused(reason: str, wire: str, error: int) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_avps(bytes.fromhex(wire))
    assert caught.value.error == error, reason


def test_malformed_optional_avp_is_kept_as_not_recognised() -> None:
    # RFC 2661 7.1: Rx Connect Speed of 2 octets, the RFC's own example.
    octets = bytes.fromhex("0008 0000 0026 0020")
    (avp,) = decode_avps(octets)
    assert (avp.known, avp.mandatory, avp.value) == (False, False, b"\x00\x20")
    assert encode_avps([avp]) == octets


def test_reserved_bit_makes_an_avp_unknown() -> None:
    octets = bytes.fromhex("8408 0000 0009 0001")
    (avp,) = decode_avps(octets)
    assert not avp.known
    assert avp.mandatory
    assert encode_avps([avp]) == octets


def test_vendor_is_part_of_the_key() -> None:
    octets = bytes.fromhex("8008 0000 0009 0001 0009 1234 0009 616263")
    ours, theirs = decode_avps(octets)
    assert (ours.known, theirs.known, theirs.value) == (True, False, b"abc")
    assert encode_avps([ours, theirs]) == octets


def test_random_vector_may_occur_twice() -> None:
    assert len(decode_avps(bytes.fromhex("8007 0000 0024 01 8007 0000 0024 02"))) == 2


FIXED = bytes.fromhex("0000 0000 0001 8008 0000 0009 0007") + bytes(1020)


def test_all_65536_flags_and_length_words_of_an_avp() -> None:
    for word in range(65536):
        octets = word.to_bytes(2, "big") + FIXED
        length = word & 0x3FF
        try:
            avps = walk(octets)
        except DecodeError:
            continue
        assert length >= 6
        assert sum(len(avp.octets) + 6 for avp in avps) == len(octets)
        assert avps[0].flags == word & 0xFC00


def test_all_65536_flags_and_length_words_decode_or_are_refused() -> None:
    decoded = 0
    for word in range(65536):
        octets = word.to_bytes(2, "big") + FIXED[:12]
        try:
            avps = decode_avps(octets)
        except DecodeError:
            continue
        decoded += 1
        assert encode_avps(avps) == octets
    # The two AVPs as they stand, or one AVP of 14 octets that is unknown or ignored.
    assert decoded > 0


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        (A.ASSIGNED_TUNNEL_ID, 0),
        (A.ASSIGNED_TUNNEL_ID, 65536),
        (A.MINIMUM_BPS, -1),
        (A.MINIMUM_BPS, 1 << 32),
        (A.MINIMUM_BPS, "64000"),
        (A.HOST_NAME, ""),
        (A.HOST_NAME, b"lac"),
        (A.HOST_NAME, "\ud800"),
        (A.CALLED_NUMBER, "1" * 1018),
        (A.CHALLENGE, b""),
        (A.CHALLENGE, bytes(1018)),
        (A.RESULT_CODE, ResultCode(1, None, "text without error")),
        (A.RESULT_CODE, ResultCode(70000)),
        (A.RESULT_CODE, 1),
        (A.Q931_CAUSE_CODE, 17),
        (A.CALL_ERRORS, 0),
        (A.ACCM, 0),
        (A.DISCONNECT_CAUSE, 0),
        (A.SEQUENCING_REQUIRED, 1),
    ],
)
def test_value_that_cannot_be_sent_is_our_misuse(attribute: Attribute, value: object) -> None:
    with pytest.raises(LocalProtocolError):
        encode_avps([make(attribute, value)])


def test_longest_value_fits() -> None:
    octets = encode_avps([make(A.CALLED_NUMBER, "1" * 1017)])
    assert len(octets) == 1023
    assert decode_avps(octets)[0].value == "1" * 1017


def test_unknown_avp_without_octets_is_our_misuse() -> None:
    with pytest.raises(LocalProtocolError):
        encode_avps([Avp(9999, "text")])


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=64))
def test_text_survives_any_octets(octets: bytes) -> None:
    text = AVPS[0, A.CALLED_NUMBER].codec.decode(octets)
    assert AVPS[0, A.CALLED_NUMBER].codec.encode(text) == octets


class _Rng:
    def randrange(self, start: int, stop: int, /) -> int:
        return stop - 1

    def randbytes(self, n: int, /) -> bytes:
        return bytes(range(n))


def test_hidden_avps_come_back_and_do_not_show() -> None:
    avps = [make(A.MESSAGE_TYPE, 7), make(A.CALLED_NUMBER, "5551234"), make(A.MINIMUM_BPS, 64000)]
    hidden = hide_avps(avps, b"secret", _Rng())
    octets = encode_avps(hidden)
    assert b"5551234" not in octets
    back = decode_avps(octets, b"secret")
    assert [a.attribute for a in back] == [A.MESSAGE_TYPE, A.RANDOM_VECTOR, 21, 16]
    assert [a.value for a in back[2:]] == ["5551234", 64000]
    assert all(a.hidden for a in back[2:])
    assert encode_avps(back) == octets
    assert "5551234" not in repr(back)


def test_proxy_password_does_not_show_in_a_trace() -> None:
    assert "pw" not in repr(make(A.PROXY_AUTHEN_RESPONSE, b"pw"))


def test_hidden_avp_without_a_secret_is_refused() -> None:
    octets = encode_avps(
        hide_avps([make(A.MESSAGE_TYPE, 7), make(A.CALLED_NUMBER, "1")], b"s", _Rng())
    )
    with pytest.raises(DecodeError) as caught:
        decode_avps(octets)
    assert caught.value.error == 3
