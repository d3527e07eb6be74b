"""Reads many packets of the router at once and tells which of them nobody will answer.

Those are whole and sound L2TP data messages in their most frequent form (no IP options, L bit only,
no sequence number) around a whole and sound IPv4 packet that no site answers. What is in them is
checked as host.py, data_header.py and cpe.py check it, so that counting them in bulk comes to the
same as handling them one by one. All others are left to those modules.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from control.l2tp.events import SocketAddress
from control.sim.cpe import IP_PREFIXES
from control.sim.host import FRAGMENT_MASK, ICMP, UDP, format_address

Array = npt.NDArray[Any]

HEAD = 64
"""Octets of each packet that are looked at as a row: outer headers, PPP header, inner IP header."""
LEAST = 60
"""Octets of the shortest packet that has all of them behind the longest PPP header."""
_UDP = 20
_L2TP = 28
_PPP = 36
_IP = 20
"""Offsets of the outer headers, and octets of an IPv4 header without options."""
_DATA = 0x4002
"""Flags of an L2TPv2 data message with Length and nothing else (RFC 2661 3.1)."""
_ONES = 0xFFFF
_SPREAD = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x27D4EB2F165667C5)
"""Odd numbers that make one word of the four of a flow."""


@dataclass(frozen=True, slots=True)
class Flow:
    """What packets must have in common to meet the same fate at the same time."""

    destination: bytes
    port: int
    source: SocketAddress
    tunnel: int
    session: int


def flows(
    buffer: Array, offsets: Array, lengths: Array, *, answering: bool
) -> tuple[Array, list[Flow]]:
    """The flow of each packet as its number in the list, -1 for what has to be handled singly.

    Packets begin at multiples of 8 octets of `buffer` (uint8), with zeros up to the next multiple.
    `answering`: there are sites that answer pings and UDP.
    """
    found = np.full(len(offsets), -1, np.int64)
    rows = np.flatnonzero(lengths >= LEAST)
    if not len(rows):
        return found, []
    at, size = offsets[rows].astype(np.int64), lengths[rows].astype(np.int64)
    first = at >> 3
    heads = buffer.view("<u8")[first[:, np.newaxis] + np.arange(HEAD // 8)]
    good = _outer(heads, size, buffer, at)
    good &= _inner(heads.view(np.uint8), size, answering)
    rows, heads = rows[good], heads[good]
    if not len(rows):
        return found, []
    words = heads.view("<u4")[:, (3, 4, 5, _L2TP // 4 + 1)]
    if np.array_equal(words, np.broadcast_to(words[0], words.shape)):
        found[rows] = 0
        return found, [_flow(words[0])]
    mixed = np.zeros(len(words), np.uint64)
    for column, factor in enumerate(_SPREAD):
        mixed ^= words[:, column].astype(np.uint64) * np.uint64(factor)
    _, example, number = np.unique(mixed, return_index=True, return_inverse=True)
    # Two flows that make the same number are told from each other by what made it.
    number[(words[example[number]] != words).any(axis=1)] = -1
    found[rows] = number
    return found, [_flow(words[row]) for row in example]


def _flow(words: Array) -> Flow:
    octets = words.astype("<u4").tobytes()
    ports = [int.from_bytes(octets[i : i + 2], "big") for i in range(8, 16, 2)]
    return Flow(octets[4:8], ports[1], (format_address(octets[:4]), ports[0]), ports[2], ports[3])


def _outer(heads: Array, size: Array, buffer: Array, at: Array) -> Array:
    """Whether IPv4, UDP and L2TP are sound and in the usual form, checksums included."""
    fields = heads.view(">u2")
    good: Array = (fields[:, 0] >> 8 == 0x45) & (fields[:, 1] == size)
    good &= (fields[:, 3] & FRAGMENT_MASK == 0) & (fields[:, 4] & 0xFF == UDP)
    good &= (fields[:, _UDP // 2 + 2] == size - _UDP) & (fields[:, _L2TP // 2] == _DATA)
    good &= fields[:, _L2TP // 2 + 1] == size - _L2TP
    # The sum of words modulo 65,535 is 0 in either byte order, and for words of 32 bits as well,
    # because 65,536 = 1 there (RFC 1071 2).
    words = heads.view("<u4")
    good &= words[:, : _IP // 4].sum(axis=1, dtype=np.uint64) % _ONES == 0
    sums = np.zeros(len(buffer) // 4 + 1, np.uint64)
    np.cumsum(buffer.view("<u4"), dtype=np.uint64, out=sums[1:])
    total = sums[(at + size + 3) >> 2] - sums[(at + _UDP) >> 2]
    total += words[:, 3].astype(np.uint64) + words[:, 4]
    # Pseudo header: the protocol and the length, which as words of the buffer are swapped.
    total += ((UDP + size - _UDP) << 8).astype(np.uint64)
    good &= (total % _ONES == 0) | (fields[:, _UDP // 2 + 3] == 0)
    return good


def _inner(heads: Array, size: Array, answering: bool) -> Array:
    """Whether there is a PPP frame with a sound IPv4 packet that gets no answer."""
    good = np.zeros(len(heads), bool)
    left = np.ones(len(heads), bool)
    for prefix in IP_PREFIXES:
        is_so = left & (heads[:, _PPP : _PPP + len(prefix)] == list(prefix)).all(axis=1)
        start = _PPP + len(prefix)
        if is_so.all():
            return _quiet(heads[:, start : start + _IP], size - start, answering)
        if is_so.any():
            ip = heads[is_so, start : start + _IP]
            good[is_so] = _quiet(ip, size[is_so] - start, answering)
            left &= ~is_so
    return good


def _quiet(ip: Array, size: Array, answering: bool) -> Array:
    words = (ip[:, 0::2].astype(np.uint32) << 8) | ip[:, 1::2]
    total = words[:, 1].astype(np.int64)
    good: Array = (ip[:, 0] == 0x45) & (total >= _IP) & (total <= size)
    good &= (words[:, 3] & FRAGMENT_MASK == 0) & (words.sum(axis=1) % _ONES == 0)
    if answering:
        source, destination = ip[:, 12], ip[:, 16]
        unicast = (source > 0) & (source < 224) & (source != 127)
        unicast &= (destination > 0) & (destination < 224) & (destination != 127)
        good &= ~(unicast & ((ip[:, 9] == ICMP) | (ip[:, 9] == UDP)))
    return good
