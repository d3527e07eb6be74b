"""Control message header and message rules (RFC 2661 3.1, 4.2, 4.4.1)."""

from __future__ import annotations

import pytest

from control.errors import DecodeError, LocalProtocolError, RemoteProtocolError
from control.l2tp.avp_table import Attribute, MessageType
from control.l2tp.avp_value import ResultCode
from control.l2tp.message import (
    Header,
    Message,
    decode,
    encode,
    is_session_message,
    join,
    peek_type,
    peek_value,
    split,
    verify,
)

SCCCN = bytes.fromhex("c802 0014 3333 0000 0001 0001 8008 0000 0000 0003")
CDN = bytes.fromhex(
    "c802 0024 3333 4444 0003 0003 8008 0000 0000 000e 8008 0000 0001 0003 8008 0000 000e 2222"
)


def test_message_both_ways() -> None:
    message = decode(CDN)
    assert (message.type, message.tunnel_id, message.session_id) == (14, 0x3333, 0x4444)
    assert (message.ns, message.nr) == (3, 3)
    assert message.value(Attribute.RESULT_CODE, ResultCode) == ResultCode(3)
    assert message.value(Attribute.ASSIGNED_SESSION_ID, int) == 0x2222
    assert encode(message) == CDN


def test_zlb_has_no_type() -> None:
    zlb = bytes.fromhex("c802 000c 0007 0000 0003 0002")
    message = decode(zlb)
    assert message == Message(None, 7, 0, 3, 2)
    assert encode(message) == zlb


def test_octets_beyond_length_are_ignored() -> None:
    assert decode(SCCCN + b"trailer") == decode(SCCCN)


def test_all_65536_flag_words_of_a_header() -> None:
    accepted = set()
    for word in range(65536):
        try:
            split(word.to_bytes(2, "big") + SCCCN[2:])
        except DecodeError:
            continue
        accepted.add(word)
    # T, L, S and version 2; the seven reserved bits may be anything.
    assert all(word & 0xCB0F == 0xC802 for word in accepted)
    assert len(accepted) == 2**7


@pytest.mark.parametrize("length", [0, 11, 21, 65535])
def test_length_that_does_not_fit_the_datagram_is_refused(length: int) -> None:
    with pytest.raises(DecodeError):
        split(SCCCN[:2] + length.to_bytes(2, "big") + SCCCN[4:])


@pytest.mark.parametrize("cut", range(12))
def test_short_datagram_is_refused(cut: int) -> None:
    with pytest.raises(DecodeError):
        split(SCCCN[:cut])


def test_first_avp_must_be_message_type() -> None:
    body = bytes.fromhex("8008 0000 0009 0001 8008 0000 0000 0003")
    with pytest.raises(DecodeError) as caught:
        decode(join(Header(1, 0, 0, 0), body))
    assert caught.value.error == 3


@pytest.mark.parametrize(
    "first", ["8408 0000 0000 0003", "0007 0000 0000 03", "8008 0009 0000 0003"]
)
def test_first_avp_that_only_looks_like_message_type(first: str) -> None:
    with pytest.raises(DecodeError):
        decode(join(Header(1, 0, 0, 0), bytes.fromhex(first)))


def test_missing_required_avp_is_the_peers_fault() -> None:
    body = bytes.fromhex("8008 0000 0000 0008")
    with pytest.raises(RemoteProtocolError) as caught:
        verify(decode(join(Header(1, 5, 0, 0), body)))
    assert (caught.value.result, caught.value.error) == (2, 3)


def test_unknown_mandatory_avp_is_error_8_and_names_it() -> None:
    body = bytes.fromhex("8008 0000 0000 0006 8006 0009 0042")
    with pytest.raises(RemoteProtocolError, match="vendor 9 type 66") as caught:
        verify(decode(join(Header(1, 0, 0, 0), body)))
    assert (caught.value.result, caught.value.error) == (2, 8)


def test_unknown_optional_avp_is_no_fault() -> None:
    verify(decode(join(Header(1, 0, 0, 0), bytes.fromhex("8008 0000 0000 0006 0006 0009 0042"))))


def test_unknown_type_is_decoded_and_not_judged() -> None:
    message = decode(join(Header(1, 0, 0, 0), bytes.fromhex("8008 0000 0000 0005")))
    assert message.type == 5
    verify(message)


def test_message_longer_than_a_datagram_is_our_misuse() -> None:
    with pytest.raises(LocalProtocolError):
        join(Header(1, 0, 0, 0), bytes(65500))


def test_peek_reads_a_body_that_does_not_decode() -> None:
    body = bytes.fromhex("8008 0000 0000 0007 8008 0000 000e 0011 8008 0000 0010 0000")
    assert peek_type(body) is MessageType.OCRQ
    assert peek_value(body, Attribute.ASSIGNED_SESSION_ID) == 17
    assert peek_value(body, Attribute.HOST_NAME) is None
    assert peek_value(body, Attribute.MINIMUM_BPS) is None
    assert peek_type(b"") is None
    assert peek_type(bytes.fromhex("8008 0000 0000 0005")) is None


def test_value_of_another_kind_is_absent() -> None:
    assert decode(CDN).value(Attribute.RESULT_CODE, int) is None
    assert decode(CDN).value(Attribute.HOST_NAME, str) is None


def test_whose_fault_an_unreadable_message_is() -> None:
    assert is_session_message(MessageType.CDN, Header(1, 0, 0, 0))
    assert not is_session_message(MessageType.HELLO, Header(1, 5, 0, 0))
    assert is_session_message(None, Header(1, 5, 0, 0))
    assert not is_session_message(None, Header(1, 0, 0, 0))
