"""Soak and storm, short: days of calls with faults in virtual time, and triggers without end."""

from __future__ import annotations

import json

import pytest
from replay_run import dialout

from control import arguments
from control.bench.command import LONG
from control.bench.soak import AT_ONCE, Soak
from control.bench.soak_rules import BudgetRule
from control.bench.storm import Storm
from control.config import Budget
from control.dialout.events import CallPlaced


def test_every_long_group_can_be_named_on_the_command_line():
    assert tuple(LONG) == arguments.LONG_BENCHMARKS


@pytest.mark.parametrize("group", ["soak", "storm", "signalling"])
def test_long_groups_tell_rows_as_the_others(capsys, group):
    result = dialout(capsys, "bench", "--quick", "--json", group)
    assert (result.code, result.err) == (0, "")
    rows = json.loads(result.out)
    assert all(row["name"].startswith(f"{group} ") for row in rows)


def test_a_soak_leaves_nothing_behind_and_keeps_the_budget():
    result = Soak(days=1.0, calls=150, seed=7).run()
    assert result.problems == []
    assert result.calls == 150
    assert 0 < result.most_at_once <= AT_ONCE
    assert result.faults["reload"] > 0


def test_the_seed_of_a_soak_decides_every_fact():
    digests = [Soak(days=0.3, calls=40, seed=seed).run().digest for seed in (3, 3, 4)]
    assert digests[0] == digests[1] != digests[2]


def test_a_storm_calls_every_destination_once_and_no_faster_than_the_bucket():
    """Threat T10: 30,000 triggers for 100 destinations, and ten calls that are up."""
    storm = Storm(rate=10_000, destinations=100, seconds=6.0, bucket=30)
    result = storm.run()
    assert result.problems == []
    assert (result.called_twice, result.lost) == (0, 0)
    assert result.calls == result.in_service == 110


def test_a_rule_finds_calls_that_are_too_fast_and_too_many():
    budget = Budget(10, target_calls_per_day=3, dial_rate=1.0, dial_burst=2, lac_dial_rate=9.0)
    rule = BudgetRule(budget)

    def placed(time: float, target: str) -> list[str]:
        return rule.placed(CallPlaced(time, "home", target, "10.0.0.1", "1", f"lac{time}"))

    assert placed(0.0, "a") == placed(0.5, "a") == placed(1.0, "a") == []
    assert placed(1.1, "b") == ["calls come faster than the bucket allows "]
    assert placed(90.0, "a") == ["4 calls of a day for a"]
    assert placed(86400.0, "a") == []
