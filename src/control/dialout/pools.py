"""Local address pools, from which calls get what RADIUS names by Framed-Pool (88), 26-2 or
Framed-IPv6-Pool (100): addresses of IPv4, prefixes of IPv6.

Given back when the call ends, and given out again as late as can be: the addresses that were never
used come first, then those that are free for longest.
"""

from __future__ import annotations

import ipaddress
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace

from control import config
from control.errors import ResourceError
from control.radius.events import SessionGrant


@dataclass(frozen=True, slots=True)
class Lease:
    """Something taken from a pool."""

    pool: str
    address: str


class Pools:
    def __init__(self, pools: Iterable[config.Pool]) -> None:
        self._pools: dict[str, _Pool] = {}
        self.configure(pools)

    def configure(self, pools: Iterable[config.Pool]) -> None:
        """Other pools from now on. What is taken stays taken."""
        old, self._pools = self._pools, {}
        for pool in pools:
            before = old.get(pool.name)
            self._pools[pool.name] = _Pool(pool, before.taken if before is not None else set())

    def take(self, name: str) -> str:
        """An address, or an IPv6 prefix with its length. Raises ResourceError: none is free, or
        there is no such pool."""
        pool = self._pools.get(name)
        if pool is None:
            raise ResourceError(f"there is no [[pool]] {name!r}")
        return pool.take()

    def give(self, name: str, address: str) -> None:
        """Makes a taken address free again. One of a pool that is gone is forgotten."""
        pool = self._pools.get(name)
        if pool is not None:
            pool.give(address)

    def usage(self) -> dict[str, tuple[int, int]]:
        """By pool: how many are taken, and how many there are."""
        return {name: (len(pool.taken), pool.size) for name, pool in self._pools.items()}

    def fill(self, grant: SessionGrant) -> tuple[SessionGrant, tuple[Lease, ...]]:
        """The grant with what it names pools for, and what was taken. An address that RADIUS gives
        itself goes before a pool. Raises ResourceError; then nothing is taken."""
        leases: list[Lease] = []
        try:
            if grant.framed_pool and not grant.framed_address:
                leases.append(Lease(grant.framed_pool, self.take(grant.framed_pool)))
                grant = replace(grant, framed_address=leases[-1].address)
            if grant.framed_ipv6_pool and not grant.framed_ipv6_prefixes:
                leases.append(Lease(grant.framed_ipv6_pool, self.take(grant.framed_ipv6_pool)))
                grant = replace(grant, framed_ipv6_prefixes=(leases[-1].address,))
            if grant.delegated_ipv6_pool and not grant.delegated_ipv6_prefixes:
                pool = grant.delegated_ipv6_pool
                leases.append(Lease(pool, self.take(pool)))
                grant = replace(grant, delegated_ipv6_prefixes=(leases[-1].address,))
        except ResourceError:
            self.give_back(leases)
            raise
        return grant, tuple(leases)

    def give_back(self, leases: Iterable[Lease]) -> None:
        for lease in leases:
            self.give(lease.pool, lease.address)


class _Pool:
    """Numbers from 0 to size - 1 are its addresses, in the order of its ranges."""

    def __init__(self, config: config.Pool, taken: set[str]) -> None:
        self._name = config.name
        self._ranges = [_range(text, config.prefix_length) for text in config.addresses]
        self._next = 0
        self._free: deque[str] = deque()
        self.taken = taken
        """Those in use, even if they are no longer in a range."""

    @property
    def size(self) -> int:
        return sum(len(numbers) for numbers, _ in self._ranges)

    def take(self) -> str:
        address = self._unused()
        while address is None and self._free:
            candidate = self._free.popleft()
            address = candidate if candidate not in self.taken else None
        if address is None:
            raise ResourceError(f"pool {self._name!r}: all {self.size} addresses are in use")
        self.taken.add(address)
        return address

    def give(self, address: str) -> None:
        if address in self.taken:
            self.taken.remove(address)
            if self._was_given_out(address):
                self._free.append(address)

    def _unused(self) -> str | None:
        while self._next < self.size:
            address = self._at(self._next)
            self._next += 1
            if address not in self.taken:
                return address
        return None

    def _at(self, number: int) -> str:
        for numbers, length in self._ranges:
            if number < len(numbers):
                return _text(numbers[number], length)
            number -= len(numbers)
        raise IndexError(number)

    def _was_given_out(self, address: str) -> bool:
        """It is in a range, and not one of the never used ones, which come up by themselves."""
        value, before = int(ipaddress.ip_address(address.partition("/")[0])), 0
        for numbers, length in self._ranges:
            if value in numbers and address == _text(value, length):
                return before + numbers.index(value) < self._next
            before += len(numbers)
        return False


def _range(text: str, length: int) -> tuple[range, int]:
    """Numbers of a prefix or of FIRST-LAST, and the length of an IPv6 prefix; 0: IPv4."""
    first, dash, last = text.partition("-")
    if dash:
        low, high = ipaddress.IPv4Address(first), ipaddress.IPv4Address(last)
        return range(int(low), int(high) + 1), 0
    network = ipaddress.ip_network(text)
    start, end = int(network.network_address), int(network.broadcast_address) + 1
    if network.version == 6:
        return range(start, end, 1 << (128 - length)), length
    if network.prefixlen < 31:  # its own address and the broadcast one are no hosts
        start, end = start + 1, end - 1
    return range(start, end), 0


def _text(value: int, length: int) -> str:
    if length:
        return f"{ipaddress.IPv6Address(value)}/{length}"
    return str(ipaddress.IPv4Address(value))
