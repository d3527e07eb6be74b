"""`show`: what there is, row by row, so that a list of any length keeps nothing else waiting.

What is one object is made at once; counters are counters.py, what cannot be a list is ask.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from control.dialout import snapshot
from control.dialout.incoming_session import IncomingView
from control.dialout.levels import state_name
from control.dialout.session import Session
from control.dialout.session_table import SessionState
from control.dialout.target import Target
from control.dialout.virtual_router import VirtualRouter
from control.errors import DialoutError
from control.health import status
from control.operation.answer import Answer, Asked, Handler, Rows
from control.operation.counters import counters
from control.operation.records import records
from control.operation.roles import Role
from control.operation.router import Router, router_name
from control.operation.routes import routes
from control.operation.schema import plain
from control.operation.views import (
    CallLine,
    Finding,
    HealthView,
    PortView,
    RadiusView,
    SessionLine,
    TargetLine,
    TriggerView,
    TunnelView,
    VirtualRouterLine,
)
from control.operation.within import Within

Row = dict[str, Any] | None


def _limited(rows: Iterator[Row], asked: Asked) -> Rows:
    return Rows(_first(rows, asked.arguments["limit"]))


def _first(rows: Iterator[Row], most: int | None) -> Iterator[Row]:
    left = most
    for row in rows:
        yield row
        if left is not None and row is not None:
            left -= 1
            if not left:
                return


def _routers(router: Router, asked: Asked) -> list[VirtualRouter]:
    """The one that is asked for, or all. Raises NotFound."""
    known = router.lns.manager.chassis.routers
    name = asked.arguments.get("virtual_router")
    return list(known.values()) if name is None else [known[router_name(router, name)]]


def _chassis(router: Router, asked: Asked) -> Answer:
    found: dict[str, Any] = plain(router.lns.chassis(router.now))
    return found


def _virtual_routers(router: Router, asked: Asked) -> Answer:
    wanted = asked.arguments["state"]
    known = _routers(router, asked)

    def rows() -> Iterator[Row]:
        for one in known:
            if wanted is not None and state_name(one.state) != wanted:
                yield None
            elif asked.arguments["detail"]:
                yield plain(snapshot.virtual_router(router.lns.manager, one, router.now))
            else:
                yield plain(_router_line(one))

    return _limited(rows(), asked)


def _router_line(one: VirtualRouter) -> VirtualRouterLine:
    return VirtualRouterLine(
        one.config.name,
        one.config.table,
        state_name(one.state),
        len(one.targets),
        one.sessions,
        one.states[SessionState.IN_SERVICE],
        one.triggers_missed,
        one.frozen,
    )


def _targets(router: Router, asked: Asked) -> Answer:
    manager, told = router.lns.manager, asked.arguments
    within = Within(told["destination"])
    known = [target for owner in _routers(router, asked) for target in owner.targets.values()]

    def rows() -> Iterator[Row]:
        for one in known:
            state = state_name(manager.chassis.target_state(one, router.now))
            if (
                (told["state"] is not None and state != told["state"])
                or (told["frozen"] and not (one.frozen or one.router.frozen))
                or not within.is_covered_by(one.prefix)
            ):
                yield None
            elif told["detail"]:
                yield plain(snapshot.target(manager, one, router.now))
            else:
                yield plain(_target_line(router, one, state))

    return _limited(rows(), asked)


def _target_line(router: Router, target: Target, state: str) -> TargetLine:
    calls, minutes = router.lns.budget.used(target.name, router.now)
    return TargetLine(
        target.router.config.name,
        target.prefix,
        state,
        target.config.domain,
        target.config.profile,
        len(target.sessions),
        calls,
        round(minutes, 3),
        target.frozen or target.router.frozen,
    )


def _sessions(router: Router, asked: Asked) -> Answer:
    """Of a list that was made at the beginning: who goes meanwhile is left out."""
    manager, told = router.lns.manager, asked.arguments
    names = {one.config.name for one in _routers(router, asked)}
    within = Within(told["destination"])
    state, lac, target = told["state"], told["lac"], told["target"]
    detail = told["detail"]

    def rows() -> Iterator[Row]:
        for number in list(manager.sessions):
            one = manager.sessions.get(number)
            if (
                one is None
                or one.target.router.config.name not in names
                or (state is not None and state_name(one.state) != state)
                or (target is not None and one.target.prefix != target)
                or (lac is not None and (one.attempt is None or one.attempt.lac != lac))
                or not within.has(one.destination)
            ):
                yield None
            elif detail:
                yield plain(snapshot.session(manager, one, router.now))
            else:
                yield plain(session_line(router, one))

    return _limited(rows(), asked)


def session_line(router: Router, session: Session) -> SessionLine:
    now = router.now
    deadline = router.lns.manager.state_deadline(session)
    return SessionLine(
        session.target.router.config.name,
        session.target.prefix,
        session.destination,
        _STATE_NAMES[session.state],
        round(now - session.since, 3),
        None if deadline is None else round(max(deadline - now, 0.0), 3),
        "" if session.attempt is None else session.attempt.lac,
        session.why,
    )


_STATE_NAMES: Final = {state: state_name(state) for state in SessionState}


def _triggers(router: Router, asked: Asked) -> Answer:
    names = {one.config.name for one in _routers(router, asked)}
    within = Within(asked.arguments["destination"])
    manager = router.lns.manager

    def rows() -> Iterator[Row]:
        for number in list(manager.sessions):
            one = manager.sessions.get(number)
            if (
                one is None
                or one.key is None
                or one.trigger is None
                or one.target.router.config.name not in names
                or not within.has(one.destination)
            ):
                yield None
            else:
                yield plain(_trigger(router, one, one.key))

    return _limited(rows(), asked)


def _trigger(router: Router, session: Session, key: int) -> TriggerView:
    trigger = session.trigger
    assert trigger is not None
    try:
        buffered = router.engine.triggers.buffered(key)
    except KeyError:
        buffered = 0
    return TriggerView(
        session.target.router.config.name,
        session.target.prefix,
        session.destination,
        _STATE_NAMES[session.state],
        round(router.now - session.triggered, 3),
        buffered,
        trigger.source,
        trigger.protocol,
        trigger.source_port,
        trigger.destination_port,
    )


def _calls(router: Router, asked: Asked) -> Answer:
    manager, told = router.lns.manager, asked.arguments
    names = {one.config.name for one in _routers(router, asked)}
    within = Within(told["destination"])
    lac = told["lac"]
    private = asked.role >= Role.OPERATE

    def rows() -> Iterator[Row]:
        for number in list(manager.sessions):
            one = manager.sessions.get(number)
            view = None if one is None else snapshot.call(one)
            if view is not None and view.virtual_router in names and within.has(view.destination):
                yield plain(_placed(view, private)) if lac in (None, view.lac) else None
            else:
                yield None
        if told["destination"] is None:
            for came in router.lns.incoming_calls(router.now):
                if came.virtual_router in names and lac in (None, came.lac):
                    yield plain(_came(came, private))

    return _limited(rows(), asked)


def _placed(call: snapshot.CallView, private: bool) -> CallLine:
    return CallLine(
        call.virtual_router,
        "out",
        call.destination,
        call.state,
        call.lac,
        call.tunnel,
        call.peer_tunnel,
        call.call_session,
        call.peer_session,
        call.nh,
        call.connect_speed,
        number=call.number if private else None,
        calling_number=None,
        user=None,
    )


def _came(call: IncomingView, private: bool) -> CallLine:
    return CallLine(
        call.virtual_router,
        "in",
        ", ".join(call.access_routes),
        call.state,
        call.lac,
        call.tunnel,
        None,
        call.call_session,
        None,
        call.nh,
        None,
        number=call.called_number if private else None,
        calling_number=call.calling_number if private else None,
        user=call.user_name if private else None,
    )


def _tunnels(router: Router, asked: Asked) -> Answer:
    lac, lns = asked.arguments["lac"], router.lns

    def rows() -> Iterator[Row]:
        found = [(info, None, "") for info in lns.tunnels()]
        ended = [
            (dead.tunnel, router.now - dead.ended, dead.failure.message or dead.failure.stage)
            for dead in (lns.dead_tunnels(router.now) if asked.arguments["ended"] else ())
        ]
        for info, since, why in (*found, *ended):
            view = TunnelView(
                info.local[0],
                info.peer[0],
                info.peer_host_name,
                info.tunnel,
                info.peer_tunnel,
                info.state,
                info.calls,
                info.opened_by_us,
                info.draining,
                ended=since,
                why=why,
            )
            yield plain(view) if lac in (None, info.peer[0]) else None

    return _limited(rows(), asked)


def _routes(router: Router, asked: Asked) -> Answer:
    return _limited(routes(router, asked, _routers(router, asked)), asked)


def _records(router: Router, asked: Asked) -> Answer:
    return _limited(records(router, asked, _routers(router, asked)), asked)


def _lacs(router: Router, asked: Asked) -> Answer:
    return _limited((plain(view) for view in router.lns.lacs(router.now)), asked)


def _radius(router: Router, asked: Asked) -> Answer:
    return _limited((plain(view) for view in radius_servers(router)), asked)


def radius_servers(router: Router) -> Iterator[RadiusView]:
    """Of the groups in force: a client that only finishes what it began is not asked any more."""
    for name, client in router.lns.radius_clients().items():
        for (address, port), up in client.servers.alive(router.now):
            yield RadiusView(name, address, port, "authentication", not up, client.pending)
        for (address, port), up in client.accounting.servers.alive(router.now):
            yield RadiusView(name, address, port, "accounting", not up, len(client.accounting))


def _ports(router: Router, asked: Asked) -> Answer:
    def rows() -> Iterator[Row]:
        for port in router.ports:
            counted = router.engine.port_counters(port.index)
            counts = {name: int(n) for name, n in counted.items() if name in _CARRIED}
            url, side, owner = port.config.url, port.config.side, port.config.virtual_router
            yield plain(
                PortView(
                    port.config.name, url, side, owner, port.config.mtu,
                    **counts, backend=_backend(port),
                )
            )  # fmt: skip

    return _limited(rows(), asked)


_CARRIED: Final = ("rx_packets", "rx_octets", "tx_packets", "tx_octets", "tx_refused")


def _backend(port: Any) -> dict[str, int]:
    try:
        return {str(name): int(count) for name, count in port.counts().items()}
    except (AttributeError, OSError, DialoutError):
        return {}


def _health(router: Router) -> HealthView:
    conditions = router.conditions()
    found = tuple(Finding(one.severity.name.lower(), one.name, one.text) for one in conditions)
    return HealthView(status(conditions), round(router.now, 3), found)


def _view(make: Callable[[Router], Any]) -> Handler:
    def handler(router: Router, asked: Asked) -> Answer:
        found: dict[str, Any] = plain(make(router))
        return found

    return handler


HANDLERS: Final[Mapping[str, Handler]] = {
    "show chassis": _chassis,
    "show virtual-routers": _virtual_routers,
    "show targets": _targets,
    "show sessions": _sessions,
    "show tunnels": _tunnels,
    "show routes": _routes,
    "show triggers": _triggers,
    "show calls": _calls,
    "show records": _records,
    "show counters": _view(counters),
    "show health": _view(_health),
    "show lacs": _lacs,
    "show radius": _radius,
    "show ports": _ports,
}
