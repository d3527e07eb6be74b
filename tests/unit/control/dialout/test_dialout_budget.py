"""Budget: limits of a day, dial rates, numbers, freeze (threats T10 and T11)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control.config import Budget as BudgetConfig
from control.dialout.budget import ALL, Budget
from control.dialout.events import BudgetAlarm
from control.dialout.numbers import plain_number
from control.dialout.token_bucket import TokenBucket

DAY = 86400.0
NOON = 100 * DAY + 43200


class World:
    """A budget and its two clocks, which run together unless a test makes the wall's jump."""

    def __init__(self, store=None, **limits) -> None:
        limits = {"dial_rate": 1e6, "dial_burst": 10**6, "lac_dial_rate": 1e6, **limits}
        self.wall = NOON
        self.now = 1000.0
        self.budget = Budget(BudgetConfig(**limits), lambda: self.wall, store)
        self.told = []
        self.budget.tell = self.told.append

    def pass_time(self, seconds: float) -> None:
        self.wall += seconds
        self.now += seconds

    def refusal(self, target="t", number="1") -> str:
        return self.budget.refusal(target, number, self.now)

    def spend(self, calls, target="t") -> None:
        for call in range(calls):
            assert self.budget.take(target, f"lac {call}", self.now)

    def connected(self, target="t"):
        return self.budget.connected(target, self.now)

    def disconnected(self, meter) -> None:
        self.budget.disconnected(meter, self.now)

    @property
    def shown(self):
        return self.budget.as_dict(self.now)

    def alarms(self):
        self.budget.handle_timer(self.now)
        told = [(f.scope, f.what, f.share) for f in self.told if isinstance(f, BudgetAlarm)]
        self.told.clear()
        return told


def test_calls_of_a_target_are_limited_a_day():
    world = World(target_calls_per_day=3)
    world.spend(3)
    assert world.refusal("t") == "calls of the day are spent for this target"
    assert world.refusal("other") == ""
    world.pass_time(DAY / 2)
    assert world.refusal("t") == "", "a new UTC day"


def test_calls_of_all_targets_are_limited_a_day():
    world = World(calls_per_day=2)
    world.spend(1, "t")
    world.spend(1, "u")
    assert world.refusal("v") == "calls of the day are spent"


def test_no_calls_at_all():
    assert World(calls_per_day=0).refusal()


def test_minutes_count_while_a_call_runs():
    world = World(target_minutes_per_day=10)
    world.connected("t")
    world.pass_time(599)
    assert world.refusal("t") == ""
    world.pass_time(1)
    assert world.refusal("t") == "minutes of the day are spent for this target"
    assert world.refusal("u") == ""


def test_minutes_of_ended_calls_add_up_over_all_targets():
    world = World(minutes_per_day=10)
    for target in ("t", "u"):
        meter = world.connected(target)
        world.pass_time(300)
        world.disconnected(meter)
        world.disconnected(meter)
    assert world.refusal("v") == "minutes of the day are spent"
    assert world.shown["minutes_today"] == 10
    assert world.budget.used("t", world.now) == (0, 5)


def test_a_call_over_midnight_costs_the_new_day_what_falls_into_it():
    world = World(target_minutes_per_day=10)
    meter = world.connected()
    world.pass_time(DAY / 2 + 60)
    assert world.shown["minutes_today"] == 1
    world.disconnected(meter)
    assert world.shown["minutes_today"] == 1


def test_a_clock_set_back_gives_nothing_back():
    world = World(target_calls_per_day=1)
    world.spend(1)
    world.wall -= 3 * DAY
    assert world.refusal()
    world.pass_time(DAY - 1)
    assert world.refusal()
    world.pass_time(1)
    assert world.refusal() == "", "a whole day of the steady clock has passed"


def test_a_clock_that_jumps_from_day_to_day_gives_one_budget_not_one_a_jump():
    world = World(target_calls_per_day=1)
    world.spend(1)
    placed = 1
    for _ in range(100):
        world.wall += DAY
        world.pass_time(60)
        if world.refusal() == "":
            world.spend(1)
            placed += 1
    assert placed == 2
    world.pass_time(DAY)
    assert world.refusal() == ""


def test_a_call_is_no_longer_for_a_clock_that_jumps():
    world = World(target_minutes_per_day=100)
    meter = world.connected()
    world.wall += 5 * 3600
    world.pass_time(60)
    assert world.shown["minutes_today"] == 1
    world.wall -= 10 * 3600
    world.pass_time(60)
    world.disconnected(meter)
    assert world.shown["minutes_today"] == 2


def test_days_follow_each_other_at_midnight_however_late_somebody_looks():
    world = World(target_calls_per_day=1)
    for _ in range(20):
        world.spend(1)
        assert world.refusal()
        midnight = DAY - world.wall % DAY
        world.pass_time(midnight + 50_000)
        assert world.refusal() == ""
        world.spend(1)
        world.pass_time(DAY - world.wall % DAY - 1)
        assert world.refusal()
        world.pass_time(1)
        assert world.refusal() == ""


def test_the_dial_rate_is_a_token_bucket():
    world = World(dial_rate=10.0, dial_burst=50)
    budget, now = world.budget, world.now
    assert budget.tokens(now) == 50
    world.spend(50)
    assert not budget.take("t", "fresh", now)
    assert budget.tokens(now + 0.05) == 0
    assert budget.next_token(("fresh",), now + 0.05) == pytest.approx(now + 0.1)
    assert budget.take("t", "fresh", budget.next_token(("fresh",), now + 0.05))
    assert world.shown["calls_today"] == 51, "a refused call is not charged"


def test_each_lac_has_its_own_rate():
    world = World(dial_burst=10, lac_dial_rate=2.0)
    budget, now = world.budget, world.now
    assert [budget.take("t", "a", now) for _ in range(3)] == [True, True, False]
    assert budget.take("t", "b", now)
    assert budget.next_token(("a",), now) == pytest.approx(now + 0.5)
    assert budget.next_token(("a", "b"), now) == now


def test_a_rate_of_zero_never_gives_a_token():
    world = World(dial_rate=0.0, dial_burst=1)
    world.spend(1)
    assert world.budget.next_token(("lac",), world.now + 10) is None


def test_buckets_of_many_lacs_do_not_pile_up():
    world = World()
    for number in range(3000):
        world.budget.next_token((f"lac {number}",), float(number))
    assert len(world.budget._rates._lac_rates) <= 1024


def test_alarms_are_told_once_a_day_and_scope():
    world = World(calls_per_day=10, target_calls_per_day=4)
    for expected in (
        [],
        [("t", "calls", 50)],
        [],
        [("t", "calls", 80), ("t", "calls", 100)],
    ):
        world.spend(1, "t")
        assert world.alarms() == expected
    world.spend(1, "u")
    assert world.alarms() == [("all", "calls", 50)]
    world.pass_time(DAY / 2)
    world.spend(2, "t")
    assert world.alarms() == [("t", "calls", 50)], "armed again at midnight"


def test_minutes_of_running_calls_raise_alarms_too():
    world = World(minutes_per_day=20, target_minutes_per_day=10)
    world.connected("t")
    world.pass_time(299)
    assert world.alarms() == []
    world.pass_time(31)
    assert world.alarms() == [("t", "minutes", 50)]
    world.pass_time(300)
    assert world.alarms() == [
        ("all", "minutes", 50),
        ("t", "minutes", 80),
        ("t", "minutes", 100),
    ]
    world.pass_time(3000)
    assert world.alarms() == [("all", "minutes", 80), ("all", "minutes", 100)]
    assert world.alarms() == []


def test_alarms_of_thousands_of_targets_are_looked_for_bit_by_bit():
    world = World(target_minutes_per_day=1)
    for number in range(2500):
        world.connected(f"t{number}")
    world.pass_time(60)
    told = [len(world.alarms())]
    while world.budget.get_timer() - world.now < 1:
        world.pass_time(world.budget.get_timer() - world.now)
        told.append(len(world.alarms()))
    assert told == [3000, 3000, 1500], "three shares of each"


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
    world = World(allow_numbers=("49",), deny_numbers=("49900",))
    assert (world.refusal("t", number) == "") == allowed


@pytest.mark.parametrize(
    "number",
    [
        "0900123",
        "0 900-1 23",
        ",,0900123",
        "00900123",
        "0,0900123",
        "010330900123",
        "0,010330900123",
        "*31#0900123",
        "#31#0900123",
        "*31#0010330900123",
        "+49900123",
        "0049900123",
        "0,0049900123",
    ],
)
def test_a_denied_number_is_found_behind_whatever_is_dialled_before_it(number):
    denied = ("0900", "+49900")
    world = World(deny_numbers=denied, dial_prefixes=("0", "01033"))
    assert world.refusal("t", number) == "number not allowed"
    assert world.refusal("t", "0301234567") == ""
    both = World(allow_numbers=("0",), deny_numbers=denied, dial_prefixes=("0", "01033"))
    assert both.refusal("t", number) == "number not allowed"


def test_plain_number_keeps_what_is_dialled():
    assert plain_number("+49 (30) 12-34,#*A") == "+49301234#*A"
    assert plain_number("0049 30") == "+4930", "one form of an international number"


def test_freeze_stops_everything_until_it_is_lifted():
    world = World()
    world.budget.freeze(ALL, True, 0.0)
    assert world.refusal() == "dialling is frozen"
    world.budget.freeze(ALL, False, 0.0)
    assert world.refusal() == ""


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
    world = World()
    running, calls = [], []
    for start, pause in steps:
        if start or not running:
            running.append(world.connected("t"))
            calls.append([world.wall, None])
        else:
            world.disconnected(running.pop(0))
            next(call for call in calls if call[1] is None)[1] = world.wall
        world.pass_time(pause)
    midnight = world.wall // DAY * DAY
    used = sum(
        max((world.wall if end is None else end) - max(start, midnight), 0) for start, end in calls
    )
    assert world.shown["minutes_today"] == pytest.approx(used / 60, abs=0.01)
