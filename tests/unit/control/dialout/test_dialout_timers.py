"""RADIUS answers, stale events and timers."""

import itertools

from dialout_bench import SITE, Bench, bench_in, configuration, grant_of

from control.config import Profile
from control.dialout.counters import SessionCounter as C
from control.dialout.events import SessionStateChanged, TriggersFlushed
from control.dialout.session_table import SessionState as S
from control.radius import events as radius


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
