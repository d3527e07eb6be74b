"""Tables, prefixes and addresses that the tests of longest-prefix match share."""

from __future__ import annotations

import contextlib
import ipaddress
import random

import numpy as np
import pytest

from fastpath.lpm import Lpm
from fastpath.lpm_burst import BurstTrie
from fastpath.lpm_chunk import Chunked

ALGORITHMS = {4: [Chunked], 6: [BurstTrie]}
"""By the family that they work on."""

every_table = pytest.mark.parametrize(
    ("algorithm", "family"),
    [(algorithm, family) for family in ALGORITHMS for algorithm in ALGORITHMS[family]],
    ids=lambda value: value.__name__ if isinstance(value, type) else f"ipv{value}",
)

Prefix = tuple[int, int]
"""(address as a number, length)"""


ROWS = {
    4: ("0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/23", "10.1.2.0/24", "10.1.2.3/32"),
    6: ("::/0", "2001::/16", "2001:db8::/32", "2001:db8::/47", "2001:db8::/48", "2001:db8::3/128"),
}
INSIDE = {4: "10.1.2.3", 6: "2001:db8::3"}


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


def load(table: Lpm, routes: dict[Prefix, int]) -> int:
    addresses = octets([address for address, _ in routes], table.family)
    return table.load(addresses, [length for _, length in routes], list(routes.values()))
