"""Streams of destinations to look up, from the kindest to caches to the unkindest.

How fast a table answers depends on which of its cache lines are warm, so no single stream tells
it: see the table of STREAMS.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from control.routes import Routes

Array = npt.NDArray[Any]

HOT: Final = 1 << 16
SEQUENTIAL_START: Final = {4: 0x01000000, 6: 0x2001 << 48}


def keys(name: str, table: Routes, count: int, seed: int) -> Array:
    """`count` destinations, octets as in a packet; the same for the same arguments."""
    return STREAMS[name](table, count, np.random.default_rng(seed))


def _uniform(table: Routes, count: int, rng: np.random.Generator) -> Array:
    """Any address; in IPv6 of 2000::/3."""
    made = rng.integers(0, 256, (count, table.addresses.shape[1]), dtype=np.uint8)
    if table.family == 6:
        made[:, 0] = 0x20 | made[:, 0] & 0x1F
    return made


def _routed(table: Routes, count: int, rng: np.random.Generator) -> Array:
    """Any address that a prefix of the table covers."""
    starts, lengths = _upper(table), np.minimum(table.lengths, 64)
    ends = starts | _below(lengths)
    before = np.concatenate([[np.uint64(0)], np.maximum.accumulate(ends)[:-1]])
    outermost = np.flatnonzero((starts > before) | (np.arange(len(starts)) == 0))
    weights = 2.0 ** -lengths[outermost]
    return table.addresses_of(rng.choice(outermost, count, p=weights / weights.sum()), rng)


def _prefix(table: Routes, count: int, rng: np.random.Generator) -> Array:
    """Any prefix, and any address inside it."""
    return table.addresses_of(rng.integers(0, len(table.lengths), count), rng)


def _zipf(table: Routes, count: int, rng: np.random.Generator) -> Array:
    """The n-th most popular prefix as often as 1/n, and any address inside it."""
    size = len(table.lengths)
    # The inverse of the distribution's continuous form.
    ranks = np.exp(rng.random(count) * np.log(size + 1)).astype(np.int64) - 1
    return table.addresses_of(rng.permutation(size)[np.minimum(ranks, size - 1)], rng)


def _hot(table: Routes, count: int, rng: np.random.Generator) -> Array:
    """65,536 destinations, each as often."""
    return np.asarray(_prefix(table, HOT, rng)[rng.integers(0, HOT, count)])


def _sequential(table: Routes, count: int, rng: np.random.Generator) -> Array:
    """One address after the other."""
    numbers = np.arange(count, dtype=np.uint64)
    if table.family == 4:
        values = (numbers + SEQUENTIAL_START[4]).astype(">u4")
        return values.view(np.uint8).reshape(-1, 4)
    made = np.zeros((count, 2), ">u8")
    made[:, 0], made[:, 1] = SEQUENTIAL_START[6], numbers
    return made.view(np.uint8)


STREAMS: Final[dict[str, Callable[[Routes, int, np.random.Generator], Array]]] = {
    "uniform": _uniform,
    "routed": _routed,
    "prefix": _prefix,
    "zipf": _zipf,
    "hot": _hot,
    "sequential": _sequential,
}


def _upper(table: Routes) -> Array:
    """The upper 64 bits of the prefixes, IPv4 addresses above zeros."""
    if table.family == 4:
        return table.addresses.view(">u4").ravel().astype(np.uint64) << np.uint64(32)
    return np.ascontiguousarray(table.addresses[:, :8]).view(">u8").ravel().astype(np.uint64)


def _below(lengths: Array) -> Array:
    """The host bits of an address of 64 bits."""
    bits = np.minimum(lengths, 63).astype(np.uint64)
    return np.where(lengths >= 64, np.uint64(0), ~np.uint64(0) >> bits)
