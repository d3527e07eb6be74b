"""Virtual time: callbacks that run in the order of their times, as fast as the machine can.

Replay, demo and tests run every simulated peer and the control plane on one such clock. It knows
no wall clock and no threads. Equal times run in the order in which they were scheduled.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Protocol

from control.errors import LocalProtocolError

MAX_STEPS = 1_000_000
"""Callbacks scheduled by callbacks for one and the same instant; more is a loop without delay."""

COMPACT_ABOVE = 64
"""Cancelled entries are swept out of the queue when there are more than this and they are most."""


class Times(Protocol):
    """Seconds that never fall, such as a list or an array of them."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> float: ...


class Serials(Protocol):
    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> int: ...


class Scheduled:
    """One callback to come. `cancel` may be called at any time, again and again."""

    __slots__ = ("_args", "_clock", "_fn", "_nested", "when")

    def __init__(
        self,
        clock: VirtualClock,
        when: float,
        nested: bool,
        fn: Callable[..., object],
        args: tuple[object, ...],
    ) -> None:
        self.when = when
        """Seconds of the clock."""
        self._clock = clock
        self._nested = nested
        self._fn: Callable[..., object] | None = fn
        self._args = args

    def cancel(self) -> None:
        if self._fn is not None:
            self._fn = None
            self._args = ()
            self._clock._note_cancelled()


class Train:
    """Callbacks of one kind that come one after the other; see VirtualClock.call_train."""

    __slots__ = ("at", "fn", "serials", "times")

    def __init__(self, times: Times, serials: Serials, fn: Callable[[int, int], object]) -> None:
        self.times = times
        self.serials = serials
        self.fn = fn
        self.at = 0
        """Those before it were called."""

    def head(self) -> tuple[float, int, Train]:
        return float(self.times[self.at]), int(self.serials[self.at]), self

    def end(self, limit: float, due: tuple[float, int, Scheduled] | None) -> int:
        """Behind the last one that is to be called up to `limit` and before the entry `due`."""
        times = self.times
        last = bisect_right(times, limit, self.at)
        if due is None or due[0] > limit:
            return last
        first = bisect_left(times, due[0], self.at, last)
        return bisect_left(self.serials, due[1], first, bisect_right(times, due[0], first, last))


class VirtualClock:
    """A scheduler whose time is that of its callbacks."""

    def __init__(self, start: float = 0.0, *, max_steps: int = MAX_STEPS) -> None:
        self.now = start
        """Seconds; never goes back. To be read only."""
        self._queue: list[tuple[float, int, Scheduled]] = []
        self._trains: list[tuple[float, int, Train]] = []
        self._serial = 0
        self._cancelled = 0
        self._running = False
        self._max_steps = max_steps
        self._nested_steps = 0

    def call_at(self, when: float, fn: Callable[..., object], *args: object) -> Scheduled:
        """Runs `fn(*args)` at `when`, at once if that is past. Raises LocalProtocolError if `when`
        is not finite."""
        now = self.now
        if not now < when < math.inf:
            if not math.isfinite(when):
                raise LocalProtocolError(f"a callback cannot be scheduled for {when}")
            when = now
        serial = self._serial = self._serial + 1
        entry = Scheduled(self, when, self._running and when == now, fn, args)
        heappush(self._queue, (when, serial, entry))
        return entry

    def call_later(self, delay: float, fn: Callable[..., object], *args: object) -> Scheduled:
        """As call_at, `delay` seconds from now."""
        return self.call_at(self.now + delay, fn, *args)

    def reserve(self, count: int) -> range:
        """As many places in the order of equal times, one behind the other, for call_train."""
        self._serial += count
        return range(self._serial - count + 1, self._serial + 1)

    def call_train(self, times: Times, serials: Serials, fn: Callable[[int, int], object]) -> None:
        """Schedules callbacks that nothing follows from but what they count: as call_at(times[i])
        for every i, but `fn(first, last)` is called at times[first] once for all of first..last-1
        between which nothing else happens. next_deadline() does not tell of them.

        `serials` were reserved before and rise. Raises LocalProtocolError for a time that is past
        or not finite."""
        if not len(times):
            return
        if not (self.now <= times[0] and times[len(times) - 1] < math.inf):
            raise LocalProtocolError(f"callbacks cannot be scheduled from {times[0]} on")
        heappush(self._trains, Train(times, serials, fn).head())

    def next_deadline(self) -> float | None:
        """Time of the next callback; None if nothing is scheduled."""
        queue = self._queue
        while queue and queue[0][2]._fn is None:
            heappop(queue)
            self._cancelled -= 1
        return queue[0][0] if queue else None

    def run_next(self) -> bool:
        """Goes to the next callback's time and runs this one. False: nothing was scheduled.
        Raises LocalProtocolError when called by a callback or in a loop without delay."""
        when = self.next_deadline()
        if when is None and not self._trains:
            return False
        reached = self._run_trains(math.inf)
        if when is not None:
            self._run_head()
        else:
            self._stand_at(reached)
        return True

    def run_until(self, time: float) -> None:
        """Runs all that is due up to and at `time`, then stands there. A past `time` runs what is
        due now. Raises LocalProtocolError when called by a callback or in a loop without delay."""
        if self._running:
            raise LocalProtocolError(f"the clock is already running at {self.now}")
        limit = time if time > self.now else self.now
        queue, trains = self._queue, self._trains
        while True:
            if trains:
                self._run_trains(limit)
            if not queue or queue[0][0] > limit:
                break
            if queue[0][2]._fn is None:
                heappop(queue)
                self._cancelled -= 1
            else:
                self._run_head()
        self._stand_at(limit)

    def __len__(self) -> int:
        """How many callbacks are to come."""
        return (
            len(self._queue)
            - self._cancelled
            + sum(len(train.times) - train.at for _, _, train in self._trains)
        )

    def _stand_at(self, time: float) -> None:
        if time > self.now:
            self.now = time
            self._nested_steps = 0

    def _run_head(self) -> None:
        if self._running:
            raise LocalProtocolError(f"the clock is already running at {self.now}")
        when, _, entry = heappop(self._queue)
        if when > self.now:
            self.now = when
            self._nested_steps = 0
        if entry._nested:
            # Only what callbacks themselves add to the instant is counted: a capture may well have
            # millions of packets with one time stamp, and that is no loop.
            self._nested_steps += 1
            if self._nested_steps > self._max_steps:
                raise LocalProtocolError(f"more than {self._max_steps} steps at time {self.now}")
        fn, args = entry._fn, entry._args
        assert fn is not None
        entry._fn = None
        self._running = True
        try:
            fn(*args)
        finally:
            self._running = False

    def _run_trains(self, limit: float) -> float:
        """All of the trains that comes before the head of the queue, up to and at `limit`. Returns
        the time of the last one, at least that of the clock."""
        queue, trains = self._queue, self._trains
        reached = self.now
        while trains and trains[0][0] <= limit:
            due = queue[0] if queue else None
            if due is not None and due[:2] < trains[0][:2]:
                break
            if self._running:
                raise LocalProtocolError(f"the clock is already running at {self.now}")
            when, _, train = heappop(trains)
            first, train.at = train.at, train.end(limit, due)
            self._stand_at(when)
            self._running = True
            try:
                train.fn(first, train.at)
            finally:
                self._running = False
            # The clock stays at the first one: another train may be at work in the same span.
            reached = max(reached, float(train.times[train.at - 1]))
            if train.at < len(train.times):
                heappush(trains, train.head())
        return reached

    def _note_cancelled(self) -> None:
        self._cancelled += 1
        if self._cancelled > COMPACT_ABOVE and self._cancelled * 2 > len(self._queue):
            # In place: run_until holds a reference to the list.
            self._queue[:] = [item for item in self._queue if item[2]._fn is not None]
            heapify(self._queue)
            self._cancelled = 0


class Alarm:
    """The clock's end of a protocol object's `get_timer` and `handle_timer`.

    A deadline that moves away costs nothing: the entry of the old time stays and looks again when
    its time has come.
    """

    __slots__ = ("_clock", "_deadline", "_ring", "_scheduled")

    def __init__(self, clock: VirtualClock, ring: Callable[[], object]) -> None:
        self._clock = clock
        self._ring = ring
        self._deadline: float | None = None
        self._scheduled: Scheduled | None = None

    def set(self, deadline: float | None) -> None:
        """The alarm is to ring at `deadline`; None: not at all."""
        self._deadline = deadline
        if deadline is None:
            self.cancel()
        elif self._scheduled is None or deadline < self._scheduled.when:
            if self._scheduled is not None:
                self._scheduled.cancel()
            self._scheduled = self._clock.call_at(deadline, self._wake)

    def cancel(self) -> None:
        self._deadline = None
        if self._scheduled is not None:
            self._scheduled.cancel()
            self._scheduled = None

    def _wake(self) -> None:
        self._scheduled = None
        deadline = self._deadline
        if deadline is None:
            return
        if deadline > self._clock.now:
            self._scheduled = self._clock.call_at(deadline, self._wake)
        else:
            self._deadline = None
            self._ring()
