"""netlink messages and attributes: rows both ways, and any octets are a value or a DecodeError."""

from __future__ import annotations

import contextlib
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.errors import DecodeError
from control.kernel.messages import (
    Message,
    attribute,
    message,
    number_attribute,
    number_in,
    read_attributes,
    read_errno,
    read_messages,
)

pytestmark = pytest.mark.skipif(sys.byteorder != "little", reason="rows are of a little endian")

ROWS = [
    pytest.param("10000000 0300 0200 07000000 00000000", Message(3, 2, 7, 0, b""), id="done"),
    pytest.param(
        "14000000 1800 0506 01000000 00000000 02200000",
        Message(24, 0x605, 1, 0, b"\x02\x20\0\0"),
        id="body",
    ),
]


@pytest.mark.parametrize(("octets", "value"), ROWS)
def test_message_reads_and_writes(octets, value):
    data = bytes.fromhex(octets)
    assert list(read_messages(data)) == [value]
    assert message(value.kind, value.flags, value.sequence, value.body) == data


def test_bodies_that_are_no_words_are_padded_between_messages():
    data = message(24, 0, 1, b"abc") + message(25, 0, 2, b"")
    assert [(m.kind, m.body) for m in read_messages(data)] == [(24, b"abc"), (25, b"")]


ATTRIBUTES = [
    pytest.param("0800 0400 05000000", {4: b"\5\0\0\0"}, id="number"),
    pytest.param("0500 0300 61000000 0800 0f00 64000000", {3: b"a", 15: b"d\0\0\0"}, id="padded"),
    pytest.param("0400 0900", {9: b""}, id="empty"),
]


@pytest.mark.parametrize(("octets", "value"), ATTRIBUTES)
def test_attributes_read_and_write(octets, value):
    data = bytes.fromhex(octets)
    assert read_attributes(data, 0) == value
    assert b"".join(attribute(kind, octets) for kind, octets in value.items()) == data


def test_flags_in_an_attributes_type_are_no_part_of_it():
    assert read_attributes(bytes.fromhex("0400 0980"), 0) == {9: b""}


def test_number_of_another_length_is_an_error():
    assert number_in(read_attributes(number_attribute(4, 5), 0), 4) == 5
    assert number_in({}, 4, otherwise=9) == 9
    with pytest.raises(DecodeError, match="attribute 4 of 2 octets"):
        number_in({4: b"ab"}, 4)


@pytest.mark.parametrize(
    ("octets", "match"),
    [
        ("0f000000 0300 0200 07000000 00000000", "a message of 15 octets at octet 0"),
        ("11000000 0300 0200 07000000 00000000", "a message of 17 octets at octet 0"),
        ("00000000 0300 0200 07000000 00000000", "a message of 0 octets at octet 0"),
        ("0000", "behind the last message"),
    ],
)
def test_damaged_message_is_told_where_it_is(octets, match):
    with pytest.raises(DecodeError, match=match):
        list(read_messages(bytes.fromhex(octets)))


@pytest.mark.parametrize("octets", ["0300 0400", "0000 0400", "0900 0400 00000000", "0400"])
def test_damaged_attribute_is_an_error(octets):
    with pytest.raises(DecodeError):
        read_attributes(bytes.fromhex(octets), 0)


@pytest.mark.parametrize(("octets", "value"), [("", 0), ("00000000", 0), ("efffffff", 17)])
def test_errno_is_positive(octets, value):
    assert read_errno(bytes.fromhex(octets)) == value


@given(st.binary(max_size=200))
def test_any_octets_are_values_or_an_error(data):
    for read in (lambda: list(read_messages(data)), lambda: read_attributes(data, 0)):
        with contextlib.suppress(DecodeError):
            read()
