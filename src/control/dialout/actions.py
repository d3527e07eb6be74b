"""Performs what a row of the session table names. Decides nothing.

The order of a row's actions matters: routes go before buffers are dropped, a freed slot is given
away last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from functools import partial

from control.deadlines import Deadlines
from control.dialout.attempt import Attempt
from control.dialout.chassis import Chassis
from control.dialout.counters import SessionCounter
from control.dialout.disconnect import cause_of
from control.dialout.events import RadiusAsked, TriggersDropped, TriggersFlushed
from control.dialout.services import Services
from control.dialout.session import Session
from control.dialout.session_table import SessionAction, SessionEvent
from control.dialout.targets import Targets
from control.errors import LocalProtocolError
from control.radius.dialout import dialout_user_name
from control.radius.requests import DialoutRequest

A = SessionAction
C = SessionCounter

PENDING_INTERVAL = 1.0
"""Seconds after which free slots are offered to pending sessions again: one that went dormant
and got no further trigger leaves its slot unused."""


class TimerKind(IntEnum):
    """An IntEnum, as it is hashed whenever a timer moves: of other members Python computes that."""

    STATE = 0
    ATTEMPT = 1
    FLUSH = 2
    PENDING = 3
    TARGETS = 4


TimerKey = tuple[int, TimerKind]
"""Session number (0: none) and what is due."""

Step = Callable[[Session, SessionEvent, float, str], None]

_COUNTED: Mapping[SessionAction, SessionCounter] = {
    A.COUNT_GRANT: C.AUTH_GRANTS,
    A.COUNT_DENY: C.AUTH_DENIES,
    A.COUNT_AAA_TIMEOUT: C.AUTH_TIMEOUTS,
    A.COUNT_NO_RESOURCES: C.AUTH_NO_RESOURCES,
    A.COUNT_BUDGET_DENIED: C.BUDGET_DENIED,
    A.COUNT_REJECTED: C.DIALOUTS_REJECTED,
    A.COUNT_TIMED_OUT: C.DIALOUTS_TIMED_OUT,
    A.COUNT_TORN_DOWN: C.DIALOUTS_TORN_DOWN,
    A.COUNT_RESET: C.RESET,
}


def _count(counter: SessionCounter, session: Session, now: float) -> None:
    session.counters.add(counter)


class _Governor:
    """By which RADIUS ends and changes a dial-out session's call (accounting.Governor)."""

    __slots__ = ("_session", "_step", "_timers")

    def __init__(self, session: Session, timers: Deadlines[TimerKey], step: Step) -> None:
        self._session = session
        self._timers = timers
        self._step = step

    @property
    def network_open(self) -> bool:
        attempt = self._session.attempt
        return attempt is not None and attempt.network_open

    def disconnect(self, now: float) -> None:
        self._step(self._session, SessionEvent.RESET, now, "disconnected by RADIUS")

    def limits_changed(self, now: float) -> None:
        attempt = self._session.attempt
        if attempt is not None:
            self._timers.expect((self._session.number, TimerKind.ATTEMPT), attempt.get_timer())


class Actions:
    """`step` hands a session an event that follows from an action."""

    def __init__(
        self,
        services: Services,
        chassis: Chassis,
        targets: Targets,
        timers: Deadlines[TimerKey],
        sessions: dict[int, Session],
        step: Step,
    ) -> None:
        self._services = services
        self._chassis = chassis
        self._targets = targets
        self._timers = timers
        self._sessions = sessions
        self._step = step
        self._perform = self._by_identity()

    def perform(self, action: SessionAction, session: Session, now: float) -> None:
        self._perform[id(action)](session, now)

    def _by_identity(self) -> dict[int, Callable[[Session, float], None]]:
        """Members of an enum are there for ever, and their hash is computed in Python."""
        found = {id(action): do for action, do in self._table().items()}
        for action, counter in _COUNTED.items():
            found[id(action)] = partial(_count, counter)
        return found

    def _table(self) -> Mapping[SessionAction, Callable[[Session, float], None]]:
        return {
            A.CREATE: self._create,
            A.REMOVE: self._remove,
            A.COUNT_LIMITED: self._count_limited,
            A.COUNT_GRANT_NO_SESSION: self._count_grant_no_session,
            A.COUNT_DENY_NO_SESSION: self._count_deny_no_session,
            A.COUNT_ESTABLISHED: self._count_established,
            A.HOLD: self._hold,
            A.DISCARD: self._discard,
            A.DROP: self._drop,
            A.FORGET: self._forget,
            A.FLUSH: self.flush_after_delay,
            A.FLUSH_ELSEWHERE: self._flush_elsewhere,
            A.FORWARD_LATE: self._forward_late,
            A.REQUEST_GRANT: self._request_grant,
            A.CANCEL_REQUEST: self._cancel_request,
            A.START_CALL: self._start_call,
            A.CLOSE_CALL: self._close_call,
            A.JOIN_PENDING: self._join_pending,
            A.LEAVE_PENDING: self._leave_pending,
            A.FREE_SLOT: self._free_slot,
            A.START_CONNECTING: self._start_connecting,
            A.START_INHIBITED: self._start_inhibited,
            A.START_POST_INHIBITED: self._start_post_inhibited,
            A.START_DORMANT: self._start_dormant,
            A.STOP_TIMER: self._stop_timer,
            A.FORGIVE: self._forgive,
        }

    # Existence and counts.

    def _create(self, session: Session, now: float) -> None:
        self._sessions[session.number] = session
        self._targets.enter(session, now)
        self._chassis.register(session, now)
        session.counters.created()
        session.counters.trigger_received()

    def _remove(self, session: Session, now: float) -> None:
        for kind in (TimerKind.STATE, TimerKind.ATTEMPT, TimerKind.FLUSH):
            self._timers.set((session.number, kind), None)
        del self._sessions[session.number]
        self._targets.leave(session, now)
        self._chassis.unregister(session, now)
        session.counters.removed()

    def _count_limited(self, session: Session, now: float) -> None:
        target = session.target
        for level in (target, target.router, self._chassis):
            level.triggers_discarded += 1
        if session.key is not None:
            self._services.dataplane.trigger_forget(session.key)
            session.key = None

    def _count_grant_no_session(self, session: Session, now: float) -> None:
        self._chassis.auth_grant_no_session += 1

    def _count_deny_no_session(self, session: Session, now: float) -> None:
        self._chassis.auth_deny_no_session += 1

    def _count_established(self, session: Session, now: float) -> None:
        session.counters.add(C.DIALOUTS_ESTABLISHED)
        self._chassis.latency.observe(now - session.triggered)
        session.trigger = None  # the call's record has what is worth keeping

    # Orders for the data plane's trigger buffers. Without a key it has nothing buffered.

    def _hold(self, session: Session, now: float) -> None:
        if session.key is not None:
            self._services.dataplane.trigger_hold(session.key)

    def _discard(self, session: Session, now: float) -> None:
        if session.key is not None:
            self._services.dataplane.trigger_discard(session.key)

    def _drop(self, session: Session, now: float) -> None:
        if session.key is not None:
            self._dropped(session, self._services.dataplane.trigger_drop(session.key), now)

    def _forget(self, session: Session, now: float) -> None:
        if session.key is not None:
            packets = self._services.dataplane.trigger_forget(session.key)
            session.key = None
            self._dropped(session, packets, now)

    def end_key(self, session: Session, now: float) -> None:
        """A new event shows that the data plane has ended the key we know: so do we."""
        self._timers.set((session.number, TimerKind.FLUSH), None)
        self.flush(session, now)
        self._forget(session, now)

    def _dropped(self, session: Session, packets: int, now: float) -> None:
        session.counters.buffer_dropped(packets)
        if packets:
            self._services.timeline.add(TriggersDropped(*session.fact(now), packets))

    def flush_after_delay(self, session: Session, now: float) -> None:
        """Forwards the buffer: at once if no delay is configured."""
        delay = self._services.chassis.flush_delay / 1000
        if delay:
            self._timers.set((session.number, TimerKind.FLUSH), now + delay)
        else:
            self.flush(session, now)

    def flush(self, session: Session, now: float) -> None:
        """Forwards the buffer over the session's own adjacency."""
        attempt = session.attempt
        if attempt is not None and attempt.network_open and attempt.nh is not None:
            self._flush_over(session, attempt.nh, now)

    def _flush_elsewhere(self, session: Session, now: float) -> None:
        table = session.target.router.config.table
        nh = self._services.dataplane.resolve(table, session.destination)
        self._flush_over(session, nh, now)

    def _flush_over(self, session: Session, nh: int, now: float) -> None:
        if session.key is None:
            return
        packets = self._services.dataplane.trigger_flush(session.key, nh)
        session.key = None
        session.counters.buffer_forwarded(packets)
        self._services.timeline.add(TriggersFlushed(*session.fact(now), packets))

    def _forward_late(self, session: Session, now: float) -> None:
        """A packet from before the commit; or the peer renegotiates, and it waits for that."""
        waits = self._timers.get((session.number, TimerKind.FLUSH)) is not None
        if waits or session.attempt is None or not session.attempt.network_open:
            self._hold(session, now)
        else:
            self.flush(session, now)

    # RADIUS and the call.

    def _request_grant(self, session: Session, now: float) -> None:
        services, target = self._services, session.target
        router = target.router.config
        group = services.radius[router.radius]
        session.attempt_id = services.next_attempt()
        request = DialoutRequest(
            user_name=dialout_user_name(session.destination, target.config.domain, router.rd),
            session_id=services.acct_session_id(session),
            password_mode=group.config.password_mode,
            password=group.config.password,
            sources=router.sources,
        )
        session.asked = now
        session.counters.add(C.AUTH_REQUESTS)
        try:
            number = group.client.request_dialout(request, now)
        except LocalProtocolError as error:
            self._step(session, SessionEvent.AAA_NO_RESOURCES, now, str(error))
            return
        session.request = (router.radius, number)
        services.requests.add(session.request, session)
        services.timeline.add(RadiusAsked(*session.fact(now), router.radius, "dial-out"))

    def _cancel_request(self, session: Session, now: float) -> None:
        request, session.request = session.request, None
        if request is not None:
            # The directory keeps it: an answer that is already queued must be counted.
            self._services.radius[request[0]].client.cancel(request[1])
            self._services.requests.retire(request)

    def _start_call(self, session: Session, now: float) -> None:
        grant, session.grant = session.grant, None
        assert grant is not None
        session.counters.add(C.DIALOUTS_REQUESTED)
        session.profile = session.target.profile
        session.attempt = Attempt(
            self._services,
            session,
            grant,
            _Governor(session, self._timers, self._step),
        )
        session.attempt.start(now)

    def _close_call(self, session: Session, now: float) -> None:
        self._timers.set((session.number, TimerKind.ATTEMPT), None)
        self._timers.set((session.number, TimerKind.FLUSH), None)
        attempt, session.attempt = session.attempt, None
        if attempt is not None:
            # A fixed text: what RADIUS or a peer said is not for the other peers.
            reason = session.event.value if session.event is not None else ""
            attempt.close(now, reason, cause_of(session.event, session.last_failure))

    # Slots.

    def _join_pending(self, session: Session, now: float) -> None:
        self._chassis.join_pending(session, now)
        if self._timers.get((0, TimerKind.PENDING)) is None:
            self._timers.set((0, TimerKind.PENDING), now + PENDING_INTERVAL)

    def _leave_pending(self, session: Session, now: float) -> None:
        self._chassis.leave_pending(session, now)

    def _free_slot(self, session: Session, now: float) -> None:
        self.release_pending(1, now)

    def release_pending(self, most: int, now: float) -> None:
        """Lets the oldest pending sessions go dormant: no more than there are free slots."""
        for _ in range(min(most, self._chassis.free_slots(now), len(self._chassis.pending))):
            oldest = next(iter(self._chassis.pending.values()))
            self._step(oldest, SessionEvent.SLOT_FREED, now, "")

    # Timers.

    def _start(self, session: Session, when: float) -> None:
        self._timers.set((session.number, TimerKind.STATE), when)

    def _start_connecting(self, session: Session, now: float) -> None:
        self._start(session, now + self._services.chassis.connecting_timer)

    def _start_inhibited(self, session: Session, now: float) -> None:
        self._start(
            session, now + session.backoff.inhibited(self._services.chassis.connecting_timer)
        )

    def _start_post_inhibited(self, session: Session, now: float) -> None:
        self._start(
            session, now + session.backoff.post_inhibited(self._services.chassis.dormant_timer)
        )

    def _start_dormant(self, session: Session, now: float) -> None:
        remaining = session.backoff.dormant(self._services.chassis.dormant_timer)
        if remaining > 0:
            self._start(session, now + remaining)
        else:
            self._step(session, SessionEvent.DORMANT_TIMER, now, "")

    def _stop_timer(self, session: Session, now: float) -> None:
        self._timers.set((session.number, TimerKind.STATE), None)

    def _forgive(self, session: Session, now: float) -> None:
        session.backoff.forgive()
