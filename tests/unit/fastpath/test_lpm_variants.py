"""Every variant of every lookup answers alike, for any number of keys at any place in memory."""

from __future__ import annotations

import ctypes
import mmap

import numpy as np
from lpm_cases import boundaries, every_table, load, octets, random_routes

from fastpath.lpm import Lpm
from fastpath.measure import lookup_address

pytestmark = every_table

LOOKUP = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)
UNTOUCHED = 0xA5A5A5A5
PROT_NONE = 0


def filled(algorithm, family: int) -> tuple[Lpm, np.ndarray]:
    """A table of nested prefixes, and addresses on all of their boundaries, shuffled."""
    routes = random_routes(family, 1500, 21)
    for at, prefix in enumerate(list(routes)[::5]):
        routes[prefix] = (1 << 24) - 1 - at
    table = algorithm(family)
    load(table, routes)
    addresses = octets(boundaries(routes, 8 * table.width), family)
    return table, np.random.default_rng(4).permutation(addresses)


def test_variants_agree_with_one_key_at_a_time(algorithm, family):
    table, addresses = filled(algorithm, family)
    table.select("portable")
    expected = [table.lookup(bytes(address)) for address in addresses[:2000]]
    for name in table.variants:
        table.select(name)
        assert table.lookup_array(addresses[:2000]).tolist() == expected, name


def test_keys_of_one_block_are_answered_like_any(algorithm, family):
    """Runs of neighbours, which a variant may take together, beside the same keys shuffled."""
    table, addresses = filled(algorithm, family)
    rng = np.random.default_rng(5)
    runs = np.repeat(addresses[:200], 80, axis=0)
    runs[:, -1] = rng.integers(0, 256, len(runs))
    order = rng.permutation(len(runs))
    for name in table.variants:
        table.select(name)
        shuffled = np.empty(len(runs), dtype=np.uint32)
        shuffled[order] = table.lookup_array(runs[order])
        assert (table.lookup_array(runs) == shuffled).all(), name


def test_any_number_of_keys_at_the_end_of_memory(algorithm, family):
    """Keys end where the next page may not be read; answers have a place for each key only."""
    table, addresses = filled(algorithm, family)
    guarded = mmap.mmap(-1, 2 * mmap.PAGESIZE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(guarded))
    end = start + mmap.PAGESIZE
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mprotect(ctypes.c_void_p(end), mmap.PAGESIZE, PROT_NONE) == 0
    for name in table.variants:
        table.select(name)
        function, version = lookup_address(table)
        for n in [*range(70), 127, 128, 129, mmap.PAGESIZE // table.width]:
            keys = addresses[n : 2 * n].tobytes()
            ctypes.memmove(end - len(keys), keys, len(keys))
            out = np.full(n + 16, UNTOUCHED, dtype=np.uint32)
            LOOKUP(function)(version, end - len(keys), out.ctypes.data, n)
            assert (out[:n] == table.lookup_array(addresses[n : 2 * n])).all(), (name, n)
            assert (out[n:] == UNTOUCHED).all(), (name, n)


def test_keys_at_any_alignment(algorithm, family):
    table, addresses = filled(algorithm, family)
    keys = addresses[:100].tobytes()
    for name in table.variants:
        table.select(name)
        function, version = lookup_address(table)
        for shift in range(1, 8):
            shifted = ctypes.create_string_buffer(b"x" * shift + keys)
            out = np.zeros(100, dtype=np.uint32)
            LOOKUP(function)(version, ctypes.addressof(shifted) + shift, out.ctypes.data, 100)
            assert (out == table.lookup_array(addresses[:100])).all(), (name, shift)
