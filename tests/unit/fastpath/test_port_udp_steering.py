"""Sockets bound to one UDP address: what is for control comes to one of its own."""

from __future__ import annotations

import os
import select
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastpath import UdpPort
from fastpath.ports import udp_steering

PATIENCE = 30.0
PPP = b"\xff\x03"
ECHO = b"\x09\x01\x00\x08\x00\x00\x00\x00"
IDS = b"\x12\x34\x56\x78"


def message(first: int, ids: bytes, rest: bytes) -> bytes:
    return bytes((first, 0x02)) + ids + rest


FOR_CONTROL = {
    "a control message": message(0xC8, b"\x00\x0c" + IDS + bytes(4), b""),
    "LCP": message(0x00, IDS, PPP + b"\xc0\x21" + ECHO),
    "CHAP": message(0x00, IDS, PPP + b"\xc2\x23" + ECHO),
    "IPCP": message(0x00, IDS, PPP + b"\x80\x21" + ECHO),
    "LCP with a length": message(0x40, b"\x00\x14" + IDS, PPP + b"\xc0\x21" + ECHO),
    "LCP without address and control": message(0x00, IDS, b"\xc0\x21" + ECHO),
    "PPP priority": message(0x01, IDS, PPP + b"\xc0\x21" + ECHO),
}
FOR_WORKERS = {
    "IP": message(0x00, IDS, PPP + b"\x00\x21E"),
    "IP with a length": message(0x40, b"\x00\x0d" + IDS, PPP + b"\x00\x21E"),
    "compressed IP": message(0x00, IDS, b"\x21E"),
    "compressed IPv6": message(0x00, IDS, PPP + b"\x57\x60"),
    "sequenced LCP": message(0x08, IDS + bytes(4), PPP + b"\xc0\x21" + ECHO),
    "LCP behind an offset": message(0x02, IDS + bytes(2), PPP + b"\xc0\x21" + ECHO),
    "nothing": b"",
    "an octet": b"\x00",
    "a header": message(0x00, IDS, b""),
    "an address alone": message(0x00, IDS, b"\xff"),
}


def heard(sender: UdpPort, parts: list[UdpPort]) -> UdpPort:
    (found,) = select.select([sender, *parts], [], [], PATIENCE)[0]
    found.read(64)
    return found


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:0"])
@pytest.mark.parametrize("queues", [1, 3])
def test_control_gets_what_is_for_control_and_a_worker_the_rest(address, queues):
    sender, parts = UdpPort.open(address, name="socket", queues=queues)
    family = socket.AF_INET6 if "[" in address else socket.AF_INET
    try:
        used = set()
        for _ in range(8):
            with socket.socket(family, socket.SOCK_DGRAM) as lac:
                lac.connect(sender.address)
                for name, octets in FOR_CONTROL.items():
                    lac.send(octets)
                    assert heard(sender, parts) is sender, name
                mine = set()
                for octets in FOR_WORKERS.values():
                    lac.send(octets)
                    # A message too short to say what it is has no peer's worker either.
                    if len(octets) > 7:
                        mine.add(heard(sender, parts))
                    else:
                        assert heard(sender, parts) is parts[0]
                assert len(mine) == 1
                assert sender not in mine
                used |= mine
        assert used <= set(parts)
    finally:
        for part in (sender, *parts):
            part.close()


def test_two_routers_of_one_user_do_not_share_a_socket():
    sender, parts = UdpPort.open("127.0.0.1:0", name="socket", queues=2)
    try:
        with pytest.raises(OSError, match="in use"):
            UdpPort.open(f"127.0.0.1:{sender.address[1]}", name="socket", queues=2)
    finally:
        for part in (sender, *parts):
            part.close()
    again, others = UdpPort.open(f"127.0.0.1:{sender.address[1]}", name="socket", queues=2)
    for part in (again, *others):
        part.close()


def test_a_flood_of_data_leaves_room_for_a_control_message():
    sender, (part,) = UdpPort.open("127.0.0.1:0", name="socket")
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as lac:
            lac.connect(sender.address)
            for _ in range(20_000):
                lac.send(FOR_WORKERS["IP"] + bytes(1000))
            lac.send(FOR_CONTROL["a control message"])
        assert select.select([sender], [], [], PATIENCE)[0]
        assert len(sender.read(64)) == 1
        came = sum(len(part.read(256)) for _ in range(100))
        assert 0 < came < 20_000, "no flood, if all of it found room"
    finally:
        part.close()
        sender.close()


def test_without_the_kernels_help_control_only_sends(monkeypatch):
    monkeypatch.setattr(udp_steering, "_SO_ATTACH_REUSEPORT_CBPF", 9999)
    before = len(os.listdir("/proc/self/fd"))
    sender, parts = UdpPort.open("127.0.0.1:0", name="socket", queues=2)
    try:
        assert sender.fileno() == -1
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as lac:
            lac.connect(sender.address)
            lac.send(FOR_CONTROL["LCP"])
            (found,) = select.select(parts, [], [], PATIENCE)[0]
            assert len(found.read(64)) == 1
    finally:
        for part in (sender, *parts):
            part.close()
    assert len(os.listdir("/proc/self/fd")) == before


# --- against a slow twin --------------------------------------------------------------------------


def is_for_control(octets: bytes) -> bool:
    """What the program says, by another way: RFC 2661 3.1."""
    if not octets:
        return False
    if octets[0] & 0x80:
        return True
    if octets[0] & 0x0A:
        return False
    frame = octets[8 if octets[0] & 0x40 else 6 :]
    if frame[:1] == b"\xff":
        frame = frame[2:]
    return bool(frame) and frame[0] >= 0x80


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=24))
def test_any_octets_go_where_the_twin_says(octets):
    sender, (part,), lac = _ports()
    lac.send(octets)
    assert (heard(sender, [part]) is sender) == is_for_control(octets)


_made: list = []


def _ports():
    if not _made:
        sender, parts = UdpPort.open("127.0.0.1:0", name="socket")
        lac = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        lac.connect(sender.address)
        _made.append((sender, parts, lac))
    return _made[0]


@pytest.fixture(autouse=True, scope="module")
def _closed():
    yield
    for sender, parts, lac in _made:
        for one in (sender, *parts, lac):
            one.close()
