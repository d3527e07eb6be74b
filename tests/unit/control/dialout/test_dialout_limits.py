"""Limits, slots, the pending queue and the budget."""

import pytest
from dialout_bench import SITE, Bench, candidate, configuration

from control.config import Budget, Target
from control.dialout.counters import SessionCounter as C
from control.dialout.levels import ChassisState, TargetState
from control.dialout.session_table import SessionState as S
from control.radius import events as radius


def test_the_target_limit_refuses_new_destinations_only():
    bench = Bench(configuration(targets=(Target("10.1.0.0/16", "home", "d", "p", 1),)))
    session = bench.to(S.DORMANT)
    target = session.target
    assert target.state is TargetState.INHIBITED
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
    assert chassis.target_state(target, bench.now) is TargetState.INHIBITED
    assert chassis.inhibited_targets(bench.now) == 1
    bench.packet("10.1.0.3")
    assert bench.state("10.1.0.3") is S.NONE
    assert target.triggers_discarded == 1
    bench.answer(radius.Denied(1, "no"))
    assert chassis.target_state(target, bench.now) is TargetState.IN_SERVICE


def test_a_dormant_session_finds_the_queue_full():
    bench = Bench(configuration(max_connecting=1, max_pending=0))
    session = bench.to(S.DORMANT)
    bench.packet("10.1.0.9")
    bench.packet()
    assert session.state is S.DORMANT
    assert session.key is None
    assert session.counters[C.TRIGGERS_DISCARDED] == 2


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
    bench.manager.freeze(True, bench.now)
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
