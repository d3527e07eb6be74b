"""Addresses of LACs, which no route of ours to the kernel may cover (threat T8).

The kernel carries our tunnels. Were the way to a LAC a route to one of its own sessions, the tunnel
would run into itself. That another route is longer is no protection: it may go. So a prefix that
holds a LAC's address is given to the kernel in pieces, which leave that address out.
"""

from __future__ import annotations

from control.address_text import Octets
from control.kernel.prefix import covering, without


class LacHoles:
    def __init__(self) -> None:
        self._addresses: set[Octets] = set()
        self._covered: set[tuple[Octets, int]] = set()
        """Every prefix that holds one of them: a prefix is judged by one look."""

    def __len__(self) -> int:
        return len(self._addresses)

    def __contains__(self, address: Octets) -> bool:
        return address in self._addresses

    def add(self, address: Octets) -> None:
        self._addresses.add(address)
        self._covered.update(covering(address))

    def in_prefix(self, octets: Octets, length: int) -> bool:
        """Whether a prefix holds a LAC's address."""
        return (octets, length) in self._covered

    def pieces(self, octets: Octets, length: int) -> list[tuple[Octets, int]]:
        """What may be routed of a prefix."""
        if not self.in_prefix(octets, length):
            return [(octets, length)]
        shift = 8 * len(octets) - length
        first = int.from_bytes(octets) >> shift
        held = [
            address
            for address in self._addresses
            if len(address) == len(octets) and int.from_bytes(address) >> shift == first
        ]
        return without(octets, length, held)
