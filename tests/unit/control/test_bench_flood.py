"""The in-kernel generator's program, as instructions."""

from __future__ import annotations

import struct

import pytest

from control.bench.live.flood import XDP_TX, program

FRAME = bytes(range(60))


def test_addresses_and_ttl_are_written_anew_and_nothing_else():
    code = program(FRAME)
    stores = [
        (offset, struct.pack("<i", value))
        for operation, _, offset, value in struct.iter_unpack("<BBhi", code)
        if operation == 0x62
    ]
    assert stores == [(at, FRAME[at : at + 4]) for at in (0, 4, 8, 22)]


def test_a_frame_is_sent_back():
    *_, answer, end = struct.iter_unpack("<BBhi", program(FRAME))
    assert answer == (0xB7, 0, 0, XDP_TX)
    assert end[0] == 0x95


def test_a_frame_without_an_ipv4_header_is_refused():
    with pytest.raises(ValueError, match="33 octets"):
        program(FRAME[:33])
