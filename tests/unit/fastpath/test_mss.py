"""The TCP segment size clamp against a slow twin, on sound and on hostile SYNs."""

from __future__ import annotations

import struct

import pytest
from engine_rig import Rig, session
from hypothesis import given, settings
from hypothesis import strategies as st
from packets import HOME, MF, SITE, data_message, forwarded
from parse_packets import internet_checksum, ipv4

from fastpath.dissect import cut_mss

SYN, ACK = 0x02, 0x10
NOP, END = b"\x01", b"\0"


def mss(value: int) -> bytes:
    return struct.pack("!BBH", 2, 4, value)


def tcp(options: bytes = b"", *, flags: int = SYN, size: int | None = None, **ip) -> bytes:
    """An IPv4 packet with a TCP header; `size`: its length in words, if it is not the real one."""
    options += bytes(-len(options) % 4)
    words = 5 + len(options) // 4 if size is None else size
    header = struct.pack("!HHIIBBHHH", 5000, 80, 1, 0, words << 4, flags, 512, 0, 0) + options
    packet = ipv4(header, proto=6, **ip)
    pseudo = packet[12:20] + struct.pack("!HH", 6, len(header))
    sealed = struct.pack("!H", internet_checksum(pseudo + header))
    return packet[: -len(header)] + header[:16] + sealed + header[18:]


def is_sound(packet: bytes) -> bool:
    size = (packet[0] & 15) * 4
    message = packet[size:]
    pseudo = packet[12:20] + struct.pack("!HH", 6, len(message))
    return internet_checksum(pseudo + message) == 0


@pytest.mark.parametrize("before", [b"", NOP, NOP * 2, NOP * 3, b"\x03\x03\x07", b"\x04\x02"],
                         ids=bytes.hex)  # fmt: skip
@pytest.mark.parametrize("flags", [SYN, SYN | ACK])
def test_larger_segments_are_cut_wherever_the_option_stands(before, flags):
    packet = tcp(before + mss(1460), flags=flags)
    assert cut_mss(packet, 1400) == (tcp(before + mss(1400), flags=flags), 1)
    assert cut_mss(packet, 1460) == (packet, 0)
    assert cut_mss(packet, 1461) == (packet, 0)


def test_every_option_of_several_is_cut():
    packet = tcp(mss(9000) + NOP + mss(1300) + mss(1500))
    assert cut_mss(packet, 1400) == (tcp(mss(1400) + NOP + mss(1300) + mss(1400)), 2)


@pytest.mark.parametrize("packet", [
    tcp(mss(1460), flags=ACK),
    tcp(mss(1460), fragment=MF),
    tcp(mss(1460), fragment=7),
    tcp(b""),
    tcp(END + mss(1460)),
    tcp(mss(1460), size=5),                 # behind the header
    tcp(mss(1460), size=4),                 # a header too short
    tcp(mss(1460), size=15),                # a header behind the end
    tcp(b"\x02\x03\x05\xb4\x01\x01\x01\x01"),  # a length that is none of an MSS
    tcp(b"\x02\x00\x05\xb4"),
    tcp(b"\x02\x01\x05\xb4"),
    tcp(b"\x08\xff" + mss(1460)),           # an option over the end
    tcp(NOP * 7 + b"\x02"),                 # an option without a length
    ipv4(bytes(19), proto=6),
    ipv4(b"", proto=6),
    ipv4(bytes(40), proto=17),
], ids=lambda packet: packet[20:].hex()[:60])  # fmt: skip
def test_what_is_no_sound_option_of_a_whole_syn_stays(packet):
    assert cut_mss(packet, 536) == (packet, 0)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=40), st.integers(1, 65535), st.integers(0, 255))
def test_a_right_checksum_stays_right_and_a_wrong_one_wrong(options, limit, flags):
    packet = tcp(options[:40], flags=flags)
    cut, count = cut_mss(packet, limit)
    assert len(cut) == len(packet)
    assert is_sound(cut) == is_sound(packet)
    assert (cut == packet) == (count == 0)
    damaged = packet[:-1] + bytes((packet[-1] ^ 1,))
    assert is_sound(cut_mss(damaged, limit)[0]) == is_sound(damaged)


def clamped(rig: Rig, size: int) -> None:
    with rig.engine.transaction() as t:
        t.update_session(rig.session, peer_tunnel=3, peer_session=4, mss=size)


def test_a_session_clamps_what_enters_and_what_leaves_it():
    rig = Rig()
    out, back = tcp(mss(1460), src=HOME, dst=SITE), tcp(mss(1460), src=SITE, dst=HOME)
    for limit, expected in ((0, 1460), (1420, 1420)):
        clamped(rig, limit)
        _, ((_, octets),) = rig.outcome(out)
        assert octets == rig.outer.around(forwarded(tcp(mss(expected), src=HOME, dst=SITE)))
        rig.ports["tunnel"].push(data_message(b"\xff\x03\x00\x21" + back))
        rig.engine.poll(rig.index["tunnel"])
        ((_, octets),) = rig.sent()
        assert octets == forwarded(tcp(mss(expected), src=SITE, dst=HOME))


def test_fragments_of_a_syn_go_on_as_they_are():
    rig = Rig(mtu=576)
    clamped(rig, 500)
    packet = tcp(mss(1460), src=HOME, dst=SITE, fragment=MF)
    _, ((_, octets),) = rig.outcome(packet)
    assert octets == rig.outer.around(forwarded(packet))


def test_limit_out_of_range_is_refused():
    rig = Rig()
    with pytest.raises(ValueError, match="mss 65536"), rig.engine.transaction() as t:
        t.add_session(**session(9, rig.outer, table=rig.table, port=0, mss=65536))
