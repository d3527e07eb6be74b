"""Longest match by intervals: slow to build beside a table, but nothing like one."""

from __future__ import annotations

import numpy as np

ADDRESSES = 1 << 32


class Intervals:
    """IPv4 prefixes cut into intervals of one next hop each, painted from the shortest on.

    Prefixes of one length do not overlap, so a running sum of their starts and ends tells which of
    them, if any, an interval is in.
    """

    def __init__(self, addresses: np.ndarray, lengths: np.ndarray, nhs: np.ndarray) -> None:
        self.first = numbers(addresses)
        self.end = self.first + (1 << (32 - lengths))
        self.starts = np.unique(np.concatenate([[0, ADDRESSES], self.first, self.end]))
        self.nhs = np.zeros(len(self.starts), dtype=np.int64)
        for length in np.unique(lengths):
            chosen = np.flatnonzero(lengths == length)
            change = np.zeros(len(self.starts), dtype=np.int64)
            np.add.at(change, np.searchsorted(self.starts, self.first[chosen]), chosen + 1)
            np.add.at(change, np.searchsorted(self.starts, self.end[chosen]), -(chosen + 1))
            inside = np.cumsum(change)
            self.nhs = np.where(inside > 0, nhs[inside - 1], self.nhs)

    def lookup(self, addresses: np.ndarray) -> np.ndarray:
        return self.nhs[np.searchsorted(self.starts, addresses, side="right") - 1]

    def boundaries(self) -> np.ndarray:
        """First and last address of every prefix, and their neighbours outside."""
        edges = np.concatenate([self.first - 1, self.first, self.end - 1, self.end])
        return np.unique(edges[(edges >= 0) & (edges < ADDRESSES)])


def numbers(addresses: np.ndarray) -> np.ndarray:
    """Rows of four octets as numbers, int64."""
    return np.ascontiguousarray(addresses).view(">u4").astype(np.int64).reshape(-1)
