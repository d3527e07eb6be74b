"""Generated tables have the shape that they claim, and streams the destinations."""

from __future__ import annotations

import numpy as np
import pytest

from control.bench.context import QUICK, Context
from control.bench.streams import STREAMS, keys
from control.bench.tables import (
    ACCESS_NEXT_HOP,
    DEPTHS,
    NEXT_HOPS,
    OUTSIDE,
    SHARES,
    internet_like,
    with_access_routes,
)
from fastpath.lpm_burst import BurstTrie
from fastpath.lpm_chunk import Chunked

SIZE = {4: 60_000, 6: 20_000}
both = pytest.mark.parametrize("family", [4, 6])


@pytest.fixture(scope="module")
def tables():
    return {family: internet_like(family, size, 7) for family, size in SIZE.items()}


def depths(table) -> list[tuple[int, int]]:
    """(length, how many shorter prefixes cover it) of each prefix, the slow way along the sorted
    table."""
    width = 8 * table.addresses.shape[1]
    found, open_ = [], []
    for address, length in zip(table.addresses, table.lengths.tolist(), strict=True):
        start = int.from_bytes(bytes(address), "big")
        while open_ and open_[-1] <= start:
            open_.pop()
        found.append((length, len(open_)))
        open_.append(start + (1 << (width - length)))
    return found


@both
def test_a_table_has_the_published_lengths(tables, family):
    table = tables[family]
    assert abs(len(table) - SIZE[family]) < 0.02 * SIZE[family]
    total = sum(SHARES[family].values())
    for length, share in SHARES[family].items():
        part = np.count_nonzero(table.lengths == length) / len(table)
        assert part == pytest.approx(share / total, rel=0.15, abs=0.002), length
    assert set(table.lengths.tolist()) <= set(SHARES[family])


@both
def test_a_table_nests_as_published(tables, family):
    found = depths(tables[family])
    outside = sum(depth == 0 for _, depth in found) / len(found)
    total = sum(SHARES[family].values())
    wanted = sum(
        share / total * next(p for upto, p in OUTSIDE[family] if length <= upto)
        for length, share in SHARES[family].items()
    )
    assert outside == pytest.approx(wanted, abs=0.04)
    once = sum(depth == 1 for _, depth in found) / len(found)
    assert once / (1 - outside) == pytest.approx(DEPTHS[0], abs=0.06)


@both
def test_prefixes_are_distinct_sorted_and_without_host_bits(tables, family):
    table = tables[family]
    pairs = [(bytes(a), n) for a, n in zip(table.addresses, table.lengths.tolist(), strict=True)]
    assert pairs == sorted(set(pairs))
    loaded = (Chunked if family == 4 else BurstTrie)(family)
    assert loaded.load(table.addresses, table.lengths, table.nhs) == len(table)
    assert 1 <= table.nhs.min() <= table.nhs.max() <= NEXT_HOPS


@both
def test_the_same_seed_gives_the_same_table(family):
    first, second, other = (internet_like(family, 1000, seed) for seed in (3, 3, 4))
    assert np.array_equal(first.addresses, second.addresses)
    assert np.array_equal(first.nhs, second.nhs)
    assert not np.array_equal(first.addresses[:900], other.addresses[:900])


@both
def test_access_routes_have_their_own_next_hops_and_change_nothing_else(tables, family):
    table = tables[family]
    full = with_access_routes(table, 500, 1)
    own = full.nhs >= ACCESS_NEXT_HOP
    assert np.count_nonzero(own) == 500 == len(set(full.nhs[own].tolist()))
    assert set(full.lengths[own].tolist()) == {8 * table.addresses.shape[1]}
    for column in ("addresses", "lengths", "nhs"):
        assert np.array_equal(getattr(full, column)[~own], getattr(table, column))


@both
@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_can_be_repeated_and_has_its_form(tables, family, name):
    made = keys(name, tables[family], 1000, 5)
    assert made.shape == (1000, 4 if family == 4 else 16)
    assert made.dtype == np.uint8
    assert np.array_equal(made, keys(name, tables[family], 1000, 5))


@both
@pytest.mark.parametrize("name", ["routed", "prefix", "zipf", "hot"])
def test_streams_of_routed_addresses_always_find_a_route(tables, family, name):
    table = (Chunked if family == 4 else BurstTrie)(family)
    given = tables[family]
    table.load(given.addresses, given.lengths, given.nhs)
    assert np.all(table.lookup_array(keys(name, given, 5000, 5)))


@both
def test_hot_destinations_come_again(tables, family):
    hot = {bytes(key) for key in keys("hot", tables[family], 200_000, 1)}
    prefix = {bytes(key) for key in keys("prefix", tables[family], 200_000, 1)}
    assert len(hot) <= 65_536 < len(prefix)


def test_the_zipf_stream_prefers_few_prefixes(tables):
    popular = keys("zipf", tables[4], 50_000, 1)[:, :3]
    counts = np.sort(np.unique(popular, axis=0, return_counts=True)[1])[::-1]
    assert counts[:10].sum() > 0.1 * len(popular)


def test_a_given_table_is_taken_instead_of_a_generated_one(tables):
    context = Context(QUICK, None, given={4: tables[4]})
    assert context.table(4) == ("table", tables[4])
    label, made = context.table(6)
    assert label == "bgp"
    assert len(made) > 100
