"""Triggers in every state; targets, virtual routers and chassis."""

from dataclasses import replace

import pytest
from dialout_bench import LOCAL, SITE, Bench, bench_in, configuration
from dialout_model import Entry

from control.config import Target, VirtualRouter
from control.dialout.counters import SessionCounter as C
from control.dialout.events import TargetStateChanged
from control.dialout.levels import ChassisState, TargetState, VirtualRouterState
from control.dialout.session_table import SessionState as S
from control.errors import LocalProtocolError


def test_a_trigger_asks_radius_and_is_held():
    bench = Bench()
    assert bench.packet(payload="first") is not None
    assert bench.packet(payload="second") is None
    request = bench.radius.dialout[0]
    assert request.user_name == f"{SITE}@example.org"
    assert request.session_id == "B00000001"
    assert bench.plane.buffered() == ["first", "second"]
    assert bench.state() is S.AUTHENTICATING


def test_the_route_distinguisher_goes_before_the_address():
    config = configuration()
    router = VirtualRouter("home", 1, rd="0.0.0.0:65000", radius="r", local_address=LOCAL)
    bench = Bench(replace(config, virtual_router=(router,)))
    bench.packet()
    assert bench.radius.dialout[0].user_name == f"0.0.0.0:65000/{SITE}@example.org"


def test_each_destination_is_a_session_of_its_own():
    bench = Bench()
    bench.packet("10.1.0.1")
    bench.packet("10.1.0.2")
    assert len(bench.manager.sessions) == 2


def test_connecting_discards_new_triggers_and_keeps_the_buffer():
    bench, _ = bench_in(S.CONNECTING)
    bench.packet(payload="late")
    assert bench.plane.buffered() == ["p"]
    assert bench.plane.discarded == ["late"]


@pytest.mark.parametrize("state", [S.PENDING, S.INHIBITED, S.FAILED])
def test_the_buffer_is_dropped_and_later_triggers_are_discarded(state):
    bench, session = bench_in(state)
    held = [p for p in bench.plane.buffered() if p != "p"]
    assert held == []
    assert bench.plane.discarded == ["p"]
    assert bench.packet(payload="later") is None
    assert bench.plane.discarded == ["p", "later"]
    assert session.state is state


@pytest.mark.parametrize("state", [S.DORMANT, S.POST_INHIBITED])
def test_the_next_packet_starts_a_new_attempt(state):
    bench, session = bench_in(state)
    assert bench.packet(payload="again") is not None
    assert session.state is S.AUTHENTICATING
    assert bench.plane.buffered() == ["again"]
    assert len(bench.radius.dialout) == 2


def test_inhibited_after_a_short_call_discards_too():
    bench, session = bench_in(S.IN_SERVICE)
    bench.closed()
    assert session.state is S.INHIBITED
    assert session.key is None
    bench.packet(payload="x")
    bench.packet(payload="y")
    assert bench.plane.discarded == ["x", "y"]
    assert session.counters[C.TRIGGERS_DISCARDED] == 1


def test_a_late_copy_in_service_is_forwarded():
    bench, session = bench_in(S.IN_SERVICE)
    glean = session.target.glean
    event = bench.plane._trigger(1, glean, SITE, "late")
    bench.manager.on_trigger(event, bench.now)
    assert bench.plane.sent == [(session.attempt.nh, "p"), (session.attempt.nh, "late")]
    assert session.state is S.IN_SERVICE


def test_a_second_key_for_the_same_destination_ends_the_first():
    bench, session = bench_in(S.CONNECTING)
    bench.plane.trigger_forget(session.key)
    old = session.key
    bench.plane.entries[0, "old"] = Entry(old)
    bench.packet(payload="new")
    assert session.key != old
    assert bench.plane.buffered() == ["new"]
    assert session.state is S.CONNECTING


def test_nothing_is_accepted_before_the_start():
    bench = Bench(start=False)
    assert bench.manager.chassis.state is ChassisState.INIT_INCOMPLETE
    assert bench.manager.chassis.routers["home"].state is VirtualRouterState.INIT_PENDING
    bench.manager.start(bench.now)
    assert bench.manager.chassis.state is ChassisState.IN_SERVICE
    assert bench.manager.chassis.routers["home"].state is VirtualRouterState.IN_SERVICE


def test_a_router_without_radius_is_down_and_misses_triggers():
    config = configuration()
    routers = (VirtualRouter("home", 1, radius="nobody", local_address=LOCAL),)
    bench = Bench(replace(config, virtual_router=routers))
    router = bench.manager.chassis.routers["home"]
    assert router.state is VirtualRouterState.DOWN
    bench.packet()
    assert router.triggers_missed == 1
    assert bench.state() is S.NONE
    assert bench.plane.entries == {}


def test_a_trigger_of_a_deleted_target_is_counted():
    bench = Bench()
    event = bench.plane.packet(1, SITE, "p")
    unknown = type(event)(*(event.key, event.table, 999), SITE, "192.0.2.1", 17, 1, 2)
    bench.manager.on_trigger(unknown, bench.now)
    assert bench.manager.chassis.routers["home"].trigger_route_unknown == 1
    assert bench.plane.entries == {}


def test_a_target_without_room_is_down_until_there_is():
    bench = Bench(start=False)
    bench.plane.no_room = True
    bench.manager.start(bench.now)
    target = bench.manager.targets.all()[0]
    assert target.state is TargetState.DOWN
    assert bench.manager.chassis.routers["home"].state is VirtualRouterState.INIT_FAILED
    bench.plane.no_room = False
    bench.pass_time(10)
    assert target.state is TargetState.IN_SERVICE
    assert bench.packet() is not None
    states = [f.state for f in bench.timeline() if isinstance(f, TargetStateChanged)]
    assert states == ["down", "inService"]


def test_one_target_without_room_does_not_keep_the_others_down():
    targets = tuple(Target(f"10.{n}.0.0/16", "home", "d", "p") for n in (1, 2))
    bench = Bench(configuration(targets=targets), start=False)
    add, calls = bench.plane.add_glean, []

    def fail_for_the_first(table, prefix):
        calls.append(prefix)
        if prefix.startswith("10.1."):
            bench.plane.no_room = True
        try:
            return add(table, prefix)
        finally:
            bench.plane.no_room = False

    bench.plane.add_glean = fail_for_the_first
    bench.manager.start(bench.now)
    assert [t.glean is None for t in bench.manager.targets.all()] == [True, False]
    assert list(bench.plane.routes[1]) == ["10.2.0.0/16"]


def test_targets_come_and_go_at_run_time():
    bench = Bench()
    bench.manager.add_target(Target("10.7.0.0/16", "home", "d", "p"), bench.now)
    bench.to(S.IN_SERVICE, "10.7.0.1")
    assert bench.manager.remove_target("home", "10.7.0.0/16", bench.now)
    assert bench.endpoint.closed == [1]
    assert list(bench.plane.routes[1]) == ["10.1.0.0/16"]
    assert len(bench.plane.gleans) == 1
    assert bench.plane.sessions == {}
    assert not bench.manager.remove_target("home", "10.7.0.0/16", bench.now)
    assert not bench.manager.remove_target("nowhere", "10.7.0.0/16", bench.now)
    router = bench.manager.chassis.routers["home"]
    assert (router.targets_created, router.targets_removed) == (2, 1)
    assert router.counters[C.CREATED] == 1, "what a deleted session counted stays"


@pytest.mark.parametrize(
    "target",
    [
        Target("10.1.0.0/16", "home", "d", "p"),
        Target("10.2.0.0/16", "nowhere", "d", "p"),
        Target("10.2.0.0/16", "home", "d", "none"),
        Target("10.2.0.0/33", "home", "d", "p"),
    ],
)
def test_targets_that_cannot_be(target):
    bench = Bench()
    with pytest.raises(LocalProtocolError):
        bench.manager.add_target(target, bench.now)


def test_virtual_routers_are_kept_apart():
    targets = tuple(Target("10.1.0.0/16", name, "d", "p") for name in ("home", "other"))
    bench = Bench(configuration(targets=targets))
    bench.packet(table=1)
    bench.packet(table=2)
    assert len(bench.manager.sessions) == 2
    assert bench.manager.reset_session("other", SITE, bench.now) == 1
    assert bench.state() is S.AUTHENTICATING
