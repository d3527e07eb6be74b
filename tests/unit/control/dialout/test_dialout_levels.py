"""States of chassis, virtual routers and targets: every cell, and what the timeline tells."""

from dataclasses import replace

import pytest
from dialout_bench import SITE, Bench, configuration

from control.config import Target
from control.dialout import events
from control.dialout.levels import (
    CHASSIS,
    TARGET,
    VIRTUAL_ROUTER,
    ChassisEvent,
    ChassisState,
    TargetEvent,
    TargetState,
    VirtualRouterEvent,
    VirtualRouterState,
)
from control.dialout.session_table import SessionState as S
from control.errors import LocalProtocolError

GRIDS = (
    # Columns: the states in the order of the MIB; a digit is the MIB's value of the next one.
    (
        CHASSIS,
        ChassisState,
        ChassisEvent,
        """
        STARTED        1 1 2
        LIMIT_REACHED  0 2 2
        BELOW_LIMIT    0 1 1
        STOPPED        0 0 0
        """,
    ),
    (
        VIRTUAL_ROUTER,
        VirtualRouterState,
        VirtualRouterEvent,
        """
        READY          3 3 3 3
        HOOK_FAILED    1 1 1 1
        DISABLED       2 2 2 2
        NO_RADIUS      2 2 2 2
        STOPPED        0 0 0 0
        """,
    ),
    (
        TARGET,
        TargetState,
        TargetEvent,
        """
        INSTALLED      2 1 2
        NO_ROOM        0 0 0
        LIMIT_REACHED  0 1 1
        BELOW_LIMIT    0 2 2
        WITHDRAWN      0 0 0
        """,
    ),
)
CELLS = [
    pytest.param(table, states(at), event[name], states(int(cell)), id=f"{name}-in-{states(at)}")
    for table, states, event, grid in GRIDS
    for name, *row in (line.split() for line in grid.strip().splitlines())
    for at, cell in enumerate(row)
]


@pytest.mark.parametrize(("table", "state", "event", "after"), CELLS)
def test_cell(table, state, event, after):
    assert table.step(state, event).next is after


def test_every_cell_is_in_the_grids():
    assert len(CELLS) == sum(len(list(table)) for table, *_ in GRIDS)


def told(bench, kind):
    return [fact for fact in bench.timeline() if isinstance(fact, kind)]


def test_the_start_is_told_level_by_level():
    bench = Bench()
    facts = bench.timeline()
    assert [(f.old, f.new) for f in facts if isinstance(f, events.ChassisStateChanged)] == [
        ("initIncomplete", "inService")
    ]
    routers = [f for f in facts if isinstance(f, events.VirtualRouterStateChanged)]
    assert [(f.virtual_router, f.old, f.new) for f in routers] == [
        ("home", "initPending", "inService"),
        ("other", "initPending", "inService"),
    ]
    targets = [f for f in facts if isinstance(f, events.TargetStateChanged)]
    assert [(f.target, f.state) for f in targets] == [("10.1.0.0/16", "inService")]


def test_the_chassis_is_restricted_at_its_limit_and_comes_back():
    bench = Bench(configuration(max_sessions=2))
    bench.to(S.IN_SERVICE, "10.1.0.1")
    bench.timeline()
    bench.packet("10.1.0.2")
    bench.packet("10.1.0.3")
    bench.manager.delete_session("home", "10.1.0.2", bench.now)
    changes = told(bench, events.ChassisStateChanged)
    assert [(f.old, f.new) for f in changes] == [
        ("inService", "restricted"),
        ("restricted", "inService"),
    ]
    assert bench.state("10.1.0.1") is S.IN_SERVICE
    assert bench.state("10.1.0.3") is S.NONE


def test_a_target_is_inhibited_at_its_limit_and_comes_back():
    bench = Bench(configuration(targets=(Target("10.1.0.0/16", "home", "d", "p", 1),)))
    bench.to(S.IN_SERVICE)
    bench.timeline()
    target = bench.session().target
    assert target.state is TargetState.INHIBITED
    bench.manager.replace_target(Target("10.1.0.0/16", "home", "d", "p", 2), bench.now)
    assert target.state is TargetState.IN_SERVICE
    bench.packet("10.1.0.2")
    bench.manager.delete_session("home", "10.1.0.2", bench.now)
    assert [f.state for f in told(bench, events.TargetStateChanged)] == [
        "inService",
        "inhibited",
        "inService",
    ]
    assert bench.state() is S.IN_SERVICE, "a session of an inhibited target is not affected"
    assert target.sessions_seen == 2


def test_a_full_pending_queue_is_told_once_and_its_end_too():
    bench = Bench(configuration(max_connecting=1, max_pending=1))
    bench.to(S.AUTHENTICATING, "10.1.0.1")
    bench.timeline()
    for last in (2, 3, 4):
        bench.packet(f"10.1.0.{last}")
    assert [f.full for f in told(bench, events.PendingQueueChanged)] == [True]
    target = bench.session("10.1.0.1").target
    assert bench.manager.chassis.target_state(target, bench.now) is TargetState.INHIBITED
    bench.manager.reset_session("home", "10.1.0.1", bench.now)
    assert [f.full for f in told(bench, events.PendingQueueChanged)] == [False]
    assert bench.manager.chassis.target_state(target, bench.now) is TargetState.IN_SERVICE


def test_a_router_that_is_down_misses_triggers_and_keeps_its_sessions():
    bench, router = Bench(), None
    session = bench.to(S.IN_SERVICE)
    router = session.target.router
    bench.manager.set_router_down("home", True, bench.now)
    assert router.state is VirtualRouterState.DOWN
    bench.packet("10.1.0.9")
    assert bench.state("10.1.0.9") is S.NONE
    assert router.triggers_missed == 1
    assert session.state is S.IN_SERVICE
    bench.manager.set_router_down("home", False, bench.now)
    bench.packet("10.1.0.9")
    assert bench.state("10.1.0.9") is S.AUTHENTICATING


def test_a_router_without_its_radius_group_is_down_until_there_is_one():
    config = configuration()
    bench = Bench(replace(config, radius=()), start=False)
    bench.manager.start(bench.now)
    router = bench.manager.chassis.routers["home"]
    assert router.state is VirtualRouterState.DOWN
    bench.services.radius = Bench(config).services.radius
    bench.manager.radius_changed(bench.now)
    assert router.state is VirtualRouterState.IN_SERVICE


def test_a_router_whose_table_is_missing_is_tried_again():
    bench = Bench()
    missing = {7}
    resolve = bench.plane.resolve

    def refuse(table, destination):
        if table in missing:
            raise LocalProtocolError("no such table")
        return resolve(table, destination)

    bench.plane.resolve = refuse
    added = replace(bench.config.virtual_router[0], name="late", table=7)
    bench.manager.add_router(added, bench.now)
    router = bench.manager.chassis.routers["late"]
    assert router.state is VirtualRouterState.INIT_FAILED
    bench.pass_time(10)
    assert router.state is VirtualRouterState.INIT_FAILED
    missing.clear()
    bench.pass_time(10)
    assert router.state is VirtualRouterState.IN_SERVICE
    assert bench.manager.get_timer() is None


def test_what_levels_counted_stays_when_a_target_goes():
    bench = Bench(configuration(targets=(Target("10.1.0.0/16", "home", "d", "p", 1),)))
    bench.to(S.IN_SERVICE)
    bench.packet("10.1.0.2")
    bench.manager.remove_target("home", "10.1.0.0/16", bench.now)
    chassis = bench.manager.chassis
    router = chassis.routers["home"]
    assert (router.triggers_discarded, chassis.triggers_discarded) == (1, 1)
    assert (router.sessions, router.sessions_seen, chassis.max_sessions_seen) == (0, 1, 1)
    assert (chassis.targets_created, chassis.targets_removed) == (1, 1)
    assert chassis.inhibited_targets(bench.now) == 0
    assert chassis.max_inhibited_targets_seen == 1
    assert bench.packet(SITE) is None
