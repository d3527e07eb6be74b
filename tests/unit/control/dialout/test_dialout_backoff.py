"""Timer arithmetic of specification 1.4.5, and the heap of deadlines."""

import pytest

from control.dialout.backoff import BackOff


def test_inhibited_time_doubles_up_to_eight_times():
    backoff = BackOff()
    assert [backoff.inhibited(60) for _ in range(6)] == [60, 120, 240, 480, 480, 480]


def test_a_raised_step_doubles_once_more():
    backoff = BackOff()
    backoff.raise_step()
    assert [backoff.inhibited(60) for _ in range(4)] == [120, 240, 480, 480]


def test_forgiven_is_a_first_time_again():
    backoff = BackOff()
    backoff.inhibited(60)
    backoff.inhibited(60)
    backoff.forgive()
    assert backoff.inhibited(60) == 60


@pytest.mark.parametrize(
    ("entries", "dormant", "expected"),
    [(1, 300, 60), (2, 300, 120), (3, 300, 240), (4, 300, 300), (1, 10, 10), (1, 0, 0)],
)
def test_post_inhibited_is_the_inhibited_time_but_never_more_than_dormant(
    entries, dormant, expected
):
    backoff = BackOff()
    for _ in range(entries):
        backoff.inhibited(60)
    assert backoff.post_inhibited(dormant) == expected


@pytest.mark.parametrize(("spent", "left"), [(0, 300), (60, 240), (300, 0), (301, 0), (-1, 300)])
def test_dormant_is_shortened_by_the_time_in_post_inhibited(spent, left):
    backoff = BackOff()
    backoff.leave_post_inhibited(spent)
    assert backoff.dormant(300) == left
    assert backoff.dormant(300) == 300, "once only"
