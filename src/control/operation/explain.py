"""`explain`: what becomes of a packet to a destination, and why it would or would not dial.

It looks where the packet would be looked up, at the FIB, and asks the guards that a trigger meets
(manager.py), in their order. It changes nothing. What RADIUS would answer it does not know, and
classifiers judge whole packets, of which it has only the destination.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from control.dataplane import SessionSpec
from control.dialout.attempt import Attempt
from control.dialout.incoming_session import IncomingSession
from control.dialout.levels import ChassisState, VirtualRouterState, state_name
from control.dialout.session import Session
from control.dialout.session_table import (
    SESSION_TABLE,
    SessionAction,
    SessionEvent,
    SessionState,
)
from control.dialout.target import Target
from control.dialout.virtual_router import VirtualRouter
from control.fsm import IllegalEvent
from control.operation.answer import Answer, Asked, Handler
from control.operation.router import Router, router_name
from control.operation.routes import route_view
from control.operation.schema import plain
from control.operation.show import session_line
from control.operation.views import ExplanationView, Guard, Header

A = SessionAction
_IP_HEADER: Final = {4: 20, 6: 40}


@dataclass(frozen=True, slots=True)
class _Fate:
    verdict: str
    text: str
    target: str = ""
    session: Session | None = None
    spec: SessionSpec | None = None
    guards: tuple[Guard, ...] = ()


def _explain(router: Router, asked: Asked) -> Answer:
    name = router_name(router, asked.arguments["virtual_router"])
    destination = asked.arguments["destination"]
    owner = router.lns.manager.targets.router(name)
    fate = _fate(router, owner, destination)
    route = owner.rib.lookup(destination)
    view = ExplanationView(
        name,
        destination,
        fate.verdict,
        fate.text,
        route=None if route is None else route_view(router, owner, route),
        target=fate.target,
        session=None if fate.session is None else session_line(router, fate.session),
        headers=() if fate.spec is None else tuple(headers(fate.spec, destination)),
        mtu=None if fate.spec is None else fate.spec.mtu,
        guards=fate.guards,
    )
    found: dict[str, Any] = plain(view)
    return found


def _fate(router: Router, owner: VirtualRouter, destination: str) -> _Fate:
    manager = router.lns.manager
    nh = router.lns.dataplane.resolve(owner.config.table, destination)
    if not nh:
        return _Fate("drop", "no route covers it: no-route")
    target = manager.targets.of_glean(nh)
    if target is not None:
        return _trigger(router, target, destination)
    found = manager.services.adjacencies.find(nh)
    if found is None:
        return _Fate("deliver", "its route leads to a port or to the router itself")
    return _into_session(found[0])


def _into_session(owner: object) -> _Fate:
    if isinstance(owner, Session):
        spec = owner.attempt.spec if isinstance(owner.attempt, Attempt) else None
        text = f"the access route of the session to {owner.destination} covers it"
        return _Fate("forward", text, owner.target.prefix, owner, spec)
    spec = None
    if isinstance(owner, IncomingSession) and owner.phase is not None:
        spec = owner.phase.spec
    return _Fate("forward", "the access route of a call that came in covers it", spec=spec)


def _trigger(router: Router, target: Target, destination: str) -> _Fate:
    """The dial-out route is the longest match."""
    session = target.sessions.get(destination)
    guards = tuple(_guards(router, target, session))
    verdict, text = _judge(router, target, session, guards)
    return _Fate(verdict, text, target.prefix, session, guards=guards)


def _judge(
    router: Router, target: Target, session: Session | None, guards: tuple[Guard, ...]
) -> tuple[str, str]:
    chassis = router.lns.manager.chassis
    blocked = [guard for guard in guards if not guard.passes and guard.what in _FIRST]
    if blocked:
        return "discard", blocked[0].text
    state = SessionState.NONE if session is None else session.state
    event = SessionEvent.TRIGGER_SLOT
    if not chassis.free_slots(router.now):
        full = chassis.pending_full
        event = SessionEvent.TRIGGER_LIMIT if full else SessionEvent.TRIGGER_NO_SLOT
    if session is None and (target.full or chassis.full):
        event = SessionEvent.TRIGGER_LIMIT
    try:
        actions = SESSION_TABLE.step(state, event).actions
    except IllegalEvent:
        return "discard", f"nothing is done for a trigger in state {state_name(state)}"
    return _of_actions(actions, state, guards)


_FIRST: Final = ("virtual router",)
"""Guards without which a trigger is missed, whatever its session's state."""


def _of_actions(
    actions: tuple[SessionAction, ...], state: SessionState, guards: tuple[Guard, ...]
) -> tuple[str, str]:
    refused = [guard for guard in guards if not guard.passes and guard.what in _OF_A_CALL]
    if A.REQUEST_GRANT in actions:
        if refused:
            return "discard", f"RADIUS would be asked, but no call placed: {refused[0].text}"
        return "dial", "RADIUS would be asked whom to call, and the packet buffered meanwhile"
    if A.JOIN_PENDING in actions:
        return "wait", "it would wait for a connecting slot or for the dial rate"
    if state in (SessionState.AUTHENTICATING, SessionState.PENDING, SessionState.CONNECTING):
        return "wait", f"its session is {state_name(state)} already; packets are kept as far as " \
            "the buffer goes"  # fmt: skip
    return "discard", f"its session is {state_name(state)}" if state else "no session can be made"


_OF_A_CALL: Final = ("freeze", "budget")
"""Guards that are asked when RADIUS has answered."""


def _guards(router: Router, target: Target, session: Session | None) -> Iterator[Guard]:
    """In the order in which a trigger meets them."""
    manager, now = router.lns.manager, router.now
    chassis, owner = manager.chassis, target.router
    yield Guard(
        "virtual router",
        owner.state is VirtualRouterState.IN_SERVICE,
        f"{owner.config.name} is {state_name(owner.state)}",
    )
    if target.config.classifier:
        text = f"classifier {target.config.classifier} says which packets may place a call"
        yield Guard("classifier", True, text)
    if session is not None:
        yield _of_session(router, session)
    else:
        yield Guard(
            "target sessions",
            not target.full,
            f"{len(target.sessions)} of {target.config.max_sessions}",
        )
        text = f"{chassis.sessions} of {chassis.config.max_sessions}"
        yield Guard("sessions", chassis.state is not ChassisState.RESTRICTED, text)
    slots = chassis.free_slots(now)
    yield Guard(
        "slots",
        slots > 0,
        f"{slots} calls may be started now: {chassis.connecting} of "
        f"{chassis.config.max_connecting} are being placed, the dial rate allows "
        f"{router.lns.budget.tokens(now)}",
    )
    text = f"{len(chassis.pending)} of {chassis.config.max_pending} wait"
    yield Guard("pending queue", not chassis.pending_full, text)
    yield Guard("freeze", not target.refusal, target.refusal or "nobody has frozen the target")
    yield _of_budget(router, target, session)


def _of_session(router: Router, session: Session) -> Guard:
    deadline = router.lns.manager.state_deadline(session)
    left = "" if deadline is None else f", for {max(deadline - router.now, 0.0):.0f} s more"
    why = f": {session.why}" if session.why else ""
    stuck = session.state in (SessionState.INHIBITED, SessionState.FAILED)
    ends = "; `session reset` ends that" if stuck else ""
    return Guard("session", not stuck, f"{state_name(session.state)}{left}{why}{ends}")


def _of_budget(router: Router, target: Target, session: Session | None) -> Guard:
    number = None
    if session is not None and session.attempt is not None:
        number = session.attempt.number
    refusal = router.lns.budget.refusal(target.name, number, router.now)
    calls, minutes = router.lns.budget.used(target.name, router.now)
    used = f"{calls} calls and {minutes:.0f} minutes of the target today"
    return Guard("budget", not refusal, refusal or used)


def headers(spec: SessionSpec, destination: str) -> Iterator[Header]:
    """What encapsulation puts before a packet (fastpath/rewrite.pyx), outermost first."""
    (local, port), (peer, peer_port) = spec.local, spec.peer
    version = 6 if ":" in local else 4
    tos = "TOS of the packet" if spec.tos is None else f"TOS {spec.tos:#04x}"
    df = ", DF" if spec.df and version == 4 else ""
    yield Header(f"IPv{version}", _IP_HEADER[version], f"{local} -> {peer}, {tos}{df}")
    checksum = "checksum" if spec.udp_checksum or version == 6 else "no checksum"
    yield Header("UDP", 8, f"{port} -> {peer_port}, {checksum}")
    ids = f"tunnel {spec.peer_tunnel} session {spec.peer_session}, length"
    sequenced = ", Ns" if spec.sequencing else ""
    yield Header("L2TP", 12 if spec.sequencing else 8, f"{ids}{sequenced}")
    protocol = "0057" if ":" in destination else "0021"
    control = "" if spec.acfc else "FF03 "
    octets = (0 if spec.acfc else 2) + (1 if spec.pfc else 2)
    yield Header("PPP", octets, f"{control}{protocol[2:] if spec.pfc else protocol}")


HANDLERS: Final[Mapping[str, Handler]] = {"explain": _explain}
