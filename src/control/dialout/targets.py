"""The dial-out routes: targets come, go, and get their glean adjacency in the data plane.

Specification 1.2, 1.4.3. Whose sessions end with a target is the manager's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from control import config
from control.dataplane import NextHop
from control.dialout import access_route
from control.dialout.chassis import Chassis, VirtualRouter
from control.dialout.counters import Counters
from control.dialout.events import TargetStateChanged
from control.dialout.services import Services
from control.dialout.session import Session
from control.dialout.target import Target
from control.errors import DialoutError, LocalProtocolError
from control.rib import DIALOUT_DISTANCE, Change, Rib, canonical_prefix


class Targets:
    """Raises LocalProtocolError for a virtual router or profile that does not exist, and for a
    prefix that its virtual router has already."""

    def __init__(self, config: config.Config, services: Services, chassis: Chassis) -> None:
        self._services = services
        self._chassis = chassis
        self._profiles = {profile.name: profile for profile in config.profile}
        self._by_glean: dict[NextHop, Target] = {}
        self._by_table: dict[int, VirtualRouter] = {}
        self._number = 0
        for router in config.virtual_router:
            self._add_router(router)
        for target in config.target:
            self.add(target)

    def of_glean(self, glean: NextHop) -> Target | None:
        return self._by_glean.get(glean)

    def of_table(self, table: int) -> VirtualRouter | None:
        return self._by_table.get(table)

    def find(self, virtual_router: str, prefix: str) -> Target | None:
        router = self._chassis.routers.get(virtual_router)
        return None if router is None else router.targets.get(canonical_prefix(prefix))

    def all(self) -> list[Target]:
        routers = self._chassis.routers.values()
        return [target for router in routers for target in router.targets.values()]

    def down(self) -> list[Target]:
        """Those whose dial-out route is not in the data plane."""
        return [target for target in self.all() if target.glean is None]

    def add(self, target: config.Target) -> Target:
        """Creates a target; `install` brings its route up."""
        router = self._chassis.routers.get(target.virtual_router)
        profile = self._profiles.get(target.profile)
        if router is None:
            raise LocalProtocolError(f"no virtual router {target.virtual_router!r}")
        if profile is None:
            raise LocalProtocolError(f"no profile {target.profile!r}")
        prefix = canonical_prefix(target.prefix)
        if prefix in router.targets:
            raise LocalProtocolError(f"{target.virtual_router} has a target {prefix} already")
        self._number += 1
        counters = Counters(router.counters)
        made = Target(self._number, target, prefix, profile, router, counters)
        self._chassis.add_target(made)
        return made

    def install(self, targets: Sequence[Target], now: float) -> None:
        """Installs dial-out routes in one transaction; if that fails, each that can be."""
        try:
            self._install(targets)
        except DialoutError as error:
            if len(targets) == 1:
                self._tell(targets, now, "down", str(error))
                return
            for target in targets:
                self.install((target,), now)
            return
        self._tell(targets, now, "inService", "dial-out route installed")

    def withdraw(self, targets: Iterable[Target], now: float) -> None:
        """Takes dial-out routes out of the FIB: no further triggers. `remove` follows."""
        changes: list[Change] = []
        gone = list(targets)
        for target in gone:
            changes += target.router.rib.remove_owner(target.owner)
        with self._services.dataplane.transaction() as transaction:
            access_route.apply(transaction, changes)
        self._tell(gone, now, "removed", "dial-out route removed")

    def remove(self, targets: Iterable[Target]) -> None:
        """Deletes withdrawn targets, which have no sessions any more."""
        with self._services.dataplane.transaction() as transaction:
            for target in targets:
                if target.glean is not None:
                    transaction.delete_adjacency(target.glean)
                    del self._by_glean[target.glean]
                    target.glean = None
                self._chassis.remove_target(target)

    def sessions_to(self, virtual_router: str, destination: str) -> list[Session]:
        """Sessions of one destination; of several targets if their prefixes overlap."""
        router = self._chassis.routers.get(virtual_router)
        targets = router.targets.values() if router is not None else ()
        return [t.sessions[destination] for t in targets if destination in t.sessions]

    def _add_router(self, router: config.VirtualRouter) -> None:
        made = VirtualRouter(
            router,
            Counters(self._chassis.counters),
            Rib(router.table),
            has_radius=router.radius in self._services.radius,
        )
        self._chassis.routers[router.name] = made
        self._by_table[router.table] = made

    def _install(self, targets: Sequence[Target]) -> None:
        gleans: list[NextHop] = []
        try:
            with self._services.dataplane.transaction() as transaction:
                for target in targets:
                    rib = target.router.rib
                    glean = transaction.add_glean(rib.table, target.prefix)
                    gleans.append(glean)
                    if target.config.classifier:
                        classifier = target.config.classifier
                        transaction.set_filter(glean, classifier, both_ways=False)
                    change = rib.add(target.owner, target.prefix, glean, DIALOUT_DISTANCE)
                    access_route.apply(transaction, (change,) if change is not None else ())
        except DialoutError:
            for target in targets:
                target.router.rib.remove_owner(target.owner)
            raise
        for target, glean in zip(targets, gleans, strict=True):
            target.glean = glean
            self._by_glean[glean] = target

    def _tell(self, targets: Sequence[Target], now: float, state: str, why: str) -> None:
        tell: Callable[[TargetStateChanged], None] = self._services.timeline.add
        for target in targets:
            name = target.router.config.name
            tell(TargetStateChanged(now, name, target.prefix, state, why))
