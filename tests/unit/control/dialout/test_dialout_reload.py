"""Adding, changing and removing what a configuration names, under calls that are up."""

from dataclasses import replace

import pytest
from dialout_bench import LAC1, LOCAL, SITE, Bench, configuration

from control.budget_store import SqliteBudgetStore
from control.config import Budget, Lac, Profile, Target, VirtualRouter
from control.dialout.levels import VirtualRouterState
from control.dialout.session_table import SessionState as S
from control.errors import LocalProtocolError

NEW = Target("10.7.0.0/16", "late", "example.org", "p")


def test_a_router_comes_with_targets_and_goes_with_its_calls():
    bench = Bench()
    old = bench.to(S.IN_SERVICE)
    bench.manager.add_router(VirtualRouter("late", 7, radius="r", local_address=LOCAL), bench.now)
    assert bench.manager.chassis.routers["late"].state is VirtualRouterState.IN_SERVICE
    bench.manager.add_target(NEW, bench.now)
    bench.packet("10.7.0.1", table=7)
    session = bench.manager.targets.sessions_to("late", "10.7.0.1")[0]
    bench.grant()
    assert session.state is S.CONNECTING
    bench.manager.remove_router("late", bench.now)
    assert bench.endpoint.closed == [2]
    assert "late" not in bench.manager.chassis.routers
    assert bench.manager.targets.of_table(7) is None
    assert list(bench.manager.sessions.values()) == [old]
    assert old.state is S.IN_SERVICE
    chassis = bench.manager.chassis
    assert (chassis.routers_created, chassis.routers_removed) == (3, 1)


@pytest.mark.parametrize(("name", "table"), [("home", 9), ("new", 1)])
def test_a_router_that_there_is_cannot_be_added(name, table):
    with pytest.raises(LocalProtocolError, match="there is a virtual router"):
        Bench().manager.add_router(VirtualRouter(name, table), 0.0)


def test_a_replaced_router_asks_with_its_new_names():
    bench = Bench()
    home = bench.config.virtual_router[0]
    bench.manager.replace_router(replace(home, rd="65000:9"), bench.now)
    bench.packet()
    assert bench.radius.dialout[-1].user_name == f"65000:9/{SITE}@example.org"
    with pytest.raises(LocalProtocolError, match="cannot change"):
        bench.manager.replace_router(replace(home, table=5), bench.now)
    with pytest.raises(LocalProtocolError, match="no virtual router"):
        bench.manager.remove_router("nowhere", bench.now)


def test_more_targets_than_a_router_may_have_are_refused():
    config = configuration()
    home = replace(config.virtual_router[0], max_targets=1)
    bench = Bench(replace(config, virtual_router=(home,)))
    with pytest.raises(LocalProtocolError, match="as many as it may"):
        bench.manager.add_target(replace(NEW, virtual_router="home"), bench.now)


def test_a_replaced_profile_counts_from_the_next_call():
    bench = Bench(configuration(profile=Profile("p", session_timeout=100)))
    bench.to(S.IN_SERVICE)
    bench.manager.replace_profile(Profile("p", session_timeout=500, mru=1000))
    bench.to(S.IN_SERVICE, "10.1.0.2")
    assert bench.links[0].config.mru == 1460
    assert bench.links[1].config.mru == 1000
    bench.pass_time(100)
    assert bench.state() is S.DORMANT
    assert bench.state("10.1.0.2") is S.IN_SERVICE


def test_a_profile_that_is_used_cannot_be_removed():
    bench = Bench()
    bench.manager.replace_profile(Profile("q"))
    bench.manager.remove_profile("q")
    with pytest.raises(LocalProtocolError, match="is used by target home"):
        bench.manager.remove_profile("p")


def test_a_changed_limit_of_a_target_touches_no_session_and_another_domain_deletes_it():
    bench = Bench()
    bench.to(S.IN_SERVICE)
    target = bench.config.target[0]
    bench.manager.replace_target(replace(target, max_sessions=1), bench.now)
    assert bench.state() is S.IN_SERVICE
    bench.manager.replace_target(replace(target, domain="other.org"), bench.now)
    assert bench.state() is S.NONE
    bench.packet()
    assert bench.radius.dialout[-1].user_name == f"{SITE}@other.org"


def test_new_chassis_limits_count_at_once_and_timers_at_their_next_start():
    bench = Bench(configuration(max_connecting=1))
    first = bench.to(S.CONNECTING, "10.1.0.1")
    bench.packet("10.1.0.2")
    assert bench.state("10.1.0.2") is S.PENDING
    chassis = replace(bench.config.chassis, max_connecting=2, connecting_timer=90)
    bench.manager.set_chassis(chassis, bench.now)
    assert bench.state("10.1.0.2") is S.DORMANT
    bench.packet("10.1.0.2")
    bench.grant()
    bench.pass_time(60)
    assert first.state is S.INHIBITED
    assert bench.state("10.1.0.2") is S.CONNECTING
    bench.pass_time(30)
    assert bench.state("10.1.0.2") is S.INHIBITED
    bench.manager.set_chassis(replace(chassis, max_sessions=1), bench.now)
    bench.packet("10.1.0.3")
    assert bench.state("10.1.0.3") is S.NONE


def test_a_new_budget_keeps_what_was_used():
    bench = Bench(configuration(budget=Budget(calls_per_day=5, dial_burst=50)))
    bench.to(S.CONNECTING, "10.1.0.1")
    bench.manager.set_budget(Budget(calls_per_day=1, dial_burst=5), bench.now)
    assert bench.services.budget.tokens(bench.now) == 5
    bench.packet()
    bench.grant()
    assert bench.session().last_failure.reason == "calls of the day are spent"


def test_new_lacs_count_from_the_next_call():
    bench = Bench()
    bench.to(S.CONNECTING, "10.1.0.1")
    bench.manager.set_lacs((Lac(LAC1, max_sessions=1),))
    bench.packet()
    bench.grant()
    assert bench.session().last_failure.reason == "the LAC has as many calls as it may"
    assert bench.state("10.1.0.1") is S.CONNECTING


@pytest.mark.parametrize(
    ("scope", "frozen", "free"),
    [
        ({}, ["10.1.0.1", "10.2.0.1"], []),
        ({"virtual_router": "home"}, ["10.1.0.1", "10.2.0.1"], []),
        ({"virtual_router": "home", "prefix": "10.1.0.0/16"}, ["10.1.0.1"], ["10.2.0.1"]),
        ({"virtual_router": "other"}, [], ["10.1.0.1", "10.2.0.1"]),
    ],
)
def test_freeze_stops_new_calls_of_its_scope_and_no_other(scope, frozen, free):
    targets = tuple(Target(f"10.{n}.0.0/16", "home", "d", "p") for n in (1, 2))
    bench = Bench(configuration(targets=targets))
    up = bench.to(S.IN_SERVICE, "10.1.0.77")
    bench.manager.freeze(True, bench.now, **scope)
    for destination in (*frozen, *free):
        bench.packet(destination)
        bench.grant()
    assert [bench.state(d) for d in frozen] == [S.INHIBITED] * len(frozen)
    assert [bench.state(d) for d in free] == [S.CONNECTING] * len(free)
    assert up.state is S.IN_SERVICE
    bench.manager.freeze(False, bench.now, **scope)
    bench.packet("10.1.0.50")
    bench.grant()
    assert bench.state("10.1.0.50") is S.CONNECTING


@pytest.mark.parametrize(
    "scope", [{}, {"virtual_router": "home"}, {"virtual_router": "home", "prefix": "10.1.0.0/16"}]
)
def test_what_is_frozen_comes_up_frozen_after_a_restart(tmp_path, scope):
    def started() -> Bench:
        return Bench(store=SqliteBudgetStore(str(tmp_path / "budget")))

    first = started()
    first.manager.freeze(True, first.now, **scope)
    second = started()
    second.packet()
    second.grant()
    assert second.state() is S.INHIBITED
    second.manager.freeze(False, second.now, **scope)
    third = started()
    third.packet()
    third.grant()
    assert third.state() is S.CONNECTING


def test_freeze_with_hangup_closes_the_calls_of_its_scope():
    targets = tuple(Target(f"10.{n}.0.0/16", "home", "d", "p") for n in (1, 2))
    bench = Bench(configuration(targets=targets))
    bench.to(S.IN_SERVICE, "10.1.0.1")
    bench.to(S.IN_SERVICE, "10.2.0.1")
    assert (
        bench.manager.freeze(
            True, bench.now, virtual_router="home", prefix="10.1.0.0/16", hangup=True
        )
        == 1
    )
    assert bench.state("10.1.0.1") is S.DORMANT
    assert bench.state("10.2.0.1") is S.IN_SERVICE
