"""MRT dumps of BGP tables, written from RFC 6396 4.3 and RFC 8050 4 and not by the reader."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

PEERS, IPV4, IPV4_MULTICAST, IPV6, GENERIC, IPV4_PATHS, IPV6_PATHS = 1, 2, 3, 4, 6, 8, 10
NEXT_HOP, MP_REACH = 3, 14
ORIGIN = bytes([0x40, 1, 1, 0])


def record(subtype: int, body: bytes, *, kind: int = 13, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return struct.pack(">IHHI", 1700000000, kind, subtype, size) + body


def peer_index(peers: Sequence[tuple[str, int]], view: bytes = b"view") -> bytes:
    """AS numbers above 65,535 are written with four octets, others with two."""
    body = bytes([192, 0, 2, 255]) + struct.pack(">H", len(view)) + view
    body += struct.pack(">H", len(peers))
    for address, number in peers:
        packed, wide = ip_address(address).packed, number > 0xFFFF
        body += bytes([(len(packed) == 16) | wide << 1]) + bytes(4) + packed
        body += struct.pack(">I" if wide else ">H", number)
    return record(PEERS, body)


def attribute(kind: int, value: bytes, *, extended: bool = False) -> bytes:
    if extended or len(value) > 255:
        return struct.pack(">BBH", 0x50, kind, len(value)) + value
    return bytes([0x40, kind, len(value)]) + value


def attributes(next_hop: str, *, whole: bool = False) -> bytes:
    """Path attributes with a next hop; whole: MP_REACH_NLRI as in a BGP message."""
    address = ip_address(next_hop)
    if isinstance(address, IPv4Address):
        return ORIGIN + attribute(NEXT_HOP, address.packed)
    reach = bytes([16]) + address.packed
    if whole:
        reach = struct.pack(">HB", 2, 1) + reach + bytes([0, 32, 0x20, 1, 0x0D, 0xB8])
    return ORIGIN + attribute(MP_REACH, reach)


@dataclass(frozen=True)
class Path:
    """One peer's route to a prefix."""

    peer: int
    attributes: bytes
    identifier: int = 0


def rib(prefix: str, paths: Iterable[Path], *, with_paths: bool = False) -> bytes:
    network = ip_network(prefix, strict=False)
    six = isinstance(network.network_address, IPv6Address)
    subtype = (IPV6_PATHS if six else IPV4_PATHS) if with_paths else (IPV6 if six else IPV4)
    address = ip_address(prefix.partition("/")[0]).packed
    octets = address[: (network.prefixlen + 7) // 8]
    entries = list(paths)
    body = struct.pack(">IB", 7, network.prefixlen) + octets + struct.pack(">H", len(entries))
    for path in entries:
        body += struct.pack(">HI", path.peer, 1600000000)
        body += struct.pack(">I", path.identifier) if with_paths else b""
        body += struct.pack(">H", len(path.attributes)) + path.attributes
    return record(subtype, body)
