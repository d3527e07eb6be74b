"""Timer arithmetic of specification 1.4.5, and the heap of deadlines."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control.dialout.backoff import BackOff
from control.dialout.timers import Timers


def test_inhibited_time_doubles_up_to_eight_times():
    backoff = BackOff(60, 300)
    assert [backoff.inhibited() for _ in range(6)] == [60, 120, 240, 480, 480, 480]


def test_a_raised_step_doubles_once_more():
    backoff = BackOff(60, 300)
    backoff.raise_step()
    assert [backoff.inhibited() for _ in range(4)] == [120, 240, 480, 480]


def test_forgiven_is_a_first_time_again():
    backoff = BackOff(60, 300)
    backoff.inhibited()
    backoff.inhibited()
    backoff.forgive()
    assert backoff.inhibited() == 60


@pytest.mark.parametrize(
    ("entries", "dormant", "expected"),
    [(1, 300, 60), (2, 300, 120), (3, 300, 240), (4, 300, 300), (1, 10, 10), (1, 0, 0)],
)
def test_post_inhibited_is_the_inhibited_time_but_never_more_than_dormant(
    entries, dormant, expected
):
    backoff = BackOff(60, dormant)
    for _ in range(entries):
        backoff.inhibited()
    assert backoff.post_inhibited() == expected


@pytest.mark.parametrize(("spent", "left"), [(0, 300), (60, 240), (300, 0), (301, 0), (-1, 300)])
def test_dormant_is_shortened_by_the_time_in_post_inhibited(spent, left):
    backoff = BackOff(60, 300)
    backoff.leave_post_inhibited(spent)
    assert backoff.dormant() == left
    assert backoff.dormant() == 300, "once only"


def test_due_deadlines_come_in_the_order_of_time_then_of_setting():
    timers: Timers[str] = Timers()
    for name, when in (("late", 9.0), ("first", 1.0), ("second", 1.0)):
        timers.set(name, when)
    assert timers.next() == 1.0
    assert [timers.pop_due(5.0) for _ in range(3)] == ["first", "second", None]


def test_moved_and_cancelled_deadlines_do_not_fire():
    timers: Timers[str] = Timers()
    timers.set("moved", 1.0)
    timers.set("moved", 3.0)
    timers.set("gone", 1.0)
    timers.cancel("gone")
    timers.cancel("never set")
    assert timers.pop_due(2.0) is None
    assert timers.deadline("moved") == 3.0
    assert timers.next() == 3.0


def test_the_heap_does_not_grow_with_deadlines_that_move():
    timers: Timers[int] = Timers()
    for when in range(10_000):
        timers.set(1, float(when))
    assert len(timers._heap) < 200


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 5), st.none() | st.integers(0, 20)), max_size=40))
def test_timers_agree_with_a_dictionary(orders):
    timers: Timers[int] = Timers()
    model: dict[int, float] = {}
    for key, when in orders:
        if when is None:
            timers.cancel(key)
            model.pop(key, None)
        else:
            timers.set(key, float(when))
            model[key] = float(when)
        assert timers.next() == min(model.values(), default=None)
    for now in range(21):
        due = set()
        while (key := timers.pop_due(now)) is not None:
            due.add(key)
        assert due == {key for key, when in model.items() if when == now}
