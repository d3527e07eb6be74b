"""A TUN device of a namespace of its own: packets of its kernel through an engine and back, and
packets of a train written to it.

One thread does all in turn: the kernel's stack fills the device's queue, the engine empties it.
Only the latter is measured, by the thread's processor time: reads, forwarding, writes, and what
the kernel does with what is written until it drops it for want of a route. So a rate is what one
processor takes that does nothing else. Packets have 50 or 1,400 octets. Needs root.
"""

from __future__ import annotations

import mmap
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from time import thread_time_ns
from typing import Final

import numpy as np

from control.bench.context import Context
from control.bench.namespace import in_namespace
from control.bench.rows import Row, interleaved, row
from control.errors import ResourceError
from control.sim import host
from fastpath.engine import Engine
from fastpath.ports.pool import PoolPort
from fastpath.ports.port import Port
from fastpath.ports.tun import TunPort

UDP_SEGMENT: Final = 103
HEADERS: Final = 28
SIZES: Final = ((50, 64), (1400, 46))
"""Octets of a packet, and packets of a superpacket."""
WAITING: Final = 64
"""Superpackets, or packets, that wait in the device's queue when it is emptied. It holds 500."""
ROUNDS: Final = 64
TRAIN: Final = 64
STRIDE: Final = 2240
HEADROOM: Final = 128
SOURCE: Final = "10.70.0.2"
HOME: Final = "10.70.0.1"
SITE: Final = "10.71.0.9"

SETUP: Final = (
    "link set lo up",
    f"address add {HOME}/32 dev bench0",
    f"route add {SITE}/32 dev bench0",
    "rule add iif bench1 lookup 77 priority 0",
    f"route add blackhole {SITE}/32 table 77",
)


def tun(context: Context) -> Iterator[Row]:
    """Packets a second of one processor. Raises ResourceError without the rights or the device."""
    try:
        yield from in_namespace(lambda: list(_measure(context.sizes.runs)))
    except (OSError, subprocess.CalledProcessError) as error:
        raise ResourceError(f"bench tun: {error}") from error


def _measure(runs: int) -> Iterator[Row]:
    opened = [TunPort.open(f"bench{n}", name=f"bench{n}") for n in (0, 1)]
    ports = [parts[0] for _, parts in opened]
    try:
        for command in SETUP:
            subprocess.run(["ip", *command.split()], check=True, capture_output=True)
        for octets, train in SIZES:
            through = Through(ports, octets)
            values = interleaved(
                {
                    "trains": partial(through.time, train),
                    "alone": partial(through.time, 0),
                },
                runs,
            )
            yield row(f"tun through, {octets} octets", "Mpps", values["trains"],
                      "without offloads", values["alone"])  # fmt: skip
            into = {flows: Into(ports[1], octets, flows) for flows in (1, TRAIN)}
            values = interleaved({str(flows): made.time for flows, made in into.items()}, runs)
            yield row(f"tun out of a tunnel, {octets} octets", "Mpps", values["1"],
                      "single packets of 64 flows", values[str(TRAIN)])  # fmt: skip
    finally:
        for sender, (port,) in opened:
            sender.close()
            port.close()


def _timed(work: Callable[[], int]) -> float:
    """Million packets a second of this thread's processor time."""
    begin = thread_time_ns()
    packets = work()
    return packets * 1e3 / (thread_time_ns() - begin)


def _engine(ports: list[Port]) -> Engine:
    """Forwards all packets to the last of the ports."""
    engine = Engine()
    table = engine.add_table("bench")
    indexes = [engine.attach(port, table) for port in ports]
    with engine.transaction() as t:
        t.add_route(table, f"{SITE}/32", t.add_adjacency("ip", port=indexes[-1]))
    return engine


class Through:
    """Datagrams of the kernel's stack, forwarded from one device to the other."""

    def __init__(self, ports: list[TunPort], octets: int) -> None:
        self.engine = _engine(list(ports))
        self.octets = octets - HEADERS

    def time(self, train: int) -> float:
        """`train`: datagrams of a superpacket; 0: none."""
        spent, packets = 0.0, 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.connect((SITE, 9))
            if train:
                sender.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, self.octets)
            datagram = os.urandom(self.octets * max(train, 1))
            self.engine.run(0)
            for _ in range(ROUNDS):
                for _ in range(WAITING):
                    sender.send(datagram)
                begin = thread_time_ns()
                packets += self.engine.run(0)
                spent += thread_time_ns() - begin
        return packets * 1e3 / spent


class Into:
    """What came out of a tunnel, so that no checksum is trusted: trains of so many flows that take
    turns, with 1 one train."""

    def __init__(self, port: TunPort, octets: int, flows: int) -> None:
        self.memory = np.frombuffer(mmap.mmap(-1, 1024 * STRIDE), np.uint8)
        slots = self.memory.reshape(-1, STRIDE)
        for number, slot in enumerate(slots):
            packet = host.udp_packet(
                SOURCE,
                1000 + number % flows,
                SITE,
                9,
                bytes(octets - HEADERS),
                identification=number,
            )
            slot[HEADROOM : HEADROOM + octets] = np.frombuffer(packet, np.uint8)
        self.fresh = self.memory.copy()
        self.pool = PoolPort(self.memory, slots=len(slots), stride=STRIDE, headroom=HEADROOM,
                             length=octets)  # fmt: skip
        self.engine = _engine([self.pool, port])

    def time(self) -> float:
        self.memory[:] = self.fresh
        self.pool.offer(len(self.memory) // STRIDE)
        return _timed(lambda: self.engine.run(0))
