"""LACs: load sharing, lockout and its test, drain and shutdown (specification 1.9)."""

from collections import Counter

import pytest
from dialout_bench import LAC1, LAC2, LAC3, SITE, Bench, candidate, configuration
from hypothesis import given, settings
from hypothesis import strategies as st

from control import config
from control.dialout import snapshot
from control.dialout.events import LacStateChanged
from control.dialout.lac_state import LAC, LacEvent, LacState
from control.dialout.lacs import Lacs
from control.dialout.load_sharing import LoadSharing
from control.dialout.session_table import SessionState as S
from control.l2tp import events as l2tp

# Columns: in service, locked out, untested, testing. A letter is the state afterwards.
GRID = """
NO_ANSWER          L L L L
ANSWERED           S S S S
LOCKOUT_OVER       S S U T
LOCKOUT_OVER_TEST  S U U T
CALL_PLACED        S L T T
CALL_UNDECIDED     S L U U
"""
LETTERS = dict(zip("SLUT", LacState, strict=True))
CELLS = [
    (LETTERS[at], LacEvent[name], LETTERS[cell])
    for name, *row in (line.split() for line in GRID.strip().splitlines())
    for at, cell in zip("SLUT", row, strict=True)
]


@pytest.mark.parametrize(("state", "event", "after"), CELLS)
def test_cell(state, event, after):
    assert LAC.step(state, event).next is after


def test_every_cell_is_in_the_grid():
    assert len(CELLS) == len(list(LAC))


def addresses(candidates):
    return [each.server_endpoint for each in candidates]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=6), st.integers(1, 4))
def test_each_lac_is_first_as_often_as_its_weight_says(weights, rounds):
    sharing = LoadSharing()
    lacs = [(str(place), weight) for place, weight in enumerate(weights)]
    turns = [sharing.order(lacs) for _ in range(rounds * sum(weights))]
    assert all(sorted(turn) == list(range(len(lacs))) for turn in turns)
    first = Counter(turn[0] for turn in turns)
    assert [first[place] for place in range(len(lacs))] == [w * rounds for w in weights]


def test_sites_whose_calls_alternate_meet_both_lacs():
    lacs = Lacs((), "lns")
    one = (candidate(LAC1, 1), candidate(LAC2, 2))
    other = (candidate(LAC1, 1), candidate(LAC3, 2))
    met = [(lacs.order(one, 0.0)[0], lacs.order(other, 0.0)[0]) for _ in range(4)]
    assert {a.server_endpoint for a, _ in met} == {LAC1, LAC2}
    assert {b.server_endpoint for _, b in met} == {LAC1, LAC3}


def test_weights_are_the_sessions_that_radius_or_configuration_allow():
    known = (config.Lac(LAC1, max_sessions=10), config.Lac(LAC2, max_sessions=100))
    offer = (candidate(LAC1, 1), candidate(LAC2, 2, maximum_sessions=30))
    lacs = Lacs(known, "lns", weighted=True)
    first = Counter(lacs.order(offer, 0.0)[0].server_endpoint for _ in range(400))
    assert first == {LAC1: 100, LAC2: 300}
    plain = Lacs(known, "lns")
    first = Counter(plain.order(offer, 0.0)[0].server_endpoint for _ in range(400))
    assert first == {LAC1: 200, LAC2: 200}


def test_the_chassis_says_which_way_calls_are_shared():
    bench = Bench(configuration(lac_selection="weighted"))
    placed = []
    for last in range(4):
        bench.packet(f"10.1.0.{last}")
        bench.grant(candidate(LAC1, 1, maximum_sessions=1), candidate(LAC2, 2, maximum_sessions=3))
        placed.append(bench.endpoint.placed[-1][0].peer[0])
    assert Counter(placed) == {LAC1: 1, LAC2: 3}


def test_a_locked_out_lac_is_tried_last():
    lacs = Lacs((config.Lac(LAC1, lockout=30.0, lockout_test=False),), "lns")
    offer = (candidate(LAC1, 1, 10), candidate(LAC2, 2, 20))
    lacs.lock_out(LAC1, 100.0)
    assert addresses(lacs.order(offer, 129.9)) == [LAC2, LAC1]
    assert lacs.locked_out(120.0) == {LAC1: 10.0}
    assert addresses(lacs.order(offer, 130.0)) == [LAC1, LAC2]
    lacs.acquire(offer[0], 130.0)
    assert addresses(lacs.order(offer, 130.0)) == [LAC1, LAC2], "no test was asked for"


def test_after_a_lockout_one_call_at_a_time_tests_the_lac():
    lacs, told = Lacs((config.Lac(LAC1, lockout=30.0),), "lns"), []
    lacs.tell = told.append
    offer = (candidate(LAC1, 1, 10), candidate(LAC2, 2, 20))
    lacs.lock_out(LAC1, 0.0)
    assert addresses(lacs.order(offer, 30.0)) == [LAC1, LAC2]
    assert lacs.acquire(offer[0], 30.0) == ""
    assert addresses(lacs.order(offer, 30.0)) == [LAC2, LAC1], "it is being tested"
    lacs.release(LAC1, 31.0)
    assert addresses(lacs.order(offer, 31.0)) == [LAC1, LAC2], "the test came to nothing"
    lacs.acquire(offer[0], 31.0)
    lacs.lock_out(LAC1, 32.0)
    assert addresses(lacs.order(offer, 61.9)) == [LAC2, LAC1]
    lacs.acquire(offer[0], 62.0)
    lacs.answered(LAC1, 62.5)
    assert addresses(lacs.order(offer, 62.5)) == [LAC1, LAC2]
    assert [(fact.time, fact.state) for fact in told] == [
        (0.0, "locked out"),
        (30.0, "to be tested"),
        (30.0, "being tested"),
        (31.0, "to be tested"),
        (31.0, "being tested"),
        (32.0, "locked out"),
        (62.0, "to be tested"),
        (62.0, "being tested"),
        (62.5, "in service"),
    ]


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (l2tp.CallAccepted(1), LacState.IN_SERVICE),
        (l2tp.CallClosed(1, l2tp.Failure("cdn", 8)), LacState.IN_SERVICE),
        (l2tp.CallClosed(1, l2tp.Failure("timeout")), LacState.LOCKED_OUT),
        (l2tp.CallClosed(1, l2tp.Failure("capability")), LacState.UNTESTED),
    ],
)
def test_what_decides_a_test(answer, state):
    bench = Bench()
    bench.services.lacs.lock_out(LAC1, bench.now - 1000)
    bench.to(S.CONNECTING)
    bench.l2tp(answer)
    (view,) = snapshot.lacs(bench.manager, bench.now)
    assert view.state == state.value


def test_an_opened_tunnel_ends_a_lockout():
    bench = Bench()
    bench.services.lacs.lock_out(LAC1, bench.now)
    bench.l2tp(l2tp.TunnelOpened(1, 2, ("10.0.0.1", 1701), (LAC1, 1701), "lac"))
    assert not bench.services.lacs.locked(LAC1, bench.now)


def test_lacs_of_which_there_is_nothing_to_say_do_not_pile_up():
    lacs = Lacs((), "lns")
    lacs.drain("drained", True, 0.0)
    for number in range(10_000):
        lacs.lock_out(f"lac {number}", float(number))
        lacs.acquire(candidate(f"other {number}"), 0.0)
        lacs.release(f"other {number}", 0.0)
    assert len(lacs._used) <= 4096
    assert lacs._used["drained"].drained


def test_a_drained_lac_gets_no_new_call_and_keeps_those_it_has():
    bench = Bench()
    bench.to(S.IN_SERVICE, "10.1.0.1")
    bench.manager.drain_lac(LAC1, True, bench.now)
    assert bench.endpoint.drained == {LAC1}
    bench.packet()
    bench.grant(candidate(LAC1, 1), candidate(LAC2, 2))
    assert bench.endpoint.placed[-1][0].peer[0] == LAC2
    bench.packet("10.1.0.3")
    bench.grant(candidate(LAC1))
    assert bench.session("10.1.0.3").last_failure.reason == "the LAC is being drained"
    assert bench.state("10.1.0.1") is S.IN_SERVICE
    views = {view.address: view for view in snapshot.lacs(bench.manager, bench.now)}
    assert (views[LAC1].drained, views[LAC1].calls) == (True, 1)
    bench.manager.drain_lac(LAC1, False, bench.now)
    assert bench.endpoint.drained == set()
    bench.packet("10.1.0.4")
    bench.grant(candidate(LAC1))
    assert bench.state("10.1.0.4") is S.CONNECTING
    told = [f.state for f in bench.timeline() if isinstance(f, LacStateChanged)]
    assert told == ["drained", "in service"]


def test_shutdown_of_a_lac_sends_its_calls_to_the_next_one():
    bench = Bench()
    bench.packet()
    bench.grant(candidate(LAC1, 1), candidate(LAC2, 2, preference=1))
    bench.manager.shutdown_lac(LAC1, bench.now)
    assert bench.endpoint.shut == [LAC1]
    bench.closed(1, stage="tunnel", result=0)
    assert bench.endpoint.placed[-1][0].peer[0] == LAC2
    assert bench.state(SITE) is S.CONNECTING
    assert not bench.services.lacs.locked(LAC1, bench.now), "it did not fail us"
