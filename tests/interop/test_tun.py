"""TUN devices between the stacks of two namespaces and an engine that forwards from one to the
other: the kernel's own TCP and UDP judge what is cut and joined."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import hashlib
import os
import random
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from namespace import Namespace

from control.bench.context import QUICK, Context
from control.bench.tun_path import tun
from fastpath import Engine, Stop, TunPort

PATIENCE = 30.0
LEFT, RIGHT = ("192.0.2.1", "2001:db8:1::1"), ("198.51.100.1", "2001:db8:2::1")
NETS = (("192.0.2.0/24", "2001:db8:1::/64"), ("198.51.100.0/24", "2001:db8:2::/64"))
FAMILIES = (socket.AF_INET, socket.AF_INET6)
UDP_SEGMENT, UDP_GRO = 103, 104
TUNSETOFFLOAD = 0x400454D0
CAPABILITIES_3 = 0x20080522
TUNTAP = ("ip", "tuntap", "add", "home0", "mode", "tun")


class Router:
    """An engine between two namespaces."""

    def __init__(self, mtu: int = 1500) -> None:
        self.sides = (Namespace("tun-left"), Namespace("tun-right"))
        self.middle = Namespace("tun-middle")
        self.engine = Engine()
        table = self.engine.add_table("home")
        self.ports: list[TunPort] = []
        self.indexes = []
        for number, side in enumerate(self.sides):
            name = f"side{number}"
            sender, (port,) = self.middle.call(lambda name=name: TunPort.open(name, name=name))
            sender.close()
            self.middle.call(lambda port=port: port.set_mtu(mtu))
            self.middle.run("ip", "link", "set", name, "netns", side.name)
            side.run("ip", "link", "set", name, "up")
            for address in (LEFT, RIGHT)[number]:
                bits = ["128", "nodad"] if ":" in address else ["32"]
                side.run("ip", "address", "add", f"{address}/{bits[0]}", "dev", name, *bits[1:])
            for net in NETS[1 - number]:
                side.run("ip", "route", "add", net, "dev", name)
            self.ports.append(port)
            self.indexes.append(self.engine.attach(port, table))
        with self.engine.transaction() as t:
            for index, nets in zip(self.indexes, NETS, strict=True):
                out = t.add_adjacency("ip", port=index, mtu=mtu)
                for net in nets:
                    t.add_route(table, net, out)
        self.pump()

    def pump(self) -> None:
        """Forwards all that waits."""
        while sum(self.engine.run(index) for index in self.indexes):
            pass

    @contextmanager
    def running(self) -> Iterator[None]:
        stop = Stop()
        thread = threading.Thread(target=self.engine.worker.run_until, args=(stop,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def socket(self, side: int, family: int, kind: int) -> socket.socket:
        """One that is bound in the namespace of a side."""
        made = self.sides[side].call(lambda: socket.socket(family, kind))
        made.settimeout(PATIENCE)
        made.bind(((LEFT, RIGHT)[side][FAMILIES.index(family)], 0))
        return made

    def close(self) -> None:
        for port in self.ports:
            port.close()
        for namespace in (*self.sides, self.middle):
            namespace.close()


@pytest.fixture(scope="module")
def router() -> Iterator[Router]:
    made = Router()
    yield made
    made.close()


def send_all(connection: socket.socket, octets: bytes) -> None:
    connection.sendall(octets)
    connection.shutdown(socket.SHUT_WR)


def receive_all(connection: socket.socket) -> str:
    digest = hashlib.sha256()
    while octets := connection.recv(1 << 16):
        digest.update(octets)
    return digest.hexdigest()


@pytest.mark.parametrize("offloads", [True, False])
@pytest.mark.parametrize("family", FAMILIES, ids=["ipv4", "ipv6"])
def test_tcp_arrives_as_it_was_sent_in_both_directions_at_once(router, family, offloads):
    for port in router.ports:
        fcntl.ioctl(port.fileno(), TUNSETOFFLOAD, 0x0F if offloads else 0)
    before = [port.counts() for port in router.ports]
    there, back = random.Random(1).randbytes(6_000_000), random.Random(2).randbytes(6_000_000)
    with router.socket(1, family, socket.SOCK_STREAM) as server, router.running():
        server.listen()
        with router.socket(0, family, socket.SOCK_STREAM) as client:
            client.connect(server.getsockname())
            accepted, _ = server.accept()
            with accepted:
                senders = [
                    threading.Thread(target=send_all, args=pair)
                    for pair in ((client, there), (accepted, back))
                ]
                digests: list[str] = []
                reader = threading.Thread(target=lambda: digests.append(receive_all(accepted)))
                for thread in (*senders, reader):
                    thread.start()
                assert receive_all(client) == hashlib.sha256(back).hexdigest()
                for thread in (*senders, reader):
                    thread.join()
                assert digests == [hashlib.sha256(there).hexdigest()]
    for port, old in zip(router.ports, before, strict=True):
        new = port.counts()
        assert new["tx_merged"] > old["tx_merged"]
        assert (new["rx_split"] > old["rx_split"]) == offloads
        assert new["rx_malformed"] == new["invalid"] == 0


@pytest.mark.parametrize("family", FAMILIES, ids=["ipv4", "ipv6"])
def test_a_socket_that_knows_no_superpackets_gets_each_datagram_by_itself(router, family):
    with (
        router.socket(0, family, socket.SOCK_DGRAM) as sender,
        router.socket(1, family, socket.SOCK_DGRAM) as receiver,
    ):
        sender.connect(receiver.getsockname())
        sent = [bytes([number]) * (100 if number % 50 else 30) for number in range(200)]
        merged = router.ports[1].counts()["tx_merged"]
        for datagram in sent:
            sender.send(datagram)
        router.pump()
        assert [receiver.recv(2000) for _ in sent] == sent
        assert router.ports[1].counts()["tx_merged"] > merged


@pytest.mark.parametrize("family", FAMILIES, ids=["ipv4", "ipv6"])
def test_a_superpacket_of_datagrams_crosses_as_one(router, family):
    for port in router.ports:
        fcntl.ioctl(port.fileno(), TUNSETOFFLOAD, 0x6F)
    with (
        router.socket(0, family, socket.SOCK_DGRAM) as sender,
        router.socket(1, family, socket.SOCK_DGRAM) as receiver,
    ):
        sender.connect(receiver.getsockname())
        sender.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 100)
        receiver.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
        before = [port.counts() for port in router.ports]
        octets = random.Random(3).randbytes(6350)
        sender.send(octets)
        router.pump()
        found, control, _, _ = receiver.recvmsg(1 << 16, 100)
        assert found == octets
        assert struct.unpack("i", control[0][2])[0] == 100
        after = [port.counts() for port in router.ports]
        assert after[0]["rx_packets"] - before[0]["rx_packets"] == 64
        assert after[0]["rx_reads"] - before[0]["rx_reads"] == 1
        assert after[1]["tx_writes"] - before[1]["tx_writes"] == 1


def test_the_benchmark_measures_each_size_both_ways():
    rows = list(tun(Context(replace(QUICK, runs=2), None)))
    assert [row.unit for row in rows] == ["Mpps"] * 4
    assert all(row.value > 0 and row.peer_value > 0 for row in rows)
    assert len({row.name for row in rows}) == 4


# The device ---------------------------------------------------------------------------------------


@pytest.fixture
def home() -> Iterator[Namespace]:
    made = Namespace("tun-home")
    yield made
    made.close()


def close(ports: tuple[TunPort, list[TunPort]]) -> None:
    for port in (ports[0], *ports[1]):
        port.close()


def has(namespace: Namespace, name: str) -> bool:
    return name in [link["ifname"] for link in namespace.ip("link", "show")]


def drop_capabilities() -> None:
    """Of the calling thread."""
    header = struct.pack("Ii", CAPABILITIES_3, 0)
    if ctypes.CDLL(None, use_errno=True).capset(header, bytes(24)):
        raise OSError(ctypes.get_errno(), "capset")


PACKET = bytes.fromhex("4500001400000000400166e7c0000201c6336401")


def test_a_device_comes_up_with_its_mtu_and_goes_with_its_port(home):
    def work() -> None:
        ports = TunPort.open("home0", name="home", queues=2)
        ports[0].set_mtu(1400)
        (link,) = home.ip("-d", "link", "show", "dev", "home0")
        assert "UP" in link["flags"]
        assert link["mtu"] == 1400
        assert link["linkinfo"]["info_data"]["numqueues"] == 2
        assert ports[0].link == "up"
        assert {"csum", "tso4", "tso6"} <= set(ports[0].device.offloads)
        close(ports)
        assert not has(home, "home0")

    home.call(work)


def test_flows_are_spread_over_queues_and_control_receives_none(home):
    def work() -> None:
        sender, parts = TunPort.open("home0", name="home", queues=2)
        home.run("ip", "address", "add", "192.0.2.1/24", "dev", "home0")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as source:
            for port in range(1, 101):
                source.sendto(b"octets", ("192.0.2.2", port))
        found = [[p for _, _, _, p in part.read() if p[9:10] == b"\x11"] for part in parts]
        assert sum(map(len, found)) == 100
        assert all(found)
        assert sender.read() == []
        assert sender.send(PACKET)
        close((sender, parts))

    home.call(work)


def test_an_interface_that_is_down_refuses_counted_and_recovers(home):
    def work() -> None:
        sender, (port,) = TunPort.open("home0", name="home")
        home.run("ip", "link", "set", "home0", "down")
        assert port.link == "down"
        assert not port.send(PACKET)
        assert port.counts()["down"] == 1
        home.run("ip", "link", "set", "home0", "up", "mtu", "9000")
        assert port.link == "up"
        assert port.send(PACKET)
        close((sender, [port]))

    home.call(work)


def test_a_device_that_was_deleted_is_made_again_and_packets_flow(home):
    def work() -> None:
        sender, parts = TunPort.open("home0", name="home", queues=2)
        sender.set_mtu(1400)
        home.run("ip", "link", "delete", "home0")
        assert sender.link == "gone"
        assert parts[0].read() == []
        assert sender.link == "up"
        assert all(port.send(PACKET) for port in (sender, parts[1]))
        assert [port.counts()["restored"] for port in (sender, *parts)] == [1, 1, 1]
        (link,) = home.ip("-d", "link", "show", "dev", "home0")
        assert (link["mtu"], link["linkinfo"]["info_data"]["numqueues"]) == (1400, 2)
        assert link["linkinfo"]["info_data"]["numdisabled"] == 1
        home.run("ip", "address", "add", "192.0.2.1/24", "dev", "home0")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as source:
            source.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 10)
            source.sendto(bytes(100), ("192.0.2.2", 9))
        received = [row for part in parts for row in part.read() if row[3][9] == 17]
        assert [row[2] for row in received] == [38] * 10
        close((sender, parts))

    home.call(work)


def test_a_device_that_cannot_be_made_again_is_down_and_says_so(home):
    def work() -> None:
        sender, (port,) = TunPort.open("home0", name="home")
        home.run("ip", "link", "delete", "home0")
        drop_capabilities()
        engine = Engine()
        index = engine.attach(port, engine.add_table("home"))
        assert engine.run(index) == -1
        assert "home0 was deleted" in str(port.error())
        assert not port.send(PACKET)
        assert port.counts()["gone"] == 1
        close((sender, [port]))

    home.call(work)


def test_a_persistent_device_is_taken_and_stays(home):
    def work() -> None:
        home.run(*TUNTAP, "multi_queue", "vnet_hdr")
        for _ in range(2):
            ports = TunPort.open("home0", name="home")
            assert ports[1][0].send(PACKET)
            close(ports)
        assert has(home, "home0")

    home.call(work)


@pytest.mark.parametrize("persistent", [False, True])
def test_two_programs_never_share_a_device(home, persistent):
    def work() -> None:
        if persistent:
            home.run(*TUNTAP, "multi_queue", "vnet_hdr")
        ports = TunPort.open("home0", name="home")
        with pytest.raises(OSError, match="home0 is in use by another program"):
            TunPort.open("home0", name="home")
        close(ports)

    home.call(work)


def test_a_device_of_another_kind_is_refused(home):
    def work() -> None:
        home.run(*TUNTAP)
        with pytest.raises(OSError, match="home0 is no TUN device with several queues"):
            TunPort.open("home0", name="home")

    home.call(work)


def test_the_capability_that_is_missing_is_named(home):
    def work() -> None:
        drop_capabilities()
        with pytest.raises(OSError, match="CAP_NET_ADMIN is needed") as refused:
            TunPort.open("home0", name="home")
        assert refused.value.errno == errno.EPERM

    before = len(os.listdir("/proc/self/fd"))
    home.call(work)
    assert len(os.listdir("/proc/self/fd")) == before
