"""Neighbour slots of one Ethernet port: which neighbour has which, and its MAC address there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from control.address_text import Octets

SLOTS: Final = 1024
"""Of a port; slot 0 says that the kernel is to find the neighbour."""


MAC: Final = 6
"""Octets."""


def _station(mac: bytes | None) -> bytes | None:
    """The kernel also has neighbours without a MAC address, and groups; those it serves itself."""
    return None if mac is None or len(mac) != MAC or mac[0] & 1 else mac


class NeighbourSlots:
    """`write` puts a MAC address, or None, into a slot of the port."""

    def __init__(self, write: Callable[[int, bytes | None], None]) -> None:
        self._write = write
        self._free = list(range(SLOTS - 1, 0, -1))
        self._slots: dict[Octets, int] = {}
        self._users: dict[Octets, int] = {}
        self.refused = 0
        """Uses for which there was no slot: the kernel sends those packets."""

    def __contains__(self, address: Octets) -> bool:
        return address in self._slots

    def use(self, address: Octets, mac: bytes | None) -> int:
        """The slot of a neighbour, which is its own until as many `release` it; 0 if there is no
        more."""
        slot = self._slots.get(address)
        if slot is None:
            if not self._free:
                self.refused += 1
                return 0
            slot = self._slots[address] = self._free.pop()
            self._users[address] = 0
            self._write(slot, _station(mac))
        self._users[address] += 1
        return slot

    def release(self, address: Octets) -> None:
        self._users[address] -= 1
        if not self._users[address]:
            slot = self._slots.pop(address)
            del self._users[address]
            self._write(slot, None)
            self._free.append(slot)

    def learn(self, address: Octets, mac: bytes | None) -> None:
        """Where a neighbour is now; None: unknown, the kernel is to find it."""
        slot = self._slots.get(address)
        if slot is not None:
            self._write(slot, _station(mac))
