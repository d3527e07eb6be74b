"""One attempt: candidates, patience, lockout, what a CDN means, PPP and its end."""

import pytest
from dialout_bench import LAC1, LAC2, LAC3, LOCAL, SITE, Bench, candidate, configuration

from control.config import Budget, Lac, Profile
from control.dialout.counters import SessionCounter as C
from control.dialout.events import CallFailed, CallPlaced
from control.dialout.session import SessionState as S
from control.l2tp import events as l2tp
from control.ppp import events as ppp
from control.ppp.config import LinkConfig
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


# PPP.


def test_the_link_is_built_from_profile_and_grant():
    profile = Profile(
        "p", ("chap", "pap"), 1400, True, False, 10.0, 5, "10.0.0.2", False, ("10.0.0.53",)
    )
    bench, _ = connecting(config=configuration(profile=profile))
    bench.connected()
    config = bench.links[0].config
    assert (config.mru, config.want_acfc, config.want_pfc) == (1400, True, False)
    assert (config.authenticate_peer, config.answer_protocols) == (("chap", "pap"),) * 2
    assert (config.username, config.password, config.local_name) == ("lns", b"ppp", "lns")
    assert (config.local_address, config.accept_peer_address) == ("10.0.0.2", False)
    assert (config.dns, config.echo_interval, config.echo_failures) == (("10.0.0.53",), 10.0, 5)
    assert bench.links[0].opened


@pytest.mark.parametrize(
    ("username", "given", "profile", "answer"),
    [
        ("lns", ("pap",), ("chap",), ("pap",)),
        ("lns", (), ("chap",), ()),
        ("lns", None, ("chap",), ("chap",)),
        ("lns", None, (), ("chap",)),
        ("", ("chap",), ("chap",), ()),
    ],
)
def test_which_methods_we_answer_with(username, given, profile, answer):
    bench = Bench(configuration(profile=Profile("p", profile)))
    bench.packet()
    grant = radius.DialoutGrant((candidate(),), "1", username, b"s", answer_protocols=given)
    bench.answer(radius.DialoutGranted(1, grant))
    bench.connected()
    assert bench.links[0].config.answer_protocols == answer


def test_the_data_plane_session_is_what_occn_said():
    bench, session = connecting()
    bench.connected()
    spec = bench.plane.sessions[session.attempt.nh]
    assert (spec.table, spec.local, spec.peer) == (1, (LOCAL, 1701), (LAC1, 2701))
    assert (spec.tunnel, spec.session, spec.peer_tunnel, spec.peer_session) == (11, 101, 12, 201)
    assert (spec.mtu, spec.acfc, spec.pfc, spec.sequencing) == (1460, False, False, False)


def test_sequencing_is_on_where_the_lac_requires_it():
    bench, session = connecting()
    bench.l2tp(
        l2tp.CallConnected(1, (LOCAL, 1701), (LAC1, 1701), 1, 2, 3, 4, sequencing_required=True)
    )
    assert bench.plane.sessions[session.attempt.nh].sequencing


def test_what_lcp_negotiated_goes_to_the_data_plane():
    bench, session = connecting()
    bench.connected()
    bench.link(ppp.LcpOpened(1000, True, True))
    spec = bench.plane.sessions[session.attempt.nh]
    assert (spec.mtu, spec.acfc, spec.pfc) == (1000, True, True)
    bench.network(radius.SessionGrant(SITE, framed_mtu=900))
    assert bench.plane.sessions[session.attempt.nh].mtu == 900


@pytest.mark.parametrize("protocol", ["pap", "chap"])
def test_the_peer_is_checked_by_radius(protocol):
    bench, _ = connecting()
    bench.connected()
    bench.link(ppp.AuthenticationRequested(7, protocol, "site", b"pw", 1, b"c" * 16, b"r" * 16))
    request = bench.radius.session[0]
    assert (request.user_name, request.session_id) == ("site", "B00000001")
    assert request.password == (b"pw" if protocol == "pap" else None)
    assert (request.chap_identifier, request.chap_challenge) == (1, b"c" * 16)
    bench.answer(radius.SessionGranted(2, radius.SessionGrant("10.1.2.3")))
    assert bench.links[0].results == [(7, True, "10.1.2.3")]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(radius.Denied(2, "bad password"), "bad password"), (radius.TimedOut(2), "no answer")],
)
def test_a_peer_that_radius_does_not_accept_fails_the_attempt(answer, reason):
    bench, session = connecting()
    bench.connected()
    bench.link(ppp.AuthenticationRequested(7, "chap", "site", b"", 1, b"c" * 16, b"r" * 16))
    bench.answer(answer)
    assert bench.links[0].results == [(7, False, "")]
    bench.link(ppp.LinkClosed("authentication", "the peer did not authenticate"))
    assert session.state is S.INHIBITED
    assert bench.endpoint.closed == [1]
    assert session.last_failure.stage == "authentication"
    assert reason in session.last_failure.reason


def test_ppp_failure_says_goodbye_then_closes_the_call_and_tries_no_other_lac():
    bench, session = connecting(*TWO)
    bench.connected()
    bench.link(ppp.LinkClosed("lcp", "no answer"))
    assert session.state is S.INHIBITED
    assert called(bench) == [LAC1]
    assert bench.endpoint.closed == [1]
    assert bench.plane.ppp[-1][1] == b"bye"
    assert session.counters[C.DIALOUTS_REJECTED] == 1


def test_a_call_lost_during_ppp_fails_the_attempt_without_a_cdn():
    bench, session = connecting(*TWO)
    bench.connected()
    bench.closed(1, result=1)
    assert session.state is S.INHIBITED
    assert bench.endpoint.closed == []
    assert bench.plane.sessions == {}
    assert bench.links[0].down
    assert bench.services.lacs.calls(LAC1) == 0


def test_a_link_that_dies_in_service_ends_the_call():
    bench, session = connecting()
    bench.connected()
    bench.network()
    bench.pass_time(100)
    bench.link(ppp.LinkClosed("echo", "3 Echo-Requests unanswered"))
    assert session.state is S.DORMANT
    assert bench.endpoint.closed == [1]
    assert session.counters[C.DIALOUTS_TORN_DOWN] == 1


def test_pending_radius_requests_end_with_the_call():
    bench, _ = connecting()
    bench.connected()
    bench.link(ppp.AuthenticationRequested(7, "pap", "site", b"pw"))
    bench.closed(1, result=1)
    assert bench.radius.cancelled == [2]
    bench.answer(radius.SessionGranted(2, radius.SessionGrant(SITE)))
    assert bench.manager.chassis.stale_events == 1


def test_a_full_data_plane_fails_the_attempt():
    bench, session = connecting()
    bench.plane.no_room = True
    bench.connected()
    assert session.state is S.INHIBITED
    assert session.last_failure.stage == "resources"
    assert bench.endpoint.closed == [1]


def test_a_ppp_name_that_cannot_be_used_fails_the_attempt():
    bench = Bench()
    bench.services.new_link = lambda config: LinkConfig(username="x" * 300)
    bench.packet()
    bench.grant()
    bench.connected()
    assert bench.state() is S.INHIBITED


def test_the_link_drives_the_managers_clock():
    bench, _ = connecting()
    bench.connected()
    bench.links[0].timer = bench.now + 3
    bench.link()
    assert bench.manager.get_timer() == bench.now + 3
    bench.pass_time(3)
    assert bench.links[0].timer is None


def test_minutes_run_while_a_call_is_connected():
    bench, _ = connecting()
    bench.pass_time(30)
    bench.connected()
    bench.pass_time(30)
    bench.closed(1)
    bench.pass_time(30)
    assert bench.services.budget.as_dict()["minutes_today"] == 0.5


def test_events_without_a_call_are_harmless():
    bench, session = connecting(candidate(LAC3))
    attempt = session.attempt
    attempt.close(bench.now, "")
    attempt.call_accepted()
    attempt.call_closed(l2tp.Failure("cdn"), bench.now)
    attempt.receive_ppp(b"", bench.now)
    attempt.authenticated(("r", 1), radius.SessionGrant(), bench.now)
    attempt.not_authenticated(("r", 1), "", bench.now)
    attempt.handle_timer(bench.now)
    attempt.close(bench.now, "")
    assert attempt.get_timer() is None
    assert attempt.next_outcome() is None


def test_every_call_is_on_the_timeline():
    bench, _ = connecting(*TWO, number="4930555")
    bench.closed(result=4)
    placed = [fact for fact in bench.timeline() if isinstance(fact, CallPlaced)]
    assert [(fact.number, fact.lac) for fact in placed] == [("4930555", LAC1), ("4930555", LAC2)]
