"""IPv4 tables in chunks: cells of both sizes, blocks by the thousand, what is given back."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lpm_cases import boundaries, key, load, octets, random_routes, rolled_back
from lpm_oracle import ADDRESSES, Intervals, numbers

from control.bench.tables import internet_like, with_access_routes
from fastpath.lpm_chunk import Chunked
from fastpath.lpm_snapshot import Snapshot

NH_MAX = (1 << 24) - 1
NARROW = 1 << 15
"""Next hops, and ext blocks, that 16-bit cells hold."""

DATA = os.environ.get("DIALOUT_DATA")
REAL = sorted(Path(DATA, "rib").glob("v4-*.txt.xz")) if DATA else []


def assert_every_variant(table: Chunked, oracle: Intervals, addresses: np.ndarray) -> None:
    expected = oracle.lookup(addresses)
    for name in table.variants:
        table.select(name)
        wrong = np.flatnonzero(table.lookup_array(addresses) != expected)
        assert not len(wrong), (name, hex(addresses[wrong[0]]), expected[wrong[0]])


def compare(addresses: np.ndarray, lengths: np.ndarray, nhs: np.ndarray, randoms: int) -> Chunked:
    """A loaded table that answers like intervals at all boundaries and at random addresses."""
    table = Chunked(4)
    table.load(addresses, lengths, nhs)
    oracle = Intervals(addresses, lengths, nhs)
    assert_every_variant(table, oracle, oracle.boundaries())
    rng = np.random.default_rng(1)
    for _ in range(0, randoms, 1 << 20):
        assert_every_variant(table, oracle, rng.integers(0, ADDRESSES, min(randoms, 1 << 20)))
    return table


def test_every_variant_matches_intervals_on_a_table_like_the_internets():
    table = with_access_routes(internet_like(4, 60_000, 1), 20_000, 1)
    compare(table.addresses, table.lengths, table.nhs, 1 << 19)


@pytest.mark.skipif(not REAL, reason="no routing tables in $DIALOUT_DATA/rib")
@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name.removesuffix(".txt.xz"))
def test_every_variant_matches_intervals_on_a_real_table(path):
    from test_lpm_tables import Table

    rows = Table(path)
    compare(rows.addresses, rows.lengths, rows.nhs, 10_000_000)


def test_more_ext_blocks_than_short_cells_name():
    """One host in each of 40,000 /24, each with a next hop of its own, and again without them."""
    count = 40_000
    hosts = (np.arange(count) << 8) + 0x0A000000 + np.arange(count) % 256
    lengths, nhs = np.full(count, 32), np.arange(count) + 1
    table = compare(octets(hosts.tolist(), 4), lengths, nhs, 1 << 16)
    oracle = Intervals(octets(hosts[:100].tolist(), 4), lengths[:100], nhs[:100])
    with table.transaction():
        for host in hosts[100:].tolist():
            table.delete_prefix((host, 32))
    assert_every_variant(table, oracle, np.concatenate([hosts - 1, hosts, hosts + 1]))


def test_next_hops_of_every_size_side_by_side():
    """Access routes of any length, each with its own next hop, as pools of sessions have them."""
    rng = np.random.default_rng(2)
    lengths = rng.integers(14, 33, 30_000)
    addresses = (rng.integers(0, 1 << 20, 30_000) + 0x0A000000) >> (32 - lengths) << (32 - lengths)
    _, first = np.unique(addresses << 6 | lengths, return_index=True)
    addresses, lengths = addresses[first], lengths[first]
    nhs = rng.choice([0, 1, NARROW - 1, NARROW, 0xFFFF, 1 << 16, NH_MAX], len(first))
    compare(octets(addresses.tolist(), 4), lengths, nhs, 1 << 16)


@pytest.mark.parametrize("nh", [1, NARROW - 1, NARROW, NH_MAX])
def test_the_default_route_comes_changes_and_goes_under_a_full_table(nh):
    routes = random_routes(4, 3000, 7)
    routes.pop((0, 0), None)
    table = Chunked(4)
    load(table, routes)
    table.add_prefix("0.0.0.0/0", 1)
    table.delete_prefix("0.0.0.0/0")
    addresses = np.array(boundaries(routes, 32))
    before = table.memory

    def check(default: int | None) -> None:
        every = routes if default is None else {**routes, (0, 0): default}
        prefixes = octets([address for address, _ in every], 4)
        lengths = np.array([length for _, length in every])
        oracle = Intervals(prefixes, lengths, np.array(list(every.values())))
        assert_every_variant(table, oracle, addresses)

    table.add_prefix("0.0.0.0/0", nh)
    check(nh)
    table.add_prefix("0.0.0.0/0", 5)
    check(5)
    table.delete_prefix("0.0.0.0/0")
    check(None)
    if nh < NARROW:
        assert table.memory == before


def test_a_wide_cover_shows_when_short_cells_above_it_go():
    """The /16 hidden by two /17, or by hosts that fill a /24, has to fit the cells that show it."""
    for hiding in ([(0, 17), (0x8000, 17)], [(0x100, 25), (0x180, 25)]):
        table = Chunked(4)
        for address, length in hiding:
            table.add_prefix((0x0A000000 + address, length), 3)
        table.add_prefix(("10.0.0.0", 16), NH_MAX)
        for address, length in hiding:
            table.delete_prefix((0x0A000000 + address, length))
            assert table.lookup(0x0A000000 + address) == NH_MAX


class Model:
    """A table as a dictionary; a lookup asks for every length."""

    def __init__(self) -> None:
        self.routes: dict[tuple[int, int], int] = {}

    def lookup(self, address: int) -> int:
        for length in range(32, -1, -1):
            nh = self.routes.get((address >> (32 - length) << (32 - length), length))
            if nh is not None:
                return nh
        return 0


def churn(rng: random.Random, table, model: Model, changes: int) -> set[int]:
    """Random changes, half of them in a few blocks so that they nest; the addresses they touch."""
    touched = set()
    for _ in range(changes):
        if model.routes and rng.random() < 0.45:
            prefix = (
                rng.choice(list(model.routes)) if rng.random() < 0.2 else next(iter(model.routes))
            )
            table.delete_prefix(prefix)
            del model.routes[prefix]
        else:
            length = rng.choice((0, 7, 8, 9, 15, 16, 17, 20, 23, 24, 24, 25, 28, 31, 32, 32, 32))
            address = rng.choice((0x0A000000, 0x0A0A0A00, 0xC0A80000)) ^ rng.getrandbits(
                rng.choice((4, 9, 17, 26))
            )
            prefix = address >> (32 - length) << (32 - length), length
            nh = rng.choice((0, 1, 2, NARROW - 1, NARROW, NH_MAX))
            table.add_prefix(prefix, nh)
            model.routes[prefix] = nh
        last = prefix[0] + (1 << (32 - prefix[1])) - 1
        touched |= {prefix[0], last, max(prefix[0] - 1, 0), min(last + 1, ADDRESSES - 1)}
    return touched


def test_a_hundred_thousand_changes_match_a_naive_table():
    rng = random.Random(11)
    table, model = Chunked(4), Model()
    seen: set[int] = set()
    done = 0
    while done < 100_000:
        size = rng.choice((1, 1, 5, 50, 400))
        done += size
        if rng.random() < 0.2:
            undone = Model()
            undone.routes = dict(model.routes)
            with rolled_back(table):
                touched = churn(rng, table, undone, size)
        else:
            with table.transaction():
                touched = churn(rng, table, model, size)
        seen = set(rng.sample(sorted(seen), min(len(seen), 100)))
        addresses = sorted(touched | seen)[:600]
        seen |= touched
        got = table.lookup_array(np.array(addresses, dtype=np.int64))
        assert got.tolist() == [model.lookup(address) for address in addresses]
        assert table.routes == len(model.routes)
    with table.transaction():
        for prefix in list(model.routes):
            table.delete_prefix(prefix)
    assert table.items() == []


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1 << 32), size=st.integers(1, 200))
def test_any_churn_gives_its_blocks_back(seed, size):
    table, model = Chunked(4), Model()
    table.add_prefix("0.0.0.0/8", 1)
    table.delete_prefix("0.0.0.0/8")
    empty = table.memory
    for _ in range(3):
        with table.transaction():
            churn(random.Random(seed), table, model, size)
        with table.transaction():
            for prefix in list(model.routes):
                table.delete_prefix(prefix)
        model.routes.clear()
        assert table.memory - store_growth(size) <= empty
    assert table.lookup(0) == table.lookup(ADDRESSES - 1) == 0


def store_growth(size: int) -> int:
    """The store of exact prefixes keeps its slots (8 octets) and its log (24) for the next time."""
    return 64 * max(size, 64) * 4


def test_a_snapshot_answers_as_then_while_everything_changes():
    routes = random_routes(4, 500, 3)
    table = Chunked(4)
    load(table, routes)
    addresses = np.array(boundaries(routes, 32))
    then = table.lookup_array(addresses)
    rng = random.Random(5)
    for _ in range(3):
        with Snapshot(table) as snapshot:
            before = table.memory
            for prefix in routes:
                table.add_prefix(key(prefix, 4), rng.randrange(1, NH_MAX))
                table.delete_prefix(key(prefix, 4))
                assert (snapshot.lookup_array(addresses[:50]) == then[:50]).all()
            assert (snapshot.lookup_array(addresses) == then).all()
            assert not (table.lookup_array(addresses) != 0).any()
            grown = table.memory
            with pytest.raises(RuntimeError, match="has a snapshot already"):
                Snapshot(table)
        assert grown > before > table.memory
        with pytest.raises(RuntimeError, match="has ended"):
            snapshot.lookup_array(addresses)
        load(table, routes)
        assert (table.lookup_array(addresses) == then).all()


def test_a_load_into_a_full_table_equals_single_adds():
    first, second = random_routes(4, 2000, 8), random_routes(4, 2000, 9)
    bulk, single = Chunked(4), Chunked(4)
    load(bulk, first)
    load(single, first)
    with bulk.transaction():
        bulk.delete_prefix(key(next(iter(first)), 4))
        load(bulk, second)
    single.delete_prefix(key(next(iter(first)), 4))
    for prefix, nh in second.items():
        single.add_prefix(key(prefix, 4), nh)
    assert bulk.items() == single.items()
    addresses = np.array(boundaries(first | second, 32))
    assert (bulk.lookup_array(addresses) == single.lookup_array(addresses)).all()


def test_of_equal_prefixes_in_a_load_the_last_counts():
    table = Chunked(4)
    assert table.load(octets([0, 0x0A000000, 0], 4), [8, 8, 8], [1, 2, 3]) == 2
    assert table.items() == [("0.0.0.0/8", 3), ("10.0.0.0/8", 2)]
    assert table.lookup(0) == 3


def test_numbers_reads_octets():
    assert numbers(octets([1, ADDRESSES - 1], 4)).tolist() == [1, ADDRESSES - 1]
