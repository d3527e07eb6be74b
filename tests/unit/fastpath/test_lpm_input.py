"""What longest-prefix match does with malformed input and without memory."""

from __future__ import annotations

import ipaddress

import numpy as np
import pytest
from lpm_cases import INSIDE, ROWS, every_table, octets

from fastpath.lpm import Lpm
from fastpath.lpm_burst import BurstTrie

pytestmark = every_table

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
        ("10.0.0.0/99999999999999999999", "0..32"),
        (("10.0.0.0", 40), "0..32"),
        (("10.0.0.0", 1 << 70), "0..32"),
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
    if family == 6:
        with pytest.raises(ValueError, match=r"\(n, 16\)"):
            algorithm(6).lookup_array(np.array([1, 2]))
        return
    table = algorithm(4)
    table.load(np.array([0x0A010000], dtype=np.uint32), np.array([16]), np.array([3]))
    assert table.items() == [("10.1.0.0/16", 3)]
    addresses = np.array([0x0A010203, 0x0A020203], dtype=np.uint32)
    assert table.lookup_array(addresses).tolist() == [3, 0]
    assert table.lookup_array(np.tile(addresses, 3)[::2]).tolist() == [3, 3, 3]
    with pytest.raises(ValueError, match="item 1"):
        table.lookup_array(np.array([1, 1 << 32]))


def test_the_interface_itself_is_no_table(algorithm, family):
    with pytest.raises(TypeError, match="interface"):
        Lpm(family)
    with pytest.raises(ValueError, match="family 5"):
        algorithm(5)


ELSEWHERE = {4: ("172.16.1.1", "172.0.0.0/8"), 6: ("2002::1", "2002::/16")}
"""An address that needs nodes of its own, and a prefix over it that needs none."""


def full_table(algorithm, family: int) -> Lpm:
    """A limit on nodes stands for memory that runs out: one route takes all but one of them."""
    if algorithm is BurstTrie:
        table = algorithm(family, max_lines=12)  # lines 0 to 3 are nobody's
        table.add_prefix("4001:2::/40", 8)
    else:
        table = algorithm(family, max_nodes=2)
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

    before = table.items()

    def run_out() -> None:
        table.add_prefix(cover, 9)
        with pytest.raises(MemoryError):
            table.add_prefix(host, 2)

    with pytest.raises(RuntimeError, match="roll it back"), table.transaction():
        run_out()
    assert table.items() == before
    assert table.resolve_address(host) == 0
    assert table.resolve_address(INSIDE[family]) == 1


def test_a_load_without_memory_loads_nothing(algorithm, family):
    table = full_table(algorithm, family)
    before = table.items()
    host, _ = ELSEWHERE[family]
    bits = 8 * table.width
    addresses = [int(ipaddress.ip_address(host)) + (i << bits - 16) for i in range(3)]
    with pytest.raises(MemoryError):
        table.load(octets(addresses, family), [bits] * 3, [1, 2, 3])
    assert table.items() == before
    assert table.lookup(host) == 0
