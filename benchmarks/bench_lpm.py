"""Longest-prefix match: batch lookup, load and single updates, beside pytricia's single lookup.

Run: pytest benchmarks/bench_lpm.py. The table sizes are those of the Internet in 2020; the factor
DIALOUT_BENCH_SIZE makes them smaller for a quick look.
"""

from __future__ import annotations

import os
import socket

import numpy as np
import pytest
import pytricia
from tables import internet_like

from fastpath.lpm_multibit import Multibit

ALGORITHMS = [Multibit]
FACTOR = float(os.environ.get("DIALOUT_BENCH_SIZE", "1"))
SIZES = {4: round(845_000 * FACTOR), 6: round(83_000 * FACTOR)}
SEED = 1
KEYS = 1_000_000
BURST = 256
PEER_KEYS = 20_000

each_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda a: a.__name__)
pytestmark = pytest.mark.benchmark(min_rounds=5, max_time=2)


@pytest.fixture(scope="module", params=[4, 6], ids=["ipv4", "ipv6"])
def routes(request):
    return internet_like(request.param, SIZES[request.param], SEED)


def loaded(algorithm, routes):
    table = algorithm(routes.family)
    table.load(routes.addresses, routes.lengths, routes.nhs)
    return table


def note(benchmark, routes, operations: int, **extra) -> None:
    benchmark.extra_info["prefixes"] = len(routes.lengths)
    benchmark.extra_info["seed"] = SEED
    if benchmark.stats:  # None with --benchmark-disable
        nanoseconds = benchmark.stats["min"] / operations * 1e9
        benchmark.extra_info["ns_per_operation"] = round(nanoseconds, 2)
    benchmark.extra_info.update(extra)


@each_algorithm
@pytest.mark.parametrize("burst", [KEYS, BURST], ids=["array", "burst"])
def test_lookup(benchmark, routes, algorithm, burst):
    """`burst`: one Python call a burst, so most of what it shows is the call."""
    benchmark.group = f"lookup ipv{routes.family}"
    table = loaded(algorithm, routes)
    keys = routes.addresses_inside(KEYS, SEED)[:burst]
    found = benchmark(table.lookup_array, keys)
    assert np.count_nonzero(found) == len(keys)
    note(benchmark, routes, len(keys), keys=len(keys), memory=table.memory)


def test_lookup_pytricia(benchmark, routes):
    benchmark.group = f"lookup ipv{routes.family}"
    width = routes.addresses.shape[1]
    tree = pytricia.PyTricia(8 * width, socket.AF_INET if width == 4 else socket.AF_INET6, True)
    rows = zip(map(bytes, routes.addresses), routes.lengths.tolist(), routes.nhs.tolist(),
               strict=True)  # fmt: skip
    for address, length, nh in rows:
        tree.insert((address, length), nh)
    keys = list(map(bytes, routes.addresses_inside(PEER_KEYS, SEED)))

    def lookup_all():
        return [tree.get(key, 0) for key in keys]

    assert all(benchmark(lookup_all))
    note(benchmark, routes, len(keys), keys=len(keys))


@each_algorithm
def test_load(benchmark, routes, algorithm):
    benchmark.group = f"load ipv{routes.family}"
    table = benchmark.pedantic(loaded, (algorithm, routes), rounds=3)
    note(benchmark, routes, len(routes.lengths), memory=table.memory)


@each_algorithm
def test_update(benchmark, routes, algorithm):
    """One added and one deleted host route, each a transaction of its own."""
    benchmark.group = f"update ipv{routes.family}"
    table = loaded(algorithm, routes)
    prefix = (bytes(routes.addresses_inside(1, 2)[0]), 8 * table.width)

    def update():
        table.add_prefix(prefix, 1)
        table.delete_prefix(prefix)

    benchmark(update)
    note(benchmark, routes, 2, memory=table.memory)
