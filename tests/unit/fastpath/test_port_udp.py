"""The UDP port: datagrams of a real socket as the engine's packets, and back."""

from __future__ import annotations

import random
import select
import socket
import struct
import time

import pytest
from packets import HOME, PPP_IP, control_message, datagram, forwarded
from parse_packets import internet_checksum

from control.sim import data_header, host
from control.sim.data_header import DataHeader
from fastpath import Engine, MemPort, UdpPort

PATIENCE = 30.0
LOCAL6 = "::1"


def loopback_host() -> str:
    """An address of 127.0.0.0/8 that nobody else has drawn."""
    drawn = random.SystemRandom()
    return f"127.{drawn.randrange(1, 255)}.{drawn.randrange(256)}.{drawn.randrange(1, 255)}"


def peer(address: str, port: int = 0) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    made.settimeout(PATIENCE)
    made.bind((address, port))
    return made


def wait(port: UdpPort) -> None:
    assert select.select([port], [], [], PATIENCE)[0], "nothing came"


def read(port: UdpPort, count: int) -> list[tuple[int, str, int, bytes]]:
    """Exactly that many packets, however the kernel hands them over."""
    found: list[tuple[int, str, int, bytes]] = []
    while len(found) < count:
        if not len(port):
            wait(port)
        found += port.read(count - len(found))
    return found


def ipv6_packet(payload: bytes, to: str, port: int, *, traffic_class: int = 0) -> bytes:
    """IPv6 with a UDP datagram; the port under test does not look at its checksum."""
    length = 8 + len(payload)
    first = 6 << 28 | traffic_class << 20
    addresses = socket.inet_pton(socket.AF_INET6, LOCAL6) + socket.inet_pton(socket.AF_INET6, to)
    head = struct.pack("!IHBB", first, length, 17, 64) + addresses
    return head + struct.pack("!HHHH", 1701, port, length, 0) + payload


@pytest.fixture
def port():
    with_buffers = UdpPort(loopback_host())
    yield with_buffers
    with_buffers.close()


# --- what arrives ---------------------------------------------------------------------------------


def test_datagram_arrives_as_the_packet_that_the_kernel_had(port):
    with peer(loopback_host()) as lac:
        lac.sendto(b"\xc8\x02control", port.address)
        ((_, link, wire, packet),) = read(port, 1)
        assert (link, wire) == ("ipv4", len(packet))
        found = host.parse_udp(packet)
        assert (found.source, found.destination) == (lac.getsockname(), (port.address[0], 1701))
        assert found.payload == b"\xc8\x02control"
        assert internet_checksum(packet[:20]) == 0


def test_ipv6_datagram_arrives_as_an_ipv6_packet():
    port = UdpPort(LOCAL6, 0)
    with peer(LOCAL6) as lac:
        lac.sendto(b"message", port.address)
        ((_, link, _, packet),) = read(port, 1)
        assert link == "ipv6"
        us = socket.inet_pton(socket.AF_INET6, LOCAL6)
        assert packet[:8] == struct.pack("!IHBB", 6 << 28, 8 + 7, 17, 64)
        assert packet[8:40] == us + us
        assert struct.unpack("!HHHH", packet[40:48]) == (lac.getsockname()[1], 1701, 15, 0)
        assert packet[48:] == b"message"
    port.close()


def test_time_is_the_monotonic_clock_less_the_base():
    base = time.monotonic_ns()
    port = UdpPort(loopback_host(), base_ns=base)
    with peer(loopback_host()) as lac:
        lac.sendto(b"x", port.address)
        ((ts, *_),) = read(port, 1)
        assert 0 <= ts <= time.monotonic_ns() - base
    port.close()


@pytest.mark.parametrize("size", [0, 1, 1472, 9000, 65507])
def test_datagrams_of_every_size_are_whole(port, size):
    content = random.Random(size).randbytes(size)
    with peer(loopback_host()) as lac:
        lac.sendto(content, port.address)
        assert read(port, 1)[0][3][28:] == content


def test_order_stays_and_what_is_not_consumed_is_described_again(port):
    with peer(loopback_host()) as lac:
        for number in range(150):
            lac.sendto(bytes([number]), port.address)
        packets = [row[3][28:] for n in (1, 7, 42, 100) for row in read(port, n)]
    assert packets == [bytes([n]) for n in range(150)]
    assert port.counts()["rx_packets"] == 150
    assert port.counts()["rx_batches"] < 150
    assert port.read() == []
    assert port.next_ns is None


# --- what leaves ----------------------------------------------------------------------------------


def test_outer_header_says_where_to_and_is_taken_off(port):
    with peer(loopback_host()) as lac:
        address, number = lac.getsockname()
        packet = host.udp_packet(port.address[0], 1701, address, number, b"data", tos=0xB8)
        lac.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
        assert port.send(packet)
        assert port.send(host.udp_packet(port.address[0], 1701, address, number, b"plain"))
        data, control, _, source = lac.recvmsg(100, 100)
        assert (data, source) == (b"data", port.address)
        assert [value for _, _, value in control] == [b"\xb8"]
        data, control, _, _ = lac.recvmsg(100, 100)
        assert data == b"plain"
        assert [value for _, _, value in control] == [b"\x00"]


def test_ipv6_header_says_where_to_and_is_taken_off():
    port = UdpPort(LOCAL6, 0)
    with peer(LOCAL6) as lac:
        number = lac.getsockname()[1]
        lac.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
        assert port.send(ipv6_packet(b"data", LOCAL6, number, traffic_class=0xB8))
        data, control, _, source = lac.recvmsg(100, 100)
        assert (data, source[:2]) == (b"data", port.address)
        assert [struct.unpack("i", value) for _, _, value in control] == [(0xB8,)]
    port.close()


@pytest.mark.parametrize("packet", [
    b"",
    b"E",
    host.udp_packet("127.0.0.1", 1, "127.0.0.2", 2, b"x")[:27],
    host.ip_packet(bytes(4), bytes([127, 0, 0, 1]), 6, bytes(40)),
    host.udp_packet("127.0.0.1", 1, "127.0.0.2", 2, b"x")[:6] + b"\x20\x00" + bytes(21),
    ipv6_packet(b"x", LOCAL6, 9),
    host.udp_packet("127.0.0.1", 1, "127.0.0.2", 2, b"x" * 20)[:-1],
])  # fmt: skip
def test_what_is_no_whole_datagram_of_the_family_is_counted_and_not_sent(port, packet):
    port.send(packet)
    assert port.counts()["not_datagrams"] == 1
    assert port.counts()["tx_packets"] == 0


# --- errors ---------------------------------------------------------------------------------------


def test_refusal_is_counted_and_the_next_datagram_is_sent_all_the_same(port):
    with peer(loopback_host()) as gone:
        nobody = gone.getsockname()
    with peer(loopback_host()) as lac:
        here = host.udp_packet(port.address[0], 1701, *lac.getsockname(), b"here")
        for _ in range(3):
            assert port.send(host.udp_packet(port.address[0], 1701, *nobody, b"lost"))
            assert port.send(here)
            assert lac.recv(100) == b"here"
        lac.sendto(b"answer", port.address)
        assert read(port, 1)[0][3][28:] == b"answer"
    while port.counts()["refused"] < 3:
        wait(port)
        assert port.read() == []
    assert not select.select([port], [], [], 0)[0], "the socket still says that there is something"


def test_datagram_above_the_path_mtu_is_counted_and_others_are_sent():
    port = UdpPort(LOCAL6, 0)
    with peer(LOCAL6) as lac:
        number = lac.getsockname()[1]
        assert port.send(ipv6_packet(bytes(65500), LOCAL6, number)), "the loopback's is 65,536"
        assert port.counts()["too_big"] == 1
        assert port.send(ipv6_packet(b"small", LOCAL6, number))
        assert lac.recv(100) == b"small"
    port.close()


def test_full_buffer_refuses_the_rest_of_a_burst():
    port = UdpPort(loopback_host(), buffer=1)
    with peer(loopback_host()) as lac:
        packet = host.udp_packet(port.address[0], 1701, *lac.getsockname(), bytes(40000))
        sent = [port.send(packet) for _ in range(50)]
        counts = port.counts()
        assert counts["tx_packets"] + counts["no_buffers"] == 50
        assert sent.count(True) == counts["tx_packets"]
    port.close()


def test_address_that_is_not_ours_in_use_or_of_many_hosts_is_refused(port):
    with pytest.raises(OSError, match="Address already in use"):
        UdpPort(*port.address)
    with pytest.raises(OSError, match="Cannot assign requested address"):
        UdpPort("192.0.2.77")
    for address in ("0.0.0.0", "::", "224.0.0.1", "ff02::1", "lac.example", ""):
        with pytest.raises(ValueError, match="address"):
            UdpPort(address)
    with pytest.raises(OverflowError):
        UdpPort("127.0.0.1", 65536)


def test_closed_port_receives_and_sends_nothing(port):
    with peer(loopback_host()) as lac:
        lac.sendto(b"x", port.address)
        wait(port)
        port.close()
        assert port.read() == []
        assert not port.send(host.udp_packet("127.0.0.1", 1701, *lac.getsockname(), b"x"))
        assert (port.fileno(), len(port), port.next_ns) == (-1, 0, None)
        port.close()


# --- behind the engine ----------------------------------------------------------------------------


class Wire:
    """An engine whose tunnel is a UDP port, and a LAC with a socket."""

    def __init__(self) -> None:
        self.port = UdpPort(loopback_host())
        self.home = MemPort()
        self.lac = peer(loopback_host())
        self.engine = Engine()
        table = self.engine.add_table("red")
        self.inside = self.engine.attach(self.home, table)
        self.outside = self.engine.attach(self.port, table)
        us = self.port.address[0]
        with self.engine.transaction() as t:
            self.session = t.add_session(
                table=table, port=self.outside, local=(us, 1701), peer=self.lac.getsockname(),
                tunnel=1, session=2, peer_tunnel=3, peer_session=4,
            )  # fmt: skip
            t.add_route(table, "198.51.100.0/24", self.session)
            t.add_route(table, "192.0.2.0/24", t.add_adjacency("ip", port=self.inside))
            t.add_route(table, f"{us}/32", t.add_adjacency("local", tunnel=True))

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.lac.close()
        self.port.close()

    def arrive(self, *messages: bytes, sender: socket.socket | None = None) -> None:
        """Lets the LAC send, and the engine handle all of it."""
        for message in messages:
            (sender or self.lac).sendto(message, self.port.address)
        handled = 0
        while handled < len(messages):
            wait(self.port)
            handled += self.engine.poll(self.outside)

    def reasons(self) -> dict[str, int]:
        record = self.engine.counters()["reason"]
        return {name: int(record[name]) for name in record.dtype.names if record[name]}


def test_packets_pass_an_engine_both_ways_between_port_and_socket():
    with Wire() as wire:
        out = [datagram(bytes([n]) * 100) for n in range(200)]
        wire.home.push_many(out)
        assert wire.engine.poll(wire.inside) == 200
        messages = [data_header.decode(wire.lac.recv(2000)) for _ in out]
        assert [payload for _, payload in messages] == [PPP_IP + forwarded(p) for p in out]
        assert {(h.tunnel, h.session) for h, _ in messages} == {(3, 4)}
        back = [datagram(bytes([n]) * 100, src="198.51.100.7", dst=HOME) for n in range(200)]
        header = DataHeader(1, 2)
        wire.arrive(*(data_header.encode(header, PPP_IP + p) for p in back))
        assert [octets for _, octets in wire.home.pop_all()] == [forwarded(p) for p in back]
        assert wire.reasons() == {}


def test_control_messages_are_punted_with_both_addresses():
    with Wire() as wire:
        wire.arrive(control_message(tunnel=9))
        (punt,) = wire.engine.punts()
        assert (punt.verdict, punt.data) == ("PUNT_L2TP", control_message(tunnel=9))
        assert punt.source == wire.lac.getsockname()
        assert punt.destination == (wire.port.address[0], 1701)


def test_data_from_another_socket_of_the_lac_is_a_peer_mismatch():
    with Wire() as wire, peer(wire.lac.getsockname()[0]) as other:
        frame = PPP_IP + datagram(src="198.51.100.7", dst=HOME)
        wire.arrive(data_header.encode(DataHeader(1, 2), frame), sender=other)
        assert wire.reasons() == {"peer-mismatch": 1}


def test_inner_packet_from_a_loopback_address_is_as_martian_as_ever():
    with Wire() as wire:
        frame = PPP_IP + datagram(src="127.0.0.1", dst=HOME)
        wire.arrive(data_header.encode(DataHeader(1, 2), frame))
        assert wire.reasons() == {"martian-source": 1}
