"""The burst trie where it changes shape: blocks that burst, nodes that shrink, and full tables.

DIALOUT_MODEL_STEPS=100000 makes about so many changes in the model test instead of a few thousand.
"""

from __future__ import annotations

import os
import random

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from lpm_cases import Prefix, key, load, octets, rolled_back
from test_lpm_tables import DATA, TABLES, Table

from fastpath.lpm_burst import BurstTrie

BITS = 128
LAST_NH = (1 << 24) - 1
LENGTHS = [0, 1, 7, 8, 16, 20, 24, 32, 40, 47, 48, 49, 56, 63, 64, 65, 72, 96, 104, 120, 127, 128]
SEEDS = [0, 0x20010DB8 << 96, (0x20010DB8 << 96) + (7 << 64), (1 << BITS) - 1]
FULL_RUN = int(os.environ.get("DIALOUT_MODEL_STEPS", "0"))


def cut(address: int, length: int) -> Prefix:
    return address >> (BITS - length) << (BITS - length), length


class Intervals:
    """Longest match by the sorted borders of all prefixes, vectorised: the slow obvious twin."""

    def __init__(self, routes: dict[Prefix, int]) -> None:
        borders, values, open_ones = [0], [0], []
        for (address, length), nh in sorted(routes.items()):
            while open_ones and open_ones[-1][0] <= address:
                self._close(borders, values, open_ones)
            borders.append(address)
            values.append(nh)
            open_ones.append((address + (1 << (BITS - length)), nh))
        while open_ones:
            self._close(borders, values, open_ones)
        # Bytes compare as addresses do; of equal borders the last one counts.
        self.borders = np.array([b.to_bytes(17, "big") for b in borders], dtype="S17")
        self.values = np.array(values, dtype=np.uint32)

    @staticmethod
    def _close(borders, values, open_ones) -> None:
        end, _ = open_ones.pop()
        borders.append(end)
        values.append(open_ones[-1][1] if open_ones else 0)

    def lookup(self, addresses: np.ndarray) -> np.ndarray:
        wide = np.zeros((len(addresses), 17), dtype=np.uint8)
        wide[:, 1:] = addresses
        found = np.searchsorted(self.borders, wide.view("S17").ravel(), side="right")
        return self.values[found - 1]


def borders_of(routes) -> np.ndarray:
    found = set()
    for address, length in routes:
        end = address + (1 << (BITS - length))
        found |= {max(address - 1, 0), address, end - 1, min(end, (1 << BITS) - 1)}
    return octets(sorted(found), 6)


def assert_same(table: BurstTrie, routes: dict[Prefix, int], addresses: np.ndarray) -> None:
    expected = Intervals(routes).lookup(addresses)
    for name in table.variants:
        table.select(name)
        got = table.lookup_array(addresses)
        wrong = np.flatnonzero(got != expected)
        assert not wrong.size, (name, bytes(addresses[wrong[0]]).hex(), got[wrong[0]])


def access_routes(count: int, seed: int) -> dict[Prefix, int]:
    """Delegated prefixes, each with its own next hop: /56 in sequence, /64 at random, hosts."""
    rng = random.Random(seed)
    routes = {(0x2A00 << 112, 16): 1, (0x2A00_1000 << 96, 32): 2}
    for i in range(count):
        routes[(0x2A00_1000 << 96) + (i << 72), 56] = 1000 + i
        routes[(0x2A00_2000 << 96) + (rng.getrandbits(24) << 64), 64] = LAST_NH - i
        routes[(0x2A00_3000 << 96) + rng.getrandbits(64), 128] = 3 * count + i
        routes[(0x2A00_4000 << 96) + i, 128] = 4 * count + i
    return routes


class Model(RuleBasedStateMachine):
    """Random transactions on dense nested prefixes, against a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.table = BurstTrie(6)
        self.routes: dict[Prefix, int] = {}
        self.seen: set[Prefix] = {(0, 0)}

    @rule(
        changes=st.lists(
            st.tuples(
                st.sampled_from(SEEDS),
                st.integers(0, 255),
                st.sampled_from([0, 8, 40, 60, 64, 72, 80, 96, 112, 120]),
                st.sampled_from(LENGTHS),
                st.sampled_from([0, 1, 2, 3, LAST_NH, None, None]),
            ),
            min_size=1,
            max_size=40,
        ),
        keep=st.booleans(),
    )
    def transact(self, changes, keep) -> None:
        after = dict(self.routes)
        with self.table.transaction() if keep else rolled_back(self.table):
            for seed, varied, shift, length, nh in changes:
                prefix = cut((seed ^ varied << shift) & (1 << BITS) - 1, length)
                self.seen.add(prefix)
                if nh is not None:
                    assert self.table.add_prefix(key(prefix, 6), nh) == (prefix not in after)
                    after[prefix] = nh
                elif after.pop(prefix, None) is not None:
                    self.table.delete_prefix(key(prefix, 6))
            some = borders_of(list(self.seen)[-8:])
            expected = Intervals(after).lookup(some)
            assert [self.table.resolve_address(bytes(a)) for a in some] == expected.tolist()
        self.routes = after if keep else self.routes

    @rule(
        base=st.sampled_from(SEEDS[:3]),
        bit=st.sampled_from([0, 8, 56, 64, 72, 96]),
        count=st.integers(9, 200),
        add=st.booleans(),
    )
    def fill(self, base, bit, count, add) -> None:
        """Many neighbours, so that blocks burst, or their withdrawal, so that nodes shrink."""
        with self.table.transaction():
            for i in range(count):
                prefix = cut(base ^ i << bit, BITS - bit)
                self.seen.add(prefix)
                if add:
                    self.table.add_prefix(key(prefix, 6), i % 7)
                    self.routes[prefix] = i % 7
                elif self.routes.pop(prefix, None) is not None:
                    self.table.delete_prefix(key(prefix, 6))

    @invariant()
    def lookups_match(self) -> None:
        assert_same(self.table, self.routes, borders_of(self.seen))
        assert self.table.routes == len(self.routes)

    def teardown(self) -> None:
        with self.table.transaction():
            for prefix in self.routes:
                self.table.delete_prefix(key(prefix, 6))
        assert self.table.lookup_memory == BurstTrie(6).lookup_memory


Model.TestCase.settings = settings(
    max_examples=max(20, FULL_RUN // 500),
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
test_transactions_match_a_dictionary = Model.TestCase


def test_access_routes_of_all_kinds_answer_as_intervals_do():
    routes = access_routes(3000, 1)
    table = BurstTrie(6)
    load(table, routes)
    rng = np.random.default_rng(2)
    anywhere = rng.integers(0, 256, (20_000, 16), dtype=np.uint8)
    anywhere[::2, :4] = np.frombuffer(bytes.fromhex("2a001000"), dtype=np.uint8)
    addresses = np.concatenate([borders_of(routes), anywhere])
    assert_same(table, routes, addresses)
    gone = dict(sorted(routes.items())[::2])
    with table.transaction():
        for prefix in gone:
            table.delete_prefix(key(prefix, 6))
    assert_same(table, {p: nh for p, nh in routes.items() if p not in gone}, addresses)


def test_a_load_into_a_filled_table_equals_single_adds():
    before, more = access_routes(200, 3), access_routes(400, 4)
    bulk, single = BurstTrie(6), BurstTrie(6)
    load(bulk, before)
    load(bulk, more)
    for prefix, nh in (before | more).items():
        single.add_prefix(key(prefix, 6), nh)
    assert bulk.items() == single.items()
    assert_same(bulk, before | more, borders_of(more))


def test_a_rolled_back_load_leaves_the_old_table():
    before = access_routes(200, 3)
    table = BurstTrie(6)
    load(table, before)
    memory = table.lookup_memory
    with rolled_back(table):
        load(table, access_routes(400, 4))
    assert table.lookup_memory == memory
    assert_same(table, before, borders_of(before))


def test_churn_of_access_routes_keeps_memory_bounded():
    table = BurstTrie(6)
    load(table, access_routes(300, 5))
    rng = random.Random(6)
    pool = [((0x2A00_5000 << 96) + (rng.getrandbits(16) << 64), 64) for _ in range(400)]
    most = 0
    for round_number in range(20):
        rng.shuffle(pool)
        for prefix in pool[:200]:
            table.add_prefix(key(prefix, 6), rng.randrange(1 << 24))
        for prefix in pool[:200]:
            if table.exact_prefix(key(prefix, 6)) is not None:
                table.delete_prefix(key(prefix, 6))
        if round_number == 0:
            most = table.lookup_memory
        assert table.lookup_memory <= most


def test_every_batch_size_and_alignment_is_answered_and_nothing_else_written():
    routes = access_routes(100, 7)
    table = BurstTrie(6)
    load(table, routes)
    addresses = borders_of(routes)[:300]
    expected = Intervals(routes).lookup(addresses)
    for name in table.variants:
        table.select(name)
        for n in [*range(20), 31, 33, 127, 128, 129, 255, 300]:
            raw = np.zeros(16 * n + 1, dtype=np.uint8)
            raw[1:] = addresses[:n].ravel()
            got = table.lookup_array(raw[1:].reshape(n, 16))
            assert (got == expected[:n]).all(), (name, n)


def test_another_family_and_limits_out_of_range_are_named():
    with pytest.raises(ValueError, match="family 6, not 4"):
        BurstTrie(4)
    with pytest.raises(ValueError, match="max_nodes 1 is not in"):
        BurstTrie(6, max_nodes=1)
    with pytest.raises(ValueError, match="max_lines 7 is not in"):
        BurstTrie(6, max_lines=7)


@pytest.mark.skipif(not DATA, reason="no routing tables in $DIALOUT_DATA/rib")
@pytest.mark.parametrize("path", [p for p in TABLES if p.name[1] == "6"], ids=lambda p: p.name)
def test_full_table_answers_as_intervals_do(path):
    rows = Table(path)
    routes = {
        (int.from_bytes(bytes(a), "big"), int(length)): int(nh)
        for a, length, nh in zip(rows.addresses, rows.lengths, rows.nhs, strict=True)
    }
    table = BurstTrie(6)
    load(table, routes)
    twin = Intervals(routes)
    rng = np.random.default_rng(8)
    parts = [borders_of(routes)]
    for _ in range(10):
        addresses = rng.integers(0, 256, (1_000_000, 16), dtype=np.uint8)
        addresses[:, 0] = addresses[:, 0] & 0x1F | 0x20
        near = rows.addresses[rng.integers(0, len(routes), 500_000)]
        addresses[::2, :6] = near[:, :6]
        parts.append(addresses)
    for addresses in parts:
        expected = twin.lookup(addresses)
        for name in table.variants:
            table.select(name)
            assert (table.lookup_array(addresses) == expected).all(), name
