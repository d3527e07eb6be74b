"""The ports on Ethernet on a veth pair, with a plain packet socket as the other station."""

from __future__ import annotations

import select
import socket
import struct
import time

import pytest
from ethernet_frames import ipv4, ipv6, mac_of, tcp_with_partial_checksum
from namespace import Namespace

from fastpath.ports.packet import PacketPort
from fastpath.ports.port import Port
from fastpath.ports.xdp import XdpPort

PATIENCE = 10.0
SITES = ("198.51.100.0/24", "2001:db8:2::/48")


class Wire:
    def __init__(self, port: type[Port], queues: int = 1) -> None:
        self.namespace = Namespace("eth")
        run = self.namespace.run
        many = ("numrxqueues", str(queues), "numtxqueues", str(queues))
        run("ip", "link", "add", "ours", *many, "type", "veth", "peer", "name", "theirs", *many)
        run("ip", "link", "set", "ours", "up")
        run("ip", "link", "set", "theirs", "up")
        self.ours, self.theirs = (mac_of(self.namespace, name) for name in ("ours", "theirs"))
        self.sender, self.parts = self.namespace.call(
            lambda: port.open("ours", name="home", queues=queues)
        )
        self.port = self.parts[0]
        self.port.steering.cover_all(SITES)
        self.port.set_neighbour(1, self.theirs)
        self.peer = self.namespace.call(self._socket)

    def _socket(self) -> socket.socket:
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        made.bind(("theirs", 3))
        made.settimeout(PATIENCE)
        return made

    def arrive(self, *packets: bytes, to: bytes | None = None) -> None:
        for packet in packets:
            kind = struct.pack(">H", 0x0800 if packet[0] >> 4 == 4 else 0x86DD)
            self.peer.send((to or self.ours) + self.theirs + kind + packet)

    def received(self, n: int) -> list[bytes]:
        """IP packets that the parts have got, until there are n."""
        found: list[bytes] = []
        until = time.monotonic() + PATIENCE
        while len(found) < n and time.monotonic() < until:
            select.select(self.parts, [], [], 1)
            for part in self.parts:
                for _, link, _, octets in part.read():
                    found.append(octets[14:] if link == "ethernet" else octets)
        return found

    def seen(self, want: bytes) -> bytes:
        """The first frame at the other end that has these octets."""
        while True:
            frame = self.peer.recv(65536)
            if want in frame:
                return frame

    def close(self) -> None:
        for part in (self.sender, *self.parts):
            part.close()
        self.peer.close()
        self.namespace.close()


@pytest.fixture(params=[PacketPort, XdpPort])
def wire(request):
    made = Wire(request.param)
    yield made
    made.close()


def test_what_is_ours_is_received_in_order_and_nothing_else(wire):
    ours = [ipv4("198.51.100.1", bytes([i]) * 40) for i in range(100)]
    others = [ipv4("203.0.113.1", bytes(40))] * 5
    wire.arrive(*ours[:50], *others, *ours[50:], ipv6("2001:db8:2::1", b"six" * 9))
    assert wire.received(101) == [*ours, ipv6("2001:db8:2::1", b"six" * 9)]
    wire.arrive(ours[0], to=bytes.fromhex("020000000099"))  # another station's
    wire.arrive(ours[1])
    assert wire.received(1) == [ours[1]]


def test_packets_that_are_not_consumed_are_described_again(wire):
    packets = [ipv4("198.51.100.1", bytes([i]) * 40) for i in range(9)]
    wire.arrive(*packets)
    select.select([wire.port], [], [], PATIENCE)
    found = []
    while len(found) < len(packets):
        found += [octets[14:] for *_, octets in wire.port.read(2)]
    assert found == packets


def test_a_packet_leaves_toward_the_neighbour_of_its_slot(wire):
    packet = ipv4("192.0.2.1", b"to the neighbour")
    assert wire.port.send(packet, neighbour=1)
    assert wire.seen(b"to the neighbour") == wire.theirs + wire.ours + b"\x08\x00" + packet
    assert wire.sender.send(ipv6("2001:db8::1", b"of six"), neighbour=1)
    assert wire.seen(b"of six")[12:14] == b"\x86\xdd"


def test_without_a_neighbour_the_kernel_finds_it_and_sends(wire):
    wire.namespace.run("ip", "address", "add", "192.0.2.254/24", "dev", "ours")
    mac = wire.theirs.hex(":")
    command = ("ip", "neighbour", "add", "192.0.2.1", "lladdr", mac, "dev", "ours")
    wire.namespace.run(*command)
    assert wire.port.send(ipv4("192.0.2.1", b"by the kernel", source="192.0.2.254"))
    frame = wire.seen(b"by the kernel")
    assert frame[:12] == wire.theirs + wire.ours
    assert wire.port.counts()["kernel_sent"] == 1
    wire.port.set_neighbour(1, None)
    assert wire.port.send(ipv4("192.0.2.1", b"forgotten", source="192.0.2.254"), neighbour=1)
    assert wire.seen(b"forgotten")
    assert wire.port.counts()["kernel_sent"] == 2


def test_what_is_longer_than_the_mtu_is_counted_and_the_rest_leaves(wire):
    assert wire.port.send(ipv4("192.0.2.1", bytes(1600)), neighbour=1)
    assert wire.port.send(ipv4("192.0.2.1", b"short enough"), neighbour=1)
    assert wire.seen(b"short enough")
    assert wire.port.counts()["too_big"] == 1


def test_an_interface_that_is_down_refuses_and_comes_back(wire):
    wire.namespace.run("ip", "link", "set", "ours", "down")
    wire.port.send(ipv4("192.0.2.1", b"finds out"), neighbour=1)
    assert not wire.port.send(ipv4("192.0.2.1", b"down"), neighbour=1)
    assert wire.port.counts()["down"] == 2
    wire.namespace.run("ip", "link", "set", "ours", "up")
    assert wire.port.send(ipv4("192.0.2.1", b"up again"), neighbour=1)
    wire.arrive(ipv4("198.51.100.1", b"received again"))
    assert wire.received(1) == [ipv4("198.51.100.1", b"received again")]


def test_an_interface_that_is_deleted_ends_it_quietly(wire):
    wire.namespace.run("ip", "link", "delete", "ours")
    wire.port.send(ipv4("192.0.2.1", b"finds out"), neighbour=1)
    assert not wire.port.send(ipv4("192.0.2.1", b"gone"), neighbour=1)
    assert wire.port.read() == []
    assert wire.port.counts()["down"] == 2


def test_a_checksum_that_a_local_sender_left_to_the_card_is_completed(wire):
    partial, whole = tcp_with_partial_checksum("198.51.100.1")
    made = wire.namespace.call(wire._socket)
    made.setsockopt(263, 15, 1)  # PACKET_VNET_HDR
    offload = struct.pack("<BBHHHH", 1, 0, 54, 0, 34, 16)
    made.send(offload + wire.ours + wire.theirs + b"\x08\x00" + partial)
    made.close()
    assert wire.received(1) == [whole]


def test_a_superpacket_becomes_the_packets_of_a_wire(wire):
    partial, _ = tcp_with_partial_checksum("198.51.100.1", bytes(range(250)) * 12)
    made = wire.namespace.call(wire._socket)
    made.setsockopt(263, 15, 1)
    offload = struct.pack("<BBHHHH", 1, 1, 54, 1000, 34, 16)
    made.send(offload + wire.ours + wire.theirs + b"\x08\x00" + partial)
    made.close()
    found = wire.received(3)
    assert [len(packet) for packet in found] == [1040] * 3
    assert b"".join(packet[40:] for packet in found) == bytes(range(250)) * 12
    # The kernel cuts it itself before an XDP program sees it.
    assert wire.port.counts().get("rx_split", 1) == 1


@pytest.fixture
def spread():
    made = Wire(PacketPort, queues=2)
    yield made
    made.close()


def test_flows_are_spread_over_the_parts_of_a_packet_port(spread):
    flows = [ipv4("198.51.100.1", struct.pack(">HH", i, 9) + bytes(9)) for i in range(64)]
    spread.arrive(*flows)
    assert sorted(spread.received(64)) == sorted(flows)
    assert all(part.counts()["rx_packets"] for part in spread.parts)


def test_a_closed_port_leaves_nothing_in_the_kernel(wire):
    for part in (wire.sender, *wire.parts):
        part.close()
    assert "xdp" not in wire.namespace.run("ip", "-d", "link", "show", "ours")
    assert wire.port.read() == []
    assert not wire.port.send(ipv4("192.0.2.1", b"closed"), neighbour=1)
