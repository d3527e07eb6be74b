"""The manager: triggers, slots, limits, timers, administration, stale answers."""

import itertools
from dataclasses import replace

import pytest
from dialout_bench import LOCAL, SITE, Bench, candidate, configuration, grant_of
from dialout_model import Entry

from control.config import Budget, Profile, Radius, RadiusServer, Target, VirtualRouter
from control.dialout.chassis import ChassisState, VirtualRouterState
from control.dialout.counters import SessionCounter as C
from control.dialout.events import SessionStateChanged, TargetStateChanged, TriggersFlushed
from control.dialout.session import SessionState as S
from control.dialout.target import TargetState
from control.errors import LocalProtocolError
from control.radius import events as radius

CALLED = (S.CONNECTING, S.IN_SERVICE, S.FAILED)
EVERY = [state for state in S if state not in (S.NONE, S.PENDING)]


def pending_bench():
    """Its only slot is taken, so that SITE has to wait."""
    bench = Bench(configuration(max_connecting=1))
    bench.packet("10.1.0.9")
    return bench


def bench_in(state):
    bench = pending_bench() if state is S.PENDING else Bench()
    session = bench.to(state)
    bench.timeline()
    return bench, session


# Triggers.


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


# Targets, virtual routers, chassis.


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
    assert target.state(lambda: False) is TargetState.DOWN
    assert bench.manager.chassis.routers["home"].state is VirtualRouterState.INIT_FAILED
    bench.plane.no_room = False
    bench.pass_time(10)
    assert target.state(lambda: False) is TargetState.IN_SERVICE
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


# Limits.


def test_the_target_limit_refuses_new_destinations_only():
    bench = Bench(configuration(targets=(Target("10.1.0.0/16", "home", "d", "p", 1),)))
    session = bench.to(S.DORMANT)
    target = session.target
    assert target.state(lambda: False) is TargetState.INHIBITED
    event = bench.packet("10.1.0.2")
    assert event is not None
    assert bench.state("10.1.0.2") is S.NONE
    assert target.triggers_discarded == 1
    assert bench.packet("10.1.0.2") is not None, "forgotten, so every packet is an event"
    bench.packet()
    assert session.state is S.AUTHENTICATING
    assert bench.manager.chassis.max_inhibited_targets_seen == 1


def test_the_chassis_limit_restricts_and_recovers():
    bench = Bench(configuration(max_sessions=1))
    bench.to(S.AUTHENTICATING)
    assert bench.manager.chassis.state is ChassisState.RESTRICTED
    bench.packet("10.1.0.2")
    assert bench.state("10.1.0.2") is S.NONE
    bench.manager.delete_session("home", SITE, bench.now)
    assert bench.manager.chassis.state is ChassisState.IN_SERVICE
    bench.packet("10.1.0.2")
    assert bench.state("10.1.0.2") is S.AUTHENTICATING


def test_no_slot_means_pending_until_one_is_freed():
    bench = Bench(configuration(max_connecting=1))
    bench.packet("10.1.0.1")
    for last in (2, 3):
        bench.packet(f"10.1.0.{last}")
        assert bench.state(f"10.1.0.{last}") is S.PENDING
    bench.answer(radius.Denied(1, "no"))
    assert bench.state("10.1.0.2") is S.DORMANT, "the oldest"
    assert bench.state("10.1.0.3") is S.PENDING
    bench.packet("10.1.0.2")
    assert bench.state("10.1.0.2") is S.AUTHENTICATING


def test_an_unused_slot_is_offered_again():
    bench = Bench(configuration(max_connecting=1))
    for last in (1, 2, 3, 4):
        bench.packet(f"10.1.0.{last}")
    bench.answer(radius.Denied(1, "no"))
    states = [bench.state(f"10.1.0.{last}") for last in (2, 3, 4)]
    assert states == [S.DORMANT, S.PENDING, S.PENDING]
    bench.pass_time(1)
    assert bench.state("10.1.0.3") is S.DORMANT
    bench.pass_time(1)
    assert bench.state("10.1.0.4") is S.DORMANT
    assert bench.manager.chassis.pending == {}


def test_a_full_queue_inhibits_targets_and_discards():
    bench = Bench(configuration(max_connecting=1, max_pending=1))
    bench.to(S.AUTHENTICATING, "10.1.0.1")
    bench.packet("10.1.0.2")
    target = bench.session("10.1.0.1").target
    chassis = bench.manager.chassis
    assert target.state(lambda: chassis.queue_full(bench.now)) is TargetState.INHIBITED
    assert chassis.inhibited_targets(bench.now) == 1
    bench.packet("10.1.0.3")
    assert bench.state("10.1.0.3") is S.NONE
    assert target.triggers_discarded == 1
    bench.answer(radius.Denied(1, "no"))
    assert target.state(lambda: chassis.queue_full(bench.now)) is TargetState.IN_SERVICE


def test_a_dormant_session_finds_the_queue_full():
    bench = Bench(configuration(max_connecting=1, max_pending=0))
    session = bench.to(S.DORMANT)
    bench.packet("10.1.0.9")
    bench.packet()
    assert session.state is S.DORMANT
    assert session.key is None
    assert session.counters[C.TRIGGERS_DISCARDED] == 2


# The budget.


def budget_bench(**limits):
    return Bench(configuration(budget=Budget(**limits)))


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        ({"calls_per_day": 0}, "calls of the day are spent"),
        ({"target_calls_per_day": 0}, "calls of the day are spent for this target"),
        ({"deny_numbers": ("493",)}, "number not allowed"),
        ({"allow_numbers": ("33",)}, "number not allowed"),
    ],
)
def test_the_budget_denies_as_radius_does(limits, why):
    bench = budget_bench(**limits)
    bench.packet()
    bench.grant()
    session = bench.session()
    assert session.state is S.INHIBITED
    assert session.last_failure.reason == why
    assert session.counters[C.BUDGET_DENIED] == session.counters[C.AUTH_GRANTS] == 1
    assert session.counters[C.AUTH_DENIES] == 0
    assert bench.endpoint.placed == []


def test_freeze_places_no_call():
    bench = Bench()
    bench.services.budget.frozen = True
    bench.packet()
    bench.grant()
    assert bench.state() is S.INHIBITED
    assert bench.endpoint.placed == []


def test_an_empty_rate_bucket_is_as_no_slot():
    bench = budget_bench(dial_rate=1.0, dial_burst=1)
    bench.to(S.CONNECTING, "10.1.0.1")
    bench.packet("10.1.0.2")
    assert bench.state("10.1.0.2") is S.PENDING
    bench.pass_time(1)
    assert bench.state("10.1.0.2") is S.DORMANT


def test_a_session_that_asks_radius_sets_its_token_aside():
    bench = budget_bench(dial_rate=1.0, dial_burst=2)
    for last in (1, 2, 3):
        bench.packet(f"10.1.0.{last}")
    states = [bench.state(f"10.1.0.{last}") for last in (1, 2, 3)]
    assert states == [S.AUTHENTICATING, S.AUTHENTICATING, S.PENDING]


def test_the_rate_of_the_only_lac_sends_a_grant_back_to_pending():
    bench = budget_bench(dial_burst=5, lac_dial_rate=0.5)
    bench.to(S.CONNECTING, "10.1.0.1")
    bench.packet()
    bench.grant()
    session = bench.session()
    assert session.state is S.PENDING
    assert bench.plane.discarded == ["p"]
    bench.pass_time(2)
    bench.packet()
    bench.grant()
    assert session.state is S.CONNECTING


def test_a_thousand_destinations_are_never_called_faster_than_the_bucket():
    bench = budget_bench(dial_rate=10.0, dial_burst=50, lac_dial_rate=1e6)
    answered = 0
    for round_ in range(5):
        for last in range(200):
            bench.packet(f"10.1.{last}.1")
            if bench.radius.number > answered:
                answered = bench.radius.number
                bench.grant(candidate(f"10.9.0.{last % 20}"))
        assert len(bench.endpoint.placed) <= 50 + 10 * round_
        bench.pass_time(1)
    placed = [session for session in bench.manager.sessions.values() if session.attempt]
    assert len(bench.endpoint.placed) == len(placed) == 90, "and none of them twice"


# RADIUS answers.


def test_a_denial_inhibits():
    bench = Bench()
    bench.packet()
    bench.answer(radius.Denied(1, "no such site"))
    session = bench.session()
    assert session.state is S.INHIBITED
    assert session.counters[C.AUTH_DENIES] == 1
    assert (session.last_failure.stage, session.last_failure.reason) == ("aaa", "no such site")


def test_a_timeout_inhibits_and_is_counted_apart():
    bench = Bench()
    bench.packet()
    bench.answer(radius.TimedOut(1))
    session = bench.session()
    assert session.state is S.INHIBITED
    assert (session.counters[C.AUTH_TIMEOUTS], session.counters[C.AUTH_DENIES]) == (1, 0)


def test_no_resources_to_ask_inhibits_and_is_counted_apart():
    bench = Bench()
    bench.radius.refuse = True
    bench.packet()
    session = bench.session()
    assert session.state is S.INHIBITED
    assert session.counters[C.AUTH_NO_RESOURCES] == session.counters[C.AUTH_REQUESTS] == 1


def test_a_destination_that_is_reached_already_needs_no_call():
    bench = Bench()
    bench.packet("10.1.2.4", payload="other")
    bench.packet()
    bench.answer(radius.DialoutGranted(2, grant_of()))
    bench.connected()
    bench.network(radius.SessionGrant("10.1.2.0", "255.255.255.0"))
    session = bench.session("10.1.2.4")
    bench.answer(radius.DialoutGranted(1, grant_of()))
    assert session.state is S.DORMANT
    assert len(bench.endpoint.placed) == 1
    assert [payload for _, payload in bench.plane.sent] == ["p", "other"]
    assert session.counters[C.TRIGGERS_FORWARDED] == 1
    assert bench.state() is S.IN_SERVICE


def test_answers_for_a_deleted_session_are_counted():
    bench, _ = bench_in(S.AUTHENTICATING)
    bench.manager.delete_session("home", SITE, bench.now)
    assert bench.radius.cancelled == [1]
    bench.grant()
    assert bench.manager.chassis.auth_grant_no_session == 1
    bench.to(S.AUTHENTICATING)
    bench.manager.delete_session("home", SITE, bench.now)
    bench.answer(radius.Denied(2, "no"))
    assert bench.manager.chassis.auth_deny_no_session == 1
    assert bench.manager.chassis.stale_events == 0
    assert bench.endpoint.placed == []


def test_answers_for_an_earlier_attempt_are_stale():
    bench, session = bench_in(S.AUTHENTICATING)
    bench.manager.reset_session("home", SITE, bench.now)
    bench.packet()
    assert session.state is S.AUTHENTICATING
    bench.answer(radius.DialoutGranted(1, grant_of()))
    assert session.state is S.AUTHENTICATING
    assert bench.endpoint.placed == []
    bench.answer(radius.TimedOut(77))
    assert bench.manager.chassis.stale_events == 2


def test_events_of_a_call_that_is_gone_are_stale():
    bench, session = bench_in(S.CONNECTING)
    bench.manager.reset_session("home", SITE, bench.now)
    assert bench.endpoint.closed == [1]
    bench.connected(1)
    bench.closed(1)
    bench.manager.on_ppp(12345, b"", bench.now)
    assert bench.manager.chassis.stale_events == 3
    assert session.state is S.DORMANT
    assert bench.links == []


def test_a_timeout_of_a_deleted_session_is_stale():
    bench, _ = bench_in(S.AUTHENTICATING)
    bench.manager.delete_session("home", SITE, bench.now)
    bench.answer(radius.TimedOut(1))
    assert bench.manager.chassis.stale_events == 1


# Timers.


def test_the_connecting_timer_tears_down_and_inhibits():
    bench, session = bench_in(S.CONNECTING)
    bench.pass_time(59.9)
    assert session.state is S.CONNECTING
    bench.pass_time(0.1)
    assert session.state is S.INHIBITED
    assert bench.endpoint.closed == [1]
    assert session.counters[C.DIALOUTS_TIMED_OUT] == 1
    assert session.last_failure.stage == "timer"


def test_a_session_that_keeps_failing_waits_longer_each_time():
    bench = Bench(configuration(dormant_timer=3600))
    waits = []
    for _ in range(5):
        bench.packet()
        bench.answer(radius.Denied(bench.radius.number, "no"))
        session = bench.session()
        start = bench.now
        while session.state is S.INHIBITED:
            bench.pass_time(1)
        waits.append(bench.now - start)
    assert waits == [60, 120, 240, 480, 480]


def test_a_quiet_session_goes_through_post_inhibited_and_dormant_to_its_end():
    bench, session = bench_in(S.INHIBITED)
    seen = []
    for _ in range(450):
        seen.append(session.state)
        bench.pass_time(1)
    assert [seen.count(s) for s in (S.INHIBITED, S.POST_INHIBITED, S.DORMANT)][:2] == [60, 60]
    assert bench.state() is S.NONE
    changes = [f.time for f in bench.timeline() if isinstance(f, SessionStateChanged)]
    assert [b - a for a, b in itertools.pairwise(changes)] == [60, 240]


def test_the_back_off_is_forgiven_when_post_inhibited_runs_out():
    bench, session = bench_in(S.INHIBITED)
    bench.pass_time(120)
    assert session.state is S.DORMANT
    assert session.backoff.step == 0


def test_the_back_off_is_kept_over_a_trigger_in_post_inhibited():
    bench, session = bench_in(S.POST_INHIBITED)
    bench.packet()
    assert session.backoff.step == 1


def test_a_reset_from_post_inhibited_shortens_dormant():
    bench, session = bench_in(S.POST_INHIBITED)
    bench.pass_time(20)
    bench.manager.reset_session("home", SITE, bench.now)
    assert bench.manager.state_deadline(session) == bench.now + 280


def test_a_dormant_timer_of_zero_deletes_at_once():
    bench = Bench(configuration(dormant_timer=0))
    bench.to(S.INHIBITED)
    bench.pass_time(60)
    assert bench.state() is S.NONE
    assert bench.manager.sessions == {}
    assert bench.manager.get_timer() is None


def test_a_call_that_lasted_leads_to_dormant():
    bench, session = bench_in(S.IN_SERVICE)
    session.backoff.raise_step()
    bench.pass_time(60)
    bench.closed()
    assert session.state is S.DORMANT
    assert session.backoff.step == 0
    assert session.counters[C.DIALOUTS_TORN_DOWN] == 1


def test_a_call_that_did_not_last_leads_to_inhibited():
    bench, session = bench_in(S.IN_SERVICE)
    bench.pass_time(59.9)
    bench.closed()
    assert session.state is S.INHIBITED
    assert session.backoff.step == 1


def test_the_flush_waits_for_its_delay_and_later_packets_queue_behind():
    bench = Bench(configuration(flush_delay=100))
    session = bench.to(S.IN_SERVICE)
    bench.packet(payload="new path")
    assert bench.plane.sent == []
    bench.pass_time(0.1)
    assert [payload for _, payload in bench.plane.sent] == ["p", "new path"]
    assert session.key is None
    assert [f.packets for f in bench.timeline() if isinstance(f, TriggersFlushed)] == [2]
    bench.packet(payload="direct")
    assert bench.plane.sent[-1][1] == "direct"


def test_a_call_that_ends_before_the_flush_drops_the_buffer():
    bench = Bench(configuration(flush_delay=100))
    session = bench.to(S.IN_SERVICE)
    bench.closed()
    bench.pass_time(0.2)
    assert bench.plane.sent == []
    assert bench.plane.discarded == ["p"]
    assert session.counters[C.TRIGGERS_DISCARDED] == 1


def test_idle_calls_are_closed():
    bench = Bench(configuration(profile=Profile("p", idle_timeout=100)))
    session = bench.to(S.IN_SERVICE)
    bench.pass_time(80)
    bench.packet(payload="traffic")
    bench.pass_time(99)
    assert session.state is S.IN_SERVICE
    bench.pass_time(1)
    assert session.state is S.DORMANT
    assert session.why == "idle"
    assert bench.endpoint.closed == [1]
    assert bench.links[0].closed


def test_radius_sets_the_times_of_a_call():
    bench = Bench()
    bench.packet()
    bench.grant()
    bench.connected()
    bench.network(radius.SessionGrant(SITE, idle_timeout=0, session_timeout=500))
    bench.pass_time(499)
    assert bench.state() is S.IN_SERVICE
    bench.pass_time(1)
    assert bench.session().why == "session time is over"


def test_a_session_time_of_zero_never_ends_a_call():
    bench = Bench(configuration(profile=Profile("p", idle_timeout=0, session_timeout=0)))
    session = bench.to(S.IN_SERVICE)
    bench.pass_time(10 * 86400)
    assert session.state is S.IN_SERVICE


# Administration.


@pytest.mark.parametrize("state", [*EVERY, S.PENDING])
def test_reset_leads_to_dormant(state):
    bench, session = bench_in(state)
    assert bench.manager.reset_session("home", SITE, bench.now) == 1
    assert session.state is S.DORMANT
    assert session.attempt is None
    assert session.request is None
    assert session.counters[C.RESET] == 1, "a reset in dormant changes nothing"
    assert bench.plane.sessions == {}
    assert len(bench.services.calls) == 0
    assert bench.endpoint.closed == ([1] if state in CALLED else [])
    bench.pass_time(300)
    assert bench.state() is S.NONE
    assert bench.services.adjacencies._owners == {}


@pytest.mark.parametrize("state", [*EVERY, S.PENDING])
def test_delete_leaves_nothing(state):
    bench, session = bench_in(state)
    assert bench.manager.delete_session("home", SITE, bench.now) == 1
    assert bench.state() is S.NONE
    assert session.number not in bench.manager.sessions
    assert not [dst for _, dst in bench.plane.entries if dst == SITE]
    assert bench.plane.sessions == {}
    assert list(bench.plane.routes[1]) == ["10.1.0.0/16"]
    assert bench.endpoint.closed == ([1] if state in CALLED else [])
    assert session.counters[C.REMOVED] == 1
    assert bench.packet() is not None


@pytest.mark.parametrize("state", [*EVERY, S.PENDING])
def test_shutdown_leaves_nothing(state):
    bench, _ = bench_in(state)
    bench.manager.shutdown(bench.now)
    assert bench.manager.sessions == {}
    assert bench.plane.routes == {1: {}}
    assert bench.plane.gleans == {}
    assert bench.plane.entries == {}
    assert bench.manager.chassis.pending == {}


def test_resetting_nothing_is_harmless():
    bench = Bench()
    assert bench.manager.reset_session("home", "10.1.0.77", bench.now) == 0
    assert bench.manager.delete_session("nowhere", SITE, bench.now) == 0


def test_resetting_frees_the_slot():
    bench = Bench(configuration(max_connecting=1))
    bench.to(S.AUTHENTICATING, "10.1.0.1")
    bench.packet()
    bench.manager.reset_session("home", "10.1.0.1", bench.now)
    assert bench.state() is S.DORMANT


def test_several_radius_groups_are_kept_apart():
    config = configuration()
    groups = (*config.radius, Radius("s", (RadiusServer("10.8.0.2"),)))
    bench = Bench(replace(config, radius=groups))
    bench.packet()
    bench.manager.on_radius("s", radius.Denied(1, "no"), bench.now)
    assert bench.state() is S.AUTHENTICATING
    assert bench.manager.chassis.stale_events == 1


def test_the_timer_of_an_idle_manager_is_none():
    bench = Bench()
    assert bench.manager.get_timer() is None
    bench.manager.handle_timer(bench.now)


def test_the_wall_clock_moves_no_timer():
    bench, session = bench_in(S.CONNECTING)
    bench.wall += 86400
    bench.manager.handle_timer(bench.now)
    assert session.state is S.CONNECTING
