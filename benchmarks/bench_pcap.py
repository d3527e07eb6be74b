"""Reading captures: the walk alone, without looking into a packet, and the port in memory beside.

Run: pytest benchmarks/bench_pcap.py. The captures are generated and stay in the page cache, so the
numbers are those of the reader and not of a disk.
"""

from __future__ import annotations

import struct

import numpy as np
import pytest

from control.sim.traffic import flood_capture
from fastpath.ports.mem import MemPort
from fastpath.ports.pcap import PcapPort

PACKETS = 1_000_000
SIZE = 60
SEED = 1
BURST = 256

pytestmark = pytest.mark.benchmark(min_rounds=10, max_time=2)


@pytest.fixture(scope="module")
def classic(tmp_path_factory):
    path = tmp_path_factory.mktemp("bench") / "flood.pcap"
    flood_capture(path, packets=PACKETS, size=SIZE, seed=SEED)
    return path


@pytest.fixture(scope="module")
def pcapng(classic, tmp_path_factory):
    """The same packets as enhanced packet blocks."""
    records = np.fromfile(classic, np.uint8, offset=24).reshape(PACKETS, 16 + SIZE)
    blocks = np.zeros((PACKETS, 32 + SIZE), np.uint8)
    total = struct.pack("<I", 32 + SIZE)
    blocks[:, :8] = np.frombuffer(struct.pack("<I", 6) + total, np.uint8)
    ticks = records[:, :8].copy().view("<u4").astype(np.uint64)
    ticks = ticks[:, 0] * 1_000_000 + ticks[:, 1]
    blocks[:, 12:16] = (ticks >> 32).astype("<u4").view(np.uint8).reshape(-1, 4)
    blocks[:, 16:20] = ticks.astype("<u4").view(np.uint8).reshape(-1, 4)
    blocks[:, 20:28] = records[:, 8:16]
    blocks[:, 28:-4] = records[:, 16:]
    blocks[:, -4:] = np.frombuffer(total, np.uint8)
    path = tmp_path_factory.mktemp("bench") / "flood.pcapng"
    with open(path, "wb") as file:
        file.write(struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28))
        file.write(struct.pack("<IIHHII", 1, 20, 1, 0, 0, 20))
        blocks.tofile(file)
    return path


def note(benchmark, packets: int) -> None:
    benchmark.extra_info.update(packets=packets, size=SIZE, burst=BURST, seed=SEED)
    if benchmark.stats:  # None with --benchmark-disable
        nanoseconds = benchmark.stats["min"] / packets * 1e9
        benchmark.extra_info["ns_per_packet"] = round(nanoseconds, 2)
        benchmark.extra_info["million_packets_per_second"] = round(1000 / nanoseconds, 1)


def walk(benchmark, *paths) -> None:
    def opened():
        return (PcapPort(*paths, rebase=True),), {}

    drained = benchmark.pedantic(PcapPort.drain, setup=opened, rounds=20, warmup_rounds=1)
    assert drained == PACKETS * len(paths)
    note(benchmark, drained)


@pytest.mark.benchmark(group="walk")
def test_walk_classic(benchmark, classic):
    walk(benchmark, classic)


@pytest.mark.benchmark(group="walk")
def test_walk_pcapng(benchmark, pcapng):
    walk(benchmark, pcapng)


@pytest.mark.benchmark(group="walk")
def test_walk_two_merged(benchmark, classic, pcapng):
    """Equal times in both files: the source changes with every packet."""
    walk(benchmark, classic, pcapng)


@pytest.mark.benchmark(group="memory")
def test_memory_loop(benchmark):
    port = MemPort(loop=PACKETS // BURST)
    port.push_many([bytes(SIZE)] * BURST)

    def again():
        port.rewind()
        return port.drain()

    drained = benchmark(again)
    assert drained == PACKETS // BURST * BURST
    note(benchmark, drained)
