"""The dial-out routes: virtual routers and targets come, go and change their states; a target gets
its glean adjacency in the data plane.

Specification 1.2, 1.4.2, 1.4.3. Whose sessions end with a target is the manager's business.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from control import config
from control.dataplane import NextHop
from control.dialout import access_route
from control.dialout.chassis import Chassis
from control.dialout.counters import Counters
from control.dialout.events import TargetStateChanged, VirtualRouterStateChanged
from control.dialout.levels import VIRTUAL_ROUTER, TargetEvent, TargetState, state_name
from control.dialout.services import Services
from control.dialout.session import Session
from control.dialout.target import Target
from control.dialout.virtual_router import VirtualRouter
from control.errors import DialoutError, LocalProtocolError
from control.rib import DIALOUT_DISTANCE, Change, Rib, canonical_prefix


class Targets:
    """Raises LocalProtocolError for names that do not exist, or exist already."""

    def __init__(self, config: config.Config, services: Services, chassis: Chassis) -> None:
        self._services = services
        self._chassis = chassis
        self._profiles = {profile.name: profile for profile in config.profile}
        self._by_glean: dict[NextHop, Target] = {}
        self._by_table: dict[int, VirtualRouter] = {}
        self._number = 0
        for router in config.virtual_router:
            self.add_router(router)
        for target in config.target:
            self.add(target)

    # What there is.

    def of_glean(self, glean: NextHop) -> Target | None:
        return self._by_glean.get(glean)

    def of_table(self, table: int) -> VirtualRouter | None:
        return self._by_table.get(table)

    def router(self, name: str) -> VirtualRouter:
        found = self._chassis.routers.get(name)
        if found is None:
            raise LocalProtocolError(f"no virtual router {name!r}")
        return found

    def find(self, virtual_router: str, prefix: str) -> Target | None:
        router = self._chassis.routers.get(virtual_router)
        return None if router is None else router.targets.get(canonical_prefix(prefix))

    def all(self) -> list[Target]:
        routers = self._chassis.routers.values()
        return [target for router in routers for target in router.targets.values()]

    def down(self) -> list[Target]:
        """Those whose dial-out route is not in the data plane."""
        return [target for target in self.all() if target.glean is None]

    def sessions_to(self, virtual_router: str, destination: str) -> list[Session]:
        """Sessions of one destination; of several targets if their prefixes overlap."""
        router = self._chassis.routers.get(virtual_router)
        targets = router.targets.values() if router is not None else ()
        return [t.sessions[destination] for t in targets if destination in t.sessions]

    def enter(self, session: Session, now: float) -> None:
        """A new session."""
        target = session.target
        target.sessions[session.destination] = session
        target.sessions_seen = max(target.sessions_seen, len(target.sessions))
        if target.full:
            self.step(target, TargetEvent.LIMIT_REACHED, now)

    def leave(self, session: Session, now: float) -> None:
        target = session.target
        del target.sessions[session.destination]
        if target.state is TargetState.INHIBITED:
            self.step(target, target.limit_event(), now)

    # Virtual routers.

    def add_router(self, router: config.VirtualRouter) -> VirtualRouter:
        if router.name in self._chassis.routers or router.table in self._by_table:
            raise LocalProtocolError(
                f"there is a virtual router {router.name!r} or one with table {router.table}"
            )
        made = VirtualRouter(router, Counters(self._chassis.counters), Rib(router.table))
        made.frozen = self._services.budget.is_frozen(router.name)
        self._chassis.routers[router.name] = made
        self._chassis.routers_created += 1
        self._by_table[router.table] = made
        return made

    def remove_router(self, router: VirtualRouter) -> None:
        """One without targets."""
        del self._chassis.routers[router.config.name]
        del self._by_table[router.config.table]
        self._chassis.routers_removed += 1

    def judge_router(self, router: VirtualRouter, now: float) -> None:
        """Brings its state up to date with its facts, and tells of a change."""
        event = router.judge(
            ready=self._chassis.ready,
            hooked=self._hooked(router),
            has_radius=router.config.radius in self._services.radius,
        )
        old, router.state = router.state, VIRTUAL_ROUTER.step(router.state, event).next
        if router.state is not old:
            self._services.timeline.add(
                VirtualRouterStateChanged(
                    now,
                    router.config.name,
                    state_name(old),
                    state_name(router.state),
                    event.value,
                )
            )

    def _hooked(self, router: VirtualRouter) -> bool:
        """The data plane has its routing table."""
        try:
            self._services.dataplane.resolve(router.config.table, "0.0.0.0")
        except DialoutError:
            return False
        return True

    # Profiles.

    def replace_profile(self, profile: config.Profile) -> None:
        """Calls placed from now on have it."""
        self._profiles[profile.name] = profile
        for target in self.all():
            if target.config.profile == profile.name:
                target.profile = profile

    def remove_profile(self, name: str) -> None:
        users = [target.name for target in self.all() if target.config.profile == name]
        if users:
            raise LocalProtocolError(f"profile {name!r} is used by target {users[0]}")
        self._profiles.pop(name, None)

    # Targets.

    def add(self, target: config.Target) -> Target:
        """Creates a target; `install` brings its route up."""
        router = self.router(target.virtual_router)
        profile = self._profiles.get(target.profile)
        if profile is None:
            raise LocalProtocolError(f"no profile {target.profile!r}")
        prefix = canonical_prefix(target.prefix)
        if prefix in router.targets:
            raise LocalProtocolError(f"{target.virtual_router} has a target {prefix} already")
        if len(router.targets) >= router.config.max_targets:
            raise LocalProtocolError(
                f"{target.virtual_router} has {len(router.targets)} targets, as many as it may"
            )
        self._number += 1
        counters = Counters(router.counters)
        made = Target(self._number, target, prefix, profile, router, counters)
        made.frozen = self._services.budget.is_frozen(made.name)
        self._chassis.add_target(made)
        return made

    def install(self, targets: Sequence[Target], now: float) -> None:
        """Installs dial-out routes in one transaction; if that fails, each that can be."""
        try:
            self._install(targets)
        except DialoutError as error:
            if len(targets) == 1:
                self.step(targets[0], TargetEvent.NO_ROOM, now, str(error))
                return
            for target in targets:
                self.install((target,), now)
            return
        for target in targets:
            self.step(target, TargetEvent.INSTALLED, now)

    def withdraw(self, targets: Iterable[Target], now: float) -> None:
        """Takes dial-out routes out of the FIB: no further triggers. `remove` follows."""
        changes: list[Change] = []
        gone = list(targets)
        for target in gone:
            changes += target.router.rib.remove_owner(target.owner)
        with self._services.dataplane.transaction() as transaction:
            access_route.apply(transaction, changes)
        for target in gone:
            self._chassis.target_moved(target, target.step(TargetEvent.WITHDRAWN), now)
            self._tell(target, now, "removed", TargetEvent.WITHDRAWN.value)

    def remove(self, targets: Iterable[Target]) -> None:
        """Deletes withdrawn targets, which have no sessions any more."""
        with self._services.dataplane.transaction() as transaction:
            for target in targets:
                if target.glean is not None:
                    transaction.delete_adjacency(target.glean)
                    del self._by_glean[target.glean]
                    target.glean = None
                    target.router.targets_up -= 1
                self._chassis.remove_target(target)

    def step(self, target: Target, event: TargetEvent, now: float, why: str = "") -> None:
        """A target's state; told if it changed, or if the route could not be had."""
        old = target.step(event)
        if target.state is not old or event is TargetEvent.NO_ROOM:
            self._chassis.target_moved(target, old, now)
            self._tell(target, now, state_name(target.state), why or event.value)

    def _tell(self, target: Target, now: float, state: str, why: str) -> None:
        name = target.router.config.name
        self._services.timeline.add(TargetStateChanged(now, name, target.prefix, state, why))

    def _install(self, targets: Sequence[Target]) -> None:
        gleans: list[NextHop] = []
        try:
            with self._services.dataplane.transaction() as transaction:
                for target in targets:
                    rib = target.router.rib
                    glean = transaction.add_glean(rib.table, target.prefix)
                    gleans.append(glean)
                    if target.config.classifier:
                        transaction.set_filter(glean, target.config.classifier)
                    change = rib.add(target.owner, target.prefix, glean, DIALOUT_DISTANCE)
                    access_route.apply(transaction, (change,) if change is not None else ())
        except DialoutError:
            for target in targets:
                target.router.rib.remove_owner(target.owner)
            raise
        for target, glean in zip(targets, gleans, strict=True):
            target.glean = glean
            target.router.targets_up += 1
            self._by_glean[glean] = target
