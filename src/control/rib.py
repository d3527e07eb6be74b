"""RIB: the routes that are wanted and who owns each; the FIB only learns the best of every prefix.

One pytricia tree a table and address family. Equal prefixes: the lowest administrative distance
is active, then the lowest metric, then the newest; the others stay as backup (specification 1.11).
Nothing here touches a data plane: every change says what the FIB has to do.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

import pytricia

from control.address_text import address_octets, address_text
from control.errors import LocalProtocolError
from control.ipv4_prefix import HOST_BITS, OCTETS
from control.unlocked import unlocked

FEW = 8
"""Prefixes of an owner that are kept as a tuple: nearly all have one. The kernel has a million."""
ACCESS_DISTANCE = 2
"""Administrative distance of an access route."""
DIALOUT_DISTANCE = 252
"""Of a dial-out route: any access route of the same prefix wins against it."""


class ChangeKind(Enum):
    ADD = "add"
    DELETE = "delete"
    REPLACE = "replace"


@unlocked
@dataclass(frozen=True, slots=True)
class Change:
    """What the FIB has to do after a change of the RIB."""

    kind: ChangeKind
    table: int
    prefix: str
    nh: int
    """New next hop; of a DELETE the one that went."""


@unlocked
@dataclass(frozen=True, slots=True)
class Route:
    prefix: str
    """In canonical form."""
    owner: str
    nh: int
    distance: int
    metric: int
    """Of equal distances: of Framed-Route; the lower is better."""
    sequence: int
    """Grows with every route added: newer is larger."""


def canonical_prefix(prefix: str) -> str:
    """`prefix` with its host bits cleared and its length written; an address is a host prefix.

    Raises LocalProtocolError if it is neither; pytricia itself takes /33 and /-1 silently.
    """
    address, slash, length = prefix.partition("/")
    parts = address.split(".")
    if len(parts) == 4 and OCTETS.issuperset(parts):
        if not slash:
            return f"{address}/32"
        host = HOST_BITS.get(length)
        if host is not None and not int.from_bytes(map(int, parts)) & host:
            return prefix
    elif slash and _is_canonical_ipv6(address, length):
        return prefix
    try:
        return str(ipaddress.ip_network(prefix, strict=False))
    except ValueError as error:
        raise LocalProtocolError(f"{prefix!r} is not a prefix") from error


def _is_canonical_ipv6(address: str, length: str) -> bool:
    """False may be wrong: ipaddress, which is slow, then has the last word."""
    if not (length.isascii() and length.isdecimal()) or length != str(int(length)):
        return False
    try:
        octets = address_octets(address)
    except (OSError, ValueError):
        return False
    host = 8 * len(octets) - int(length)
    if host < 0 or int.from_bytes(octets) & (1 << host) - 1:
        return False
    return address_text(octets) == address


class Rib:
    """The routes of one table, of both address families."""

    def __init__(self, table: int) -> None:
        self.table = table
        # pytricia has no type information; a leaf holds the routes of its prefix, best first.
        self._ipv4: Any = pytricia.PyTricia(32)
        self._ipv6: Any = pytricia.PyTricia(128)
        self._owners: dict[str, tuple[str, ...] | dict[str, None]] = {}
        """Prefixes of each, in the order in which they were added: a tuple of few, a dict of
        many."""
        self._sequence = 0

    def __len__(self) -> int:
        """Number of prefixes, each counted once."""
        return len(self._ipv4) + len(self._ipv6)

    def add(
        self, owner: str, prefix: str, nh: int, distance: int, metric: int = 0
    ) -> Change | None:
        """Adds an owner's route, or renews it if it has one of this prefix.

        Returns what the FIB has to do, None if another route stays active. Raises
        LocalProtocolError for a malformed prefix.
        """
        prefix = canonical_prefix(prefix)
        routes = self._exact(prefix)
        before = routes[0] if routes else None
        self._sequence += 1
        new = Route(prefix, owner, nh, distance, metric, self._sequence)
        kept = [route for route in routes if route.owner != owner]
        # Newest first among equals: it goes before the first that is not better.
        rank = (distance, metric)
        at = next(
            (i for i, route in enumerate(kept) if (route.distance, route.metric) >= rank),
            len(kept),
        )
        kept.insert(at, new)
        self._tree(prefix)[prefix] = tuple(kept)
        self._own(owner, prefix)
        return self._difference(prefix, before, kept[0])

    def remove(self, owner: str, prefix: str) -> Change | None:
        """Takes an owner's route away; one that is not there changes nothing."""
        prefix = canonical_prefix(prefix)
        owned = self._owners.get(owner, ())
        if prefix not in owned:
            return None
        if len(owned) == 1:
            del self._owners[owner]
        elif isinstance(owned, dict):
            del owned[prefix]
        else:
            self._owners[owner] = tuple(each for each in owned if each != prefix)
        routes = self._exact(prefix)
        kept = tuple(route for route in routes if route.owner != owner)
        if kept:
            self._tree(prefix)[prefix] = kept
        else:
            self._tree(prefix).delete(prefix)
        return self._difference(prefix, routes[0], kept[0] if kept else None)

    def remove_owner(self, owner: str) -> list[Change]:
        """Takes all routes of an owner away, oldest first."""
        found = [self.remove(owner, prefix) for prefix in self.prefixes(owner)]
        return [change for change in found if change is not None]

    def prefixes(self, owner: str) -> tuple[str, ...]:
        """Prefixes of an owner's routes, active or backup."""
        return tuple(self._owners.get(owner, ()))

    def active(self, prefix: str) -> Route | None:
        """The active route of exactly this prefix."""
        routes = self._exact(canonical_prefix(prefix))
        return routes[0] if routes else None

    def backups(self, prefix: str) -> tuple[Route, ...]:
        """The routes behind the active one, in the order in which they would follow it."""
        return self._exact(canonical_prefix(prefix))[1:]

    def lookup(self, address: str) -> Route | None:
        """Longest match."""
        found = canonical_prefix(address)
        routes: tuple[Route, ...] | None = self._tree(found).get(found)
        return routes[0] if routes else None

    def __iter__(self) -> Iterator[Route]:
        """All active routes. Works on a copy: pytricia must not change under an iterator."""
        trees = (self._ipv4, self._ipv6)
        return iter([tree[prefix][0] for tree in trees for prefix in list(tree)])

    def walk(self) -> Iterator[tuple[Route, ...]]:
        """Of each prefix that there is now its routes, the active one first. The RIB may change
        between two of them: what is gone by then is left out."""
        for tree in (self._ipv4, self._ipv6):
            for prefix in list(tree):
                if tree.has_key(prefix):
                    yield tree[prefix]

    def _own(self, owner: str, prefix: str) -> None:
        owned = self._owners.get(owner, ())
        if prefix in owned:
            return
        if isinstance(owned, dict):
            owned[prefix] = None
        elif len(owned) < FEW:
            self._owners[owner] = (*owned, prefix)
        else:
            self._owners[owner] = dict.fromkeys((*owned, prefix))

    def _tree(self, prefix: str) -> Any:
        return self._ipv6 if ":" in prefix else self._ipv4

    def _exact(self, prefix: str) -> tuple[Route, ...]:
        tree = self._tree(prefix)
        routes: tuple[Route, ...] = tree[prefix] if tree.has_key(prefix) else ()
        return routes

    def _difference(self, prefix: str, before: Route | None, after: Route | None) -> Change | None:
        if after is None:
            assert before is not None
            return Change(ChangeKind.DELETE, self.table, prefix, before.nh)
        if before is None:
            return Change(ChangeKind.ADD, self.table, prefix, after.nh)
        if before.nh == after.nh:
            return None
        return Change(ChangeKind.REPLACE, self.table, prefix, after.nh)
