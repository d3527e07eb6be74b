"""What an administrator may do to a running dial-out manager: reset, delete, add, remove.

Specification 1.12. Sans-IO: `now` is seconds of any steady clock, the same in every call.
"""

from __future__ import annotations

from collections.abc import Sequence

from control import config
from control.deadlines import Deadlines
from control.dialout.actions import TimerKey, TimerKind
from control.dialout.chassis import Chassis
from control.dialout.services import Services
from control.dialout.session import Session
from control.dialout.session_table import SessionEvent
from control.dialout.steps import Steps
from control.dialout.target import Target
from control.dialout.targets import Targets

E = SessionEvent

TARGET_RETRY = 10.0
"""Seconds after which a dial-out route that found no room is tried again."""


class Administration:
    def __init__(self, config: config.Config, services: Services) -> None:
        self.services = services
        self.chassis = Chassis(config.chassis, services.budget.tokens)
        self.targets = Targets(config, services, self.chassis)
        self.sessions: dict[int, Session] = {}
        """By session number, oldest first."""
        self._timers: Deadlines[TimerKey] = Deadlines()
        self._steps = Steps(config.chassis, services, self.chassis, self._timers, self.sessions)

    def start(self, now: float) -> None:
        """Installs every dial-out route and accepts triggers from now on."""
        self._install(self.targets.all(), now)
        for router in self.chassis.routers.values():
            router.ready = True
        self.chassis.ready = True

    def shutdown(self, now: float) -> None:
        """Removes all targets, and with them sessions, calls and routes."""
        self.chassis.ready = False
        self._remove(self.targets.all(), now, "shutdown")

    def reset_session(self, virtual_router: str, destination: str, now: float) -> int:
        """`dial-out session reset`: to dormant, the only way out of failed. Returns how many
        sessions there were."""
        found = self.targets.sessions_to(virtual_router, destination)
        for session in found:
            self._steps.step(session, E.RESET, now)
        return len(found)

    def delete_session(self, virtual_router: str, destination: str, now: float) -> int:
        """`dial-out session delete`: closes the call and forgets the session."""
        found = self.targets.sessions_to(virtual_router, destination)
        for session in found:
            self._steps.step(session, E.DELETE, now)
        return len(found)

    def add_target(self, target: config.Target, now: float) -> None:
        """Raises LocalProtocolError for names that do not exist and a prefix that does."""
        self._install((self.targets.add(target),), now)

    def remove_target(self, virtual_router: str, prefix: str, now: float) -> bool:
        """Deletes a target and its sessions. False: there is none."""
        target = self.targets.find(virtual_router, prefix)
        if target is not None:
            self._remove((target,), now, "target deleted")
        return target is not None

    def state_deadline(self, session: Session) -> float | None:
        """When the timer of the session's state ends."""
        return self._timers.get((session.number, TimerKind.STATE))

    def _install(self, targets: Sequence[Target], now: float) -> None:
        self.targets.install(targets, now)
        if any(target.glean is None for target in targets):
            self._timers.set((0, TimerKind.TARGETS), now + TARGET_RETRY)

    def _remove(self, targets: Sequence[Target], now: float, why: str) -> None:
        self.targets.withdraw(targets, now)
        for target in targets:
            for session in list(target.sessions.values()):
                self._steps.step(session, E.DELETE, now, why)
        self.targets.remove(targets)
