"""The program that tells our packets from the kernel's, as rows for the assembler.

Ours are L2TP data messages (T bit 0, RFC 2661 3.1) to a tunnel address of ours, and what is sent to
a covered prefix, whatever its TTL. The kernel's are control messages and everything else for one of
the host's addresses, fragments to them, group and link-local addresses, and what is covered by
nothing. Up to two VLAN tags are looked through.

One body for three endings: XDP hands over to an AF_XDP socket, TCX drops (a packet socket has got
its copy by then), a socket filter takes or leaves.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from fastpath.ebpf.assembler import Row

XDP_DROP, XDP_PASS, XDP_TX = 1, 2, 3
TCX_NEXT: Final = -1
TCX_DROP: Final = 2

KERNELS, OURS = b"\0", b"\1"
"""Values of both kinds of maps. An address: the host's own, or a tunnel address. A prefix: left to
the kernel although a shorter one is covered, or covered."""

_LOOKUP: Final = 1
_SKB_LOAD: Final = 26
_REDIRECT_MAP: Final = 51
_XDP_LOAD: Final = 189

_CONTEXT_QUEUE: Final = 16  # offset of rx_queue_index in struct xdp_md

# Places on the stack, from its end.
_IP: Final = -40  # IP header
_FRONT: Final = -56  # Ethernet header, a tag, or UDP header and the beginning of L2TP
_KEY4: Final = -64  # prefix length and address of the trie
_KEY6: Final = -84  # the same; the address is at a multiple of 8
_ADDRESS: Final = -104  # an address as the table of addresses has it, IPv4 as ::ffff:a.b.c.d


@dataclass(frozen=True, slots=True)
class Maps:
    """Descriptors of what the program looks into."""

    addresses: int
    covered4: int
    covered6: int


@dataclass(frozen=True, slots=True)
class Ending:
    """How a program of one kind reads a packet and what it says of it."""

    load: int
    ours: tuple[Row, ...]
    kernels: tuple[Row, ...]
    station: bytes = b""
    """Frames to another MAC address are the kernel's. Empty: whoever reads them looks himself."""


FILTER: Final = Ending(_SKB_LOAD, (("mov", 0, 0x7FFFFFFF),), (("mov", 0, 0),))
TCX: Final = Ending(_SKB_LOAD, (("mov", 0, TCX_DROP),), (("mov", 0, TCX_NEXT),))


def xdp(sockets: int, station: bytes = b"", without: int = XDP_PASS) -> Ending:
    """By the descriptor of an XSKMAP; `without` is what happens to ours where it has no socket."""
    redirect: tuple[Row, ...] = (
        ("ldxw", 2, 6, _CONTEXT_QUEUE),
        ("map", 1, sockets),
        ("mov", 3, without),
        ("call", _REDIRECT_MAP),
    )
    return Ending(_XDP_LOAD, redirect, (("mov", 0, XDP_PASS),), station)


def program(maps: Maps, ending: Ending) -> list[Row]:
    """The rows. r6: context, r7: offset of the IP header, r8: of the transport header, r9:
    protocol, 0 for a fragment."""
    return [
        ("movx", 6, 1),
        *_ethernet(ending),
        *_ipv6(ending),
        *_ipv4(ending),
        *_address(maps, ending),
        *_covered(maps),
        ("ours:",),
        *ending.ours,
        ("exit",),
        ("kernel:",),
        *ending.kernels,
        ("exit",),
    ]


def _load(ending: Ending, to: int, offset: int, octets: int) -> list[Row]:
    """Octets of the packet from a register's offset on; one that is shorter is the kernel's."""
    return [
        ("movx", 1, 6),
        ("movx", 2, offset),
        ("movx", 3, 10),
        ("add", 3, to),
        ("mov", 4, octets),
        ("call", ending.load),
        ("jne", 0, 0, "kernel"),
    ]


def _ethernet(ending: Ending) -> list[Row]:
    rows: list[Row] = [
        ("mov", 7, 0),
        *_load(ending, _FRONT, 7, 14),
        ("ldxb", 1, 10, _FRONT),
        ("jset", 1, 1, "kernel"),  # a group address
        *_station(ending.station),
        ("ldxh", 3, 10, _FRONT + 12),
        ("be", 3, 16),
        ("mov", 7, 14),
    ]
    for tag in ("outer", "inner"):
        rows += [
            ("jeq", 3, 0x8100, tag),
            ("jeq", 3, 0x88A8, tag),
            ("jeq", 3, 0x9100, tag),
            ("ja", "typed"),
            (f"{tag}:",),
            *_load(ending, _FRONT, 7, 4),
            ("ldxh", 3, 10, _FRONT + 2),
            ("be", 3, 16),
            ("add", 7, 4),
        ]
    return [*rows, ("typed:",), ("jeq", 3, 0x0800, "ipv4"), ("jne", 3, 0x86DD, "kernel")]


def _station(station: bytes) -> list[Row]:
    if not station:
        return []
    first, last = struct.unpack("<iH", station)
    return [
        ("ldxw", 1, 10, _FRONT),
        ("jne32", 1, first, "kernel"),
        ("ldxh", 1, 10, _FRONT + 4),
        ("jne32", 1, last, "kernel"),
    ]


def _ipv6(ending: Ending) -> list[Row]:
    destination = _IP + 24
    return [
        *_load(ending, _IP, 7, 40),
        ("ldxb", 1, 10, _IP),
        ("rsh", 1, 4),
        ("jne", 1, 6, "kernel"),
        ("ldxb", 1, 10, destination),
        ("jeq", 1, 0xFF, "kernel"),
        ("ldxh", 1, 10, destination),
        ("be", 1, 16),
        ("and", 1, 0xFFC0),
        ("jeq", 1, 0xFE80, "kernel"),
        ("stw", 10, _KEY6, 128),
        ("ldxdw", 1, 10, destination),
        ("stxdw", 10, _KEY6 + 4, 1),
        ("stxdw", 10, _ADDRESS, 1),
        ("ldxdw", 1, 10, destination + 8),
        ("stxdw", 10, _KEY6 + 12, 1),
        ("stxdw", 10, _ADDRESS + 8, 1),
        ("ldxb", 9, 10, _IP + 6),
        ("movx", 8, 7),
        ("add", 8, 40),
        ("mov", 7, 6),
        ("ja", "address"),
    ]


def _ipv4(ending: Ending) -> list[Row]:
    destination = _IP + 16
    return [
        ("ipv4:",),
        *_load(ending, _IP, 7, 20),
        ("ldxb", 8, 10, _IP),
        ("movx", 1, 8),
        ("rsh", 1, 4),
        ("jne", 1, 4, "kernel"),
        ("and", 8, 15),
        ("jlt", 8, 5, "kernel"),
        ("lsh", 8, 2),
        ("addx", 8, 7),
        ("ldxb", 1, 10, destination),
        ("jge", 1, 224, "kernel"),
        ("ldxb", 9, 10, _IP + 9),
        ("ldxh", 1, 10, _IP + 6),
        ("be", 1, 16),
        ("and", 1, 0x3FFF),
        ("jeq", 1, 0, "whole"),
        ("mov", 9, 0),
        ("whole:",),
        ("stw", 10, _KEY4, 32),
        ("ldxw", 1, 10, destination),
        ("stxw", 10, _KEY4 + 4, 1),
        ("stdw", 10, _ADDRESS, 0),
        ("stw", 10, _ADDRESS + 8, -0x10000),  # 00 00 ff ff in memory
        ("stxw", 10, _ADDRESS + 12, 1),
        ("mov", 7, 4),
    ]


def _find(table: int, key: int) -> list[Row]:
    return [("map", 1, table), ("movx", 2, 10), ("add", 2, key), ("call", _LOOKUP)]


def _address(maps: Maps, ending: Ending) -> list[Row]:
    return [
        ("address:",),
        *_find(maps.addresses, _ADDRESS),
        ("jeq", 0, 0, "covered"),
        ("ldxb", 1, 0, 0),
        ("jeq", 1, 0, "kernel"),
        ("jne", 9, 17, "kernel"),
        *_load(ending, _FRONT, 8, 10),
        ("ldxh", 1, 10, _FRONT + 2),
        ("be", 1, 16),
        ("jne", 1, 1701, "kernel"),
        ("ldxb", 1, 10, _FRONT + 8),
        ("jset", 1, 0x80, "kernel"),
        ("ja", "ours"),
    ]


def _covered(maps: Maps) -> list[Row]:
    return [
        ("covered:",),
        ("jeq", 7, 6, "covered6"),
        *_find(maps.covered4, _KEY4),
        ("ja", "found"),
        ("covered6:",),
        *_find(maps.covered6, _KEY6),
        ("found:",),
        ("jeq", 0, 0, "kernel"),
        ("ldxb", 1, 0, 0),
        ("jeq", 1, 0, "kernel"),
    ]
