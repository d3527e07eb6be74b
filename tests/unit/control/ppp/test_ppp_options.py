"""Configuration options: the list and every row, in both directions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.errors import DecodeError
from control.ppp.options import (
    ACCM,
    ACFC,
    ADDRESS,
    AUTH,
    IPCP_OPTIONS,
    IPV6CP_OPTIONS,
    LCP_OPTIONS,
    MAGIC,
    MRU,
    PFC,
    PRIMARY_DNS,
    SECONDARY_DNS,
    Option,
    OptionRow,
    decode_options,
    encode_options,
)

ROWS: list[tuple[str, OptionRow[Any], Any]] = [
    ("010405b4", MRU, 1460),
    ("010405dc", MRU, 1500),
    ("0206000a0000", ACCM, 0x000A0000),
    ("0304c023", AUTH, "pap"),
    ("0305c22305", AUTH, "chap"),
    ("0506deadbeef", MAGIC, 0xDEADBEEF),
    ("0702", PFC, True),
    ("0802", ACFC, True),
    ("03060a000001", ADDRESS, "10.0.0.1"),
    ("030600000000", ADDRESS, "0.0.0.0"),
    ("810608080808", PRIMARY_DNS, "8.8.8.8"),
    ("830601010101", SECONDARY_DNS, "1.1.1.1"),
]


@pytest.mark.parametrize(("octets", "row", "value"), ROWS)
def test_option_row_in_both_directions(octets: str, row: OptionRow[Any], value: object) -> None:
    (option,) = decode_options(bytes.fromhex(octets))
    assert option.kind == row.kind
    assert row.value(option) == value
    assert encode_options([row.option(value)]) == bytes.fromhex(octets)


@pytest.mark.parametrize(
    "octets",
    ["01", "0100", "0101", "010405", "0105aabb", "0702" + "08", "0702" + "0801", "01ff00"],
)
def test_option_length_below_two_or_beyond_the_packet_is_an_error(octets: str) -> None:
    with pytest.raises(DecodeError):
        decode_options(bytes.fromhex(octets))


@pytest.mark.parametrize(
    ("row", "value"),
    [
        (MRU, b"\x05"),
        (MRU, b"\x05\xb4\x00"),
        (ACCM, b""),
        (MAGIC, b"\x00\x00\x01"),
        (PFC, b"\x00"),
        (ADDRESS, b"\x0a\x00\x00"),
        (ADDRESS, b"\x0a\x00\x00\x01\x00"),
        (AUTH, b""),
        (AUTH, b"\xc2\x23"),
        (AUTH, b"\xc2\x23\x80"),
        (AUTH, b"\xc2\x23\x82"),
        (AUTH, b"\xc0\x23\x00"),
        (AUTH, b"\xc2\x27"),
    ],
)
def test_value_of_wrong_length_or_meaning_is_an_error(row: OptionRow[Any], value: bytes) -> None:
    with pytest.raises(DecodeError):
        row.value(Option(row.kind, value))


def test_tables_say_which_options_are_negotiated() -> None:
    assert [kind for kind, row in LCP_OPTIONS.items() if row.negotiable] == [1, 2, 3, 5, 7, 8]
    assert [kind for kind, row in LCP_OPTIONS.items() if not row.negotiable] == [4, 13, 17, 18, 19]
    assert [kind for kind, row in IPCP_OPTIONS.items() if row.negotiable] == [3, 129, 130, 131, 132]
    assert [kind for kind, row in IPCP_OPTIONS.items() if not row.negotiable] == [1, 2]
    assert [kind for kind, row in IPV6CP_OPTIONS.items() if row.negotiable] == [1]
    assert [kind for kind, row in IPV6CP_OPTIONS.items() if not row.negotiable] == [2]


@given(st.binary(max_size=64))
def test_any_octets_give_options_that_encode_to_them_or_decode_error(data: bytes) -> None:
    try:
        options = decode_options(data)
    except DecodeError:
        return
    assert encode_options(options) == data


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=253)), max_size=8))
def test_options_survive_the_way_there_and_back(content: list[tuple[int, bytes]]) -> None:
    options = tuple(Option(kind, value) for kind, value in content)
    assert decode_options(encode_options(options)) == options
