"""Storms: scans of a dial-out route and sites that flap (threats T10 and T12)."""

from random import Random

import pytest
from dialout_bench import LAC1, LAC2, SITE, Bench, candidate, configuration
from hypothesis import given, settings
from hypothesis import strategies as st

from control.config import Budget
from control.dialout import events
from control.dialout.session_table import SessionState as S
from control.ppp import events as ppp
from control.radius import events as radius

SERIES = (60, 120, 240, 480)


def fail(bench, how):
    """One attempt, to its bitter end."""
    if how == "denied":
        bench.answer(radius.Denied(bench.radius.number, "no"))
        return
    bench.grant()
    if how == "busy":
        bench.closed(result=8)
    elif how == "silent":
        bench.pass_time(60)
    else:
        bench.connected()
        if how == "young":
            bench.network()
            bench.pass_time(59)
            bench.closed()
        else:
            bench.link(ppp.LinkClosed("authentication", "refused"))


@settings(deadline=None, max_examples=15)
@given(st.lists(st.sampled_from(["denied", "busy", "silent", "ppp", "young"]), min_size=12))
def test_a_site_that_flaps_is_called_no_faster_than_the_back_off_says(ways):
    bench = Bench()
    attempts, ended = 0, bench.now
    while attempts < 12:
        bench.packet()
        if bench.state() is S.AUTHENTICATING:
            if attempts:
                waited = bench.now - ended
                assert waited >= SERIES[min(attempts, len(SERIES)) - 1]
            fail(bench, ways[attempts])
            assert bench.state() is S.INHIBITED
            attempts, ended = attempts + 1, bench.now
        bench.pass_time(5)


@pytest.mark.parametrize("seed", range(3))
def test_a_scan_calls_no_destination_twice_and_never_above_the_bucket(seed):
    random = Random(seed)
    rate, burst = 20.0, 30
    bench = Bench(
        configuration(
            budget=Budget(
                calls_per_day=10**6,
                target_calls_per_day=10**6,
                target_minutes_per_day=10**6,
                dial_rate=rate,
                dial_burst=burst,
                lac_dial_rate=1e6,
            ),
            max_pending=200,
            max_connecting=1000,
        )
    )
    start, placed, asked = bench.now, [], 0
    for _ in range(6000):
        bench.packet(f"10.1.{random.randrange(8)}.{random.randrange(256)}")
        while asked < bench.radius.number:
            asked += 1
            lacs = candidate(random.choice((LAC1, LAC2)))
            bench.manager.on_radius(
                "r", radius.DialoutGranted(asked, radius.DialoutGrant((lacs,), "49")), bench.now
            )
        for fact in bench.timeline():
            if isinstance(fact, events.CallPlaced):
                placed.append(fact)
                assert len(placed) <= burst + rate * (bench.now - start) + 1
        bench.pass_time(0.002)
    destinations = [fact.destination for fact in placed]
    assert len(destinations) == len(set(destinations)), "nobody is called twice in twelve seconds"
    assert len(placed) > 200
    assert bench.state(SITE) is S.NONE
