"""Budget: limits of a day, dial rates, numbers, freeze (threats T10 and T11)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control.config import Budget as BudgetConfig
from control.dialout.budget import Budget, TokenBucket, plain_number

DAY = 86400.0
NOON = 100 * DAY + 43200


class Wall:
    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def budget(**limits):
    wall = Wall()
    limits = {"dial_rate": 1e6, "dial_burst": 10**6, "lac_dial_rate": 1e6, **limits}
    return Budget(BudgetConfig(**limits), wall), wall


def spend(made, calls, target="t"):
    for call in range(calls):
        assert made.take(target, f"lac {call}", 0.0)


def test_calls_of_a_target_are_limited_a_day():
    made, wall = budget(target_calls_per_day=3)
    spend(made, 3)
    assert made.refusal("t", "1") == "calls of the day are spent for this target"
    assert made.refusal("other", "1") == ""
    wall.now += DAY / 2
    assert made.refusal("t", "1") == "", "a new UTC day"


def test_calls_of_all_targets_are_limited_a_day():
    made, _ = budget(calls_per_day=2)
    spend(made, 1, "t")
    spend(made, 1, "u")
    assert made.refusal("v", "1") == "calls of the day are spent"


def test_no_calls_at_all():
    made, _ = budget(calls_per_day=0)
    assert made.refusal("t", "1")


def test_minutes_count_while_a_call_runs():
    made, wall = budget(target_minutes_per_day=10)
    made.connected("t")
    wall.now += 599
    assert made.refusal("t", "1") == ""
    wall.now += 1
    assert made.refusal("t", "1") == "minutes of the day are spent for this target"
    assert made.refusal("u", "1") == ""


def test_minutes_of_ended_calls_add_up_over_all_targets():
    made, wall = budget(minutes_per_day=10)
    for target in ("t", "u"):
        meter = made.connected(target)
        wall.now += 300
        made.disconnected(meter)
        made.disconnected(meter)
    assert made.refusal("v", "1") == "minutes of the day are spent"
    assert made.as_dict()["minutes_today"] == 10


def test_a_call_over_midnight_costs_the_new_day_what_falls_into_it():
    made, wall = budget(target_minutes_per_day=10)
    meter = made.connected("t")
    wall.now = 101 * DAY + 60
    assert made.as_dict()["minutes_today"] == 1
    made.disconnected(meter)
    assert made.as_dict()["minutes_today"] == 1


def test_a_clock_set_back_gives_nothing_back():
    made, wall = budget(target_calls_per_day=1)
    spend(made, 1)
    wall.now -= 3 * DAY
    assert made.refusal("t", "1")


def test_the_dial_rate_is_a_token_bucket():
    made, _ = budget(dial_rate=10.0, dial_burst=50)
    assert made.tokens(0.0) == 50
    spend(made, 50)
    assert not made.take("t", "fresh", 0.0)
    assert made.tokens(0.05) == 0
    assert made.next_token(("fresh",), 0.05) == pytest.approx(0.1)
    assert made.take("t", "fresh", made.next_token(("fresh",), 0.05))
    assert made.as_dict()["calls_today"] == 51, "a refused call is not charged"


def test_each_lac_has_its_own_rate():
    made, _ = budget(dial_burst=10, lac_dial_rate=2.0)
    assert [made.take("t", "a", 0.0) for _ in range(3)] == [True, True, False]
    assert made.take("t", "b", 0.0)
    assert made.next_token(("a",), 0.0) == pytest.approx(0.5)
    assert made.next_token(("a", "b"), 0.0) == 0.0


def test_a_rate_of_zero_never_gives_a_token():
    made, _ = budget(dial_rate=0.0, dial_burst=1)
    spend(made, 1)
    assert made.next_token(("lac",), 10.0) is None


def test_buckets_of_many_lacs_do_not_pile_up():
    made, _ = budget()
    for number in range(3000):
        made.next_token((f"lac {number}",), float(number))
    assert len(made._lac_rates) <= 1024


@pytest.mark.parametrize(
    ("number", "allowed"),
    [
        ("49301234", True),
        ("4930 1234", True),
        ("49900123", False),
        ("4,9,9-00 123", False),
        ("33123", False),
        ("", False),
    ],
)
def test_numbers_are_checked_by_prefix_denied_first(number, allowed):
    made, _ = budget(allow_numbers=("49",), deny_numbers=("49900",))
    assert (made.refusal("t", number) == "") == allowed


def test_plain_number_keeps_what_is_dialled():
    assert plain_number("+49 (30) 12-34,#*A") == "+49301234#*A"


def test_freeze_stops_everything_until_it_is_lifted():
    made, _ = budget()
    made.frozen = True
    assert made.refusal("t", "1") == "dialling is frozen"
    made.frozen = False
    assert made.refusal("t", "1") == ""


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(0, 3), max_size=60))
def test_a_bucket_never_gives_more_than_rate_and_burst(pauses):
    bucket = TokenBucket(2.0, 5.0, 0.0)
    now = taken = 0.0
    for pause in pauses:
        now += pause
        taken += bucket.take(now)
        assert taken <= 5 + 2 * now + 1e-6


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.booleans(), st.floats(0, 100_000)), max_size=40))
def test_metered_seconds_equal_a_sum_over_calls(steps):
    made, wall = budget()
    running, calls = [], []
    for start, pause in steps:
        if start or not running:
            running.append(made.connected("t"))
            calls.append([wall.now, None])
        else:
            made.disconnected(running.pop(0))
            next(call for call in calls if call[1] is None)[1] = wall.now
        wall.now += pause
    midnight = wall.now // DAY * DAY
    used = sum(
        max((wall.now if end is None else end) - max(start, midnight), 0) for start, end in calls
    )
    assert made.as_dict()["minutes_today"] == pytest.approx(used / 60, abs=0.01)
