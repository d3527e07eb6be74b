"""One contract for all longest-prefix-match algorithms, checked against slow obvious twins."""

from __future__ import annotations

import ipaddress
import socket

import pytest
import pytricia
from hypothesis import given, settings
from hypothesis import strategies as st
from lpm_cases import (
    INSIDE,
    ROWS,
    Prefix,
    boundaries,
    every_table,
    key,
    load,
    octets,
    random_routes,
    rolled_back,
    text,
)

from fastpath.lpm import Lpm
from fastpath.simd import available

pytestmark = every_table


class Naive:
    """Longest match by looking at every prefix."""

    def __init__(self, family: int) -> None:
        self.bits = 32 if family == 4 else 128
        self.routes: dict[Prefix, int] = {}

    def lookup(self, address: int) -> int:
        covers = [
            (length, nh)
            for (prefix, length), nh in self.routes.items()
            if (address ^ prefix) >> (self.bits - length) == 0
        ]
        return max(covers)[1] if covers else 0


def assert_same(table: Lpm, naive: Naive, prefixes, *, resolved: Naive | None = None) -> None:
    addresses = boundaries(prefixes, naive.bits)
    got = table.lookup_array(octets(addresses, table.family))
    assert got.tolist() == [naive.lookup(a) for a in addresses]
    resolved = resolved or naive
    for address in addresses:
        assert table.resolve_address(address) == resolved.lookup(address)


@st.composite
def prefixes_of(draw, bits: int) -> Prefix:
    """Few distinct addresses and lengths around the strides, so that prefixes nest and collide."""
    strides = [n for s in range(8, bits + 1, 8) for n in (s - 1, s, s + 1) if n <= bits]
    length = draw(st.sampled_from([0, *strides]) | st.integers(0, bits))
    seed = draw(st.sampled_from([0, 0x0A000000, 0x0A0A0101, 0xC0A80180, 0xFFFFFFFF]))
    address = seed << (bits - 32) | draw(st.integers(0, 3)) << draw(st.integers(0, bits - 2))
    return address >> (bits - length) << (bits - length), length


def transactions_of(bits: int):
    change = st.tuples(prefixes_of(bits), st.sampled_from([1, 2, 3, (1 << 24) - 1, None]))
    return st.lists(st.tuples(st.lists(change, max_size=12), st.booleans()), max_size=6)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_sequence_of_transactions_matches_the_naive_table(algorithm, family, data):
    naive = Naive(family)
    table = algorithm(family)
    seen = set()
    for changes, keep in data.draw(transactions_of(naive.bits)):
        after = Naive(family)
        after.routes = dict(naive.routes)
        with table.transaction() if keep else rolled_back(table):
            apply_changes(table, after, changes, seen, family)
            assert_same(table, naive, seen, resolved=after)
        naive = after if keep else naive
        assert_same(table, naive, seen)
        assert len(table) == table.routes == len(naive.routes)
        assert table.items() == [(text(p, family), naive.routes[p]) for p in sorted(naive.routes)]


def apply_changes(table, after, changes, seen, family):
    for prefix, nh in changes:
        seen.add(prefix)
        if nh is not None:
            assert table.add_prefix(key(prefix, family), nh) == (prefix not in after.routes)
            after.routes[prefix] = nh
        elif after.routes.pop(prefix, None) is not None:
            table.delete_prefix(key(prefix, family))
        else:
            with pytest.raises(KeyError):
                table.delete_prefix(key(prefix, family))
        assert table.exact_prefix(key(prefix, family)) == after.routes.get(prefix)


def test_random_table_matches_pytricia(algorithm, family):
    bits = 32 if family == 4 else 128
    routes = random_routes(family, 2000, 1)
    tree = pytricia.PyTricia(bits, socket.AF_INET if family == 4 else socket.AF_INET6)
    for prefix, nh in routes.items():
        tree[text(prefix, family)] = nh
    table = algorithm(family)
    load(table, routes)
    addresses = boundaries(routes, bits)
    names = [str(ipaddress.ip_address(a.to_bytes(bits // 8, "big"))) for a in addresses]
    got = table.lookup_array(octets(addresses, family))
    assert got.tolist() == [tree.get(name, 0) for name in names]


def test_load_equals_single_adds(algorithm, family):
    routes = random_routes(family, 300, 2)
    bulk, single = algorithm(family), algorithm(family)
    assert load(bulk, routes) == len(routes)
    assert load(bulk, routes) == 0
    for prefix, nh in routes.items():
        single.add_prefix(key(prefix, family), nh)
    assert bulk.items() == single.items()
    addresses = octets(boundaries(routes, 32 if family == 4 else 128), family)
    assert (bulk.lookup_array(addresses) == single.lookup_array(addresses)).all()


def test_load_joins_an_open_transaction(algorithm, family):
    table = algorithm(family)
    with rolled_back(table):
        load(table, random_routes(family, 50, 3))
        assert table.routes == 50
    assert table.routes == 0
    assert table.items() == []


def test_nested_prefixes_uncover_their_covers_when_deleted(algorithm, family):
    table = algorithm(family)
    for nh, prefix in enumerate(ROWS[family], start=1):
        assert table.add_prefix(prefix, nh) is True
        assert table.lookup(INSIDE[family]) == nh
    for nh in range(len(ROWS[family]), 0, -1):
        assert table.lookup(INSIDE[family]) == nh
        table.delete_prefix(ROWS[family][nh - 1])
    assert table.lookup(INSIDE[family]) == 0


def test_deleting_a_cover_leaves_longer_prefixes(algorithm, family):
    table = algorithm(family)
    for nh, prefix in enumerate(ROWS[family], start=1):
        table.add_prefix(prefix, nh)
    for prefix in ROWS[family][:-1]:
        table.delete_prefix(prefix)
        assert table.lookup(INSIDE[family]) == len(ROWS[family])
    assert [prefix for prefix, _ in table.items()] == [ROWS[family][-1]]


def test_replacing_a_route_changes_its_next_hop_only(algorithm, family):
    table = algorithm(family)
    cover, host = ROWS[family][1], ROWS[family][-1]
    table.add_prefix(cover, 1)
    table.add_prefix(host, 2)
    assert table.add_prefix(cover, 3) is False
    assert table.lookup(INSIDE[family]) == 2
    assert table.exact_prefix(cover) == 3
    assert table.exact_prefix(ROWS[family][2]) is None
    assert table.routes == 2


def test_a_route_to_next_hop_zero_hides_its_cover(algorithm, family):
    table = algorithm(family)
    table.add_prefix(ROWS[family][0], 7)
    table.add_prefix(ROWS[family][2], 0)
    assert table.lookup(INSIDE[family]) == 0
    table.delete_prefix(ROWS[family][2])
    assert table.lookup(INSIDE[family]) == 7


def test_an_open_transaction_is_seen_by_resolve_and_not_by_lookup(algorithm, family):
    table = algorithm(family)
    table.add_prefix(ROWS[family][1], 1)
    with table.transaction():
        table.add_prefix(ROWS[family][-1], 2)
        table.delete_prefix(ROWS[family][1])
        assert table.lookup(INSIDE[family]) == 1
        assert table.resolve_address(INSIDE[family]) == 2
        with pytest.raises(RuntimeError, match="open already"), table.transaction():
            pass
    assert table.lookup(INSIDE[family]) == 2


def test_churn_does_not_grow_memory(algorithm, family):
    table = algorithm(family)
    routes = list(random_routes(family, 25, 4))
    load(table, dict.fromkeys(routes[:5], 9))

    def churn(rounds: int) -> None:
        for _ in range(rounds):
            for prefix in routes[5:]:
                table.add_prefix(key(prefix, family), 1)
            for prefix in routes[5:]:
                table.delete_prefix(key(prefix, family))

    churn(1)
    before = table.memory
    churn(250)
    assert table.memory == before
    assert table.routes == 5


def test_an_emptied_table_gives_its_nodes_back(algorithm, family):
    table = algorithm(family)
    table.add_prefix(ROWS[family][1], 1)
    table.delete_prefix(ROWS[family][1])
    before = table.memory
    routes = random_routes(family, 40, 5)
    load(table, routes)
    assert table.memory > before
    with table.transaction():
        for prefix in routes:
            table.delete_prefix(key(prefix, family))
    assert table.memory == before


def test_rollback_of_a_large_change_gives_memory_back(algorithm, family):
    table = algorithm(family)
    load(table, {(0, 1): 1})
    table.delete_prefix(("0.0.0.0" if family == 4 else "::", 1))
    before = table.memory
    with rolled_back(table):
        load(table, random_routes(family, 30, 6))
    assert table.memory == before


def test_every_variant_is_chosen_by_its_name(algorithm, family):
    table = algorithm(family)
    assert table.variants
    assert set(table.variants) <= set(available())
    table.add_prefix(ROWS[family][1], 3)
    for name in table.variants:
        table.select(name)
        assert table.lookup(INSIDE[family]) == 3
    with pytest.raises(ValueError, match="variant 'abacus' is not one of"):
        table.select("abacus")
