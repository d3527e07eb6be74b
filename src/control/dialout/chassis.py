"""The chassis: limits, gauges, the state that follows from them, and the queue for connecting
slots.

Specification 1.4.1, 1.5. A slot is taken by a session that is authenticating or connecting. One
queue of pending sessions serves the whole router, oldest first. Nothing here looks through sessions
or targets: a trigger costs the same whatever there is.
"""

from __future__ import annotations

from control import config
from control.dialout.counters import Counters, LatencyHistogram
from control.dialout.events import ChassisStateChanged, PendingQueueChanged
from control.dialout.levels import CHASSIS, ChassisEvent, ChassisState, TargetState, state_name
from control.dialout.services import Services
from control.dialout.session import Session
from control.dialout.session_table import SessionState
from control.dialout.target import Target
from control.dialout.virtual_router import VirtualRouter, gauges


class Chassis:
    def __init__(self, services: Services) -> None:
        self._services = services
        self.state = ChassisState.INIT_INCOMPLETE
        self.counters = Counters()
        self.states = gauges()
        self.pending: dict[int, Session] = {}
        """By session number, oldest first."""
        self.routers: dict[str, VirtualRouter] = {}
        self.latency = LatencyHistogram()
        self.auth_grant_no_session = 0
        self.auth_deny_no_session = 0
        self.stale_events = 0
        """Events of an attempt that was over; dropped."""
        self.trigger_route_unknown = 0
        """Those of a table that no virtual router has."""
        self.triggers_discarded = 0
        """Triggers for which no session could be made."""
        self.sessions = 0
        self.max_sessions_seen = 0
        self.max_connecting_seen = 0
        self.max_pending_seen = 0
        self.max_inhibited_targets_seen = 0
        self.routers_created = 0
        self.routers_removed = 0
        self.targets_created = 0
        self.targets_removed = 0
        self.queue_was_full = False
        """As told by the latest PendingQueueChanged."""
        self._inhibited = 0
        """Targets at their own limit."""
        self._targets = 0

    @property
    def config(self) -> config.Chassis:
        return self._services.chassis

    @property
    def ready(self) -> bool:
        return self.state is not ChassisState.INIT_INCOMPLETE

    @property
    def full(self) -> bool:
        return self.sessions >= self.config.max_sessions

    @property
    def connecting(self) -> int:
        """Slots taken."""
        return self.states[SessionState.AUTHENTICATING] + self.states[SessionState.CONNECTING]

    @property
    def pending_full(self) -> bool:
        return len(self.pending) >= self.config.max_pending

    def step(self, event: ChassisEvent, now: float) -> None:
        old, self.state = self.state, CHASSIS.step(self.state, event).next
        if self.state is not old:
            self._services.timeline.add(
                ChassisStateChanged(now, state_name(old), state_name(self.state), event.value)
            )

    def judge_limit(self, now: float) -> None:
        """To be called when the number of sessions or their limit has changed."""
        if self.full is not (self.state is ChassisState.RESTRICTED):
            self.step(ChassisEvent.LIMIT_REACHED if self.full else ChassisEvent.BELOW_LIMIT, now)

    def free_slots(self, now: float) -> int:
        """Sessions that may start authenticating now: slots, and calls the dial rate allows.

        A session that authenticates will want a call, so one token is set aside for it.
        """
        authenticating = self.states[SessionState.AUTHENTICATING]
        tokens = self._services.budget.tokens(now) - authenticating
        return max(min(self.config.max_connecting - self.connecting, tokens), 0)

    def queue_full(self, now: float) -> bool:
        """A trigger could neither start a call nor wait for one: targets are inhibited."""
        return self.pending_full and self.free_slots(now) == 0

    def target_state(self, target: Target, now: float) -> TargetState:
        """A target's own state, or inhibited as all of them are by a full pending queue."""
        if target.state is TargetState.IN_SERVICE and self.queue_full(now):
            return TargetState.INHIBITED
        return target.state

    def target_counts(self, router: VirtualRouter, now: float) -> dict[TargetState, int]:
        """Targets of a virtual router by state, as target_state tells each."""
        counts = {state: router.target_states[state.value] for state in TargetState}
        if self.queue_full(now):
            counts[TargetState.INHIBITED] += counts[TargetState.IN_SERVICE]
            counts[TargetState.IN_SERVICE] = 0
        return counts

    def judge_queue(self, now: float) -> None:
        """Tells once that the pending queue became full, or is not any more."""
        full = self.queue_full(now)
        if full is not self.queue_was_full:
            self.queue_was_full = full
            self._services.timeline.add(PendingQueueChanged(now, full, len(self.pending)))
            self.see_inhibited(now)

    def moved(self, session: Session, old: SessionState, new: SessionState) -> None:
        """Keeps the gauges of a session that changed its state."""
        for states in (self.states, session.target.router.states):
            if old is not SessionState.NONE:
                states[old] -= 1
            if new is not SessionState.NONE:
                states[new] += 1
        connecting = self.connecting
        if connecting > self.max_connecting_seen:
            self.max_connecting_seen = connecting

    def join_pending(self, session: Session, now: float) -> None:
        self.pending[session.number] = session
        self.max_pending_seen = max(self.max_pending_seen, len(self.pending))
        if self.pending_full:
            self.judge_queue(now)

    def leave_pending(self, session: Session, now: float) -> None:
        if self.pending.pop(session.number, None) is not None and self.queue_was_full:
            self.judge_queue(now)

    def register(self, session: Session, now: float) -> None:
        """A new session."""
        router = session.target.router
        self.sessions += 1
        if self.sessions > self.max_sessions_seen:
            self.max_sessions_seen = self.sessions
        router.sessions += 1
        if router.sessions > router.sessions_seen:
            router.sessions_seen = router.sessions
        self.judge_limit(now)

    def unregister(self, session: Session, now: float) -> None:
        self.sessions -= 1
        session.target.router.sessions -= 1
        self.judge_limit(now)

    def add_target(self, target: Target) -> None:
        router = target.router
        router.targets[target.prefix] = target
        router.target_states[target.state.value] += 1
        router.targets_created += 1
        self.targets_created += 1
        self._targets += 1

    def remove_target(self, target: Target) -> None:
        """Of a target without sessions."""
        router = target.router
        del router.targets[target.prefix]
        router.target_states[target.state.value] -= 1
        router.targets_removed += 1
        self.targets_removed += 1
        self._targets -= 1

    def target_moved(self, target: Target, old: TargetState, now: float) -> None:
        """Keeps the gauges of a target that changed its state."""
        new = target.state
        target.router.target_states[old.value] -= 1
        target.router.target_states[new.value] += 1
        self._inhibited += (new is TargetState.INHIBITED) - (old is TargetState.INHIBITED)
        self.see_inhibited(now)

    def inhibited_targets(self, now: float) -> int:
        return self._targets if self.queue_full(now) else self._inhibited

    def see_inhibited(self, now: float) -> None:
        seen = self.inhibited_targets(now)
        self.max_inhibited_targets_seen = max(self.max_inhibited_targets_seen, seen)
