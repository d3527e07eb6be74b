"""Lookups on every stream, whole tables loaded, routes changed; ours alone, for regressions.

Run: pytest benchmarks/bench_lookup.py. Beside DPDK's tables: `dialout bench --peers`.
"""

from __future__ import annotations

import numpy as np
import pytest
from conftest import note, sizes

from control.bench.context import SEED
from control.bench.lookups import our_table
from control.bench.streams import STREAMS, keys
from control.bench.tables import ACCESS_NEXT_HOP, with_access_routes
from fastpath.measure import lookup_address, time_lookups
from fastpath.measure_changes import time_changes

pytestmark = pytest.mark.benchmark(min_rounds=10, max_time=1)


@pytest.fixture(scope="module")
def table(routes):
    return our_table(routes)


@pytest.mark.parametrize("stream", STREAMS)
def test_lookup(benchmark, routes, table, stream):
    benchmark.group = f"lookup ipv{routes.family}"
    destinations = keys(stream, routes, sizes().keys, SEED)
    address = lookup_address(table)
    benchmark(time_lookups, *address, destinations, sizes().batch)
    note(benchmark, len(destinations), prefixes=len(routes), memory=table.memory)


def test_load(benchmark, routes):
    benchmark.group = f"load ipv{routes.family}"
    loaded = benchmark.pedantic(our_table, (routes,), rounds=10)
    note(benchmark, len(routes), prefixes=len(routes), memory=loaded.memory)


@pytest.fixture(scope="module")
def access(routes):
    """Access routes to come and go: octets, lengths, next hops."""
    more = with_access_routes(routes, min(sizes().updates, 10_000), SEED)
    own = more.nhs >= ACCESS_NEXT_HOP
    return more.addresses[own], more.lengths[own], more.nhs[own]


@pytest.mark.parametrize("size", [1, 1000], ids=["one", "thousand"])
def test_update(benchmark, routes, table, access, size):
    """Every access route added and deleted, so many a transaction."""
    benchmark.group = f"update ipv{routes.family}"
    addresses, lengths, nhs = access

    def update():
        time_changes(table, addresses, lengths, nhs, size)
        time_changes(table, addresses, lengths, None, size)

    benchmark.pedantic(update, rounds=10, warmup_rounds=1)
    note(benchmark, 2 * len(lengths), prefixes=len(routes), transaction=size)


@pytest.mark.parametrize("size", [1, 1000], ids=["one", "thousand"])
def test_swap(benchmark, routes, table, access, size):
    """Every access route led to another next hop and back, so many in one version."""
    benchmark.group = f"swap ipv{routes.family}"
    addresses, lengths, nhs = access
    time_changes(table, addresses, lengths, nhs, 1000)

    def swap():
        time_changes(table, addresses, lengths, np.roll(nhs, 1), size)
        time_changes(table, addresses, lengths, nhs, size)

    benchmark.pedantic(swap, rounds=10, warmup_rounds=1)
    time_changes(table, addresses, lengths, None, 1000)
    note(benchmark, 2 * len(lengths), prefixes=len(routes), transaction=size)
