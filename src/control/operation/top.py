"""What `dialout top` looks at: one object, bounded whatever there is in the router.

Totals, of which the client makes rates, and gauges. The hottest targets are those whose sessions
are most, and then their triggers since the look before.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from typing import Final

from control.dialout.counters import SessionCounter as C
from control.dialout.levels import state_name
from control.dialout.session_table import SessionState
from control.dialout.target import Target
from control.operation.router import Router
from control.operation.views import Finding, TopPort, TopTarget, TopView

HOTTEST: Final = 50
"""Targets that are told of."""
DIAL_OUT: Final = (
    "triggers_received",
    "dialouts_requested",
    "dialouts_established",
    "dialouts_rejected",
    "dialouts_timed_out",
    "dialouts_torn_down",
    "calls_placed",
    "auth_denies",
)


def top_view(router: Router) -> Callable[[], TopView]:
    """What one client is shown, look by look."""
    before: dict[int, int] = {}
    """Triggers of targets at the look before, by the target's number."""

    def heat(target: Target) -> tuple[int, int]:
        triggers = target.counters[C.TRIGGERS_RECEIVED]
        return triggers - before.get(target.number, triggers), len(target.sessions)

    def look() -> TopView:
        lns, now = router.lns, router.now
        chassis = lns.manager.chassis
        every = [t for each in chassis.routers.values() for t in each.targets.values()]
        hottest = heapq.nlargest(HOTTEST, every, key=heat)
        view = _view(router, now, [_target(target) for target in hottest])
        before.clear()
        before.update((t.number, t.counters[C.TRIGGERS_RECEIVED]) for t in every)
        return view

    return look


def _view(router: Router, now: float, hottest: list[TopTarget]) -> TopView:
    lns = router.lns
    chassis, record = lns.manager.chassis, router.engine.counters()
    used = lns.budget.as_dict(now)
    counted = chassis.counters.as_dict()
    return TopView(
        time=round(now, 3),
        name=lns.config.chassis.name,
        sessions=_states(chassis.states),
        max_sessions=lns.config.chassis.max_sessions,
        targets=sum(len(each.targets) for each in chassis.routers.values()),
        tunnels=sum(endpoint.tunnel_count for endpoint in lns.endpoints.values()),
        calls_today=int(used["calls_today"]),
        calls_per_day=lns.config.budget.calls_per_day,
        dial_out={name: counted[name] for name in DIAL_OUT},
        verdicts={name: int(record["verdict"][name]) for name in record["verdict"].dtype.names},
        drops={
            name: int(record["reason"][name])
            for name in record["reason"].dtype.names
            if name != "none" and record["reason"][name]
        },
        ports=tuple(_ports(router)),
        hottest=tuple(hottest),
        health=tuple(
            Finding(each.severity.name.lower(), each.name, each.text)
            for each in router.conditions()
        ),
    )


def _states(gauges: list[int]) -> dict[str, int]:
    return {
        state_name(state): gauges[state] for state in SessionState if state is not SessionState.NONE
    }


def _target(target: Target) -> TopTarget:
    return TopTarget(
        virtual_router=target.router.config.name,
        prefix=target.prefix,
        state=state_name(target.state),
        sessions=len(target.sessions),
        triggers=target.counters[C.TRIGGERS_RECEIVED],
        calls=target.counters[C.CALLS_PLACED],
        established=target.counters[C.DIALOUTS_ESTABLISHED],
    )


def _ports(router: Router) -> Iterator[TopPort]:
    for port in router.ports:
        counts = router.engine.port_counters(port.index)
        counts.pop("name")
        yield TopPort(port.config.name, port.config.side, **counts)
