"""Any octets on any link dissect without a crash, and whatever is found lies inside them.

Random octets, sound frames with random damage, and, if DIALOUT_DATA names the folder of real
captures, every frame of those.
"""

from __future__ import annotations

import os
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastpath.dissect import dissect, fragment, icmp_echo_reply, icmp_error
from fastpath.ports.linktype import LINKS
from fastpath.verdict import REASONS

MAC = bytes(12)
# An L2TP data message of the longest form in UDP: sound, but for the absent UDP checksum.
L2TP = bytes.fromhex(
    "450000440000000040118e72c0000201c6336402"
    "06a506a500300000"
    "4b02002811112222333344440002aaaa"
    "ff030021450000140000000040638e50c0000201c6336402"
)
ICMP = bytes.fromhex("450000200000000040018ea6c0000201c63364020800192d0001000170696e67")
SEEDS = [MAC + b"\x08\x00" + L2TP, MAC + b"\x81\x00\x00\x01\x08\x00" + L2TP, L2TP, ICMP,
         b"\xff\x03\x00\x21" + L2TP]  # fmt: skip


def check(frame: bytes, link: str, wire_len: int | None = None) -> dict:
    """Dissects and checks that every offset lies inside what it is an offset in."""
    seen = dissect(frame, link, wire_len)
    assert seen["reason"] in REASONS
    assert seen["family"] in (0, 4, 6)
    assert (seen["l3"] is None) == (seen["family"] == 0)
    if seen["l3"] is not None:
        assert 0 <= seen["l3"] <= len(frame)
    end = len(frame)
    if seen["l4"] is not None:
        end = seen["len"]
        assert seen["l3"] + 20 <= seen["l4"] <= end <= len(frame)
    for layer in ("udp", "l2tp", "ppp"):
        if seen[layer] is not None:
            payload = seen[layer]["payload"]
            assert seen["l4"] + 8 <= payload <= payload + seen[layer]["payload_len"] <= end
            end = payload + seen[layer]["payload_len"]
    return seen


def answer(packet: bytes) -> None:
    """The slow path over the same octets: none of it may fail, all of it must be bounded."""
    assert len(icmp_error(packet, 0x0A000001, 11, 0)) <= 576
    assert len(icmp_echo_reply(packet)) <= len(packet)
    try:
        pieces = fragment(packet, 68)
    except ValueError as error:
        assert str(error) in REASONS  # noqa: PT017
    else:
        assert all(len(piece) <= 68 for piece in pieces)


@settings(deadline=None, max_examples=500)
@given(st.binary(max_size=200), st.sampled_from(sorted(LINKS)), st.integers(0, 100))
def test_any_octets_on_any_link(frame, link, lost):
    check(frame, link, len(frame) + lost)
    answer(frame)


@settings(deadline=None, max_examples=500)
@given(st.sampled_from(SEEDS), st.sampled_from(sorted(LINKS)), st.data())
def test_damaged_frames_on_any_link(seed, link, data):
    frame = bytearray(seed)
    for _ in range(data.draw(st.integers(0, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(frame[: data.draw(st.integers(0, len(frame)))])
    check(cut, link)
    check(cut, link, len(frame))
    answer(cut)


def test_the_seeds_are_sound():
    assert check(SEEDS[0], "ethernet")["ppp"] == {
        "protocol": 0x21,
        "payload": 62,
        "payload_len": 20,
    }
    assert check(SEEDS[1], "ethernet")["reason"] == "none"
    assert check(SEEDS[4], "ppp")["reason"] == "none"
    assert len(icmp_echo_reply(ICMP)) == len(ICMP)


@pytest.mark.parametrize("link", sorted(LINKS))
def test_every_single_octet_of_a_frame_may_have_any_value(link):
    for seed in SEEDS:
        for at in range(len(seed)):
            for octet in range(0, 256, 5):
                check(seed[:at] + bytes([octet]) + seed[at + 1 :], link)


# --- real captures --------------------------------------------------------------------------------

LINKTYPES = {0: "null", 1: "ethernet", 9: "ppp", 12: "raw", 50: "ppp-hdlc", 101: "raw",
             108: "loop", 113: "sll", 204: "ppp-withdir", 228: "ipv4", 229: "ipv6",
             276: "sll2"}  # fmt: skip


def pcap_frames(data: bytes, order: str) -> Iterator[tuple[bytes, str, int]]:
    """(frame, link, wire length) of a classic capture, up to the first damaged record."""
    link = LINKTYPES.get(struct.unpack_from(order + "I", data, 20)[0] & 0xFFFF, "unsupported")
    at = 24
    while at + 16 <= len(data):
        size, wire = struct.unpack_from(order + "II", data, at + 8)
        if at + 16 + size > len(data):
            return
        yield data[at + 16 : at + 16 + size], link, max(size, wire)
        at += 16 + size


def pcapng_frames(data: bytes) -> Iterator[tuple[bytes, str, int]]:
    """The same of a pcapng capture: enhanced packet blocks only."""
    at, order, links = 0, "<", []
    while at + 12 <= len(data):
        kind = struct.unpack_from(order + "I", data, at)[0]
        if kind == 0x0A0D0D0A:
            order = "<" if data[at + 8 : at + 12] == b"\x4d\x3c\x2b\x1a" else ">"
            links = []
        length = struct.unpack_from(order + "I", data, at + 4)[0]
        if length < 12 or at + length > len(data):
            return
        if kind == 1:
            linktype = struct.unpack_from(order + "H", data, at + 8)[0]
            links.append(LINKTYPES.get(linktype, "unsupported"))
        elif kind == 6:
            interface, _, _, size, wire = struct.unpack_from(order + "5I", data, at + 8)
            yield data[at + 28 : at + 28 + size], links[interface], max(size, wire)
        at += length


def frames(path: Path) -> Iterator[tuple[bytes, str, int]]:
    data = path.read_bytes()
    magic = data[:4]
    if magic == b"\x0a\x0d\x0d\x0a":
        yield from pcapng_frames(data)
    elif magic in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1"):
        yield from pcap_frames(data, "<")
    elif magic in (b"\xa1\xb2\xc3\xd4", b"\xa1\xb2\x3c\x4d"):
        yield from pcap_frames(data, ">")


@pytest.fixture(scope="module")
def captures() -> list[Path]:
    folder = Path(os.environ.get("DIALOUT_DATA", "")) / "pcap"
    if "DIALOUT_DATA" not in os.environ or not folder.is_dir():
        pytest.skip("DIALOUT_DATA names no folder with captures")
    return sorted(path for path in folder.iterdir() if "cap" in path.suffix)


def test_every_frame_of_the_captures(captures):
    for path in captures:
        for frame, link, wire_len in frames(path):
            seen = check(frame, link, wire_len)
            if seen["l3"] is not None:
                answer(frame[seen["l3"] :])


# What is known of some captures: (file, least number of frames with a reason, reason)
KNOWN = [
    ("gen-zeek-ipv4-bad-chksum.pcap", 1, "ip-checksum"),
    ("gen-zeek-ip6-udp-bad-chksum.pcap", 1, "udp-checksum"),
    ("l2tpv3-udp-icmp.cap", 43, "l2tpv3"),
    ("gen-snabb-sanitized4k.pcap", 3000, "none"),
    ("pppoe-over-qinq.pcap", 86, "not-ip"),
]


@pytest.mark.parametrize(("name", "count", "reason"), KNOWN)
def test_known_captures_give_known_reasons(captures, name, count, reason):
    path = captures[0].parent / name
    if not path.exists():
        pytest.skip(f"no {name}")
    found = Counter(check(*frame)["reason"] for frame in frames(path))
    assert found[reason] >= count, found


# (file, L2TP messages, of those data messages); half of H3C's have no IP checksum yet.
PEERS = [
    ("l2tp-huawei-pc-dial-pap.pcap", 197, 190),
    ("l2tp-dialout-openl2tp-pap.pcap", 30, 20),
    ("l2tp-h3c-inode-data.pcapng", 3, 3),
]


@pytest.mark.parametrize(("name", "messages", "data_messages"), PEERS)
def test_l2tp_of_real_peers_is_read_to_the_ppp_protocol(captures, name, messages, data_messages):
    path = captures[0].parent / name
    if not path.exists():
        pytest.skip(f"no {name}")
    seen = [check(*frame) for frame in frames(path)]
    assert sum(s["l2tp"] is not None for s in seen) == messages
    protocols = [s["ppp"]["protocol"] for s in seen if s["ppp"] is not None]
    assert len(protocols) == data_messages
    assert set(protocols) <= {0x21, 0x8021, 0xC021, 0xC023}
