"""Longest-prefix match on routing tables of the Internet, compared with pytricia.

The tables are not part of the project: the folder named by DIALOUT_DATA holds them under rib/ as
xz-compressed lines `prefix/length nexthop`.
"""

from __future__ import annotations

import lzma
import os
import socket
from pathlib import Path

import numpy as np
import pytest
import pytricia
from lpm_cases import ALGORITHMS

DATA = os.environ.get("DIALOUT_DATA")
TABLES = sorted(Path(DATA, "rib").glob("v[46]-*.txt.xz")) if DATA else []
SAMPLE = 20_000

pytestmark = pytest.mark.skipif(not TABLES, reason="no routing tables in $DIALOUT_DATA/rib")


class Table:
    """The lines of one file as arrays, and as a tree of pytricia."""

    def __init__(self, path: Path) -> None:
        self.family = int(path.name[1])
        self.socket_family = socket.AF_INET if self.family == 4 else socket.AF_INET6
        self.width = 4 if self.family == 4 else 16
        with lzma.open(path, "rt") as file:
            lines = [line.split() for line in file]
        self.prefixes = [prefix for prefix, _ in lines]
        split = [prefix.split("/") for prefix in self.prefixes]
        packed = b"".join(socket.inet_pton(self.socket_family, address) for address, _ in split)
        self.addresses = np.frombuffer(packed, dtype=np.uint8).reshape(-1, self.width)
        self.lengths = np.array([int(length) for _, length in split])
        self.nhs = np.array([int(nh) for _, nh in lines])

    def tree(self) -> pytricia.PyTricia:
        tree = pytricia.PyTricia(8 * self.width, self.socket_family)
        for prefix, nh in zip(self.prefixes, self.nhs.tolist(), strict=True):
            tree[prefix] = nh
        return tree

    def sample(self) -> np.ndarray:
        """Random addresses, addresses in random prefixes, and the boundaries of prefixes."""
        rng = np.random.default_rng(1)
        anywhere = rng.integers(0, 256, (SAMPLE, self.width), dtype=np.uint8)
        chosen = rng.integers(0, len(self.addresses), SAMPLE)
        masks = host_masks(self.lengths[chosen], self.width)
        first = self.addresses[chosen]
        last = first | masks
        number = int.from_bytes
        outside = b"".join(
            ((number(a, "big") + step) % (1 << 8 * self.width)).to_bytes(self.width, "big")
            for row, step in ((first[:4000], -1), (last[:4000], 1))
            for a in map(bytes, row)
        )
        neighbours = np.frombuffer(outside, dtype=np.uint8).reshape(-1, self.width)
        return np.concatenate([anywhere, first | anywhere & masks, first, last, neighbours])

    def expected(self, tree: pytricia.PyTricia, addresses: np.ndarray) -> list[int]:
        names = (socket.inet_ntop(self.socket_family, bytes(a)) for a in addresses)
        return [tree.get(name, 0) for name in names]


def host_masks(lengths: np.ndarray, width: int) -> np.ndarray:
    bits = np.arange(8 * width)[np.newaxis, :] >= lengths[:, np.newaxis]
    return np.packbits(bits, axis=1)


CASES = [(path, algorithm) for path in TABLES for algorithm in ALGORITHMS[int(path.name[1])]]


@pytest.mark.parametrize(
    ("path", "algorithm"),
    CASES,
    ids=[f"{path.name.removesuffix('.txt.xz')}-{a.__name__}" for path, a in CASES],
)
def test_real_table_matches_pytricia_before_and_after_deletes(path, algorithm):
    rows = Table(path)
    sample = rows.sample()
    table = algorithm(rows.family)
    assert table.load(rows.addresses, rows.lengths, rows.nhs) == len(rows.prefixes)
    assert table.lookup_array(sample).tolist() == rows.expected(rows.tree(), sample)
    with table.transaction():
        for prefix in rows.prefixes[::3]:
            table.delete_prefix(prefix)
    kept = np.arange(len(rows.prefixes)) % 3 != 0
    rows.prefixes = [prefix for prefix, keep in zip(rows.prefixes, kept, strict=True) if keep]
    rows.nhs = rows.nhs[kept]
    assert table.routes == len(rows.prefixes)
    assert table.lookup_array(sample).tolist() == rows.expected(rows.tree(), sample)
