"""Prefixes as octets and length, as the kernel has them, and as text."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator

Octets = bytes
"""Of an address: 4 or 16."""


def address_octets(text: str) -> Octets:
    """Of an address that is known to be one."""
    if ":" not in text:
        return bytes(map(int, text.split(".")))
    return ipaddress.IPv6Address(text).packed


def address_text(octets: Octets) -> str:
    """In canonical form."""
    if len(octets) == 4:
        return ".".join(map(str, octets))
    return str(ipaddress.IPv6Address(octets))


def prefix_octets(text: str) -> tuple[Octets, int]:
    """Of a canonical prefix."""
    address, _, length = text.partition("/")
    return address_octets(address), int(length)


def prefix_text(octets: Octets, length: int) -> str:
    return f"{address_text(octets)}/{length}"


def covering(octets: Octets) -> Iterator[tuple[Octets, int]]:
    """The prefixes that an address is in, the longest first."""
    bits = 8 * len(octets)
    number = int.from_bytes(octets)
    for host in range(bits + 1):
        yield (number >> host << host).to_bytes(len(octets)), bits - host


def without(octets: Octets, length: int, holes: Iterable[Octets]) -> list[tuple[Octets, int]]:
    """The fewest prefixes that together are a prefix but for some of its addresses, in order."""
    inside = [int.from_bytes(hole) for hole in holes]
    if not inside:
        return [(octets, length)]
    bits = 8 * len(octets)
    if length == bits:
        return []
    first, half = int.from_bytes(octets), 1 << (bits - length - 1)
    upper = (first | half).to_bytes(len(octets))
    low = {hole.to_bytes(len(octets)) for hole in inside if not hole & half}
    high = {hole.to_bytes(len(octets)) for hole in inside if hole & half}
    return without(octets, length + 1, low) + without(upper, length + 1, high)
