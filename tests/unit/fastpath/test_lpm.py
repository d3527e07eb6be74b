"""One contract for all longest-prefix-match algorithms, checked against slow obvious twins."""

from __future__ import annotations

import contextlib
import ipaddress
import random
import socket

import numpy as np
import pytest
import pytricia
from fastpath.lpm import Lpm
from fastpath.lpm_multibit import Multibit
from hypothesis import given, settings
from hypothesis import strategies as st

ALGORITHMS = [Multibit]
FAMILIES = [4, 6]

pytestmark = [
    pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda a: a.__name__),
    pytest.mark.parametrize("family", FAMILIES, ids=["ipv4", "ipv6"]),
]

Prefix = tuple[int, int]
"""(address as a number, length)"""


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


@contextlib.contextmanager
def rolled_back(table: Lpm):
    """A transaction that ends in a rollback."""
    with contextlib.suppress(InterruptedError), table.transaction():
        yield
        raise InterruptedError


def octets(addresses: list[int], family: int) -> np.ndarray:
    width = 4 if family == 4 else 16
    joined = b"".join(a.to_bytes(width, "big") for a in addresses)
    return np.frombuffer(joined, dtype=np.uint8).reshape(-1, width)


def text(prefix: Prefix, family: int) -> str:
    return str((ipaddress.IPv4Network if family == 4 else ipaddress.IPv6Network)(prefix))


def key(prefix: Prefix, family: int) -> tuple[bytes, int]:
    return prefix[0].to_bytes(4 if family == 4 else 16, "big"), prefix[1]


def boundaries(prefixes, bits: int) -> list[int]:
    """First and last address of every prefix, and their neighbours."""
    found = {0, (1 << bits) - 1}
    for address, length in prefixes:
        last = address | ((1 << (bits - length)) - 1)
        found |= {max(address - 1, 0), address, last, min(last + 1, (1 << bits) - 1)}
    return sorted(found)


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


def random_routes(family: int, count: int, seed: int) -> dict[Prefix, int]:
    rng = random.Random(seed)
    bits = 32 if family == 4 else 128
    routes: dict[Prefix, int] = {}
    while len(routes) < count:
        length = min(bits, max(0, round(rng.gauss(24 if family == 4 else 48, 8))))
        base = rng.choice(list(routes))[0] if routes and len(routes) % 64 == 1 else 0
        address = base ^ rng.getrandbits(bits) >> rng.choice([0, 8, 16])
        address = address >> (bits - length) << (bits - length)
        routes[address, length] = rng.randrange(1, 250)
    return routes


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


def load(table: Lpm, routes: dict[Prefix, int]) -> int:
    addresses = octets([address for address, _ in routes], table.family)
    return table.load(addresses, [length for _, length in routes], list(routes.values()))


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


ROWS = {
    4: ("0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/23", "10.1.2.0/24", "10.1.2.3/32"),
    6: ("::/0", "2001::/16", "2001:db8::/32", "2001:db8::/47", "2001:db8::/48", "2001:db8::3/128"),
}
INSIDE = {4: "10.1.2.3", 6: "2001:db8::3"}


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


BAD_PREFIXES = {
    4: [
        ("10.0.0.1/8", "10.0.0.1/8.*host bits"),
        ("10.0.0.0/33", "0..32"),
        ("10.0.0.0/-1", "decimal"),
        ("10.0.0.0/", "decimal"),
        ("10.0.0.0/255.0.0.0", "decimal"),
        ("10.0.0.0/\u0668", "decimal"),
        ("10.0.0/8", "not an IPv4"),
        ("010.0.0.0/8", "not an IPv4"),
        ("2001:db8::/32", "2001:db8::/32.*not an IPv4"),
        ("", "not an IPv4"),
        (("10.0.0.0", 40), "0..32"),
        ((b"\x0a\0\0\0\0", 8), "4 octets"),
        ("10.0.0.0\0/8", "not an IPv4"),
    ],
    6: [
        ("2001:db8::1/64", "host bits"),
        ("2001:db8::/129", "0..128"),
        ("10.0.0.0/8", "10.0.0.0/8.*not an IPv6"),
        ("fe80::%eth0/64", "not an IPv6"),
        ((1 << 128, 8), "not an IPv6"),
    ],
}


def test_malformed_prefixes_are_named_and_change_nothing(algorithm, family):
    table = algorithm(family)
    for prefix, message in BAD_PREFIXES[family]:
        with pytest.raises(ValueError, match=message):
            table.add_prefix(prefix, 1)
        with pytest.raises(ValueError, match=message):
            table.delete_prefix(prefix)
    for nh in (-1, 1 << 24, 1 << 40):
        with pytest.raises(ValueError, match=f"next hop {nh}"):
            table.add_prefix(ROWS[family][0], nh)
    assert table.items() == []


def test_a_bad_item_of_a_load_is_named_and_nothing_is_loaded(algorithm, family):
    table = algorithm(family)
    good = octets([0, 0, 0], family)
    bad = good.copy()
    bad[1, -1] = 1
    bits = 8 * table.width
    rows = [
        (bad, [8, 8, 8], [1, 1, 1], "item 1.*host bits"),
        (good, [8, 8, bits + 1], [1, 1, 1], f"item 2: prefix length {bits + 1}"),
        (good, [8, -1, 8], [1, 1, 1], "item 1: prefix length -1"),
        (good, [8, 8, 8], [1, 1, 1 << 24], "item 2: next hop"),
        (good, [8, 8, 8], [1, -5, 1], "item 1: next hop -5"),
        (good, [8, 8], [1, 1, 1], "3 addresses, 2 lengths"),
        (good, [8.0, 8.0, 8.0], [1, 1, 1], "lengths must be"),
    ]
    for addresses, lengths, nhs, message in rows:
        with pytest.raises(ValueError, match=message):
            table.load(addresses, lengths, nhs)
    assert table.routes == 0
    assert table.load(octets([], family), [], []) == 0


def test_addresses_are_taken_in_every_form(algorithm, family):
    table = algorithm(family)
    table.add_prefix(ipaddress.ip_network(ROWS[family][-1]), 5)
    address = ipaddress.ip_address(INSIDE[family])
    for form in (str(address), address.packed, int(address), address):
        assert table.lookup(form) == 5
    with pytest.raises(TypeError, match="an address is"):
        table.lookup(1.5)
    with pytest.raises(ValueError, match="not an IPv"):
        table.lookup(-1)


def test_ipv4_arrays_are_numbers_in_host_order(algorithm, family):
    table = algorithm(4)
    table.load(np.array([0x0A010000], dtype=np.uint32), np.array([16]), np.array([3]))
    assert table.items() == [("10.1.0.0/16", 3)]
    addresses = np.array([0x0A010203, 0x0A020203], dtype=np.uint32)
    assert table.lookup_array(addresses).tolist() == [3, 0]
    assert table.lookup_array(np.tile(addresses, 3)[::2]).tolist() == [3, 3, 3]
    with pytest.raises(ValueError, match="item 1"):
        table.lookup_array(np.array([1, 1 << 32]))
    with pytest.raises(ValueError, match=r"\(n, 16\)"):
        algorithm(6).lookup_array(addresses)


def test_the_interface_itself_is_no_table(algorithm, family):
    with pytest.raises(TypeError, match="interface"):
        Lpm(family)
    with pytest.raises(ValueError, match="family 5"):
        algorithm(5)


ELSEWHERE = {4: ("172.16.1.1", "172.0.0.0/8"), 6: ("2002::1", "2002::/16")}
"""An address that needs nodes of its own, and a prefix over it that needs none."""


def full_table(algorithm, family: int) -> Lpm:
    """A limit on nodes stands for memory that runs out: one route takes all but one of them."""
    table = algorithm(family, max_nodes=4 if family == 4 else 16)
    table.add_prefix(ROWS[family][-1], 1)
    return table


def test_a_change_without_memory_leaves_the_table_as_it_was(algorithm, family):
    table = full_table(algorithm, family)
    host, cover = ELSEWHERE[family]
    before = table.items()
    for _ in range(3):
        with pytest.raises(MemoryError):
            table.add_prefix(host, 2)
        assert table.items() == before
        assert table.lookup(INSIDE[family]) == 1
        assert table.lookup(host) == table.resolve_address(host) == 0
    table.add_prefix(cover, 3)
    assert table.lookup(host) == 3


def test_a_transaction_that_ran_out_of_memory_can_only_be_rolled_back(algorithm, family):
    table = full_table(algorithm, family)
    host, cover = ELSEWHERE[family]

    def run_out() -> None:
        table.add_prefix(cover, 9)
        with pytest.raises(MemoryError):
            table.add_prefix(host, 2)

    with pytest.raises(RuntimeError, match="roll it back"), table.transaction():
        run_out()
    assert table.items() == [(ROWS[family][-1], 1)]
    assert table.resolve_address(host) == 0
    assert table.resolve_address(INSIDE[family]) == 1
