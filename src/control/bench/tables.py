"""Routing tables for benchmarks: generated, seeded, shaped like the Internet's.

What is imitated, because speed and memory depend on it: how many prefixes have which length, how
many lie inside how many others, and that announced space comes in clusters. The shares are those of
BGP tables around 2024 (IPv4: 59.6 % /24, 0.1 % longer; IPv6: 47 % /48), the nesting is that of a
table of 2020. Next hops are drawn for each prefix by itself, the n-th as often as 1/n: no
neighbours share theirs on purpose, which is hard for tables that compress.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from control.routes import Routes, sorted_routes

Array = npt.NDArray[Any]

SHARES: Final[dict[int, dict[int, int]]] = {
    4: {8: 2, 9: 2, 10: 4, 11: 11, 12: 33, 13: 64, 14: 130, 15: 220, 16: 1480, 17: 910, 18: 1500,
        19: 2700, 20: 4700, 21: 5300, 22: 11600, 23: 11637, 24: 59600, 25: 20, 26: 16, 27: 15,
        28: 12, 29: 12, 30: 8, 32: 24},
    6: {20: 12, 24: 25, 26: 15, 27: 20, 28: 140, 29: 3600, 30: 500, 31: 230, 32: 13500, 33: 2000,
        34: 1500, 35: 700, 36: 4300, 37: 700, 38: 1400, 39: 500, 40: 7000, 41: 600, 42: 1400,
        43: 400, 44: 8700, 45: 600, 46: 2600, 47: 1600, 48: 47000, 49: 150, 52: 150, 56: 250,
        64: 356, 128: 52},
}  # fmt: skip
"""Of a hundred thousand prefixes, how many have which length."""

OUTSIDE: Final = {
    4: ((15, 0.83), (16, 0.75), (24, 0.47), (32, 0.01)),
    6: ((29, 0.99), (31, 0.5), (32, 0.91), (47, 0.35), (48, 0.47), (128, 0.02)),
}
"""(Length up to, share of prefixes that lie inside no other one)."""

DEPTHS: Final = (0.68, 0.225, 0.067, 0.02, 0.008)
"""Of the nested prefixes, how many lie inside one, two ... other ones."""

PARENTS: Final = 1 / 3
"""Of the prefixes that could have some of a length inside, how many have."""

CLUSTERS: Final = {4: (16, 30_000), 6: (32, 16_000)}
"""(Length of a block, how many blocks the longer ones of the outermost prefixes lie in)."""

BLOCKS6: Final = (
    0x2001,
    0x2C0F,
    *(a << 8 | b for a in (0x24, 0x26, 0x28, 0x2A) for b in range(16)),
)
NEXT_HOPS: Final = 500
ROUNDS: Final = 24
"""Attempts to make up for prefixes that are there already, or at another depth than wanted."""

ACCESS_NEXT_HOP: Final = 1 << 15
"""Next hop of the first access route: above those of other routes, as an engine numbers them."""
POOL_ROUTES: Final = 50_000
POOL_LENGTHS: Final = (12, 20)


def internet_like(family: int, size: int, seed: int) -> Routes:
    """About `size` prefixes, shorter ones made first and longer ones put inside and beside them."""
    rng = np.random.default_rng(seed)
    prefixes = _Prefixes(rng, family)
    shares = SHARES[family]
    for length, share in shares.items():
        wanted = max(1, round(size * share / sum(shares.values())))
        outside = round(wanted * next(p for upto, p in OUTSIDE[family] if length <= upto))
        prefixes.grow(length, 0, outside)
        left = wanted - outside
        for depth, part in enumerate(DEPTHS, 1):
            prefixes.grow(length, depth, round((wanted - outside) * part))
            left -= round((wanted - outside) * part)
    nhs = _skewed(rng, len(prefixes.lengths))
    return sorted_routes(family, prefixes.octets(), prefixes.lengths, nhs)


def with_access_routes(table: Routes, count: int, seed: int) -> Routes:
    """The same table and `count` host routes in pools inside its middle-sized prefixes, each with
    a next hop of its own."""
    rng = np.random.default_rng(seed)
    width = table.addresses.shape[1]
    low, high = (POOL_LENGTHS[0], POOL_LENGTHS[1]) if table.family == 4 else (29, 44)
    able = np.flatnonzero((table.lengths >= low) & (table.lengths <= high))
    if not len(able):
        able = np.arange(len(table.lengths))
    pools = rng.choice(able, min(len(able), 64 + count // POOL_ROUTES))
    hosts = table.addresses[:0]
    there = _packed(table.addresses[table.lengths == 8 * width])
    for _ in range(ROUNDS):
        more = table.addresses_of(rng.choice(pools, count - len(hosts)), rng)
        hosts = np.unique(np.concatenate([hosts, more]), axis=0)
        hosts = hosts[~np.isin(_packed(hosts), there)]
    own = ACCESS_NEXT_HOP + rng.permutation(len(hosts))
    return sorted_routes(
        table.family,
        np.concatenate([table.addresses, hosts]),
        np.concatenate([table.lengths, np.full(len(hosts), 8 * width)]),
        np.concatenate([table.nhs, own]),
    )


class _Prefixes:
    """Prefixes of growing lengths. A start is the upper 64 bits of an address (IPv4: 32 and zeros),
    which is enough for all but host routes of IPv6, whose lower half is random."""

    def __init__(self, rng: np.random.Generator, family: int) -> None:
        self.rng = rng
        self.family = family
        self.starts = np.zeros(0, np.uint64)
        self.lengths = np.zeros(0, np.int64)
        self.depths = np.zeros(0, np.int64)
        self._edges = (self.starts, self.starts)
        bits, count = CLUSTERS[family]
        self._clusters = _distinct(_cut(self._anywhere(2 * count), bits))
        rng.shuffle(self._clusters)
        self._clusters = self._clusters[:count]

    def grow(self, length: int, depth: int, count: int) -> None:
        """Adds prefixes that lie inside `depth` shorter ones each, as far as there is room."""
        bits = min(length, 64)
        shorter = np.flatnonzero((self.depths == depth - 1) & (self.lengths < bits))
        if depth and (count == 0 or not len(shorter)):
            return
        few = self.rng.choice(shorter, max(1, int(count * PARENTS))) if depth else shorter
        made = np.zeros(0, np.uint64)
        there = np.sort(self.starts[self.lengths == length])
        for _ in range(ROUNDS):
            more = _cut(self._candidates(bits, few, 3 * (count - len(made))), bits)
            more = more[(self._depth(more, length) == depth) & ~_is_in(more, there)]
            made = _distinct(np.concatenate([made, more]))
            if len(made) >= count:
                made = self.rng.permutation(made)[:count]
                break
        if len(made) < count * 0.95 and count > 1000:
            print("short", length, depth, len(made), count)
        self.starts = np.concatenate([self.starts, made])
        self.lengths = np.concatenate([self.lengths, np.full(len(made), length)])
        self.depths = np.concatenate([self.depths, np.full(len(made), depth)])

    def _candidates(self, bits: int, parents: Array, count: int) -> Array:
        if not len(parents):
            cluster = CLUSTERS[self.family][0]
            if bits <= cluster:
                return self._anywhere(count)
            inside = self._random(count) >> np.uint64(cluster)
            return np.asarray(self.rng.choice(self._clusters, count) | inside)
        chosen = self.rng.choice(parents, count)
        noise = self._random(count) >> self.lengths[chosen].astype(np.uint64)
        return np.asarray(self.starts[chosen] | noise)

    def _depth(self, starts: Array, length: int) -> Array:
        """How many prefixes shorter than `length` each start lies in: those that began before it,
        without those that ended before it."""
        shorter = self.lengths < length
        if len(self._edges[0]) != np.count_nonzero(shorter):
            begins = self.starts[shorter]
            bits = np.minimum(self.lengths[shorter], 63).astype(np.uint64)
            self._edges = np.sort(begins), np.sort(begins | ~np.uint64(0) >> bits)
        begun = np.searchsorted(self._edges[0], starts, "right")
        return np.asarray(begun - np.searchsorted(self._edges[1], starts, "left"))

    def _anywhere(self, count: int) -> Array:
        """Addresses in unicast space."""
        values = self._random(count)
        if self.family == 4:
            first = self.rng.integers(1, 224, count).astype(np.uint64) << np.uint64(56)
            return np.asarray(first | values >> np.uint64(8))
        blocks = np.array(BLOCKS6, np.uint64)[self.rng.integers(0, len(BLOCKS6), count)]
        return np.asarray(blocks << np.uint64(48) | values >> np.uint64(16))

    def _random(self, count: int) -> Array:
        return self.rng.integers(0, 1 << 64, count, dtype=np.uint64)

    def octets(self) -> Array:
        upper = self.starts.astype(">u8").view(np.uint8).reshape(-1, 8)
        if self.family == 4:
            return upper[:, :4].copy()
        lower = self.rng.integers(0, 256, upper.shape, dtype=np.uint8)
        lower[self.lengths <= 64] = 0
        return np.concatenate([upper, lower], axis=1)


def _cut(starts: Array, bits: int) -> Array:
    return np.asarray(starts & ~np.uint64(0) << np.uint64(64 - bits))


def _distinct(values: Array) -> Array:
    """As np.unique, which takes ten times as long with its hash table."""
    ordered = np.sort(values)
    first = np.append(True, ordered[1:] != ordered[:-1])
    return np.asarray(ordered[first[: len(ordered)]])


def _is_in(values: Array, ordered: Array) -> Array:
    if not len(ordered):
        return np.zeros(len(values), bool)
    at = np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)
    return np.asarray(ordered[at] == values)


def _skewed(rng: np.random.Generator, count: int) -> Array:
    """Next hops from 1, the n-th as often as 1/n."""
    weights = 1 / np.arange(1, NEXT_HOPS + 1)
    return np.asarray(1 + rng.choice(NEXT_HOPS, count, p=weights / weights.sum()))


def _packed(addresses: Array) -> Array:
    """Addresses as one value each, ordered as their octets are."""
    return np.ascontiguousarray(addresses).view(f"V{addresses.shape[1]}").ravel()
