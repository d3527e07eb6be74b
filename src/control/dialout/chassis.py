"""Chassis and virtual routers: states, limits, gauges, and the queue for connecting slots.

Specification 1.4.1, 1.4.2, 1.5. A slot is taken by a session that is authenticating or
connecting. One queue of pending sessions serves the whole router, oldest first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from control import config
from control.dialout.counters import Counters, LatencyHistogram
from control.dialout.session import Session
from control.dialout.session_table import SessionState
from control.dialout.target import Target
from control.rib import Rib


class ChassisState(Enum):
    """Values of the MIB."""

    INIT_INCOMPLETE = 0
    IN_SERVICE = 1
    RESTRICTED = 2


class VirtualRouterState(Enum):
    """Values of the MIB."""

    INIT_PENDING = 0
    INIT_FAILED = 1
    DOWN = 2
    IN_SERVICE = 3


def _gauges() -> list[int]:
    return [0] * len(SessionState)


@dataclass(slots=True, eq=False)
class VirtualRouter:
    config: config.VirtualRouter
    counters: Counters
    rib: Rib = field(repr=False)
    has_radius: bool = True
    """The RADIUS group it names exists."""
    ready: bool = False
    """Its dial-out routes were offered to the data plane."""
    targets: dict[str, Target] = field(default_factory=dict, repr=False)
    """By canonical prefix."""
    states: list[int] = field(default_factory=_gauges)
    """Sessions in each state, by the state's value."""
    triggers_missed: int = 0
    """Trigger events that came while no trigger was accepted."""
    trigger_route_unknown: int = 0
    """Trigger events whose target is gone."""
    targets_created: int = 0
    targets_removed: int = 0

    @property
    def state(self) -> VirtualRouterState:
        if not self.ready:
            return VirtualRouterState.INIT_PENDING
        if self.targets and all(target.glean is None for target in self.targets.values()):
            return VirtualRouterState.INIT_FAILED
        if not self.has_radius:
            return VirtualRouterState.DOWN
        return VirtualRouterState.IN_SERVICE


class Chassis:
    """`dial_tokens` tells how many calls the dial rate allows at a time."""

    def __init__(self, config: config.Chassis, dial_tokens: Callable[[float], int]) -> None:
        self.config = config
        self._dial_tokens = dial_tokens
        self.counters = Counters()
        self.states = _gauges()
        self.pending: dict[int, Session] = {}
        """By session number, oldest first."""
        self.routers: dict[str, VirtualRouter] = {}
        self.ready = False
        self.latency = LatencyHistogram()
        self.auth_grant_no_session = 0
        self.auth_deny_no_session = 0
        self.stale_events = 0
        """Events of an attempt that was over; dropped."""
        self.trigger_route_unknown = 0
        """Those of a table that no virtual router has."""
        self.max_sessions_seen = 0
        self.max_connecting_seen = 0
        self.max_pending_seen = 0
        self.max_inhibited_targets_seen = 0
        self._full_targets = 0
        self._targets = 0

    @property
    def state(self) -> ChassisState:
        if not self.ready:
            return ChassisState.INIT_INCOMPLETE
        return ChassisState.RESTRICTED if self.full else ChassisState.IN_SERVICE

    @property
    def sessions(self) -> int:
        return sum(self.states[1:])

    @property
    def full(self) -> bool:
        return self.sessions >= self.config.max_sessions

    @property
    def connecting(self) -> int:
        """Slots taken."""
        return (
            self.states[SessionState.AUTHENTICATING.value]
            + self.states[SessionState.CONNECTING.value]
        )

    @property
    def pending_full(self) -> bool:
        return len(self.pending) >= self.config.max_pending

    def free_slots(self, now: float) -> int:
        """Sessions that may start authenticating now: slots, and calls the dial rate allows.

        A session that authenticates will want a call, so one token is set aside for it.
        """
        authenticating = self.states[SessionState.AUTHENTICATING.value]
        tokens = self._dial_tokens(now) - authenticating
        return max(min(self.config.max_connecting - self.connecting, tokens), 0)

    def queue_full(self, now: float) -> bool:
        """A trigger could neither start a call nor wait for one: targets are inhibited."""
        return self.pending_full and self.free_slots(now) == 0

    def moved(self, session: Session, old: SessionState, new: SessionState) -> None:
        """Keeps the gauges of a session that changed its state."""
        for states in (self.states, session.target.router.states):
            if old is not SessionState.NONE:
                states[old.value] -= 1
            if new is not SessionState.NONE:
                states[new.value] += 1
        self.max_sessions_seen = max(self.max_sessions_seen, self.sessions)
        self.max_connecting_seen = max(self.max_connecting_seen, self.connecting)

    def join_pending(self, session: Session, now: float) -> None:
        self.pending[session.number] = session
        self.max_pending_seen = max(self.max_pending_seen, len(self.pending))
        self._see_inhibited(now)

    def add_target(self, target: Target) -> None:
        target.router.targets[target.prefix] = target
        target.router.targets_created += 1
        self._targets += 1

    def remove_target(self, target: Target) -> None:
        """Of a target without sessions."""
        del target.router.targets[target.prefix]
        target.router.targets_removed += 1
        self._targets -= 1

    def register(self, session: Session, now: float) -> None:
        target = session.target
        target.sessions[session.destination] = session
        if len(target.sessions) == target.config.max_sessions:
            self._full_targets += 1
            self._see_inhibited(now)

    def unregister(self, session: Session) -> None:
        target = session.target
        if len(target.sessions) == target.config.max_sessions:
            self._full_targets -= 1
        del target.sessions[session.destination]

    def inhibited_targets(self, now: float) -> int:
        return self._targets if self.queue_full(now) else self._full_targets

    def _see_inhibited(self, now: float) -> None:
        seen = self.inhibited_targets(now)
        self.max_inhibited_targets_seen = max(self.max_inhibited_targets_seen, seen)
