"""The access routes of one session, by family: in and out of RIB and FIB, all or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from control.dataplane import NextHop
from control.dialout import access_route
from control.dialout.events import AccessRouteInstalled, AccessRouteRemoved
from control.dialout.link_filters import LinkFilters
from control.dialout.link_owner import LinkOwner
from control.dialout.services import Services
from control.errors import DialoutError
from control.rib import ACCESS_DISTANCE, Change


def family_of(address: str) -> int:
    """4 or 6; an empty text counts as 4."""
    return 6 if ":" in address else 4


_SHARED: dict[tuple[int, ...], tuple[int, ...]] = {}


def shared(families: tuple[int, ...]) -> tuple[int, ...]:
    """One object for all links with these families: there are few."""
    return _SHARED.setdefault(families, families)


class LinkRoutes:
    __slots__ = ("_foreign", "_nh", "_owner", "_services", "open")

    def __init__(
        self, services: Services, owner: LinkOwner, nh: NextHop, foreign: tuple[str, ...]
    ) -> None:
        """`foreign`: the ends of the tunnel itself, which no route may lead into."""
        self._services = services
        self._owner = owner
        self._nh = nh
        self._foreign = foreign
        self.open: tuple[int, ...] = ()
        """Families whose routes are in the FIB."""

    def install(
        self,
        family: int,
        prefixes: Sequence[str],
        filters: LinkFilters,
        now: float,
        metrics: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        """Routes of one family, hold and check in one transaction. Raises RouteDoesNotFit or
        another DialoutError; then the session has no route of this family. `metrics`: those of
        Framed-Routes, by prefix; others have none, which is the best."""
        owner = self._owner
        rib = owner.router.rib
        self.withdraw(now, family)
        try:
            found = [
                rib.add(owner.owner, prefix, self._nh, ACCESS_DISTANCE, metrics.get(prefix, 0))
                for prefix in prefixes
            ]
            self._commit(family, [change for change in found if change is not None], filters)
        except DialoutError:
            for prefix in prefixes:
                rib.remove(owner.owner, prefix)
            raise
        self.open = shared((*self.open, family))
        self._services.timeline.add(
            AccessRouteInstalled(*owner.fact(now), self._prefixes(family), self._nh)
        )

    def withdraw(self, now: float, *families: int, delete_adjacency: bool = False) -> None:
        owner = self._owner
        rib = owner.router.rib
        gone = tuple(prefix for family in families for prefix in self._prefixes(family))
        changes = [rib.remove(owner.owner, prefix) for prefix in gone]
        self.open = shared(tuple(family for family in self.open if family not in families))
        if gone or delete_adjacency:
            with self._services.dataplane.transaction() as transaction:
                access_route.apply(transaction, (c for c in changes if c is not None))
                if delete_adjacency:
                    transaction.delete_adjacency(self._nh)
                else:
                    transaction.set_sources(self._nh, rib.prefixes(owner.owner))
        if gone:
            self._services.timeline.add(AccessRouteRemoved(*owner.fact(now), gone))

    def _commit(self, family: int, changes: Sequence[Change], filters: LinkFilters) -> None:
        owner = self._owner
        wanted = owner.family == family
        with self._services.dataplane.transaction() as transaction:
            access_route.apply(transaction, changes)
            # A newer session with the same prefix takes the route, not the right to use it.
            transaction.set_sources(self._nh, owner.router.rib.prefixes(owner.owner))
            if any(filters):
                transaction.set_filter(self._nh, filters.into, inbound=filters.out_of)
            if wanted and self._services.chassis.flush_delay and owner.key is not None:
                transaction.hold(self._nh, owner.key)
            access_route.verify(
                transaction,
                owner.router.config.table,
                self._nh,
                owner.destination if wanted else "",
                self._foreign,
            )

    def _prefixes(self, family: int) -> tuple[str, ...]:
        owned = self._owner.router.rib.prefixes(self._owner.owner)
        return tuple(prefix for prefix in owned if family_of(prefix) == family)
