"""Routing tables and address streams for benchmarks: generated, seeded, shaped like the Internet's.

Lengths follow the published shape of BGP tables around 2020 (per ten thousand, rounded). About half
of the prefixes lie inside another one, most of them inside few: networks that announce their space
in pieces. Without that clustering a table of the same size needs several times the memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LENGTHS = {
    4: {8: 1, 10: 1, 11: 1, 12: 3, 13: 7, 14: 13, 15: 22, 16: 158, 17: 94, 18: 158, 19: 291,
        20: 466, 21: 510, 22: 1140, 23: 960, 24: 6000, 25: 12, 26: 16, 27: 17, 28: 16, 29: 30,
        30: 25, 32: 59},
    6: {20: 10, 24: 20, 28: 140, 29: 420, 30: 40, 31: 30, 32: 1900, 33: 180, 34: 120, 35: 80,
        36: 320, 38: 70, 40: 440, 42: 90, 44: 560, 45: 60, 46: 180, 47: 130, 48: 5000, 56: 90,
        64: 100, 128: 20},
}  # fmt: skip
NESTED = 0.54
PARENTS = 1 / 12  # of the prefixes of a length; each parent gets several
ALLOCATED = {4: (24_000, 2), 6: (4_000, 4)}  # blocks in use, octets that name one
BLOCKS6 = [0x2001, 0x2C0F, *(a << 8 | b for a in (0x24, 0x26, 0x28, 0x2A) for b in range(16))]
ATTEMPTS = 4  # to make up for prefixes that are there already
NEXT_HOPS = 250


@dataclass(frozen=True, slots=True)
class Table:
    """Prefixes and next hops as `Lpm.load` takes them, the default route among them."""

    family: int
    addresses: np.ndarray
    lengths: np.ndarray
    nhs: np.ndarray

    def addresses_inside(self, count: int, seed: int) -> np.ndarray:
        """Random addresses in random prefixes: every lookup finds a route."""
        rng = np.random.default_rng(seed)
        chosen = rng.integers(0, len(self.lengths), count)
        width = self.addresses.shape[1]
        noise = rng.integers(0, 256, (count, width), dtype=np.uint8)
        return self.addresses[chosen] | noise & ~_masks(self.lengths[chosen], width)


def internet_like(family: int, size: int, seed: int) -> Table:
    """About `size` distinct prefixes; the shorter ones come first, longer ones go inside them."""
    rng = np.random.default_rng(seed)
    blocks = _blocks(rng, family)
    share = LENGTHS[family]
    prefixes = np.zeros((1, 4 if family == 4 else 16), dtype=np.uint8)
    lengths = np.zeros(1, dtype=np.int64)  # the default route
    for length, weight in share.items():
        count = max(1, round(size * weight / sum(share.values())))
        few = rng.integers(0, len(prefixes), max(1, round(count * PARENTS)))
        made = prefixes[:0]
        for _ in range(ATTEMPTS):
            more = _of_length(rng, length, count - len(made), blocks, prefixes[few], lengths[few])
            made = np.unique(np.concatenate([made, more]), axis=0)
        prefixes = np.concatenate([prefixes, made])
        lengths = np.concatenate([lengths, np.full(len(made), length)])
    order = rng.permutation(len(prefixes))
    nhs = rng.integers(1, NEXT_HOPS + 1, len(prefixes))
    return Table(family, prefixes[order], lengths[order], nhs)


def _of_length(rng, length: int, count: int, blocks, parents, parent_lengths) -> np.ndarray:
    """Prefixes of one length, some of them the same."""
    made = rng.integers(0, 256, (count, parents.shape[1]), dtype=np.uint8)
    made[:, : blocks.shape[1]] = blocks[rng.integers(0, len(blocks), count)]
    inside = np.flatnonzero(rng.random(count) < NESTED)
    chosen = rng.integers(0, len(parents), len(inside))
    above = _masks(parent_lengths[chosen], parents.shape[1])
    made[inside] = parents[chosen] | made[inside] & ~above
    return made & _masks(np.full(count, length), parents.shape[1])


def _blocks(rng: np.random.Generator, family: int) -> np.ndarray:
    """The first octets of the address blocks that are in use, unicast ones."""
    count, octets = ALLOCATED[family]
    blocks = rng.integers(0, 256, (count, octets), dtype=np.uint8)
    if family == 4:
        blocks[:, 0] = rng.integers(1, 224, count)
    else:
        chosen = np.array(BLOCKS6, dtype=">u2")[rng.integers(0, len(BLOCKS6), count)]
        blocks[:, :2] = chosen.view(np.uint8).reshape(-1, 2)
    return blocks


def _masks(lengths: np.ndarray, width: int) -> np.ndarray:
    return np.packbits(np.arange(8 * width)[np.newaxis, :] < lengths[:, np.newaxis], axis=1)
