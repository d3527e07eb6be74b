"""The dial-out manager: turns what happens outside into events of the right session.

Specification 1.3 to 1.6. Guards are decided here, transitions in session.py, actions in
actions.py. Sans-IO: `now` is seconds of any steady clock, the same in every call.
"""

from __future__ import annotations

from collections.abc import Sequence

from control import config
from control.dataplane import NextHop, TriggerEvent
from control.deadlines import Deadlines
from control.dialout import events
from control.dialout.actions import PENDING_INTERVAL, Actions, TimerKey, TimerKind
from control.dialout.attempt import Attempt, AttemptEnd, Outcome
from control.dialout.backoff import BackOff
from control.dialout.chassis import Chassis, VirtualRouterState
from control.dialout.counters import Counters
from control.dialout.failure import LastFailure
from control.dialout.services import Services
from control.dialout.session import Session
from control.dialout.session_table import SESSION_TABLE, SessionEvent, SessionState
from control.dialout.target import Target
from control.dialout.targets import Targets
from control.l2tp import events as l2tp
from control.radius import events as radius
from control.radius.events import DialoutGrant

S = SessionState
E = SessionEvent

TARGET_RETRY = 10.0
"""Seconds after which a dial-out route that found no room is tried again."""

_STATE_TIMERS = {
    S.CONNECTING: E.CONNECTING_TIMER,
    S.INHIBITED: E.INHIBITED_TIMER,
    S.POST_INHIBITED: E.POST_INHIBITED_TIMER,
    S.DORMANT: E.DORMANT_TIMER,
}
_WITH_ATTEMPT = (S.AUTHENTICATING, S.CONNECTING, S.IN_SERVICE)
# Each without and with fail-fast.
_FAILURES = {
    Outcome.CANDIDATES_FAILED: (E.CANDIDATES_FAILED, E.CANDIDATES_FAILED_FAST),
    Outcome.PPP_FAILED: (E.PPP_FAILED, E.PPP_FAILED_FAST),
    Outcome.CALL_LOST: (E.CALL_LOST, E.CALL_LOST_FAST),
}


class Manager:
    def __init__(self, config: config.Config, services: Services) -> None:
        self.services = services
        self.chassis = Chassis(config.chassis, services.budget.tokens)
        self.targets = Targets(config, services, self.chassis)
        self.sessions: dict[int, Session] = {}
        """By session number, oldest first."""
        self._config = config.chassis
        self._timers: Deadlines[TimerKey] = Deadlines()
        self._actions = Actions(services, self.chassis, self._timers, self.sessions, self._step)
        self._session_number = 0

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

    # Administration.

    def reset_session(self, virtual_router: str, destination: str, now: float) -> int:
        """`dial-out session reset`: to dormant, the only way out of failed. Returns how many
        sessions there were."""
        found = self.targets.sessions_to(virtual_router, destination)
        for session in found:
            self._step(session, E.RESET, now)
        return len(found)

    def delete_session(self, virtual_router: str, destination: str, now: float) -> int:
        """`dial-out session delete`: closes the call and forgets the session."""
        found = self.targets.sessions_to(virtual_router, destination)
        for session in found:
            self._step(session, E.DELETE, now)
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

    # What comes in.

    def on_trigger(self, event: TriggerEvent, now: float) -> None:
        target = self.targets.of_glean(event.glean)
        if target is None or not self._accepts(target):
            self._miss(event, target)
            return
        session = target.sessions.get(event.destination)
        if session is None:
            session = self._new_session(target, event.destination)
        else:
            if session.key is not None and session.key != event.key:
                self._actions.end_key(session, now)
            session.counters.trigger_received()
        session.key = event.key
        if session.state not in _WITH_ATTEMPT:
            session.triggered = now
        what = self._judge_trigger(session, now)
        if session.state is not S.NONE or what is not E.TRIGGER_LIMIT:
            self.services.timeline.add(
                events.TriggerReceived(
                    *session.fact(now),
                    event.source,
                    event.protocol,
                    event.source_port,
                    event.destination_port,
                )
            )
        self._step(session, what, now)

    def on_l2tp(self, local: str, event: l2tp.Event, now: float) -> None:
        """An event of the endpoint with this local address."""
        match event:
            case l2tp.TunnelOpened():
                ids = (event.tunnel, event.peer_tunnel)
                self.services.timeline.add(
                    events.TunnelUp(now, event.peer, *ids, event.peer_host_name)
                )
            case l2tp.TunnelClosed():
                if event.failure.stage == "timeout":
                    self.services.lacs.lock_out(event.peer[0], now)
                self.services.timeline.add(
                    events.TunnelDown(now, event.peer[0], event.tunnel, event.failure.stage)
                )
            case l2tp.CallAccepted() | l2tp.CallConnected() | l2tp.CallClosed():
                session = self._owner(self.services.calls.find((local, event.call)))
                if session is not None and session.attempt is not None:
                    self._on_call(session.attempt, event, now)
                    self._follow(session, now)

    def on_radius(self, group: str, event: radius.Event, now: float) -> None:
        """An answer for this group's client."""
        request = (group, event.request)
        found = self.services.requests.find(request)
        self.services.requests.remove(request)
        if found is None:
            self.chassis.stale_events += 1
            return
        session, attempt = found
        if session.state is S.NONE and isinstance(event, radius.DialoutGranted):
            self._step(session, E.AAA_GRANT, now)
        elif session.state is S.NONE and isinstance(event, radius.Denied):
            self._step(session, E.AAA_DENY, now, event.reason)
        elif self._owner((session, attempt)) is None:
            return
        elif session.request == request:
            session.request = None
            self._on_dialout_answer(session, event, now)
        elif session.attempt is not None:
            self._on_session_answer(session.attempt, request, event, now)
            self._follow(session, now)

    def on_ppp(self, nh: NextHop, frame: bytes, now: float) -> None:
        """A PPP frame that the data plane does not forward."""
        session = self._owner(self.services.adjacencies.find(nh))
        if session is not None and session.attempt is not None:
            session.attempt.receive_ppp(frame, now)
            self._follow(session, now)

    def handle_timer(self, now: float) -> None:
        while (key := self._timers.pop_due(now)) is not None:
            number, kind = key
            if kind is TimerKind.PENDING:
                self._offer_slots(now)
            elif kind is TimerKind.TARGETS:
                self._install(self.targets.down(), now)
            else:
                self._session_timer(self.sessions[number], kind, now)

    def get_timer(self) -> float | None:
        return self._timers.next()

    def next_event(self) -> events.Event | None:
        return self.services.timeline.next()

    # Guards.

    def _accepts(self, target: Target) -> bool:
        return self.chassis.ready and target.router.state is VirtualRouterState.IN_SERVICE

    def _miss(self, event: TriggerEvent, target: Target | None) -> None:
        router = target.router if target is not None else self.targets.of_table(event.table)
        if router is None:
            self.chassis.trigger_route_unknown += 1
        elif target is None:
            router.trigger_route_unknown += 1
        else:
            router.triggers_missed += 1
        self.services.dataplane.trigger_forget(event.key)

    def _judge_trigger(self, session: Session, now: float) -> SessionEvent:
        new = session.state is S.NONE
        if new and (session.target.full or self.chassis.full):
            return E.TRIGGER_LIMIT
        if self.chassis.free_slots(now):
            return E.TRIGGER_SLOT
        return E.TRIGGER_LIMIT if self.chassis.pending_full else E.TRIGGER_NO_SLOT

    def _judge_grant(
        self, session: Session, grant: DialoutGrant, now: float
    ) -> tuple[SessionEvent, str]:
        services, target = self.services, session.target
        table = target.router.config.table
        found = services.adjacencies.find(services.dataplane.resolve(table, session.destination))
        if found is not None and found[0].state is S.IN_SERVICE:
            return E.AAA_GRANT_REACHABLE, E.AAA_GRANT_REACHABLE.value
        refusal = services.budget.refusal(target.name, grant.number)
        if refusal:
            return E.BUDGET_DENIED, refusal
        lacs = tuple(candidate.server_endpoint for candidate in grant.candidates)
        if services.budget.next_token(lacs, now) == now:
            return E.AAA_GRANT, E.AAA_GRANT.value
        if self.chassis.pending_full:
            return E.BUDGET_DENIED, "the dial rate is used up and the pending queue is full"
        return E.AAA_GRANT_NO_TOKEN, E.AAA_GRANT_NO_TOKEN.value

    def _owner(self, found: tuple[Session, int] | None) -> Session | None:
        """The session, unless that attempt is over: then the event is stale."""
        if found is not None and found[0].attempt_id == found[1]:
            return found[0]
        self.chassis.stale_events += 1
        return None

    # One step.

    def _step(self, session: Session, event: SessionEvent, now: float, why: str = "") -> None:
        old = session.state
        row = SESSION_TABLE.step(old, event)
        session.event, session.why = event, why or event.value
        if row.next is not old:
            self._enter(session, row.next, now)
        for action in row.actions:
            self._actions.perform(action, session, now)
        if session.attempt is not None:
            self._follow(session, now)

    def _enter(self, session: Session, new: SessionState, now: float) -> None:
        old = session.state
        if old is S.POST_INHIBITED and new is S.DORMANT:
            session.backoff.leave_post_inhibited(now - session.since)
        if old is S.IN_SERVICE and now - session.since >= self._config.connecting_timer:
            # However it ended, an administrator's reset included (specification 1.4.5).
            session.backoff.forgive()
        session.state, session.since = new, now
        if new not in _WITH_ATTEMPT:
            session.attempt_id = 0
        self.chassis.moved(session, old, new)
        self.services.timeline.add(
            events.SessionStateChanged(*session.fact(now), old, new, session.why)
        )

    def _follow(self, session: Session, now: float) -> None:
        """Takes what the attempt has come to, and its next deadline."""
        while (attempt := session.attempt) is not None:
            end = attempt.next_outcome()
            if end is None:
                break
            self._on_outcome(session, attempt, end, now)
        key = (session.number, TimerKind.ATTEMPT)
        when = session.attempt.get_timer() if session.attempt is not None else None
        self._timers.set(key, when)

    def _on_outcome(self, session: Session, attempt: Attempt, end: AttemptEnd, now: float) -> None:
        why = end.outcome.value
        if end.failure is not None:
            session.last_failure = end.failure
            why = end.failure.reason or end.failure.stage
        if session.state is S.IN_SERVICE:
            if end.outcome is Outcome.VERIFIED:
                # The peer had renegotiated; what came meanwhile waits in the buffer.
                self._actions.flush_after_delay(session, now)
                return
            since = attempt.in_service_since
            old = since is not None and now - since >= self._config.connecting_timer
            self._step(session, E.CALL_CLOSED_OLD if old else E.CALL_CLOSED_YOUNG, now, why)
            return
        if end.outcome is Outcome.VERIFIED:
            self._step(session, E.ROUTE_VERIFIED, now, why)
        elif end.outcome is Outcome.UNFIT:
            self._step(session, E.ROUTE_UNFIT, now, why)
        else:
            self._raise_backoff(session)
            self._step(session, _FAILURES[end.outcome][self._config.fail_fast], now, why)

    def _raise_backoff(self, session: Session) -> None:
        """A LAC of the attempt that has failed said that calling again soon is of no use."""
        if session.attempt is not None and session.attempt.raise_backoff:
            session.backoff.raise_step()

    # Parts of what comes in.

    def _new_session(self, target: Target, destination: str) -> Session:
        self._session_number += 1
        return Session(
            self._session_number,
            target,
            destination,
            Counters(target.counters),
            BackOff(self._config.connecting_timer, self._config.dormant_timer),
        )

    def _on_call(
        self,
        attempt: Attempt,
        event: l2tp.CallAccepted | l2tp.CallConnected | l2tp.CallClosed,
        now: float,
    ) -> None:
        match event:
            case l2tp.CallAccepted():
                attempt.call_accepted()
            case l2tp.CallConnected():
                attempt.call_connected(event, now)
            case l2tp.CallClosed():
                attempt.call_closed(event.failure, now)

    def _on_dialout_answer(self, session: Session, event: radius.Event, now: float) -> None:
        match event:
            case radius.DialoutGranted():
                what, why = self._judge_grant(session, event.grant, now)
                session.grant = event.grant if what is E.AAA_GRANT else None
                if what is E.BUDGET_DENIED:
                    session.last_failure = LastFailure(now, "budget", why)
            case radius.TimedOut():
                what, why = E.AAA_TIMEOUT, E.AAA_TIMEOUT.value
                session.last_failure = LastFailure(now, "aaa", why)
            case _:
                why = event.reason if isinstance(event, radius.Denied) else "unexpected answer"
                what = E.AAA_DENY
                session.last_failure = LastFailure(now, "aaa", why)
        self._step(session, what, now, why)

    def _on_session_answer(
        self, attempt: Attempt, request: tuple[str, int], event: radius.Event, now: float
    ) -> None:
        match event:
            case radius.SessionGranted():
                attempt.authenticated(request, event.grant, now)
            case radius.Denied():
                attempt.not_authenticated(request, event.reason, now)
            case _:
                attempt.not_authenticated(request, "no answer from RADIUS", now)

    def _session_timer(self, session: Session, kind: TimerKind, now: float) -> None:
        if kind is TimerKind.STATE:
            event = _STATE_TIMERS[session.state]
            if event is E.CONNECTING_TIMER:
                session.last_failure = LastFailure(now, "timer", event.value)
                self._raise_backoff(session)
            self._step(session, event, now)
        elif kind is TimerKind.FLUSH:
            self._actions.flush(session, now)
        elif session.attempt is not None:
            session.attempt.handle_timer(now)
            self._follow(session, now)

    def _offer_slots(self, now: float) -> None:
        self._actions.release_pending(len(self.chassis.pending), now)
        if self.chassis.pending:
            self._timers.set((0, TimerKind.PENDING), now + PENDING_INTERVAL)

    def _install(self, targets: Sequence[Target], now: float) -> None:
        self.targets.install(targets, now)
        if any(target.glean is None for target in targets):
            self._timers.set((0, TimerKind.TARGETS), now + TARGET_RETRY)

    def _remove(self, targets: Sequence[Target], now: float, why: str) -> None:
        self.targets.withdraw(targets, now)
        for target in targets:
            for session in list(target.sessions.values()):
                self._step(session, E.DELETE, now, why)
        self.targets.remove(targets)
