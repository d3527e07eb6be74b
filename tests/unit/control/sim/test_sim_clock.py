"""control.sim.clock: order, cancelling, bounds."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control.errors import LocalProtocolError
from control.sim.clock import COMPACT_ABOVE, Alarm, VirtualClock


def test_callbacks_run_in_time_order_and_see_their_own_time() -> None:
    clock = VirtualClock()
    seen: list[tuple[str, float]] = []
    for when, name in ((3.0, "c"), (1.0, "a"), (2.0, "b")):
        clock.call_at(when, lambda n: seen.append((n, clock.now)), name)
    clock.run_until(10.0)
    assert seen == [("a", 1.0), ("b", 2.0), ("c", 3.0)]
    assert clock.now == 10.0


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 4), max_size=30))
def test_equal_times_run_in_order_of_scheduling(times: list[int]) -> None:
    clock = VirtualClock()
    seen: list[int] = []
    for index, when in enumerate(times):
        clock.call_at(when, seen.append, index)
    while clock.run_next():
        pass
    assert seen == sorted(range(len(times)), key=lambda i: times[i])


def test_run_until_includes_its_own_instant_and_what_is_added_there() -> None:
    clock = VirtualClock()
    seen: list[str] = []
    clock.call_at(1.0, lambda: clock.call_later(0.0, seen.append, "added"))
    clock.call_at(1.5, seen.append, "later")
    clock.run_until(1.0)
    assert seen == ["added"]
    assert clock.next_deadline() == 1.5


def test_time_never_goes_back() -> None:
    clock = VirtualClock(start=5.0)
    seen: list[float] = []
    clock.call_at(1.0, lambda: seen.append(clock.now))
    clock.run_until(2.0)
    assert seen == [5.0]
    assert clock.now == 5.0


def test_run_next_runs_one_callback_and_says_when_there_is_none() -> None:
    clock = VirtualClock()
    seen: list[int] = []
    clock.call_at(1.0, seen.append, 1)
    clock.call_at(1.0, seen.append, 2)
    assert clock.run_next()
    assert seen == [1]
    assert clock.run_next()
    assert not clock.run_next()
    assert clock.next_deadline() is None
    assert clock.now == 1.0


def test_cancelled_callbacks_do_not_run_and_are_not_a_deadline() -> None:
    clock = VirtualClock()
    seen: list[int] = []
    first = clock.call_at(1.0, seen.append, 1)
    clock.call_at(2.0, seen.append, 2)
    first.cancel()
    first.cancel()
    assert len(clock) == 1
    assert clock.next_deadline() == 2.0
    clock.run_until(3.0)
    assert seen == [2]
    first.cancel()
    assert len(clock) == 0


def test_cancelling_during_a_run_keeps_order_while_the_queue_is_swept() -> None:
    clock = VirtualClock()
    seen: list[int] = []
    entries = [clock.call_at(2.0 + i, seen.append, i) for i in range(10 * COMPACT_ABOVE)]

    def cancel_most() -> None:
        for index, entry in enumerate(entries):
            if index % 10:
                entry.cancel()

    clock.call_at(1.0, cancel_most)
    clock.run_until(10_000.0)
    assert seen == list(range(0, 10 * COMPACT_ABOVE, 10))
    assert len(clock) == 0


@pytest.mark.parametrize("when", [math.inf, -math.inf, math.nan])
def test_times_that_are_not_finite_are_refused(when: float) -> None:
    with pytest.raises(LocalProtocolError):
        VirtualClock().call_at(when, print)


def test_a_loop_without_delay_is_stopped_and_its_time_is_named() -> None:
    clock = VirtualClock(max_steps=100)

    def again() -> None:
        clock.call_later(0.0, again)

    clock.call_at(7.25, again)
    with pytest.raises(LocalProtocolError, match=r"100 steps at time 7\.25"):
        clock.run_until(8.0)


def test_many_callbacks_of_one_instant_are_no_loop() -> None:
    clock = VirtualClock(max_steps=100)
    seen: list[int] = []
    for index in range(1000):
        clock.call_at(1.0, seen.append, index)
    clock.run_until(1.0)
    assert len(seen) == 1000


def test_the_clock_cannot_be_run_by_a_callback() -> None:
    clock = VirtualClock()
    clock.call_at(1.0, lambda: clock.run_until(2.0))
    with pytest.raises(LocalProtocolError):
        clock.run_until(3.0)
    clock.run_until(3.0)
    assert clock.now == 3.0


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32))
def test_the_clock_agrees_with_a_sorted_list(seed: int) -> None:
    rng = random.Random(seed)
    clock = VirtualClock()
    expected: list[tuple[float, int]] = []
    seen: list[int] = []
    for index in range(200):
        when = float(rng.randrange(20))
        entry = clock.call_at(when, seen.append, index)
        if rng.random() < 0.6:
            entry.cancel()
        else:
            expected.append((when, index))
    clock.run_until(100.0)
    assert seen == [index for _, index in sorted(expected)]


def test_an_alarm_rings_once_at_its_last_deadline() -> None:
    clock = VirtualClock()
    rings: list[float] = []
    alarm = Alarm(clock, lambda: rings.append(clock.now))
    alarm.set(2.0)
    alarm.set(5.0)
    alarm.set(4.0)
    clock.run_until(10.0)
    assert rings == [4.0]


def test_an_alarm_that_is_set_earlier_rings_earlier() -> None:
    clock = VirtualClock()
    rings: list[float] = []
    alarm = Alarm(clock, lambda: rings.append(clock.now))
    alarm.set(5.0)
    alarm.set(1.0)
    clock.run_until(10.0)
    assert rings == [1.0]
    assert len(clock) == 0


def test_an_alarm_can_be_taken_back_and_set_by_its_own_ring() -> None:
    clock = VirtualClock()
    rings: list[float] = []
    alarm = Alarm(clock, lambda: (rings.append(clock.now), alarm.set(clock.now + 1.0)))
    alarm.set(1.0)
    clock.run_until(3.5)
    assert rings == [1.0, 2.0, 3.0]
    alarm.set(None)
    clock.run_until(10.0)
    assert rings == [1.0, 2.0, 3.0]
    assert clock.next_deadline() is None
