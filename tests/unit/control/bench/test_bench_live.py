"""The sender of the live benchmark, on loopback."""

from __future__ import annotations

import os
import socket

import pytest

from control.bench.live.alone import alone, threads_of
from control.bench.live.blast import FLOWS, Blaster, inet, packet_socket, station
from control.bench.live.latency import PORTS, measure, quantile
from control.sim.host import udp_packet


def test_trains_arrive_as_the_datagrams_they_are_made_of() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near,
    ):
        far.bind(("127.0.0.1", 0))
        to = inet(far.getsockname())
        sent = Blaster(near.fileno(), [b"train", b"other"], to, train=2).run(0.0)
        assert sent == 0
        assert Blaster(near.fileno(), [b"train", b"other"], to, train=2).run(0.01) > 0
        assert [far.recv(100) for _ in range(4)] == [b"train"] * 2 + [b"other"] * 2
        near.sendto(bytes(5000), far.getsockname())  # no trains any more


def test_the_address_of_a_station_is_the_kernels() -> None:
    try:
        sender = packet_socket()
    except PermissionError:
        pytest.skip("packet sockets need CAP_NET_RAW")
    with sender:
        address = station("lo", "02:00:00:00:00:01")
        assert len(address) == 20
        assert address[2:4] == b"\x08\x00"
        assert address[12:18] == bytes.fromhex("020000000001")
        packet = bytes.fromhex("4500001c000040004011000a7f0000017f0000010009000900080000")
        sent = Blaster(sender.fileno(), [packet] * FLOWS, address).run(0.001)
        assert sent > 0


def test_each_packet_of_a_latency_is_told_by_its_own_source_port() -> None:
    packets = [udp_packet("10.0.0.1", port, "10.0.0.2", 9, bytes(22)) for port in PORTS[:8]]
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with near, far:
        far.setblocking(False)
        near.send(b"what others send" + packets[3])
        found = measure(near, far, [b"outer" + p for p in packets], 50, 1000.0, 0.02)
    assert 1 < len(found) <= 20
    assert all(0 < latency < 10**9 for latency in found)


def test_quantiles_are_of_what_was_measured() -> None:
    values = [n * 1000 for n in range(1, 101)]
    assert (quantile(values, 0.5), quantile(values, 0.99)) == (51.0, 100.0)
    assert quantile([5000], 0.99) == 5.0


def test_a_thread_that_was_alone_is_an_ordinary_one_again() -> None:
    (this,) = threads_of(os.getpid(), "")[:1]
    with alone([this]):
        assert os.sched_getscheduler(this) in (os.SCHED_FIFO, os.SCHED_OTHER)
    assert os.sched_getscheduler(this) == os.SCHED_OTHER
    assert threads_of(os.getpid(), "no such thread") == []
