"""The dial-out manager: turns what happens outside into events of the right session.

Specification 1.3 to 1.6. Guards are decided here; a step is carried out by steps.py, what an
administrator does is administration.py. Sans-IO: `now` is seconds of any steady clock, the same in
every call.
"""

from __future__ import annotations

from dataclasses import astuple

from control.dataplane import NextHop, TriggerEvent
from control.deadlines import earliest
from control.dialout import events
from control.dialout.actions import PENDING_INTERVAL, TimerKind
from control.dialout.administration import Administration
from control.dialout.attempt import Attempt
from control.dialout.failure import LastFailure
from control.dialout.levels import VirtualRouterState
from control.dialout.link_owner import LinkOwner
from control.dialout.session import Session
from control.dialout.session_table import SessionEvent, SessionState
from control.dialout.steps import WITH_ATTEMPT
from control.dialout.target import Target
from control.l2tp import events as l2tp
from control.radius import events as radius
from control.radius.events import DialoutGrant

S = SessionState
E = SessionEvent


class Manager(Administration):
    # What comes in.

    def on_trigger(self, event: TriggerEvent, now: float) -> None:
        target = self.targets.of_glean(event.glean)
        if target is None or not self._accepts(target):
            self._miss(event, target)
            return
        session = target.sessions.get(event.destination)
        if session is None:
            session = self._steps.new_session(target, event.destination)
        else:
            if session.key is not None and session.key != event.key:
                self._steps.actions.end_key(session, now)
            session.counters.trigger_received()
        session.key = event.key
        if session.state not in WITH_ATTEMPT:
            session.triggered, session.trigger = now, event
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
        self._steps.step(session, what, now)

    def on_l2tp(self, local: str, event: l2tp.Event, now: float) -> None:
        """An event of the endpoint with this local address."""
        match event:
            case l2tp.TunnelOpened():
                self.services.lacs.answered(event.peer[0], now)
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
            case l2tp.LineErrors():
                owner = self._owner(self.services.calls.find((local, event.call)))
                if owner is not None:
                    counts = astuple(event.errors)
                    self.services.timeline.add(events.LineErrorsTold(*owner.fact(now), *counts))
            case l2tp.CallAsked() | l2tp.CallAccepted() | l2tp.CallConnected() | l2tp.CallClosed():
                session = self._owner(self.services.calls.find((local, event.call)))
                if session is not None and session.attempt is not None:
                    self._on_call(session.attempt, event, now)
                    self._steps.follow(session, now)

    def on_radius(self, group: str, event: radius.Event, now: float) -> None:
        """An answer for this group's client."""
        request = (group, event.request)
        found = self.services.requests.find(request)
        self.services.requests.remove(request)
        if found is None:
            self.chassis.stale_events += 1
            return
        session, attempt = found
        if not isinstance(session, Session):
            return
        if session.state is S.NONE and isinstance(event, radius.DialoutGranted):
            self._steps.step(session, E.AAA_GRANT, now)
        elif session.state is S.NONE and isinstance(event, radius.Denied):
            self._steps.step(session, E.AAA_DENY, now, event.reason)
        elif self._owner((session, attempt)) is None:
            return
        elif session.request == request:
            session.request, session.answered = None, now
            self._on_dialout_answer(session, event, now)
        elif session.attempt is not None:
            self._on_session_answer(session.attempt, request, event, now)
            self._steps.follow(session, now)

    def on_ppp(self, nh: NextHop, frame: bytes, now: float) -> None:
        """A PPP frame that the data plane does not forward."""
        session = self._owner(self.services.adjacencies.find(nh))
        if session is not None and session.attempt is not None:
            session.attempt.receive_ppp(frame, now)
            self._steps.follow(session, now)

    def handle_timer(self, now: float) -> None:
        while (key := self._timers.pop_due(now)) is not None:
            number, kind = key
            if kind is TimerKind.PENDING:
                self._offer_slots(now)
            elif kind is TimerKind.TARGETS:
                self._retry(now)
            else:
                self._steps.handle_timer(self.sessions[number], kind, now)

        self.services.budget.handle_timer(now)

    def get_timer(self) -> float | None:
        return earliest(self._timers.next(), self.services.budget.get_timer())

    def next_event(self) -> events.Event | None:
        return self.services.timeline.next()

    # Guards.

    def _accepts(self, target: Target) -> bool:
        return target.router.state is VirtualRouterState.IN_SERVICE

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
        if found is not None and isinstance(found[0], Session) and found[0].state is S.IN_SERVICE:
            return E.AAA_GRANT_REACHABLE, E.AAA_GRANT_REACHABLE.value
        refusal = target.refusal or services.budget.refusal(target.name, grant.number, now)
        if refusal:
            return E.BUDGET_DENIED, refusal
        lacs = tuple(candidate.server_endpoint for candidate in grant.candidates)
        if services.budget.next_token(lacs, now) == now:
            return E.AAA_GRANT, E.AAA_GRANT.value
        if self.chassis.pending_full:
            return E.BUDGET_DENIED, "the dial rate is used up and the pending queue is full"
        return E.AAA_GRANT_NO_TOKEN, E.AAA_GRANT_NO_TOKEN.value

    def _owner(self, found: tuple[LinkOwner, int] | None) -> Session | None:
        """The session, unless that attempt is over: then the event is stale."""
        if found is not None and isinstance(found[0], Session) and found[0].attempt_id == found[1]:
            return found[0]
        self.chassis.stale_events += 1
        return None

    # Parts of what comes in.

    def _on_call(
        self,
        attempt: Attempt,
        event: l2tp.CallAsked | l2tp.CallAccepted | l2tp.CallConnected | l2tp.CallClosed,
        now: float,
    ) -> None:
        match event:
            case l2tp.CallAsked():
                attempt.call_requested(event)
            case l2tp.CallAccepted():
                attempt.call_accepted(now)
            case l2tp.CallConnected():
                attempt.call_connected(event, now)
            case l2tp.CallClosed():
                attempt.call_closed(event.failure, now)

    def _on_dialout_answer(self, session: Session, event: radius.Event, now: float) -> None:
        match event:
            case radius.DialoutGranted():
                grant = event.grant
                unused = (*grant.unusable, *grant.ignored)
                group = session.target.router.config.radius
                self.services.tell_unused(session, group, unused, now)
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
        self._steps.step(session, what, now, why)

    def _on_session_answer(
        self, attempt: Attempt, request: tuple[str, int], event: radius.Event, now: float
    ) -> None:
        match event:
            case radius.SessionGranted():
                attempt.authenticated(request, event.grant, now)
            case radius.Denied():
                attempt.not_authenticated(request, event.reason, now)
            case _:
                attempt.not_authenticated(request, "no answer from RADIUS", now, answered=False)

    def _offer_slots(self, now: float) -> None:
        self._steps.actions.release_pending(len(self.chassis.pending), now)
        if self.chassis.pending:
            self._timers.set((0, TimerKind.PENDING), now + PENDING_INTERVAL)
