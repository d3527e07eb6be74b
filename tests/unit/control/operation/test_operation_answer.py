"""Lists are sent in parts whose work is bounded, whatever of it can be seen."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from control.operation.answer import Rows, parts


@given(st.lists(st.none() | st.just({"row": 1})), st.integers(1, 5))
def test_no_part_takes_more_work_than_it_may_and_none_is_lost(rows, size):
    worked = 0

    def counted():
        nonlocal worked
        for row in rows:
            worked += 1
            yield row

    found = []
    for part in parts(Rows(counted()), size):
        assert worked <= size
        worked = 0
        found += part
    assert found == [row for row in rows if row is not None]
