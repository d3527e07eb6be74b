"""The dial-out session's transition table (specification 1.4.4: states, 1.4.6: every cell).

The table is pure: actions.py performs what a row names. A guard is part of the event's name, so
that one event has one cell in every state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum

from control.fsm import ILLEGAL, Row, Table


class SessionState(IntEnum):
    """Values of the MIB, by which gauges are indexed; NONE is the column `no session`."""

    NONE = 0
    DORMANT = 1
    PENDING = 2
    AUTHENTICATING = 3
    CONNECTING = 4
    IN_SERVICE = 5
    INHIBITED = 6
    POST_INHIBITED = 7
    FAILED = 8


class SessionEvent(Enum):
    TRIGGER_SLOT = "trigger, a connecting slot is free"
    TRIGGER_NO_SLOT = "trigger, no connecting slot is free"
    TRIGGER_LIMIT = "trigger, a session limit or a full pending queue stands against it"
    AAA_GRANT = "RADIUS grants"
    AAA_GRANT_REACHABLE = "RADIUS grants, a session in service reaches the destination already"
    AAA_GRANT_NO_TOKEN = "RADIUS grants, the dial rate is used up"
    BUDGET_DENIED = "RADIUS grants, the budget does not"
    AAA_DENY = "RADIUS denies"
    AAA_TIMEOUT = "RADIUS does not answer"
    AAA_NO_RESOURCES = "RADIUS cannot be asked"
    CANDIDATES_FAILED = "all LACs failed"
    CANDIDATES_FAILED_FAST = "all LACs failed (fail-fast)"
    PPP_FAILED = "PPP failed"
    PPP_FAILED_FAST = "PPP failed (fail-fast)"
    CALL_LOST = "the call closed before it was in service"
    CALL_LOST_FAST = "the call closed before it was in service (fail-fast)"
    ROUTE_VERIFIED = "the access route fits"
    ROUTE_UNFIT = "the access route does not fit the trigger"
    CONNECTING_TIMER = "connecting timer"
    CALL_CLOSED_OLD = "the call closed after the guard time"
    CALL_CLOSED_YOUNG = "the call closed within the guard time"
    INHIBITED_TIMER = "inhibited timer"
    POST_INHIBITED_TIMER = "postInhibited timer"
    DORMANT_TIMER = "dormant timer"
    SLOT_FREED = "a connecting slot became free"
    RESET = "administrative reset"
    DELETE = "administrative delete"


class SessionAction(Enum):
    CREATE = "count a new session"
    REMOVE = "delete the session"
    COUNT_LIMITED = "count a trigger that no session could be made for"
    COUNT_GRANT_NO_SESSION = "count a grant without a session"
    COUNT_DENY_NO_SESSION = "count a denial without a session"
    COUNT_GRANT = "count a grant"
    COUNT_DENY = "count a denial"
    COUNT_AAA_TIMEOUT = "count a RADIUS time-out"
    COUNT_NO_RESOURCES = "count a request that could not be sent"
    COUNT_BUDGET_DENIED = "count a call that the budget refused"
    COUNT_REJECTED = "count a dial-out that failed"
    COUNT_ESTABLISHED = "count a dial-out in service"
    COUNT_TIMED_OUT = "count a dial-out that took too long"
    COUNT_TORN_DOWN = "count the end of a dial-out that was in service"
    COUNT_RESET = "count a reset"
    HOLD = "buffer triggers"
    DISCARD = "discard later triggers, keep the buffer"
    DROP = "drop the buffer, discard later triggers"
    FORGET = "drop the buffer, let the next trigger be an event"
    FLUSH = "forward the buffer over the session, after the flush delay"
    FLUSH_ELSEWHERE = "forward the buffer over the session that reaches the destination"
    FORWARD_LATE = "forward a late copy over the session"
    REQUEST_GRANT = "ask RADIUS whom to call"
    CANCEL_REQUEST = "cancel the RADIUS request"
    START_CALL = "place the outgoing call"
    CLOSE_CALL = "close call and link, remove the access routes"
    JOIN_PENDING = "queue for a connecting slot"
    LEAVE_PENDING = "leave the queue"
    FREE_SLOT = "give the connecting slot to the oldest pending session"
    START_CONNECTING = "start the connecting timer"
    START_INHIBITED = "start the inhibited timer"
    START_POST_INHIBITED = "start the postInhibited timer"
    START_DORMANT = "start the dormant timer"
    STOP_TIMER = "stop the state's timer"
    FORGIVE = "forget the back-off history"


S = SessionState
E = SessionEvent
A = SessionAction
Cell = Row[SessionState, SessionAction] | None


@dataclass(frozen=True, slots=True)
class _Stay:
    """A cell that keeps the state of its column."""

    actions: tuple[SessionAction, ...] = ()


_TIMER = (A.STOP_TIMER,)
_TO_DORMANT = (A.FORGET, A.START_DORMANT)
_TO_INHIBITED = (A.DROP, A.START_INHIBITED)


def _stay(*actions: SessionAction) -> _Stay:
    return _Stay(actions)


def _to(state: SessionState, *actions: SessionAction) -> Cell:
    return Row(state, actions)


def _authenticate(*before: SessionAction) -> Cell:
    return _to(S.AUTHENTICATING, *before, A.HOLD, A.REQUEST_GRANT)


def _wait(*before: SessionAction) -> Cell:
    return _to(S.PENDING, *before, A.DROP, A.JOIN_PENDING)


def _inhibit(*before: SessionAction) -> Cell:
    """Out of authenticating or connecting into the back-off."""
    return _to(S.INHIBITED, *before, *_TO_INHIBITED, A.FREE_SLOT)


def _end_call(*after: SessionAction) -> tuple[SessionAction, ...]:
    return (A.CLOSE_CALL, A.COUNT_TORN_DOWN, *after)


def _reset(*before: SessionAction, after: tuple[SessionAction, ...] = ()) -> Cell:
    return _to(S.DORMANT, A.COUNT_RESET, *before, *_TO_DORMANT, *after)


def _delete(*before: SessionAction, after: tuple[SessionAction, ...] = ()) -> Cell:
    return _to(S.NONE, *before, A.FORGET, A.REMOVE, *after)


_I = _stay()
_X = ILLEGAL
_REJECTED = _stay(A.CLOSE_CALL, A.COUNT_REJECTED)
_REJECTED_FAST = _inhibit(A.CLOSE_CALL, A.COUNT_REJECTED)
_FREE = (A.FREE_SLOT,)


def _connecting_only(cell: Cell | _Stay) -> tuple[Cell | _Stay, ...]:
    return (_X, _X, _X, _X, cell, _X, _X, _X, _X)


def _authenticating_only(cell: Cell | _Stay) -> tuple[Cell | _Stay, ...]:
    return (_X, _X, _X, cell, _X, _X, _X, _X, _X)


def _answer(none: Cell | _Stay, authenticating: Cell) -> tuple[Cell | _Stay, ...]:
    return (none, _I, _I, authenticating, _I, _I, _I, _I, _I)


def _trigger(
    none: Cell | _Stay, dormant: Cell | _Stay, post_inhibited: Cell | _Stay
) -> tuple[Cell | _Stay, ...]:
    """Only where a call could start does the guard matter."""
    return (
        none,
        dormant,
        _stay(A.DROP),
        _stay(A.HOLD),
        _stay(A.DISCARD),
        _stay(A.FORWARD_LATE),
        _stay(A.DROP),
        post_inhibited,
        _stay(A.DROP),
    )


# Columns: none, dormant, pending, authenticating, connecting, inService, inhibited,
# postInhibited, failed - the order of the enumeration and of 1.4.6.
_ROWS: Mapping[SessionEvent, tuple[Cell | _Stay, ...]] = {
    E.TRIGGER_SLOT: _trigger(
        _authenticate(A.CREATE), _authenticate(*_TIMER), _authenticate(*_TIMER)
    ),
    E.TRIGGER_NO_SLOT: _trigger(_wait(A.CREATE), _wait(*_TIMER), _wait(*_TIMER)),
    E.TRIGGER_LIMIT: _trigger(_stay(A.COUNT_LIMITED), _stay(A.FORGET), _stay(A.FORGET)),
    E.AAA_GRANT: _answer(
        _stay(A.COUNT_GRANT_NO_SESSION),
        _to(S.CONNECTING, A.COUNT_GRANT, A.DISCARD, A.START_CONNECTING, A.START_CALL),
    ),
    E.AAA_GRANT_REACHABLE: _answer(
        _stay(A.COUNT_GRANT_NO_SESSION),
        _to(S.DORMANT, A.COUNT_GRANT, A.FLUSH_ELSEWHERE, A.START_DORMANT, A.FREE_SLOT),
    ),
    E.AAA_GRANT_NO_TOKEN: _answer(
        _stay(A.COUNT_GRANT_NO_SESSION),
        # No FREE_SLOT: it would take the queue's head out although nothing can be dialled.
        _to(S.PENDING, A.COUNT_GRANT, A.DROP, A.JOIN_PENDING),
    ),
    E.BUDGET_DENIED: _answer(
        _stay(A.COUNT_GRANT_NO_SESSION), _inhibit(A.COUNT_GRANT, A.COUNT_BUDGET_DENIED)
    ),
    E.AAA_DENY: _answer(_stay(A.COUNT_DENY_NO_SESSION), _inhibit(A.COUNT_DENY)),
    E.AAA_TIMEOUT: _authenticating_only(_inhibit(A.COUNT_AAA_TIMEOUT)),
    E.AAA_NO_RESOURCES: _authenticating_only(_inhibit(A.COUNT_NO_RESOURCES)),
    E.CANDIDATES_FAILED: _connecting_only(_REJECTED),
    E.CANDIDATES_FAILED_FAST: _connecting_only(_REJECTED_FAST),
    E.PPP_FAILED: _connecting_only(_REJECTED),
    E.PPP_FAILED_FAST: _connecting_only(_REJECTED_FAST),
    E.CALL_LOST: _connecting_only(_REJECTED),
    E.CALL_LOST_FAST: _connecting_only(_REJECTED_FAST),
    E.ROUTE_VERIFIED: _connecting_only(
        _to(S.IN_SERVICE, *_TIMER, A.FLUSH, A.COUNT_ESTABLISHED, A.FREE_SLOT)
    ),
    E.ROUTE_UNFIT: _connecting_only(
        _to(S.FAILED, *_TIMER, A.CLOSE_CALL, A.COUNT_REJECTED, A.DROP, A.FREE_SLOT)
    ),
    E.CONNECTING_TIMER: _connecting_only(_inhibit(A.CLOSE_CALL, A.COUNT_TIMED_OUT)),
    E.CALL_CLOSED_OLD: (
        *(_X, _X, _X, _X, _X),
        _to(S.DORMANT, *_end_call(*_TO_DORMANT)),
        *(_X, _X, _X),
    ),
    E.CALL_CLOSED_YOUNG: (
        *(_X, _X, _X, _X, _X),
        _to(S.INHIBITED, *_end_call(*_TO_INHIBITED)),
        *(_X, _X, _X),
    ),
    E.INHIBITED_TIMER: (
        *(_X, _X, _X, _X, _X, _X),
        _to(S.POST_INHIBITED, A.FORGET, A.START_POST_INHIBITED),
        *(_X, _X),
    ),
    E.POST_INHIBITED_TIMER: (
        *(_X, _X, _X, _X, _X, _X, _X),
        _to(S.DORMANT, A.FORGIVE, *_TO_DORMANT),
        _X,
    ),
    E.DORMANT_TIMER: (_X, _delete(), _X, _X, _X, _X, _X, _X, _X),
    E.SLOT_FREED: (_X, _X, _to(S.DORMANT, A.LEAVE_PENDING, *_TO_DORMANT), *([_X] * 6)),
    E.RESET: (
        _X,
        _I,
        _reset(A.LEAVE_PENDING),
        _reset(A.CANCEL_REQUEST, after=_FREE),
        _reset(A.CLOSE_CALL, after=_FREE),
        _reset(*_end_call()),
        _reset(),
        _reset(),
        _reset(),
    ),
    E.DELETE: (
        _X,
        _delete(),
        _delete(A.LEAVE_PENDING),
        _delete(A.CANCEL_REQUEST, after=_FREE),
        _delete(A.CLOSE_CALL, after=_FREE),
        _delete(*_end_call()),
        _delete(),
        _delete(),
        _delete(),
    ),
}


def _cells() -> dict[tuple[SessionState, SessionEvent], Cell]:
    found: dict[tuple[SessionState, SessionEvent], Cell] = {}
    for event, columns in _ROWS.items():
        for state, cell in zip(SessionState, columns, strict=True):
            found[state, event] = Row(state, cell.actions) if isinstance(cell, _Stay) else cell
    return found


SESSION_TABLE: Table[SessionState, SessionEvent, SessionAction] = Table(
    "dial-out session", SessionState, SessionEvent, _cells()
)
