"""Dial-out counters at four levels: system, virtual router, target, session.

Specification 1.13: the same 18 session counters at every level; a count goes to a session's own
set and to those above it, so what a deleted session counted stays. The maximum of enqueued
triggers is each level's own high water.

Trigger packets live in the data plane. Control counts those it knows of: the packet of every
trigger event, and the others of its key when the key's buffer is forwarded or dropped. Hence
received == enqueued + discarded + forwarded at every level. A packet that the data plane discards
without ever buffering it (orders `discard` and `drop`, a full buffer) is in the data plane's own
counters only.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Kind(IntEnum):
    COUNTER = 0
    GAUGE = 1
    HIGH_WATER = 2


class SessionCounter(IntEnum):
    """Index into a set. The first 18 are those of the MIB, the others are ours."""

    ACTIVE = 0
    CREATED = 1
    REMOVED = 2
    RESET = 3
    TRIGGERS_RECEIVED = 4
    TRIGGERS_ENQUEUED = 5
    TRIGGERS_DISCARDED = 6
    TRIGGERS_FORWARDED = 7
    TRIGGERS_MAX_ENQUEUED = 8
    AUTH_REQUESTS = 9
    AUTH_NO_RESOURCES = 10
    AUTH_GRANTS = 11
    AUTH_DENIES = 12
    DIALOUTS_REQUESTED = 13
    DIALOUTS_REJECTED = 14
    DIALOUTS_ESTABLISHED = 15
    DIALOUTS_TIMED_OUT = 16
    DIALOUTS_TORN_DOWN = 17
    AUTH_TIMEOUTS = 18
    BUDGET_DENIED = 19
    CALLS_PLACED = 20


C = SessionCounter
MIB_COUNTERS = 18


@dataclass(frozen=True, slots=True)
class CounterRow:
    """Everything there is to say about one counter."""

    counter: SessionCounter
    name: str
    kind: Kind
    text: str


ROWS: tuple[CounterRow, ...] = (
    CounterRow(C.ACTIVE, "sessions_active", Kind.GAUGE, "sessions that exist"),
    CounterRow(C.CREATED, "sessions_created", Kind.COUNTER, "sessions created"),
    CounterRow(C.REMOVED, "sessions_removed", Kind.COUNTER, "sessions deleted"),
    CounterRow(C.RESET, "sessions_reset", Kind.COUNTER, "administrative resets"),
    CounterRow(
        C.TRIGGERS_RECEIVED,
        "triggers_received",
        Kind.COUNTER,
        "trigger packets known to control: enqueued + discarded + forwarded",
    ),
    CounterRow(
        C.TRIGGERS_ENQUEUED, "triggers_enqueued", Kind.GAUGE, "first triggers held in a buffer"
    ),
    CounterRow(
        C.TRIGGERS_DISCARDED, "triggers_discarded", Kind.COUNTER, "buffered triggers dropped"
    ),
    CounterRow(
        C.TRIGGERS_FORWARDED, "triggers_forwarded", Kind.COUNTER, "buffered triggers forwarded"
    ),
    CounterRow(
        C.TRIGGERS_MAX_ENQUEUED,
        "triggers_max_enqueued",
        Kind.HIGH_WATER,
        "most triggers in the buffers at once, as far as control could see",
    ),
    CounterRow(C.AUTH_REQUESTS, "auth_requests", Kind.COUNTER, "first Access-Requests"),
    CounterRow(
        C.AUTH_NO_RESOURCES, "auth_no_resources", Kind.COUNTER, "requests that could not be sent"
    ),
    CounterRow(C.AUTH_GRANTS, "auth_grants", Kind.COUNTER, "answers that named a LAC"),
    CounterRow(C.AUTH_DENIES, "auth_denies", Kind.COUNTER, "answers that did not"),
    CounterRow(C.DIALOUTS_REQUESTED, "dialouts_requested", Kind.COUNTER, "attempts to connect"),
    CounterRow(
        C.DIALOUTS_REJECTED,
        "dialouts_rejected",
        Kind.COUNTER,
        "attempts ended by LACs, PPP or an access route that did not fit",
    ),
    CounterRow(
        C.DIALOUTS_ESTABLISHED,
        "dialouts_established",
        Kind.COUNTER,
        "attempts that came in service",
    ),
    CounterRow(
        C.DIALOUTS_TIMED_OUT, "dialouts_timed_out", Kind.COUNTER, "attempts ended by their timer"
    ),
    CounterRow(
        C.DIALOUTS_TORN_DOWN, "dialouts_torn_down", Kind.COUNTER, "calls in service that ended"
    ),
    CounterRow(C.AUTH_TIMEOUTS, "auth_timeouts", Kind.COUNTER, "requests nobody answered"),
    CounterRow(
        C.BUDGET_DENIED, "budget_denied", Kind.COUNTER, "calls refused by budget, number or freeze"
    ),
    CounterRow(C.CALLS_PLACED, "calls_placed", Kind.COUNTER, "calls asked of LACs (OCRQ)"),
)
"""One row a counter, in the order of their numbers."""


class Counters:
    """One level's set. What is counted here is counted at every level above too."""

    __slots__ = ("_above", "_below", "_values")

    def __init__(self, parent: Counters | None = None) -> None:
        self._values = [0] * len(SessionCounter)
        # Lists, not sets: a count is three to five additions and nothing else.
        self._below: tuple[list[int], ...] | None = None
        self._above: tuple[list[int], ...] = () if parent is None else parent._chain()

    def __getitem__(self, counter: SessionCounter) -> int:
        return self._values[counter]

    def add(self, counter: SessionCounter, amount: int = 1) -> None:
        self._values[counter] += amount
        for values in self._above:
            values[counter] += amount

    def created(self) -> None:
        self.add(C.ACTIVE)
        self.add(C.CREATED)

    def removed(self) -> None:
        self.add(C.ACTIVE, -1)
        self.add(C.REMOVED)

    def trigger_received(self) -> None:
        """The packet of a trigger event: it is in the data plane's buffer, or counts as if."""
        self.add(C.TRIGGERS_RECEIVED)
        self._enqueue(1)

    def buffer_forwarded(self, packets: int) -> None:
        """A key's buffer went out: `packets` is what the data plane sent."""
        self._settle(packets, C.TRIGGERS_FORWARDED)

    def buffer_dropped(self, packets: int) -> None:
        """A key's buffer was dropped: `packets` is what the data plane dropped."""
        self._settle(packets, C.TRIGGERS_DISCARDED)

    def as_dict(self) -> dict[str, int]:
        return {row.name: self._values[row.counter] for row in ROWS}

    def _settle(self, packets: int, outcome: SessionCounter) -> None:
        known = self._values[C.TRIGGERS_ENQUEUED]
        if packets > known:
            self.add(C.TRIGGERS_RECEIVED, packets - known)
            self._enqueue(packets - known)
        self.add(C.TRIGGERS_ENQUEUED, -max(packets, known))
        self.add(outcome, packets)
        # The data plane had no room for what is missing.
        self.add(C.TRIGGERS_DISCARDED, max(known - packets, 0))

    def _enqueue(self, packets: int) -> None:
        for values in (self._values, *self._above):
            enqueued = values[C.TRIGGERS_ENQUEUED] + packets
            values[C.TRIGGERS_ENQUEUED] = enqueued
            if enqueued > values[C.TRIGGERS_MAX_ENQUEUED]:
                values[C.TRIGGERS_MAX_ENQUEUED] = enqueued

    def _chain(self) -> tuple[list[int], ...]:
        """Its values and those of every level above: shared by all sets below it."""
        if self._below is None:
            self._below = (self._values, *self._above)
        return self._below


LATENCY_BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0)
"""Upper bounds of the histogram's classes, seconds; one more class has none."""


class LatencyHistogram:
    """Time from the trigger of an attempt to its session in service."""

    __slots__ = ("count", "counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(LATENCY_BOUNDS) + 1)
        self.count = 0
        self.total = 0.0
        """Sum of all times, seconds."""

    def observe(self, seconds: float) -> None:
        at = next((i for i, bound in enumerate(LATENCY_BOUNDS) if seconds <= bound), -1)
        self.counts[at] += 1
        self.count += 1
        self.total += seconds
