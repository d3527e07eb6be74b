"""Prefixes as octets and length, as the kernel has them, and as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from control.address_text import Octets, address_octets, address_text


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
