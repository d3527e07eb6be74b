"""Captures through the engine on one core: mapped file, walk, parse, longest match, verdict.

Run: pytest benchmarks/bench_replay.py. The packets go nowhere: to no route, or to one of 800,000
routes that discards, which is the cost of a packet before anything is done with it. The captures
are generated and stay in the page cache. DIALOUT_BENCH_SIZE makes the table smaller.
"""

from __future__ import annotations

import os

import numpy as np
import pytest

from control.bench.tables import internet_like
from control.sim.traffic import flood_capture
from fastpath.engine import Engine
from fastpath.ports.pcap import PcapPort

PACKETS = 2_000_000
SIZE = 60
SEED = 1
BURST = 256
ROUTES = round(800_000 * float(os.environ.get("DIALOUT_BENCH_SIZE", "1")))
SPREAD = 20_000
"""Prefixes of the table that the destinations are drawn from."""

pytestmark = pytest.mark.benchmark(min_rounds=10, max_time=3)


@pytest.fixture(scope="module")
def table():
    return internet_like(4, ROUTES, SEED)


@pytest.fixture(scope="module")
def near(tmp_path_factory):
    """All to one prefix: the part of the table that is read stays in the cache."""
    path = tmp_path_factory.mktemp("bench") / "near.pcap"
    flood_capture(path, packets=PACKETS, size=SIZE, seed=SEED)
    return path


@pytest.fixture(scope="module")
def far(tmp_path_factory, table):
    """To addresses all over the table."""
    rng = np.random.default_rng(SEED)
    path = tmp_path_factory.mktemp("bench") / "far.pcap"
    able = np.flatnonzero(table.lengths >= 8)
    chosen = rng.choice(able, min(SPREAD, len(able)), replace=False)
    flood_capture(
        path,
        packets=PACKETS,
        size=SIZE,
        seed=SEED,
        destinations=[
            f"{'.'.join(map(str, table.addresses[i]))}/{table.lengths[i]}"
            for i in chosen
            if table.addresses[i][0] not in (0, 127)
        ],
    )
    return path


def engine_with(table=None) -> tuple[Engine, int]:
    engine = Engine()
    index = engine.add_table("bench", "10.0.0.1")
    if table is not None:
        with engine.transaction() as t:
            nh = t.add_adjacency("drop")
            addresses = table.addresses.view(">u4").ravel().astype(np.uint32)
            t.add_routes(index, addresses, table.lengths, np.full(len(addresses), nh))
    return engine, index


def forward(benchmark, path, engine: Engine, index: int, handle) -> None:
    """`handle` takes engine and port, and handles all packets."""

    def opened():
        port = PcapPort(path, rebase=True)
        return (engine, engine.attach(port, index)), {}

    handled = benchmark.pedantic(handle, setup=opened, rounds=20, warmup_rounds=1)
    assert handled == PACKETS
    routes = ROUTES if engine.counters()["reason"]["prohibited"] else 0
    benchmark.extra_info.update(
        packets=PACKETS, size=SIZE, burst=BURST, seed=SEED, routes=routes, capture=path.name
    )
    if benchmark.stats:  # None with --benchmark-disable
        nanoseconds = benchmark.stats["min"] / PACKETS * 1e9
        benchmark.extra_info["ns_per_packet"] = round(nanoseconds, 2)
        benchmark.extra_info["million_packets_per_second"] = round(1000 / nanoseconds, 1)


def poll_all(engine: Engine, port: int) -> int:
    total = 0
    while (n := engine.poll(port)) > 0:
        total += n
    return total


@pytest.mark.benchmark(group="forward")
@pytest.mark.parametrize("handle", [poll_all, Engine.run], ids=["poll", "run"])
def test_no_route(benchmark, near, handle):
    """`poll`: one Python call a burst. The ICMP errors are over their rate but for a few."""
    forward(benchmark, near, *engine_with(), handle)


@pytest.mark.benchmark(group="forward")
def test_route_in_the_cache(benchmark, near, table):
    forward(benchmark, near, *engine_with(table), Engine.run)


@pytest.mark.benchmark(group="forward")
def test_routes_all_over_the_table(benchmark, far, table):
    forward(benchmark, far, *engine_with(table), Engine.run)
