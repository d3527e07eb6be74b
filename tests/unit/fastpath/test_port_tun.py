"""The TUN port over a socket pair that stands for the kernel: each message is one read or write."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest
from offload_model import DATA_VALID, NEEDS_CSUM, Segment, segments, vnet
from packets import HOME, SITE, datagram, forwarded

from fastpath import Engine, TunPort


class Kernel:
    """The other end of the device."""

    def __init__(self, **how: object) -> None:
        ours, self.socket = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (ours, self.socket):
            end.setblocking(False)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        self.port = TunPort(ours.detach(), **how)

    def give(self, packet: bytes, header: bytes = bytes(10)) -> None:
        self.socket.send(header + packet)

    def taken(self) -> list[tuple[bytes, bytes]]:
        """Virtio-net headers and packets that were written."""
        found = []
        while select.select([self.socket], [], [], 0)[0]:
            message = self.socket.recv(1 << 17)
            found.append((message[:10], message[10:]))
        return found


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    made = Kernel()
    yield made
    made.port.close()
    made.socket.close()


def octets(port: TunPort, most: int = 256) -> list[bytes]:
    return [packet for _, _, _, packet in port.read(most)]


def test_what_is_read_is_a_packet_with_its_link_type(kernel):
    four, six = Segment().packet(), Segment(six=True).packet()
    for packet in (four, six, b"\x20 neither"):
        kernel.give(packet)
    assert [row[1:] for row in kernel.port.read()] == [
        ("ipv4", len(four), four),
        ("ipv6", len(six), six),
        ("raw", 9, b"\x20 neither"),
    ]
    assert kernel.port.read() == []
    assert kernel.port.counts()["rx_reads"] == 3


def test_a_superpacket_is_handed_out_over_several_bursts(kernel):
    whole = Segment(bytes(3000), tcp=False)
    header, packet = whole.superpacket(10)
    kernel.give(packet, header)
    kernel.give(b"next")
    bursts = []
    while burst := octets(kernel.port, 100):
        bursts.append(burst)
    assert [len(burst) for burst in bursts] == [100, 100, 100, 1]
    cut = [segment.packet() for segment in segments(whole, 10)]
    assert [packet for burst in bursts for packet in burst] == [*cut, b"next"]
    counts = kernel.port.counts()
    assert (counts["rx_packets"], counts["rx_reads"], counts["rx_split"]) == (301, 2, 1)


def test_long_packets_that_do_not_fit_in_one_burst_come_in_the_next(kernel):
    whole = Segment(bytes(60000))
    for _ in range(10):
        kernel.give(*reversed(whole.superpacket(30000)))
    expected = [segment.packet() for segment in segments(whole, 30000)] * 10
    found: list[bytes] = []
    while burst := octets(kernel.port):
        assert len(burst) < 20
        found += burst
    assert found == expected


def test_packets_that_are_not_taken_are_described_again(kernel):
    engine = Engine(stop_on_event=True)
    table = engine.add_table("home")
    index = engine.attach(kernel.port, table)
    with engine.transaction() as t:
        t.add_route(table, "198.51.100.0/24", t.add_adjacency("glean"))
    for number in range(3):
        kernel.give(datagram(dst=f"198.51.100.{number}"))
    # The first makes a trigger, of which control hears before the others go on.
    assert [engine.run(index) for _ in range(3)] == [1, 1, 1]


def test_headers_that_lie_are_counted_and_the_next_packet_comes(kernel):
    header, packet = Segment(bytes(100)).superpacket(50)
    kernel.give(packet[:-1], header)
    kernel.give(packet, vnet(NEEDS_CSUM, start=200))
    kernel.give(b"", header[:9])
    kernel.give(b"sound")
    assert octets(kernel.port) == [b"sound"]
    assert kernel.port.counts()["rx_malformed"] == 3


def test_a_message_longer_than_any_packet_is_counted(kernel):
    kernel.give(Segment(bytes(65495)).packet() + bytes(100), vnet(1, 1, 40, 1000, 20, 16))
    assert octets(kernel.port) == []
    assert kernel.port.counts()["rx_malformed"] == 1


@pytest.fixture
def router(kernel):
    """An engine that sends what comes back out, one hop on."""
    engine = Engine()
    table = engine.add_table("home")
    index = engine.attach(kernel.port, table)
    with engine.transaction() as t:
        out = t.add_adjacency("ip", port=index, mtu=1500)
        t.add_route(table, "198.51.100.0/24", out)
        t.add_route(table, "2001:db8::/32", out)
    return engine, index


def test_a_superpacket_leaves_an_engine_as_one(kernel, router):
    whole = Segment(bytes(640), tcp=False)
    header, packet = whole.superpacket(10)
    kernel.give(packet, header)
    engine, index = router
    assert engine.run(index) == 64
    ((sent, superpacket),) = kernel.taken()
    assert sent == header
    assert superpacket == replace(whole, ttl=63).partial()
    assert kernel.port.counts()["tx_merged"] == 1
    assert engine.port_counters(index)["tx_octets"] == sum(map(len, cut_of(whole, 10)))


def cut_of(whole: Segment, size: int) -> list[bytes]:
    return [segment.packet() for segment in segments(whole, size)]


def test_a_checksum_that_the_kernel_left_to_us_is_right_when_it_leaves(kernel, router):
    kernel.give(Segment(tcp=False).partial(), vnet(NEEDS_CSUM, start=20, offset=6))
    engine, index = router
    engine.run(index)
    assert kernel.taken() == [(bytes(10), forwarded(Segment(tcp=False).packet()))]


@pytest.mark.parametrize("flags", [0, DATA_VALID])
def test_a_packet_of_the_kernel_leaves_one_hop_on(kernel, router, flags):
    kernel.give(datagram(src=HOME, dst=SITE), vnet(flags))
    engine, index = router
    engine.run(index)
    assert kernel.taken() == [(bytes(10), forwarded(datagram(src=HOME, dst=SITE)))]


def test_what_the_kernel_has_no_room_for_is_refused_and_the_octets_are_those_of_the_rest():
    small = Kernel()
    engine = Engine()
    table = engine.add_table("home")
    index = engine.attach(small.port, table)
    with engine.transaction() as t:
        t.add_route(table, "198.51.100.0/24", t.add_adjacency("ip", port=index, mtu=1500))
    given = [datagram(bytes(1000), sport=port, dst=SITE) for port in range(1, 201)]
    for packet in given:
        small.give(packet)
    held = socket.socket(fileno=os.dup(small.port.fileno()))
    held.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 20000)
    engine.run(index)
    held.close()
    taken = small.taken()
    counts, counters = small.port.counts(), engine.port_counters(index)
    assert 0 < len(taken) < 200
    assert counters["tx_packets"] == len(taken)
    assert counters["tx_refused"] == 200 - len(taken) == counts["no_buffers"]
    assert counters["tx_octets"] == sum(len(packet) for _, packet in taken)


def test_a_device_that_is_gone_is_no_longer_waited_for():
    made = Kernel()
    made.socket.close()
    assert made.port.read() == []
    assert not made.port.send(Segment().packet()) or made.port.counts()["invalid"] == 1
    made.port.close()
    assert made.port.link == "gone"


def test_a_part_that_only_sends_receives_nothing(kernel):
    sender = TunPort(os.dup(kernel.port.fileno()), receives=False)
    kernel.give(b"for another")
    assert sender.read() == []
    assert sender.fileno() == -1
    assert sender.send(Segment().packet())
    assert len(kernel.taken()) == 1
    sender.close()
    assert octets(kernel.port) == [b"for another"]


def test_a_closed_port_neither_takes_nor_gives(kernel):
    kernel.give(b"waits")
    kernel.port.close()
    assert kernel.port.read() == []
    assert not kernel.port.send(Segment().packet())
    assert kernel.port.fileno() == -1


@pytest.mark.parametrize("name", ["", "sixteen octets..", "a b", "a/b", "tun%d", ".."])
def test_a_name_that_no_interface_can_have_is_refused(name):
    with pytest.raises(ValueError, match="interface's name"):
        TunPort.open(name, name="home")
