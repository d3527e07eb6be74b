"""Bounded time series: nothing is lost, however long it lasts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from control.series import Series

moments = st.lists(
    st.tuples(st.floats(0, 1e6), st.lists(st.integers(0, 1000), min_size=2, max_size=2)),
    max_size=40,
)


def test_growth_belongs_to_the_span_in_which_it_is_seen():
    series = Series(("a", "b"), spans=8, shortest=1.0)
    series.see(0.5, (1, 0))
    series.see(0.9, (3, 1))
    series.see(2.0, (4, 1))
    assert series.rows == [(3, 1), (0, 0), (1, 0)]
    assert series.end_of_span(2.0) == 3.0


def test_pairs_of_spans_become_one_when_there_is_no_room():
    series = Series(("a",), spans=4, shortest=1.0)
    for second in range(9):
        series.see(float(second), (second + 1,))
    assert (series.span, series.rows) == (4.0, [(4,), (4,), (1,)])


@given(moments)
def test_rows_are_bounded_and_agree_with_a_sum_over_all_moments(steps):
    series = Series(("a", "b"), spans=16, shortest=0.01)
    totals, happened = [0, 0], []
    for now, grown in sorted(steps, key=lambda step: step[0]):
        totals = [t + g for t, g in zip(totals, grown, strict=True)]
        happened.append((now, grown))
        series.see(now, totals)
    assert len(series.rows) <= 16
    slow = [[0, 0] for _ in series.rows]
    for now, grown in happened:
        at = int(now / series.span)
        slow[at] = [s + g for s, g in zip(slow[at], grown, strict=True)]
    assert [list(row) for row in series.rows] == slow
