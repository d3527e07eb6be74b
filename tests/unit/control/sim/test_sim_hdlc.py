"""Async HDLC framing against RFC 1662 and a slow twin that goes octet by octet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from control.sim.hdlc import Decoder, encode, fcs

LCP_REQUEST = bytes.fromhex("ff03c02101010004")


def slow_fcs(octets: bytes) -> int:
    """RFC 1662 C.2 bit by bit."""
    register = 0xFFFF
    for octet in octets:
        register ^= octet
        for _ in range(8):
            register = (register >> 1) ^ 0x8408 if register & 1 else register >> 1
    return register


def slow_encode(frame: bytes, accm: int) -> bytes:
    check = slow_fcs(frame) ^ 0xFFFF
    out = bytearray(b"\x7e")
    for octet in frame + bytes((check & 0xFF, check >> 8)):
        if octet in (0x7D, 0x7E) or (octet < 0x20 and accm >> octet & 1):
            out += bytes((0x7D, octet ^ 0x20))
        else:
            out.append(octet)
    return bytes(out) + b"\x7e"


class SlowDecoder:
    """RFC 1662 4 octet by octet."""

    def __init__(self) -> None:
        self.frame = bytearray()
        self.escaped = False

    def feed(self, octets: bytes) -> list[bytes]:
        frames = []
        for octet in octets:
            if octet == 0x7E:
                whole = bytes(self.frame)
                if not self.escaped and len(whole) >= 4 and slow_fcs(whole) == 0xF0B8:
                    frames.append(whole[:-2])
                self.frame.clear()
                self.escaped = False
            elif self.escaped:
                self.frame.append(octet ^ 0x20)
                self.escaped = False
            elif octet == 0x7D:
                self.escaped = True
            else:
                self.frame.append(octet)
        return frames


@pytest.mark.parametrize(
    ("octets", "check"),
    [
        (b"", "0000"),
        # CRC-16/X-25 of the catalogue of parametrised CRC algorithms: 0x906E, low octet first.
        (b"123456789", "6e90"),
        (LCP_REQUEST, "d1b5"),
        # An LCP Configure-Request as pppd sends it.
        (bytes.fromhex("ff03c0210101001402060000000005066b1e1d2a07020802"), None),
    ],
)
def test_fcs_is_that_of_the_rfc(octets: bytes, check: str | None) -> None:
    value = slow_fcs(octets) ^ 0xFFFF
    assert fcs(octets) == bytes((value & 0xFF, value >> 8))
    if check is not None:
        assert fcs(octets).hex() == check
    assert slow_fcs(octets + fcs(octets)) == 0xF0B8


def test_a_frame_is_stuffed_as_the_rfc_shows() -> None:
    assert encode(LCP_REQUEST).hex() == "7eff7d23c0217d217d217d207d24d1b57e"
    assert encode(LCP_REQUEST, 0).hex() == "7eff03c02101010004d1b57e"
    # RFC 1662 4.2: 0x7e becomes 7d 5e, 0x7d becomes 7d 5d, 0x03 becomes 7d 23, 0x11 7d 31.
    stuffed = encode(b"\x7e\x7d\x03\x11\x91")
    assert stuffed.startswith(b"\x7e\x7d\x5e\x7d\x5d\x7d\x23\x7d\x31\x91")


@given(st.binary(max_size=300), st.integers(0, 0xFFFFFFFF))
def test_encoder_is_its_slow_twin(frame: bytes, accm: int) -> None:
    assert encode(frame, accm) == slow_encode(frame, accm)


@given(st.lists(st.binary(min_size=2, max_size=100)), st.integers(0, 0xFFFFFFFF), st.data())
def test_what_was_sent_arrives_in_whatever_pieces(frames, accm, data) -> None:
    line = b"".join(encode(frame, accm) for frame in frames)
    decoder, got = Decoder(), []
    while line:
        size = data.draw(st.integers(1, len(line)))
        got += decoder.feed(line[:size])
        line = line[size:]
    assert got == frames
    assert decoder.counters.frames == len(frames)


def test_one_flag_between_frames_is_enough() -> None:
    line = encode(b"one") + encode(b"two")[1:]
    assert Decoder().feed(line) == [b"one", b"two"]


def test_noise_before_the_first_flag_is_no_frame() -> None:
    decoder = Decoder()
    assert decoder.feed(b"CONNECT 115200\r\n" + encode(b"one")) == [b"one"]
    assert decoder.counters.bad_fcs == 1


def test_an_aborted_frame_is_dropped_alone() -> None:
    decoder = Decoder()
    assert decoder.feed(encode(b"one")[:-1] + b"\x7d\x7e" + encode(b"two")) == [b"two"]
    assert decoder.counters.aborted == 1


@pytest.mark.parametrize("at", range(2, 12))
def test_a_damaged_octet_costs_one_frame(at: int) -> None:
    line = bytearray(encode(bytes(range(32, 48))))
    line[at] ^= 0x01
    decoder = Decoder()
    assert decoder.feed(bytes(line) + encode(b"two")) == [b"two"]
    assert decoder.counters.bad_fcs == 1


def test_control_characters_that_the_line_adds_are_dropped_if_told() -> None:
    line = encode(b"one")
    noisy = line[:3] + b"\x11\x13" + line[3:]
    assert Decoder().feed(noisy) == []
    assert Decoder(accm=0x000A0000).feed(noisy) == [b"one"]


def test_a_frame_without_end_takes_no_memory() -> None:
    decoder = Decoder(longest=100)
    for _ in range(50):
        assert decoder.feed(b"x" * 99) == []
        assert len(decoder._rest) <= 100
    assert decoder.feed(b"\x7e" + encode(b"one")) == [b"one"]
    assert decoder.counters.too_long == 1


class Line(RuleBasedStateMachine):
    """Octets of all kinds, in pieces, to the decoder and its slow twin."""

    def __init__(self) -> None:
        super().__init__()
        self.fast, self.slow = Decoder(), SlowDecoder()
        self.told: tuple[list[bytes], list[bytes]] = ([], [])

    def send(self, octets: bytes) -> None:
        self.told[0].extend(self.fast.feed(octets))
        self.told[1].extend(self.slow.feed(octets))

    @rule(octets=st.binary(max_size=20))
    def junk(self, octets: bytes) -> None:
        self.send(octets)

    @rule(octets=st.lists(st.sampled_from([0x7E, 0x7D, 0x5E, 0x5D, 0x20, 0xFF]), max_size=12))
    def stuffing(self, octets: list[int]) -> None:
        self.send(bytes(octets))

    @rule(frame=st.binary(max_size=30), cut=st.integers(0, 20))
    def frame(self, frame: bytes, cut: int) -> None:
        line = encode(frame)
        self.send(line[: len(line) - cut])

    @rule(frame=st.binary(max_size=30), at=st.integers(0, 40), bit=st.integers(0, 7))
    def damaged(self, frame: bytes, at: int, bit: int) -> None:
        line = bytearray(encode(frame))
        line[at % len(line)] ^= 1 << bit
        self.send(bytes(line))

    @invariant()
    def both_tell_the_same(self) -> None:
        assert self.told[0] == self.told[1]


TestLine = Line.TestCase
