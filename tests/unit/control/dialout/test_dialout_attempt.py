"""One attempt: candidates, patience, lockout, what a CDN means, PPP and its end."""

import pytest
from dialout_bench import LAC1, LAC2, SITE, Bench, candidate, configuration

from control.config import Budget, Lac, Profile
from control.dialout.counters import SessionCounter as C
from control.dialout.events import CallFailed
from control.dialout.session_table import SessionState as S
from control.l2tp import events as l2tp
from control.radius import events as radius

TWO = (candidate(LAC1, 1, 10), candidate(LAC2, 2, 20))


def connecting(*candidates, config=None, **more):
    bench = Bench(config)
    bench.packet()
    bench.grant(*candidates, **more)
    return bench, bench.session()


def called(bench):
    return [tunnel.peer[0] for tunnel, *_ in bench.endpoint.placed]


# The call asked for.


def test_the_call_carries_what_radius_said():
    bench = Bench()
    bench.packet()
    grant = radius.DialoutGrant(
        (candidate(),), "4930", minimum_bps=9600, maximum_bps=33600, bearer_type=2
    )
    bench.answer(radius.DialoutGranted(1, grant))
    call = bench.endpoint.placed[0][1]
    assert (call.called_number, call.minimum_bps, call.maximum_bps) == ("4930", 9600, 33600)
    assert (call.bearer_type, call.ignore_bearer_caps, call.framing_type) == (2, False, 3)


def test_the_profile_gives_the_speeds_radius_did_not():
    profile = Profile("p", minimum_bps=28800, maximum_bps=56000)
    bench, _ = connecting(config=configuration(profile=profile))
    call = bench.endpoint.placed[0][1]
    assert (call.minimum_bps, call.maximum_bps, call.bearer_type) == (28800, 56000, None)


def test_bearer_capabilities_are_ignored_where_configuration_says_so():
    bench, _ = connecting(config=configuration(lac=(Lac(LAC1, ignore_bearer_caps=True),)))
    assert bench.endpoint.placed[0][1].ignore_bearer_caps


# Candidates.


def test_patience_is_short_while_there_is_a_successor():
    bench, _ = connecting(*TWO)
    assert bench.endpoint.placed[0][2:] == (7.0, 5.0)
    bench.closed(stage="timeout", result=0)
    assert bench.endpoint.placed[1][2:] == (None, None)
    assert called(bench) == [LAC1, LAC2]


@pytest.mark.parametrize("result", [2, 3, 4, 10])
def test_cdn_codes_that_lead_to_the_next_lac(result):
    bench, session = connecting(*TWO)
    bench.closed(result=result, error=4 if result == 2 else 0)
    assert called(bench) == [LAC1, LAC2]
    bench.closed(result=result)
    assert session.state is S.INHIBITED
    assert session.backoff.step == 1
    assert session.counters[C.DIALOUTS_REJECTED] == 1
    assert session.counters[C.CALLS_PLACED] == 2
    assert (session.last_failure.result, session.last_failure.lac) == (result, LAC2)


@pytest.mark.parametrize("result", [1, 7, 8, 9, 11])
def test_cdn_codes_that_blame_the_remote_site(result):
    bench, session = connecting(*TWO)
    bench.closed(result=result, q931_cause=17)
    assert called(bench) == [LAC1]
    assert session.state is S.INHIBITED
    assert session.last_failure.q931_cause == 17


@pytest.mark.parametrize("result", [5, 6])
def test_cdn_codes_that_rule_out_a_lac_and_lengthen_the_wait(result):
    bench, session = connecting(
        candidate(LAC1, 1, 10), candidate(LAC1, 2, 20), candidate(LAC2, 3, 30)
    )
    bench.closed(result=result)
    assert called(bench) == [LAC1, LAC2]
    bench.closed(result=4)
    assert session.state is S.INHIBITED
    assert bench.manager.state_deadline(session) == bench.now + 120


def test_a_raised_step_is_not_kept_if_the_next_lac_succeeds():
    bench, session = connecting(*TWO)
    bench.closed(result=6)
    bench.connected()
    bench.network()
    assert session.state is S.IN_SERVICE
    assert session.backoff.step == 0


def test_a_silent_lac_is_locked_out():
    bench, _ = connecting(*TWO)
    bench.closed(stage="timeout", result=0)
    bench.closed(result=4)
    bench.pass_time(59)
    bench.manager.reset_session("home", SITE, bench.now)
    bench.packet()
    bench.grant(*TWO)
    assert called(bench) == [LAC1, LAC2, LAC2]


def test_a_lac_that_accepted_is_not():
    bench, _ = connecting(*TWO)
    bench.l2tp(l2tp.CallAccepted(1))
    bench.closed(stage="timeout", result=0)
    assert not bench.services.lacs.locked(LAC1, bench.now)


def test_a_tunnel_that_times_out_locks_its_lac_out():
    bench = Bench()
    bench.l2tp(l2tp.TunnelClosed(1, (LAC1, 1701), l2tp.Failure("stopccn", 6)))
    assert not bench.services.lacs.locked(LAC1, bench.now)
    bench.l2tp(l2tp.TunnelClosed(1, (LAC1, 1701), l2tp.Failure("timeout")))
    assert bench.services.lacs.locked(LAC1, bench.now)


def test_candidates_that_cannot_be_called_are_passed_over():
    foreign = candidate(LAC1, 1, 10, client_endpoint="10.0.0.99")
    bench, _ = connecting(foreign, candidate(LAC2, 2, 20), config=configuration())
    assert called(bench) == [LAC2]
    failures = [fact.failure for fact in bench.timeline() if isinstance(fact, CallFailed)]
    assert failures[0].reason == "10.0.0.99 is not a local address"


def test_a_lac_at_its_limit_is_passed_over():
    config = configuration(lac=(Lac(LAC1, max_sessions=1),))
    bench, _ = connecting(*TWO, config=config)
    bench.packet("10.1.0.2")
    bench.grant(*TWO)
    assert called(bench) == [LAC1, LAC2]
    bench.closed(1, result=8)
    assert bench.services.lacs.calls(LAC1) == 0


def test_an_endpoint_that_refuses_is_a_failed_candidate():
    bench = Bench()
    bench.endpoint.refuse = True
    bench.packet()
    bench.grant(*TWO)
    session = bench.session()
    assert session.state is S.INHIBITED
    assert session.last_failure.reason == "no tunnel can be opened"
    assert bench.services.lacs.calls(LAC1) == bench.services.lacs.calls(LAC2) == 0


def test_the_next_candidate_waits_for_the_dial_rate():
    config = configuration(budget=Budget(dial_rate=1.0, dial_burst=1))
    bench, session = connecting(*TWO, config=config)
    bench.closed(result=4)
    assert called(bench) == [LAC1]
    assert session.state is S.CONNECTING
    bench.pass_time(1)
    assert called(bench) == [LAC1, LAC2]


def test_a_lac_whose_rate_is_used_up_lets_another_go_first():
    config = configuration(budget=Budget(dial_burst=5, lac_dial_rate=0.1))
    bench, _ = connecting(candidate(LAC1), config=config)
    bench.packet("10.1.0.2")
    bench.grant(*TWO)
    assert called(bench) == [LAC1, LAC2]


def test_the_budget_ends_an_attempt_between_candidates():
    config = configuration(budget=Budget(calls_per_day=1))
    bench, session = connecting(*TWO, config=config)
    bench.closed(result=4)
    assert called(bench) == [LAC1]
    assert session.last_failure.reason == "calls of the day are spent"


def test_without_fail_fast_only_the_timer_leaves_connecting():
    bench, session = connecting(candidate(), config=configuration(fail_fast=False))
    bench.closed(result=4)
    assert session.state is S.CONNECTING
    assert session.attempt is None
    assert bench.manager.state_deadline(session) == bench.now + 60
    bench.pass_time(60)
    assert session.state is S.INHIBITED
    assert len(bench.endpoint.placed) == 1


def test_a_call_that_connects_too_late_is_closed_by_the_timer():
    bench, session = connecting(*TWO)
    bench.connected()
    bench.pass_time(60)
    assert session.state is S.INHIBITED
    assert bench.endpoint.closed == [1]
    assert bench.links[0].down
    assert bench.plane.sessions == {}
