"""The garbage collector of a long run."""

from __future__ import annotations

import gc

import pytest

from control.runtime.collector import THRESHOLDS, calm


@pytest.fixture
def collector():
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


def test_what_is_there_is_not_looked_at_again(collector):
    kept = [[] for _ in range(1000)]
    calm()
    assert gc.get_freeze_count() > len(kept)
    assert gc.get_threshold() == THRESHOLDS


def test_cycles_that_come_later_are_still_collected(collector):
    calm()
    cycle = []
    cycle.append(cycle)
    del cycle
    assert gc.collect() >= 1
