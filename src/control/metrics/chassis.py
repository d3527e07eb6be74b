"""Metrics of dialling (specification 1.13): the chassis, its virtual routers and its targets.

The session counters are there at three levels, each under a name of its own, so that a sum over a
label never counts anything twice. Sessions have no metrics of their own, and no label holds a
number, a name of a user or a destination (threat T32).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final

from control.dialout.counters import LATENCY_BOUNDS, ROWS, CounterRow, Counters
from control.dialout.counters import Kind as CounterKind
from control.dialout.levels import ChassisState, TargetState, VirtualRouterState, state_name
from control.dialout.session_table import SessionState
from control.dialout.target import Target
from control.dialout.virtual_router import VirtualRouter
from control.metrics.exposition import Histogram, Kind, Labels, Metric, Sample
from control.metrics.facts import Facts

ROUTER: Final = ("virtual_router",)
TARGET: Final = ("virtual_router", "target")
_SESSION_STATES: Final = tuple(s for s in SessionState if s is not SessionState.NONE)


def routers(facts: Facts) -> Iterator[tuple[Labels, VirtualRouter]]:
    """Those that have metrics of their own."""
    found = facts.lns.manager.chassis.routers.items()
    return (((name,), router) for name, router in islice(found, facts.entries))


def targets(facts: Facts) -> Iterator[tuple[Labels, Target]]:
    """Those that have metrics of their own: the oldest."""
    every = (
        ((name, prefix), target)
        for name, router in facts.lns.manager.chassis.routers.items()
        for prefix, target in router.targets.items()
    )
    return islice(every, facts.entries)


def one(value: Callable[[Facts], float]) -> Callable[[Facts], Iterable[Sample]]:
    """Of a metric without labels."""
    return lambda facts: (((), value(facts)),)


def gauge(name: str, text: str, value: Callable[[Facts], float]) -> Metric[Facts]:
    return Metric(name, Kind.GAUGE, text, (), one(value))


def counter(name: str, text: str, value: Callable[[Facts], float]) -> Metric[Facts]:
    return Metric(name, Kind.COUNTER, text, (), one(value))


def _of_routers(
    name: str, kind: Kind, text: str, value: Callable[[VirtualRouter], float]
) -> Metric[Facts]:
    return Metric(
        name, kind, text, ROUTER, lambda facts: [(at, value(r)) for at, r in routers(facts)]
    )


def _of_targets(
    name: str, kind: Kind, text: str, value: Callable[[Target], float]
) -> Metric[Facts]:
    return Metric(
        name, kind, text, TARGET, lambda facts: [(at, value(t)) for at, t in targets(facts)]
    )


def _counter_metric(row: CounterRow, level: str) -> Metric[Facts]:
    """One of the session counters at one level."""
    counts = row.kind is CounterKind.COUNTER
    name = f"dialout_{level}{row.name}" + ("_total" if counts else "")
    kind = Kind.COUNTER if counts else Kind.GAUGE
    of = {
        "": " (whole router)",
        "virtual_router_": " (of a virtual router)",
        "target_": " (of a target)",
    }
    text = row.text[0].upper() + row.text[1:] + of[level] + "."

    def value(counters: Counters) -> float:
        return counters[row.counter]

    if level == "":
        return Metric(name, kind, text, (), one(lambda f: value(f.lns.manager.chassis.counters)))
    if level == "target_":
        return _of_targets(name, kind, text, lambda target: value(target.counters))
    return _of_routers(name, kind, text, lambda router: value(router.counters))


def _state(facts: Facts) -> Iterator[Sample]:
    state = facts.lns.manager.chassis.state
    return (((state_name(each),), int(each is state)) for each in ChassisState)


def _router_states(facts: Facts) -> Iterator[Sample]:
    counts = dict.fromkeys(VirtualRouterState, 0)
    for router in facts.lns.manager.chassis.routers.values():
        counts[router.state] += 1
    return (((state_name(state),), count) for state, count in counts.items())


def _sessions(facts: Facts) -> Iterator[Sample]:
    for (name,), router in routers(facts):
        for state in _SESSION_STATES:
            yield (name, state_name(state)), router.states[state]


def _targets(facts: Facts) -> Iterator[Sample]:
    chassis = facts.lns.manager.chassis
    for (name,), router in routers(facts):
        counts = chassis.target_counts(router, facts.now)
        for state in TargetState:
            yield (name, state_name(state)), counts[state]


def _omitted(facts: Facts) -> Iterator[Sample]:
    chassis = facts.lns.manager.chassis
    have = {
        "virtual_router": len(chassis.routers),
        "target": sum(len(router.targets) for router in chassis.routers.values()),
        "lac": len(facts.lns.config.lac),
        "radius": len(facts.lns.config.radius),
    }
    return (((what,), max(count - facts.entries, 0)) for what, count in have.items())


def _latency(facts: Facts) -> Iterable[Sample]:
    seen = facts.lns.manager.chassis.latency
    return (((), Histogram(LATENCY_BOUNDS, tuple(seen.counts), seen.total)),)


def _used(facts: Facts) -> dict[str, float | bool]:
    return facts.lns.budget.as_dict(facts.now)


_CHASSIS: Final = (
    Metric("dialout_chassis_state", Kind.GAUGE, "1 for the state that the chassis is in.",
           ("state",), _state),
    Metric("dialout_virtual_routers", Kind.GAUGE, "Virtual routers by state.", ("state",),
           _router_states),
    Metric("dialout_sessions", Kind.GAUGE, "Dial-out sessions by state.",
           ("virtual_router", "state"), _sessions),
    Metric("dialout_targets", Kind.GAUGE, "Dial-out targets by state.",
           ("virtual_router", "state"), _targets),
    Metric("dialout_metrics_omitted", Kind.GAUGE,
           "Entries beyond [metrics] entries, which have no metrics of their own.", ("what",),
           _omitted),
    gauge("dialout_sessions_limit", "Sessions that there may be, of [chassis] max_sessions.",
          lambda f: f.lns.config.chassis.max_sessions),
    gauge("dialout_sessions_max_seen", "Most sessions at once.",
          lambda f: f.lns.manager.chassis.max_sessions_seen),
    gauge("dialout_connecting", "Sessions that authenticate or connect.",
          lambda f: f.lns.manager.chassis.connecting),
    gauge("dialout_connecting_limit", "Sessions that may, of [chassis] max_connecting.",
          lambda f: f.lns.config.chassis.max_connecting),
    gauge("dialout_connecting_max_seen", "Most connecting sessions at once.",
          lambda f: f.lns.manager.chassis.max_connecting_seen),
    gauge("dialout_pending", "Sessions that wait for a connecting slot.",
          lambda f: len(f.lns.manager.chassis.pending)),
    gauge("dialout_pending_limit", "Sessions that may wait, of [chassis] max_pending.",
          lambda f: f.lns.config.chassis.max_pending),
    gauge("dialout_pending_max_seen", "Most pending sessions at once.",
          lambda f: f.lns.manager.chassis.max_pending_seen),
    gauge("dialout_inhibited_targets_max_seen", "Most inhibited targets at once.",
          lambda f: f.lns.manager.chassis.max_inhibited_targets_seen),
    counter("dialout_auth_grant_no_session_total",
            "Grants of RADIUS for a session that was gone.",
            lambda f: f.lns.manager.chassis.auth_grant_no_session),
    counter("dialout_auth_deny_no_session_total",
            "Denials of RADIUS for a session that was gone.",
            lambda f: f.lns.manager.chassis.auth_deny_no_session),
    counter("dialout_stale_events_total", "Events of an attempt that was over; dropped.",
            lambda f: f.lns.manager.chassis.stale_events),
    counter("dialout_trigger_route_unknown_total",
            "Trigger events of a table that no virtual router has.",
            lambda f: f.lns.manager.chassis.trigger_route_unknown),
    counter("dialout_triggers_without_session_total",
            "Triggers for which no session could be made.",
            lambda f: f.lns.manager.chassis.triggers_discarded),
    counter("dialout_virtual_routers_created_total", "Virtual routers created.",
            lambda f: f.lns.manager.chassis.routers_created),
    counter("dialout_virtual_routers_removed_total", "Virtual routers removed.",
            lambda f: f.lns.manager.chassis.routers_removed),
    counter("dialout_targets_created_total", "Targets created.",
            lambda f: f.lns.manager.chassis.targets_created),
    counter("dialout_targets_removed_total", "Targets removed.",
            lambda f: f.lns.manager.chassis.targets_removed),
    Metric("dialout_latency_seconds", Kind.HISTOGRAM,
           "Time from the trigger of an attempt to its session in service.", (), _latency),
)  # fmt: skip

_BUDGET: Final = (
    gauge("dialout_frozen", "1 while an administrator lets no call be placed.",
          lambda f: _used(f)["frozen"]),
    gauge("dialout_budget_saved", "1 while what is used of the budget outlives a restart.",
          lambda f: _used(f)["saved"]),
    gauge("dialout_budget_calls", "Calls of this UTC day.", lambda f: _used(f)["calls_today"]),
    gauge("dialout_budget_calls_limit", "Calls that a day may have.",
          lambda f: f.lns.config.budget.calls_per_day),
    gauge("dialout_budget_connected_seconds", "Time connected on this UTC day.",
          lambda f: _used(f)["minutes_today"] * 60),
    gauge("dialout_budget_connected_seconds_limit",
          "Time that a day may have, +Inf if it is not limited.",
          lambda f: f.lns.config.budget.minutes_per_day * 60 or float("inf")),
    gauge("dialout_dial_tokens", "Calls that the dial rate allows now.",
          lambda f: f.lns.budget.tokens(f.now)),
)  # fmt: skip

_ROUTERS: Final = (
    _of_routers("dialout_virtual_router_frozen", Kind.GAUGE, "1 while its targets place no call.",
                lambda r: r.frozen),
    _of_routers("dialout_virtual_router_routes", Kind.GAUGE, "Routes in its RIB.",
                lambda r: len(r.rib)),
    _of_routers("dialout_virtual_router_sessions_max_seen", Kind.GAUGE, "Most sessions at once.",
                lambda r: r.sessions_seen),
    _of_routers("dialout_virtual_router_triggers_missed_total", Kind.COUNTER,
                "Trigger events that came while no trigger was accepted.",
                lambda r: r.triggers_missed),
    _of_routers("dialout_virtual_router_trigger_route_unknown_total", Kind.COUNTER,
                "Trigger events whose target was gone.", lambda r: r.trigger_route_unknown),
    _of_routers("dialout_virtual_router_triggers_without_session_total", Kind.COUNTER,
                "Triggers for which no session could be made.", lambda r: r.triggers_discarded),
    _of_routers("dialout_virtual_router_targets_created_total", Kind.COUNTER, "Targets created.",
                lambda r: r.targets_created),
    _of_routers("dialout_virtual_router_targets_removed_total", Kind.COUNTER, "Targets removed.",
                lambda r: r.targets_removed),
)  # fmt: skip

_TARGETS: Final = (
    _of_targets("dialout_target_frozen", Kind.GAUGE, "1 while it places no call.",
                lambda t: t.frozen),
    _of_targets("dialout_target_sessions_limit", Kind.GAUGE, "Sessions that it may have.",
                lambda t: t.config.max_sessions),
    _of_targets("dialout_target_sessions_max_seen", Kind.GAUGE, "Most sessions at once.",
                lambda t: t.sessions_seen),
    _of_targets("dialout_target_triggers_without_session_total", Kind.COUNTER,
                "Triggers for which no session could be made.", lambda t: t.triggers_discarded),
)  # fmt: skip

METRICS: Final[tuple[Metric[Facts], ...]] = (
    *_CHASSIS,
    *(_counter_metric(row, "") for row in ROWS),
    *_BUDGET,
    *_ROUTERS,
    *(_counter_metric(row, "virtual_router_") for row in ROWS),
    *_TARGETS,
    *(_counter_metric(row, "target_") for row in ROWS),
)
