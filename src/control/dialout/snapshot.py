"""What `show` and reports see: frozen copies, made of plain values that JSON can hold.

Fields: specification 1.13. Numbers dialed are in the views of calls and sessions and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from control.dialout.counters import LATENCY_BOUNDS
from control.dialout.lac_state import LacState
from control.dialout.levels import TargetState, VirtualRouterState, state_name
from control.dialout.manager import Manager
from control.dialout.session import Session
from control.dialout.session_table import SessionState
from control.dialout.target import Target
from control.dialout.virtual_router import VirtualRouter


@dataclass(frozen=True, slots=True)
class ChassisView:
    state: str
    connecting_timer: int
    dormant_timer: int
    sessions: int
    sessions_seen: int
    """Most at once; likewise the three below."""
    max_sessions: int
    connecting: int
    connecting_seen: int
    max_connecting: int
    pending: int
    pending_seen: int
    max_pending: int
    inhibited_targets: int
    inhibited_targets_seen: int
    auth_grant_no_session: int
    auth_deny_no_session: int
    stale_events: int
    trigger_route_unknown: int
    triggers_discarded: int
    """For which no session could be made, those of deleted targets too."""
    virtual_routers_created: int
    virtual_routers_removed: int
    targets_created: int
    targets_removed: int
    session_states: dict[str, int]
    virtual_router_states: dict[str, int]
    target_states: dict[str, int]
    counters: dict[str, int]
    budget: dict[str, float | bool]
    locked_out_lacs: int
    latency: dict[str, int]
    """Attempts that came in service, by upper bound of their latency in seconds."""
    latency_sum: float


@dataclass(frozen=True, slots=True)
class VirtualRouterView:
    name: str
    table: int
    state: str
    max_buffered_triggers: int
    triggers_missed: int
    trigger_route_unknown: int
    session_states: dict[str, int]
    targets_active: int
    targets_created: int
    targets_removed: int
    target_states: dict[str, int]
    triggers_discarded: int
    """For which no session could be made, those of deleted targets too."""
    sessions: int
    sessions_seen: int
    """Most at once."""
    frozen: bool
    counters: dict[str, int]


@dataclass(frozen=True, slots=True)
class TargetView:
    virtual_router: str
    prefix: str
    state: str
    domain: str
    profile: str
    sessions: int
    sessions_seen: int
    max_sessions: int
    frozen: bool
    calls_today: int
    minutes_today: float
    triggers_discarded: int
    counters: dict[str, int]


@dataclass(frozen=True, slots=True)
class SessionView:
    number: int
    virtual_router: str
    target: str
    destination: str
    state: str
    age: float
    """Seconds in this state."""
    timer: float | None
    """Seconds left on the state's timer."""
    why: str
    access_routes: tuple[str, ...]
    last_failure: dict[str, Any] | None
    counters: dict[str, int]


@dataclass(frozen=True, slots=True)
class CallView:
    session: int
    virtual_router: str
    destination: str
    state: str
    """State of the dial-out session."""
    number: str
    lac: str
    tunnel: int | None
    """Local and the peer's ids, once the call is connected."""
    peer_tunnel: int | None
    call_session: int | None
    peer_session: int | None
    nh: int | None
    connect_speed: int | None


@dataclass(frozen=True, slots=True)
class LacView:
    address: str
    state: str
    """`in service`, `locked out`, `to be tested`, `being tested`."""
    drained: bool
    calls: int
    max_sessions: int
    locked_out: float
    """Seconds left."""


def chassis(manager: Manager, now: float) -> ChassisView:
    chassis, config = manager.chassis, manager.chassis.config
    bounds = [*(f"{bound:g}" for bound in LATENCY_BOUNDS), "more"]
    router_states = {state_name(state): 0 for state in VirtualRouterState}
    for router in chassis.routers.values():
        name = state_name(router.state)
        router_states[name] += 1
    return ChassisView(
        state=state_name(chassis.state),
        connecting_timer=config.connecting_timer,
        dormant_timer=config.dormant_timer,
        sessions=chassis.sessions,
        sessions_seen=chassis.max_sessions_seen,
        max_sessions=config.max_sessions,
        connecting=chassis.connecting,
        connecting_seen=chassis.max_connecting_seen,
        max_connecting=config.max_connecting,
        pending=len(chassis.pending),
        pending_seen=chassis.max_pending_seen,
        max_pending=config.max_pending,
        inhibited_targets=chassis.inhibited_targets(now),
        inhibited_targets_seen=chassis.max_inhibited_targets_seen,
        auth_grant_no_session=chassis.auth_grant_no_session,
        auth_deny_no_session=chassis.auth_deny_no_session,
        stale_events=chassis.stale_events,
        trigger_route_unknown=chassis.trigger_route_unknown,
        triggers_discarded=chassis.triggers_discarded,
        virtual_routers_created=chassis.routers_created,
        virtual_routers_removed=chassis.routers_removed,
        targets_created=chassis.targets_created,
        targets_removed=chassis.targets_removed,
        session_states=_states(chassis.states),
        virtual_router_states=router_states,
        target_states=_target_states(manager, chassis.routers.values(), now),
        counters=chassis.counters.as_dict(),
        budget=manager.services.budget.as_dict(now),
        locked_out_lacs=len(manager.services.lacs.locked_out(now)),
        latency=dict(zip(bounds, chassis.latency.counts, strict=True)),
        latency_sum=chassis.latency.total,
    )


def virtual_routers(manager: Manager, now: float) -> list[VirtualRouterView]:
    return [virtual_router(manager, router, now) for router in manager.chassis.routers.values()]


def virtual_router(manager: Manager, router: VirtualRouter, now: float) -> VirtualRouterView:
    """One of `virtual_routers`."""
    return VirtualRouterView(
        name=router.config.name,
        table=router.config.table,
        state=state_name(router.state),
        max_buffered_triggers=router.config.max_buffered_triggers,
        triggers_missed=router.triggers_missed,
        trigger_route_unknown=router.trigger_route_unknown,
        session_states=_states(router.states),
        targets_active=len(router.targets),
        targets_created=router.targets_created,
        targets_removed=router.targets_removed,
        target_states=_target_states(manager, (router,), now),
        triggers_discarded=router.triggers_discarded,
        sessions=router.sessions,
        sessions_seen=router.sessions_seen,
        frozen=router.frozen,
        counters=router.counters.as_dict(),
    )


def targets(manager: Manager, now: float) -> list[TargetView]:
    return [target(manager, one, now) for one in manager.targets.all()]


def target(manager: Manager, target: Target, now: float) -> TargetView:
    """One of `targets`."""
    used = manager.services.budget.used(target.name, now)
    return TargetView(
        virtual_router=target.router.config.name,
        prefix=target.prefix,
        state=state_name(_target_state(manager, target, now)),
        domain=target.config.domain,
        profile=target.config.profile,
        sessions=len(target.sessions),
        sessions_seen=target.sessions_seen,
        max_sessions=target.config.max_sessions,
        frozen=target.frozen,
        calls_today=used[0],
        minutes_today=round(used[1], 3),
        triggers_discarded=target.triggers_discarded,
        counters=target.counters.as_dict(),
    )


def sessions(manager: Manager, now: float) -> list[SessionView]:
    return [session(manager, one, now) for one in manager.sessions.values()]


def calls(manager: Manager) -> list[CallView]:
    """Calls being placed or connected."""
    return [view for one in manager.sessions.values() if (view := call(one)) is not None]


def lacs(manager: Manager, now: float) -> list[LacView]:
    known = manager.services.lacs
    return [
        LacView(
            address=address,
            state=use.state.value,
            drained=use.drained,
            calls=use.calls,
            max_sessions=known.known(address).max_sessions,
            locked_out=max(use.until - now, 0.0) if use.state is LacState.LOCKED_OUT else 0.0,
        )
        for address, use in known.uses(now)
    ]


def call_records(
    manager: Manager, most: int = 100, private_key: bytes | None = None
) -> list[dict[str, Any]]:
    """The newest calls that have ended, newest last: why each was made and what became of it.
    With a key numbers are replaced by keyed hashes (threat T32)."""
    newest = list(manager.services.records)[-most:]
    return [record.as_dict(private_key) for record in newest]


def session(manager: Manager, session: Session, now: float) -> SessionView:
    """One of `sessions`."""
    deadline = manager.state_deadline(session)
    failure = session.last_failure
    return SessionView(
        number=session.number,
        virtual_router=session.target.router.config.name,
        target=session.target.prefix,
        destination=session.destination,
        state=state_name(session.state),
        age=now - session.since,
        timer=None if deadline is None else max(deadline - now, 0.0),
        why=session.why,
        access_routes=session.target.router.rib.prefixes(session.owner),
        last_failure=None if failure is None else asdict(failure),
        counters=session.counters.as_dict(),
    )


def call(session: Session) -> CallView | None:
    """One of `calls`; None: nothing is placed for this session."""
    attempt = session.attempt
    if attempt is None or attempt.call is None:
        return None
    up = attempt.connected
    return CallView(
        session=session.number,
        virtual_router=session.target.router.config.name,
        destination=session.destination,
        state=state_name(session.state),
        number=attempt.number,
        lac=attempt.lac,
        tunnel=None if up is None else up.tunnel,
        peer_tunnel=None if up is None else up.peer_tunnel,
        call_session=None if up is None else up.session,
        peer_session=None if up is None else up.peer_session,
        nh=attempt.nh,
        connect_speed=None if up is None else up.connect_speed,
    )


def _states(gauges: list[int]) -> dict[str, int]:
    return {
        state_name(state): gauges[state] for state in SessionState if state is not SessionState.NONE
    }


def _target_state(manager: Manager, target: Target, now: float) -> TargetState:
    return manager.chassis.target_state(target, now)


def _target_states(
    manager: Manager, routers: Iterable[VirtualRouter], now: float
) -> dict[str, int]:
    counts = {state_name(state): 0 for state in TargetState}
    for router in routers:
        for state, count in manager.chassis.target_counts(router, now).items():
            counts[state_name(state)] += count
    return counts
