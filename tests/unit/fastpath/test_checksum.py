"""The Internet checksum against the sum that RFC 1071 describes."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parse_packets import internet_checksum, ipv4, sealed

from fastpath import simd
from fastpath.dissect import checksum, header_checksum_ok, update_checksum


def test_example_of_rfc_1071():
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xDDF2 ^ 0xFFFF


def test_every_length_agrees_with_the_slow_sum():
    octets = random.Random(1071).randbytes(200)
    for start in range(8):
        for end in range(start, len(octets)):
            assert checksum(octets[start:end]) == internet_checksum(octets[start:end])


@pytest.mark.parametrize("size", [0, 1, 2, 7, 8, 65534, 65535, 1 << 20])
@pytest.mark.parametrize("octet", [0, 255])
def test_extreme_octets_lose_no_carry(size, octet):
    data = bytes([octet]) * size
    assert checksum(data) == internet_checksum(data)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=300))
def test_random_octets_agree_with_the_slow_sum(data):
    assert checksum(data) == internet_checksum(data)


def test_header_with_its_checksum_is_right_and_no_other():
    for options in range(0, 44, 4):
        header = ipv4(options=bytes(range(options)))
        right = int.from_bytes(header[10:12], "big")
        assert header_checksum_ok(header)
        for wrong in {0, 1, right ^ 1, right ^ 0x8000, right ^ 0xFFFF} - {right}:
            assert not header_checksum_ok(header[:10] + wrong.to_bytes(2, "big") + header[12:])


def test_header_of_no_whole_words_is_an_error():
    with pytest.raises(ValueError, match="21"):
        header_checksum_ok(bytes(21))


def test_example_of_rfc_1624():
    assert update_checksum(0xDD2F, 0x5555, 0x3285) == 0


@settings(deadline=None, max_examples=400)
@given(st.binary(min_size=20, max_size=20), st.integers(0, 9), st.integers(0, 65535))
def test_update_equals_a_new_sum(header, word, new):
    at = 2 * (word if word < 5 else word % 4 + 6)
    header = sealed(b"\x45" + header[1:])
    old = int.from_bytes(header[at : at + 2], "big")
    changed = sealed(header[:at] + new.to_bytes(2, "big") + header[at + 2 :])
    if not any(changed[:10] + changed[12:]):
        return
    before = int.from_bytes(header[10:12], "big")
    assert update_checksum(before, old, new) == int.from_bytes(changed[10:12], "big")


def test_decrement_of_every_ttl():
    for ttl in range(1, 256):
        before, after = ipv4(ttl=ttl), ipv4(ttl=ttl - 1)
        old, new = (int.from_bytes(p[8:10], "big") for p in (before, after))
        updated = update_checksum(int.from_bytes(before[10:12], "big"), old, new)
        assert updated == int.from_bytes(after[10:12], "big")


@pytest.mark.parametrize("variant", simd.available())
@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=700), st.integers(0, 63))
def test_every_variant_agrees_with_the_slow_sum(variant, data, at):
    assert checksum(data[at:], variant) == internet_checksum(data[at:])


@pytest.mark.parametrize("variant", simd.available())
def test_no_variant_loses_a_carry(variant):
    data = b"\xff" * 65535
    assert checksum(data, variant) == internet_checksum(data)


def test_a_variant_that_is_not_there_is_an_error():
    with pytest.raises(ValueError, match="'sse9' is not one of"):
        checksum(b"", "sse9")
