"""Deadlines and ids of an endpoint."""

from __future__ import annotations

import random
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from control.l2tp.deadlines import Deadlines
from control.l2tp.id_pool import IdPool


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
    assert deadlines.pop_due(2.9) is None
    assert deadlines.pop_due(3.0) == "a"
    assert len(deadlines) == 0


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


def test_ids_are_never_zero_never_twice_and_wait_for_their_quarantine() -> None:
    pool = IdPool(random.Random(1), 60.0)
    ids = [pool.allocate(0.0) for _ in range(65535)]
    assert sorted(i for i in ids if i is not None) == list(range(1, 65536))
    assert pool.allocate(0.0) is None
    pool.release(4242, 10.0)
    assert pool.allocate(69.9) is None
    assert pool.allocate(70.0) == 4242


def test_ids_are_not_sequential() -> None:
    pool = IdPool(random.Random(1), 60.0)
    ids = [pool.allocate(0.0) or 0 for _ in range(100)]
    assert sum(b - a == 1 for a, b in pairwise(ids)) < 3
