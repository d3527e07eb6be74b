"""Deadlines of many objects, against a plain dictionary."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from control.deadlines import Deadlines


def test_earliest_first_and_equal_times_in_the_order_set() -> None:
    deadlines: Deadlines[str] = Deadlines()
    for key, when in (("c", 2.0), ("a", 1.0), ("b", 1.0)):
        deadlines.set(key, when)
    assert deadlines.next() == 1.0
    assert [deadlines.pop_due(5.0) for _ in range(4)] == ["a", "b", "c", None]


def test_changed_and_cleared_deadlines_leave_nothing() -> None:
    deadlines: Deadlines[str] = Deadlines()
    deadlines.set("a", 1.0)
    deadlines.set("a", 3.0)
    deadlines.set("b", 2.0)
    deadlines.set("b", None)
    assert deadlines.next() == 3.0
    deadlines.set("never set", None)
    assert (deadlines.get("a"), deadlines.get("b")) == (3.0, None)
    assert deadlines.pop_due(2.9) is None
    assert deadlines.pop_due(3.0) == "a"
    assert len(deadlines) == 0


def test_an_expected_deadline_only_moves_to_an_earlier_time() -> None:
    deadlines: Deadlines[str] = Deadlines()
    deadlines.expect("a", 2.0)
    deadlines.expect("a", 5.0)
    assert deadlines.next() == 2.0
    deadlines.expect("a", 1.0)
    assert deadlines.next() == 1.0
    assert len(deadlines._heap) == 2, "the later time made no entry"
    deadlines.expect("a", None)
    assert deadlines.next() is None


def test_heap_stays_in_proportion_however_often_a_deadline_moves() -> None:
    deadlines: Deadlines[int] = Deadlines()
    for step in range(10_000):
        deadlines.set(step % 5, float(step))
    assert len(deadlines._heap) <= 2 * 5 + 65


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.none() | st.integers(0, 20)), max_size=60))
def test_deadlines_agree_with_a_plain_dictionary(
    steps: list[tuple[int, int | None]],
) -> None:
    deadlines: Deadlines[int] = Deadlines()
    plain: dict[int, float] = {}
    for key, when in steps:
        deadlines.set(key, when)
        plain.pop(key, None)
        if when is not None:
            plain[key] = when
        assert deadlines.next() == min(plain.values(), default=None)
        assert deadlines.get(key) == when
    for now in range(21):
        due = set()
        while (found := deadlines.pop_due(now)) is not None:
            due.add(found)
        assert due == {key for key, when in plain.items() if when == now}
