"""control.sim.clock: trains of callbacks come out as if each one had been scheduled by itself."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control.errors import LocalProtocolError
from control.sim.clock import VirtualClock


class World:
    """Notes what happens; trains either as such or one callback at a time."""

    def __init__(self, trains: bool) -> None:
        self.clock = VirtualClock()
        self.trains = trains
        self.seen: list[tuple[str, int] | tuple[str, int, float]] = []
        self.calls = 0

    def event(self, when: float, name: int, then: list[float]) -> None:
        """An event that is seen with its time, and schedules others."""

        def happen() -> None:
            self.seen.append(("event", name, self.clock.now))
            for number, delay in enumerate(then):
                self.event(self.clock.now + delay, 100 * (name + 1) + number, [])

        self.clock.call_at(when, happen)

    def train(self, times: list[float], name: int, delay: float | None) -> None:
        """Items that note themselves, and with `delay` send another one on."""

        def many(base: int, first: int, last: int) -> None:
            self.calls += 1
            self.seen += [(f"train {name}", base + i) for i in range(first, last)]
            if delay is not None:
                later = [times[base + i] + delay for i in range(first, last)]
                serials = self.clock.reserve(last - first)
                self.clock.call_train(later, serials, lambda a, b: arrive(base + first, a, b))

        def arrive(base: int, first: int, last: int) -> None:
            self.calls += 1
            self.seen += [(f"arrival {name}", base + i) for i in range(first, last)]

        def one(index: int) -> None:
            self.seen.append((f"train {name}", index))
            if delay is not None:
                when = self.clock.now + delay
                self.clock.call_at(when, lambda: self.seen.append((f"arrival {name}", index)))

        if self.trains:
            serials = self.clock.reserve(len(times))
            self.clock.call_train(times, serials, lambda a, b: many(0, a, b))
        else:
            for index, when in enumerate(times):
                self.clock.call_at(when, one, index)


# quarters: their sums are exact, so that ties are ties
quarters = st.integers(0, 24).map(lambda n: n / 4)
events = st.tuples(quarters, st.lists(quarters, max_size=2))
trains = st.tuples(st.lists(quarters, min_size=1, max_size=12).map(sorted), st.none() | quarters)


@settings(deadline=None, max_examples=300)
@given(
    st.lists(events | trains, max_size=6),
    st.lists(quarters, max_size=5).map(sorted),
)
def test_a_train_is_seen_between_the_same_events_as_its_single_callbacks(steps, stops) -> None:
    """Trains do not see each other's order, only that toward events; nothing else may see them."""
    seen = []
    for as_train in (False, True):
        world = World(as_train)
        for name, (first, second) in enumerate(steps):
            if isinstance(first, list):
                world.train(first, name, second)
            else:
                world.event(first, name, second)
        left = []
        for stop in (*stops, 100.0):
            world.clock.run_until(stop)
            assert world.clock.now == max(stop, 0.0)
            left.append(len(world.clock))
        parts: list[list[object]] = [[]]
        for entry in world.seen:
            if entry[0] == "event":
                parts[-1].sort()
                parts += [[entry], []]
            else:
                parts[-1].append(entry)
        parts[-1].sort()
        seen.append((parts, left))
    assert seen[0] == seen[1]


def test_a_train_that_nothing_interrupts_is_one_call() -> None:
    world = World(True)
    world.train([1.0, 1.5, 2.0, 3.0], 0, 10.0)
    world.clock.run_until(5.0)
    assert world.calls == 1
    world.clock.run_until(50.0)
    assert world.calls == 2
    assert [n for _, n in world.seen] == [0, 1, 2, 3] * 2


def test_an_event_at_the_time_of_an_item_comes_in_order_of_scheduling() -> None:
    world = World(True)
    world.event(1.0, 1, [])
    world.train([1.0, 1.0], 0, None)
    world.event(1.0, 2, [])
    world.clock.run_until(1.0)
    assert world.seen == [("event", 1, 1.0), ("train 0", 0), ("train 0", 1), ("event", 2, 1.0)]


def test_a_train_is_no_deadline_but_is_still_to_come() -> None:
    world = World(True)
    world.train([1.0, 2.0, 3.0], 0, None)
    assert world.clock.next_deadline() is None
    world.clock.run_until(2.5)
    assert (world.seen, len(world.clock)) == ([("train 0", 0), ("train 0", 1)], 1)


def test_run_next_goes_on_with_trains() -> None:
    world = World(True)
    world.train([1.0, 3.0], 0, None)
    world.event(2.0, 1, [])
    assert world.clock.run_next()
    assert world.seen == [("train 0", 0), ("event", 1, 2.0)]
    assert world.clock.run_next()
    assert not world.clock.run_next()
    assert world.seen[-1] == ("train 0", 1)


@pytest.mark.parametrize("times", [[0.5, 2.0], [math.nan], [1.5, math.inf], [2.0, math.nan]])
def test_a_train_cannot_leave_in_the_past_or_never(times: list[float]) -> None:
    clock = VirtualClock(1.0)
    with pytest.raises(LocalProtocolError, match="cannot be scheduled"):
        clock.call_train(times, clock.reserve(len(times)), lambda first, last: None)
    assert len(clock) == 0


def test_an_empty_train_is_nothing() -> None:
    clock = VirtualClock()
    clock.call_train([], clock.reserve(0), lambda first, last: pytest.fail("called"))
    clock.run_until(1.0)
    assert len(clock) == 0


def test_the_clock_cannot_be_run_from_a_train() -> None:
    clock = VirtualClock()
    clock.call_train([1.0], clock.reserve(1), lambda first, last: clock.run_until(2.0))
    with pytest.raises(LocalProtocolError, match="already running"):
        clock.run_until(3.0)
