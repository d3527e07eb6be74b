"""Health: each condition comes with its cause and goes with it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from metrics_bench import config, facts

from control import health
from control.config import Budget, Chassis, Config
from control.dialout.usage import Usage
from control.health import GROWING, JUMP_TOLD, ROWS, WINDOW, Condition, Severity, Watch
from control.metrics.facts import Facts, LogFacts, PortFacts


def names(told: Facts, watch: Watch | None = None) -> set[str]:
    return {c.name for c in (watch or Watch()).conditions(told)}


def spent(told: Facts, calls: int) -> None:
    """So many calls were placed today."""
    for _ in range(calls):
        assert told.lns.budget.take("main 198.51.0.0/32", "192.0.2.50", 1.0)


def limited(**limits) -> Config:
    return replace(config(), budget=Budget(dial_burst=1000, lac_dial_rate=1000, **limits))


def test_a_router_that_does_what_it_should_has_no_condition():
    assert Watch().conditions(facts(config())) == []


def test_names_of_conditions_are_distinct():
    every = [row.name for row in (*ROWS, *GROWING)]
    assert len(set(every)) == len(every)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"state_kept": False}, "state-not-kept"),
        ({"ports": (PortFacts("wan", "tunnel", 0, up=False),)}, "port-down"),
        ({"loop_delay": 0.7}, "control-late"),
    ],
)
def test_a_fact_makes_its_condition(changes, name):
    assert names(replace(facts(config()), **changes)) == {name}


def test_before_the_start_no_trigger_is_accepted():
    told = facts(config())
    told.lns.stop(2.0)
    assert names(told) == {"chassis-not-ready", "virtual-router-out-of-service"}


def test_a_full_chassis_is_restricted():
    told = facts(replace(config(), chassis=Chassis(max_sessions=1)))
    assert names(told) == set()
    chassis = told.lns.manager.chassis
    chassis.sessions = 1
    chassis.judge_limit(1.0)
    assert names(told) == {"chassis-restricted"}


def test_a_freeze_is_told_of_the_router_and_of_its_parts():
    told = facts(config())
    told.lns.freeze(True, 1.0)
    assert names(told) == {"frozen"}
    told.lns.freeze(False, 1.0)
    assert names(told) == set()
    told.lns.freeze(True, 1.0, virtual_router="main")
    assert [c.text for c in Watch().conditions(told)] == [
        "an administrator stopped dialling of virtual routers: main"
    ]


def test_a_silent_lac_is_told_until_its_lockout_ends():
    told = facts(config())
    told.lns.manager.services.lacs.lock_out("192.0.2.50", 1.0)
    assert [c.text for c in Watch().conditions(told)] == ["LACs locked out: 192.0.2.50 for 60 s"]
    assert names(replace(told, now=62.0)) == set()


def test_a_dead_radius_server_is_a_warning_and_a_dead_group_is_critical():
    told = facts(config())
    client = told.lns.radius_clients()["isp"]
    (server,) = client.servers.order(1.0)
    client.servers.gave_up(server, 1.0, 1.0)
    found = Watch().conditions(told)
    assert [(c.name, c.severity) for c in found] == [
        ("radius-group-dead", Severity.CRITICAL),
        ("radius-server-dead", Severity.WARNING),
    ]
    assert "192.0.2.60 port 1812 (isp, authentication)" in found[1].text


@pytest.mark.parametrize(
    ("calls", "expected"),
    [(7, set()), (8, {"budget-used"}), (9, {"budget-used"}), (10, {"budget-spent"})],
)
def test_budget_is_told_from_four_fifths_on(calls, expected):
    told = facts(limited(calls_per_day=10))
    spent(told, calls)
    assert names(told) == expected


def test_minutes_count_as_calls_do():
    told = facts(limited(minutes_per_day=100))
    told.lns.budget._total = Usage(seconds=85 * 60.0)
    assert names(told) == {"budget-used"}


def test_growth_is_told_for_a_window_and_not_longer():
    watch, told = Watch(), facts(config())
    watch.look(told)
    grown = replace(told, now=6.0, log=LogFacts(12, 1))
    assert [c.text for c in watch.conditions(grown)] == ["10 lines of the log were left out in 5 s"]
    watch.look(replace(grown, wall=grown.wall + 5))
    later = replace(grown, now=7.0 + WINDOW, wall=grown.wall + 6 + WINDOW)
    watch.look(later)
    assert names(later, watch) == set()


def test_a_counter_that_was_large_from_the_beginning_is_no_growth():
    watch, told = Watch(), replace(facts(config()), log=LogFacts(10**6, 10**6))
    watch.look(told)
    assert names(told, watch) == set()


def test_a_clock_that_jumps_is_told_for_a_while():
    watch, told = Watch(), facts(config())
    watch.look(told)
    watch.look(replace(told, now=6.0, wall=told.wall + 5))
    assert names(replace(told, now=6.0), watch) == set()
    jumped = replace(told, now=11.0, wall=told.wall - 3590)
    watch.look(jumped)
    assert [c.text for c in watch.conditions(jumped)] == ["the wall clock jumped by -3600.0 s"]
    assert names(replace(jumped, now=12.0 + JUMP_TOLD), watch) == set()


def test_long_lists_are_cut():
    ports = tuple(PortFacts(f"p{n}", "home", 0, up=False) for n in range(6))
    (found,) = Watch().conditions(replace(facts(config()), ports=ports))
    assert found.text == "ports down: p0, p1, p2 and 3 more"


def test_the_report_has_the_worst_as_its_status():
    warning = Condition("a", Severity.WARNING, "x")
    critical = Condition("b", Severity.CRITICAL, "y")
    assert health.report([]) == {"status": "ok", "conditions": []}
    assert health.status([warning]) == "warning"
    assert health.report([critical, warning]) == {
        "status": "critical",
        "conditions": [
            {"name": "b", "severity": "critical", "text": "y"},
            {"name": "a", "severity": "warning", "text": "x"},
        ],
    }
