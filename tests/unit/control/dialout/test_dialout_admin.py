"""Reset, deletion and shutdown from every state."""

from dataclasses import replace

import pytest
from dialout_bench import SITE, Bench, bench_in, configuration

from control.config import Radius, RadiusServer
from control.dialout.counters import SessionCounter as C
from control.dialout.session_table import SessionState as S
from control.radius import events as radius

CALLED = (S.CONNECTING, S.IN_SERVICE, S.FAILED)
EVERY = [state for state in S if state not in (S.NONE, S.PENDING)]


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


@pytest.mark.parametrize("how", ["shutdown", "target"])
def test_sessions_that_wait_for_a_slot_of_those_that_end_may_end_before_their_turn(how):
    """Without a dormant timer a session that gets a slot, and has no packet, is gone at once."""
    config = configuration(max_connecting=1, max_pending=4, dormant_timer=0)
    bench = Bench(config)
    for number in range(1, 5):
        bench.packet(f"10.1.0.{number}")
    if how == "shutdown":
        bench.manager.shutdown(bench.now)
    else:
        assert bench.manager.remove_target("home", "10.1.0.0/16", bench.now)
    assert bench.manager.sessions == {}
    assert bench.manager.chassis.pending == {}
