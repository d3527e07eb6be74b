"""control.sim.data_header: every form of the L2TP data header, both ways."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control.errors import DecodeError, LocalProtocolError
from control.sim.data_header import DataHeader, decode, encode

ROWS = [
    ("plain", "0002 0007 0009", DataHeader(7, 9)),
    ("L", "4002 000b 0007 0009", DataHeader(7, 9, has_length=True)),
    ("S", "0802 0007 0009 ffff 0000", DataHeader(7, 9, ns=0xFFFF)),
    ("S with Nr", "0802 0007 0009 0001 0002", DataHeader(7, 9, ns=1, nr=2)),
    ("O", "0202 0007 0009 0003 000000", DataHeader(7, 9, offset=3)),
    ("O of zero", "0202 0007 0009 0000", DataHeader(7, 9, offset=0)),
    ("P", "0102 0007 0009", DataHeader(7, 9, priority=True)),
    (
        "L S O P",
        "4b02 0012 0007 0009 0001 0000 0001 00",
        DataHeader(7, 9, ns=1, has_length=True, offset=1, priority=True),
    ),
]
PAYLOAD = b"PPP"


@pytest.mark.parametrize(("form", "octets", "header"), ROWS, ids=[r[0] for r in ROWS])
def test_header_rows_read_and_write(form: str, octets: str, header: DataHeader) -> None:
    message = bytes.fromhex(octets) + PAYLOAD
    assert decode(message) == (header, PAYLOAD)
    assert encode(header, PAYLOAD) == message


ids = st.integers(0, 0xFFFF)
headers = st.builds(
    DataHeader,
    tunnel=ids,
    session=ids,
    ns=st.none() | ids,
    has_length=st.booleans(),
    offset=st.none() | st.integers(0, 64),
    priority=st.booleans(),
)


@settings(deadline=None)
@given(headers, st.binary(max_size=64))
def test_every_header_round_trips(header: DataHeader, payload: bytes) -> None:
    assert decode(encode(header, payload)) == (header, payload)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=40))
def test_any_octets_are_read_or_refused(message: bytes) -> None:
    try:
        header, payload = decode(message)
    except DecodeError:
        return
    assert payload in message
    assert decode(encode(header, payload)) == (header, payload)


def test_all_flag_words_read_or_are_refused_for_a_reason() -> None:
    rest = bytes.fromhex("0010 0001 0002 0003 0000 0000 0000")
    for flags in range(0x10000):
        message = flags.to_bytes(2, "big") + rest
        try:
            decode(message)
        except DecodeError:
            assert flags & 0x8000 or flags & 0x000F != 2
        else:
            assert not flags & 0x8000
            assert flags & 0x000F == 2


def test_octets_beyond_length_are_left_out() -> None:
    header = DataHeader(1, 2, has_length=True)
    assert decode(encode(header, b"abc") + b"trailer") == (header, b"abc")


def test_every_cut_of_a_full_header_is_refused() -> None:
    message = encode(DataHeader(1, 2, ns=3, offset=4, has_length=True), b"")
    for size in range(len(message)):
        with pytest.raises(DecodeError):
            decode(message[:size])
    for size in range(len(message) - 2):
        with pytest.raises(DecodeError):
            decode(encode(DataHeader(1, 2, ns=3, offset=4), b"")[:size])


@pytest.mark.parametrize(
    ("reason", "octets"),
    [
        ("Length below the header", "4002 0007 0001 0002 aa"),
        ("Length beyond the datagram", "4002 000a 0001 0002 aa"),
        ("offset beyond the datagram", "0202 0001 0002 0002 aa"),
        ("offset beyond Length", "4202 000b 0001 0002 0002 aabb"),
        ("control", "c802 000c 0001 0002 0000 0000"),
        ("L2F", "0001 0001 0002"),
        ("L2TPv3", "0003 0001 0002"),
    ],
)
def test_wrong_headers_are_refused(reason: str, octets: str) -> None:
    with pytest.raises(DecodeError):
        decode(bytes.fromhex(octets))


@pytest.mark.parametrize(
    "header",
    [
        DataHeader(0x10000, 1),
        DataHeader(1, -1),
        DataHeader(1, 1, ns=0x10000),
        DataHeader(1, 1, offset=0x10000),
    ],
)
def test_fields_that_do_not_fit_are_not_written(header: DataHeader) -> None:
    with pytest.raises(LocalProtocolError):
        encode(header, b"")


def test_a_message_too_long_for_its_length_field_is_not_written() -> None:
    assert len(encode(DataHeader(1, 1), bytes(0x10000))) == 0x10006
    with pytest.raises(LocalProtocolError):
        encode(DataHeader(1, 1, has_length=True), bytes(0x10000))


def test_the_sixteen_forms_have_the_sizes_of_the_rfc() -> None:
    for long, ns, offset, priority in itertools.product(
        (False, True), (None, 1), (None, 0), (False, True)
    ):
        size = len(encode(DataHeader(1, 1, ns, 0, long, offset, priority), b""))
        assert size == 6 + 2 * long + 4 * (ns is not None) + 2 * (offset is not None)
