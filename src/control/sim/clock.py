"""Virtual time: callbacks that run in the order of their times, as fast as the machine can.

Replay, demo and tests run every simulated peer and the control plane on one such clock. It knows
no wall clock and no threads. Equal times run in the order in which they were scheduled.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from heapq import heapify, heappop, heappush

from control.errors import LocalProtocolError

MAX_STEPS = 1_000_000
"""Callbacks scheduled by callbacks for one and the same instant; more is a loop without delay."""

COMPACT_ABOVE = 64
"""Cancelled entries are swept out of the queue when there are more than this and they are most."""


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


class VirtualClock:
    """A scheduler whose time is that of its callbacks."""

    def __init__(self, start: float = 0.0, *, max_steps: int = MAX_STEPS) -> None:
        self.now = start
        """Seconds; never goes back. To be read only."""
        self._queue: list[tuple[float, int, Scheduled]] = []
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
        if self.next_deadline() is None:
            return False
        self._run_head()
        return True

    def run_until(self, time: float) -> None:
        """Runs all that is due up to and at `time`, then stands there. A past `time` runs what is
        due now. Raises LocalProtocolError when called by a callback or in a loop without delay."""
        if self._running:
            raise LocalProtocolError(f"the clock is already running at {self.now}")
        limit = time if time > self.now else self.now
        queue = self._queue
        while queue and queue[0][0] <= limit:
            if queue[0][2]._fn is None:
                heappop(queue)
                self._cancelled -= 1
            else:
                self._run_head()
        self._stand_at(limit)

    def __len__(self) -> int:
        """How many callbacks are to come."""
        return len(self._queue) - self._cancelled

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
