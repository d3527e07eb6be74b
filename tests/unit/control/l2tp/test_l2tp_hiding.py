"""Hiding of AVP values (RFC 2661 4.3): the algorithm step by step, and back."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control.errors import DecodeError, LocalProtocolError
from control.l2tp.hiding import hide, reveal

SECRET = b"secret"
VECTOR = bytes(range(16))


def _xor(a: bytes, b: bytes) -> bytes:
    return bytes(x ^ y for x, y in zip(a, b, strict=False))


def test_value_within_one_block() -> None:
    plain = bytes.fromhex("0002 1092")
    mask = hashlib.md5(b"\x00\x09" + SECRET + VECTOR).digest()
    assert hide(9, b"\x10\x92", SECRET, VECTOR) == _xor(plain, mask)
    # MD5(0009 | "secret" | 00..0f), worked out with another implementation.
    assert mask[:4] == MASK_OF_TUNNEL_ID


MASK_OF_TUNNEL_ID = bytes.fromhex("be681dc7")


def test_value_of_three_blocks_with_padding() -> None:
    value = b"a number of more than two blocks long"
    plain = b"\x00\x25" + value + b"pad"
    assert len(plain) == 42
    b1 = hashlib.md5(b"\x00\x15" + SECRET + VECTOR).digest()
    c1 = _xor(plain[:16], b1)
    c2 = _xor(plain[16:32], hashlib.md5(SECRET + c1).digest())
    c3 = _xor(plain[32:], hashlib.md5(SECRET + c2).digest())
    assert hide(21, value, SECRET, VECTOR, b"pad") == c1 + c2 + c3


def test_hidden_value_grows_by_length_field_and_padding() -> None:
    assert len(hide(9, bytes(4), SECRET, VECTOR, bytes(12))) == 4 + 2 + 12


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 65535),
    st.binary(max_size=80),
    st.binary(min_size=1, max_size=20),
    st.binary(max_size=40),
    st.binary(max_size=40),
)
def test_reveal_undoes_hide(
    attribute: int, value: bytes, secret: bytes, vector: bytes, padding: bytes
) -> None:
    assert (
        reveal(attribute, hide(attribute, value, secret, vector, padding), secret, vector) == value
    )


def test_inner_length_beyond_the_avp_is_refused() -> None:
    mask = hashlib.md5(b"\x00\x09" + SECRET + VECTOR).digest()
    fits = _xor(b"\x00\x02ab", mask)
    too_long = _xor(b"\x00\x03ab", mask)
    assert reveal(9, fits, SECRET, VECTOR) == b"ab"
    with pytest.raises(DecodeError):
        reveal(9, too_long, SECRET, VECTOR)


@pytest.mark.parametrize("hidden", [b"", b"\x00"])
def test_hidden_value_without_room_for_a_length_is_refused(hidden: bytes) -> None:
    with pytest.raises(DecodeError):
        reveal(9, hidden, SECRET, VECTOR)


def test_hiding_without_a_secret_is_our_misuse() -> None:
    with pytest.raises(LocalProtocolError):
        hide(9, b"x", b"", VECTOR)
