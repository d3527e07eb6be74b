"""PAP and CHAP packets: rows in both directions, and the CHAP digest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.errors import DecodeError
from control.ppp import chap, pap


@pytest.mark.parametrize(
    ("octets", "content"),
    [
        ("0000", pap.Credentials(b"", b"")),
        ("0275730673656372 6574", pap.Credentials(b"us", b"secret")),
        ("01ff0100", pap.Credentials(b"\xff", b"\x00")),
    ],
)
def test_pap_request_row(octets: str, content: pap.Credentials) -> None:
    assert pap.decode_request(bytes.fromhex(octets)) == content
    assert pap.encode_request(content) == bytes.fromhex(octets)


@pytest.mark.parametrize("octets", ["", "01", "00", "027573", "0275730773656372 6574", "ff00"])
def test_pap_request_with_length_beyond_the_packet_is_an_error(octets: str) -> None:
    with pytest.raises(DecodeError):
        pap.decode_request(bytes.fromhex(octets))


@pytest.mark.parametrize(("octets", "message"), [("", None), ("00", b""), ("026f6b", b"ok")])
def test_pap_result_row(octets: str, message: bytes | None) -> None:
    assert pap.decode_result(bytes.fromhex(octets)) == message
    assert pap.encode_result(message) == bytes.fromhex(octets)


def test_pap_result_with_length_beyond_the_packet_is_an_error() -> None:
    with pytest.raises(DecodeError):
        pap.decode_result(b"\x03ok")


@pytest.mark.parametrize(
    ("octets", "content"),
    [
        ("01aa", chap.Value(b"\xaa", b"")),
        ("02aabb6c6e73", chap.Value(b"\xaa\xbb", b"lns")),
    ],
)
def test_chap_value_row(octets: str, content: chap.Value) -> None:
    assert chap.decode_value(bytes.fromhex(octets)) == content
    assert chap.encode_value(content) == bytes.fromhex(octets)


@pytest.mark.parametrize("octets", ["", "00", "00aa", "02aa", "ff"])
def test_chap_value_size_of_zero_or_beyond_the_packet_is_an_error(octets: str) -> None:
    with pytest.raises(DecodeError):
        chap.decode_value(bytes.fromhex(octets))


@given(st.binary(max_size=70))
def test_any_octets_give_a_value_or_decode_error(data: bytes) -> None:
    for decode in (pap.decode_request, pap.decode_result, chap.decode_value):
        try:
            decode(data)
        except DecodeError:
            continue


def test_chap_digest_is_md5_of_identifier_secret_and_challenge() -> None:
    # Worked out with md5sum over the octets 01 'secret' 00..0f.
    challenge = bytes(range(16))
    response = chap.digest(1, b"secret", challenge)
    assert response.hex() == "740e86463bda3a4d7017d6e0fba0699d"
    assert chap.verify(1, b"secret", challenge, response)
    assert not chap.verify(2, b"secret", challenge, response)
    assert not chap.verify(1, b"Secret", challenge, response)
    assert not chap.verify(1, b"", challenge, chap.digest(1, b"", challenge))
