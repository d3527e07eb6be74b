"""What an administrator may do to a running dial-out manager: reset, delete and freeze; add, change
and remove what the configuration names.

Specification 1.12. A change never touches a session that it does not concern: profile, LACs, budget
and limits count for what happens from then on. Sans-IO: `now` is seconds of any steady clock, the
same in every call.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from control import config
from control.deadlines import Deadlines
from control.dialout.actions import TimerKey, TimerKind
from control.dialout.budget import ALL
from control.dialout.chassis import Chassis
from control.dialout.events import FreezeChanged
from control.dialout.levels import ChassisEvent, VirtualRouterState
from control.dialout.services import Services
from control.dialout.session import Session
from control.dialout.session_table import SessionEvent, SessionState
from control.dialout.steps import Steps
from control.dialout.target import Target
from control.dialout.targets import Targets
from control.errors import LocalProtocolError

E = SessionEvent

TARGET_RETRY = 10.0
"""Seconds after which a dial-out route that found no room is tried again."""


class Administration:
    """Methods raise LocalProtocolError for names that do not exist, or exist already."""

    def __init__(self, config: config.Config, services: Services) -> None:
        self.services = services
        self.chassis = Chassis(services)
        self.targets = Targets(config, services, self.chassis)
        self.sessions: dict[int, Session] = {}
        """By session number, oldest first."""
        self._timers: Deadlines[TimerKey] = Deadlines()
        self._steps = Steps(services, self.chassis, self.targets, self._timers, self.sessions)

    def start(self, now: float) -> None:
        """Installs every dial-out route and accepts triggers from now on."""
        self._install(self.targets.all(), now)
        self.chassis.step(ChassisEvent.STARTED, now)
        self._judge_routers(now)

    def shutdown(self, now: float) -> None:
        """Removes all targets, and with them sessions, calls and routes."""
        self.chassis.step(ChassisEvent.STOPPED, now)
        self._judge_routers(now)
        self._remove(self.targets.all(), now, "shutdown")

    # Sessions.

    def reset_session(self, virtual_router: str, destination: str, now: float) -> int:
        """`dial-out session reset`: to dormant, the only way out of failed. Returns how many
        sessions there were."""
        return self._to_each(self.targets.sessions_to(virtual_router, destination), E.RESET, now)

    def delete_session(self, virtual_router: str, destination: str, now: float) -> int:
        """`dial-out session delete`: closes the call and forgets the session."""
        return self._to_each(self.targets.sessions_to(virtual_router, destination), E.DELETE, now)

    def state_deadline(self, session: Session) -> float | None:
        """When the timer of the session's state ends."""
        return self._timers.get((session.number, TimerKind.STATE))

    def freeze(
        self,
        on: bool,
        now: float,
        *,
        virtual_router: str = "",
        prefix: str = "",
        hangup: bool = False,
    ) -> int:
        """Stops new calls of everything, of a virtual router, or of one target; or allows them.

        Calls that are placed or in service stay, unless `hangup`. Returns how many were closed.
        With a store it outlives the process.
        """
        scope = ALL
        if prefix:
            target = self._target(virtual_router, prefix)
            target.frozen, scope = on, target.name
            concerned: Iterable[Session] = target.sessions.values()
        elif virtual_router:
            router = self.targets.router(virtual_router)
            router.frozen, scope = on, virtual_router
            concerned = (s for t in router.targets.values() for s in t.sessions.values())
        else:
            concerned = self.sessions.values()
        self.services.budget.freeze(scope, on, now)
        self.services.timeline.add(FreezeChanged(now, scope or "chassis", on))
        called = [s for s in concerned if s.attempt is not None] if on and hangup else []
        return self._to_each(called, E.RESET, now)

    # Targets.

    def add_target(self, target: config.Target, now: float) -> None:
        self.add_targets((target,), now)

    def add_targets(self, targets: Iterable[config.Target], now: float) -> None:
        """Their routes appear together. Those before one that cannot be added are added."""
        made: list[Target] = []
        try:
            for target in targets:
                made.append(self.targets.add(target))
        finally:
            self._install(made, now)
            self._judge_routers(now)

    def remove_target(self, virtual_router: str, prefix: str, now: float) -> bool:
        """Deletes a target and its sessions. False: there is none."""
        target = self.targets.find(virtual_router, prefix)
        if target is not None:
            self._remove((target,), now, "target deleted")
            self.targets.judge_router(target.router, now)
        return target is not None

    def remove_targets(self, targets: Iterable[config.Target], now: float) -> None:
        """Deletes those that there are, with their sessions. Their routes go together."""
        found = (self.targets.find(each.virtual_router, each.prefix) for each in targets)
        there = [target for target in found if target is not None]
        if there:
            self._remove(there, now, "target deleted")
        for router in {target.router.config.name: target.router for target in there}.values():
            self.targets.judge_router(router, now)

    def replace_target(self, target: config.Target, now: float) -> None:
        """Another max_sessions takes effect and touches no session; any other change is a deletion
        and a creation (specification 1.2)."""
        known = self._target(target.virtual_router, target.prefix)
        if known.config == replace(target, max_sessions=known.config.max_sessions):
            known.config = target
            self.targets.step(known, known.limit_event(), now)
            return
        self.remove_target(target.virtual_router, target.prefix, now)
        self.add_target(target, now)

    # Virtual routers.

    def add_router(self, router: config.VirtualRouter, now: float) -> None:
        """Without targets yet. The data plane should have its table, and the endpoint of its local
        address be there; else it is initFailed and tried again."""
        self.targets.add_router(router)
        self._judge_routers(now)

    def remove_router(self, name: str, now: float) -> None:
        """With its targets, their sessions and calls."""
        router = self.targets.router(name)
        self._remove(list(router.targets.values()), now, "virtual router deleted")
        self.targets.remove_router(router)

    def replace_router(self, router: config.VirtualRouter, now: float) -> None:
        """Route distinguisher, RADIUS group and limits count from now on. Another table or address
        is a deletion and a creation: without that LocalProtocolError is raised."""
        known = self.targets.router(router.name)
        same = (known.config.table, known.config.local_addresses)
        if (router.table, router.local_addresses) != same:
            raise LocalProtocolError(f"{router.name}: table and addresses cannot change")
        known.config = router
        self._judge_routers(now)

    def set_router_down(self, name: str, down: bool, now: float) -> None:
        """Administratively: triggers are missed, sessions that there are stay."""
        router = self.targets.router(name)
        router.down = down
        self.targets.judge_router(router, now)

    # Everything else that a configuration names.

    def replace_profile(self, profile: config.Profile) -> None:
        """Adds or changes it: for calls placed from now on."""
        self.targets.replace_profile(profile)

    def remove_profile(self, name: str) -> None:
        """Of one that no target uses."""
        self.targets.remove_profile(name)

    def set_chassis(self, config: config.Chassis, now: float) -> None:
        """Limits count at once, timers when they start the next time. Sessions beyond a limit that
        shrank stay."""
        self.services.chassis = config
        self.services.lacs.weighted = config.lac_selection == "weighted"
        self.chassis.judge_limit(now)
        self.chassis.judge_queue(now)
        self._steps.actions.release_pending(len(self.chassis.pending), now)

    def set_budget(self, config: config.Budget, now: float) -> None:
        """What was used today stays used; a bucket keeps its tokens, at most its new burst."""
        self.services.budget.configure(config, now)

    def set_lacs(self, lacs: Iterable[config.Lac]) -> None:
        """For calls placed from now on. Calls, lockouts and drains stay as they are."""
        self.services.lacs.configure(lacs)

    def drain_lac(self, address: str, on: bool, now: float) -> None:
        """No new calls through a LAC, those that are up stay; or it is called again."""
        self.services.lacs.drain(address, on, now)
        for endpoint in self.services.endpoints.values():
            endpoint.drain_peer(address, now, drained=on)

    def shutdown_lac(self, address: str, now: float) -> None:
        """Drains a LAC and closes its tunnels and calls. Calls that were being placed go on with
        the next LAC."""
        self.drain_lac(address, True, now)
        for endpoint in self.services.endpoints.values():
            endpoint.close_peer(address, now, message="shut down")

    def radius_changed(self, now: float) -> None:
        """To be called when `services.radius` has other groups than before."""
        self._judge_routers(now)

    def _target(self, virtual_router: str, prefix: str) -> Target:
        found = self.targets.find(virtual_router, prefix)
        if found is None:
            raise LocalProtocolError(f"{virtual_router!r} has no target {prefix}")
        return found

    def _to_each(self, sessions: Sequence[Session], event: SessionEvent, now: float) -> int:
        self._step_each(sessions, event, now)
        return len(sessions)

    def _step_each(
        self, sessions: Iterable[Session], event: SessionEvent, now: float, why: str = ""
    ) -> None:
        for session in sessions:
            # The slot of one before it may have gone to it, and it have ended for want of a packet.
            if session.state is not SessionState.NONE:
                self._steps.step(session, event, now, why)

    def _judge_routers(self, now: float) -> None:
        for router in self.chassis.routers.values():
            self.targets.judge_router(router, now)
            if router.state is VirtualRouterState.INIT_FAILED:
                self._retry_later(now)

    def _install(self, targets: Sequence[Target], now: float) -> None:
        self.targets.install(targets, now)
        if any(target.glean is None for target in targets):
            self._retry_later(now)

    def _retry_later(self, now: float) -> None:
        if self._timers.get((0, TimerKind.TARGETS)) is None:
            self._timers.set((0, TimerKind.TARGETS), now + TARGET_RETRY)

    def _retry(self, now: float) -> None:
        """Brings up what the data plane had no room or no table for."""
        self._install(self.targets.down(), now)
        self._judge_routers(now)

    def _remove(self, targets: Sequence[Target], now: float, why: str) -> None:
        self.targets.withdraw(targets, now)
        for target in targets:
            self._step_each(list(target.sessions.values()), E.DELETE, now, why)
        self.targets.remove(targets)
