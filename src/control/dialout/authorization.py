"""What CoA and Disconnect requests do to calls in service (RFC 5176): which one is meant, and
whether it may be.

All attributes that name a session must fit it, and exactly one call of the client's RADIUS group
may fit. A CoA-Request is carried out whole or not at all.
"""

from __future__ import annotations

from control.dialout.accounting import AccountedSession, Accounting
from control.errors import DialoutError
from control.radius.codec import Value
from control.radius.dynauth import AuthorizationRequest, Changes, ErrorCause

C = ErrorCause


def carry_out(
    request: AuthorizationRequest, accounting: Accounting, now: float
) -> ErrorCause | None:
    """Why it was refused; None, or 201: it was not."""
    found = _find(request, accounting)
    if not found:
        return C.SESSION_CONTEXT_NOT_FOUND
    if len(found) > 1:
        return C.MULTIPLE_SESSION_SELECTION_UNSUPPORTED
    (session,) = found
    if request.changes is None:
        return _disconnect(session, now)
    return _change(session, request.changes, accounting, now)


def _find(request: AuthorizationRequest, accounting: Accounting) -> list[AccountedSession]:
    wanted = dict(request.keys)
    named = accounting.find(str(wanted.get("session_id", "")))
    among = accounting if "session_id" not in wanted else (named,) if named is not None else ()
    return [
        session
        for session in among
        if session.group == request.group
        and all(_fits(session.told.fact(name), value) for name, value in request.keys)
    ]


def _fits(fact: object, value: Value) -> bool:
    return value in fact if isinstance(fact, tuple) else fact == value


def _disconnect(session: AccountedSession, now: float) -> ErrorCause | None:
    if session.governor is None:
        return C.SESSION_CONTEXT_NOT_REMOVABLE
    active = session.governor.network_open
    session.governor.disconnect(now)
    return None if active else C.RESIDUAL_SESSION_CONTEXT_REMOVED


def _change(
    session: AccountedSession, changes: Changes, accounting: Accounting, now: float
) -> ErrorCause | None:
    if session.limits is None or session.governor is None:
        return C.ADMINISTRATIVELY_PROHIBITED
    try:
        session.limits.change(changes, now)
    except DialoutError:  # no classifier has this name
        return C.INVALID_ATTRIBUTE_VALUE
    if changes.interim_interval is not None:
        accounting.change_interim(session, changes.interim_interval, now)
    session.governor.limits_changed(now)
    return None
