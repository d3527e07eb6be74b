"""One step of a dial-out session: transition, gauges, actions, and what its attempt comes to.

Specification 1.4.4 to 1.4.6. Transitions are session_table.py's, actions actions.py's. Which event
something from outside is, the manager decides.
"""

from __future__ import annotations

from control.deadlines import Deadlines
from control.dialout import events
from control.dialout.actions import Actions, TimerKey, TimerKind
from control.dialout.attempt import Attempt, AttemptEnd, Outcome
from control.dialout.backoff import BackOff
from control.dialout.chassis import Chassis
from control.dialout.counters import Counters
from control.dialout.failure import LastFailure
from control.dialout.services import Services
from control.dialout.session import Session
from control.dialout.session_table import SESSION_TABLE, SessionEvent, SessionState
from control.dialout.target import Target
from control.dialout.targets import Targets

S = SessionState
E = SessionEvent

_STATE_TIMERS = {
    S.CONNECTING: E.CONNECTING_TIMER,
    S.INHIBITED: E.INHIBITED_TIMER,
    S.POST_INHIBITED: E.POST_INHIBITED_TIMER,
    S.DORMANT: E.DORMANT_TIMER,
}
WITH_ATTEMPT = (S.AUTHENTICATING, S.CONNECTING, S.IN_SERVICE)
"""States in which an attempt is under way."""
# Each without and with fail-fast.
_FAILURES = {
    Outcome.CANDIDATES_FAILED: (E.CANDIDATES_FAILED, E.CANDIDATES_FAILED_FAST),
    Outcome.PPP_FAILED: (E.PPP_FAILED, E.PPP_FAILED_FAST),
    Outcome.CALL_LOST: (E.CALL_LOST, E.CALL_LOST_FAST),
}


class Steps:
    """`sessions`: all there are, by number, oldest first."""

    def __init__(
        self,
        services: Services,
        chassis: Chassis,
        targets: Targets,
        timers: Deadlines[TimerKey],
        sessions: dict[int, Session],
    ) -> None:
        self._services = services
        self._chassis = chassis
        self._timers = timers
        self.actions = Actions(services, chassis, targets, timers, sessions, self.step)
        self._session_number = 0

    def new_session(self, target: Target, destination: str) -> Session:
        self._session_number += 1
        return Session(
            self._session_number,
            target,
            destination,
            Counters(target.counters),
            BackOff(),
            target.profile,
        )

    def step(self, session: Session, event: SessionEvent, now: float, why: str = "") -> None:
        old = session.state
        row = SESSION_TABLE.step(old, event)
        session.event, session.why = event, why or event.value
        if row.next is not old:
            self._enter(session, row.next, now)
        for action in row.actions:
            self.actions.perform(action, session, now)
        if session.attempt is not None:
            self.follow(session, now)

    def handle_timer(self, session: Session, kind: TimerKind, now: float) -> None:
        if kind is TimerKind.STATE:
            event = _STATE_TIMERS[session.state]
            if event is E.CONNECTING_TIMER:
                session.last_failure = LastFailure(now, "timer", event.value)
                self._raise_backoff(session)
            self.step(session, event, now)
        elif kind is TimerKind.FLUSH:
            self.actions.flush(session, now)
        elif session.attempt is not None:
            session.attempt.handle_timer(now)
            self.follow(session, now)

    def follow(self, session: Session, now: float) -> None:
        """Takes what the attempt has come to, and its next deadline."""
        while (attempt := session.attempt) is not None:
            end = attempt.next_outcome()
            if end is None:
                break
            self._on_outcome(session, attempt, end, now)
        key = (session.number, TimerKind.ATTEMPT)
        when = session.attempt.get_timer() if session.attempt is not None else None
        self._timers.expect(key, when)

    def _enter(self, session: Session, new: SessionState, now: float) -> None:
        old = session.state
        if old is S.POST_INHIBITED and new is S.DORMANT:
            session.backoff.leave_post_inhibited(now - session.since)
        if old is S.IN_SERVICE and now - session.since >= self._services.chassis.connecting_timer:
            # However it ended, an administrator's reset included (specification 1.4.5).
            session.backoff.forgive()
        session.state, session.since = new, now
        if new not in WITH_ATTEMPT:
            session.attempt_id = 0
        self._chassis.moved(session, old, new)
        self._services.timeline.add(
            events.SessionStateChanged(*session.fact(now), old, new, session.why)
        )

    def _on_outcome(self, session: Session, attempt: Attempt, end: AttemptEnd, now: float) -> None:
        why = end.outcome.value
        if end.failure is not None:
            session.last_failure = end.failure
            why = end.failure.reason or end.failure.stage
        if session.state is S.IN_SERVICE:
            if end.outcome is Outcome.VERIFIED:
                # The peer had renegotiated; what came meanwhile waits in the buffer.
                self.actions.flush_after_delay(session, now)
                return
            since = attempt.in_service_since
            old = since is not None and now - since >= self._services.chassis.connecting_timer
            self.step(session, E.CALL_CLOSED_OLD if old else E.CALL_CLOSED_YOUNG, now, why)
            return
        if end.outcome is Outcome.VERIFIED:
            self.step(session, E.ROUTE_VERIFIED, now, why)
        elif end.outcome is Outcome.UNFIT:
            self.step(session, E.ROUTE_UNFIT, now, why)
        else:
            self._raise_backoff(session)
            self.step(session, _FAILURES[end.outcome][self._services.chassis.fail_fast], now, why)

    def _raise_backoff(self, session: Session) -> None:
        """A LAC of the attempt that has failed said that calling again soon is of no use."""
        if session.attempt is not None and session.attempt.raise_backoff:
            session.backoff.raise_step()
