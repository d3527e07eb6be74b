"""Packets that the router sends at one go, each to leave at its own time.

Those of which quiet.py says that nobody answers them are counted in bulk, wherever nothing else
happens between them; the others are handled singly. Counters, order and times come out the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from control.sim.clock import VirtualClock
from control.sim.quiet import Array, Flow

if TYPE_CHECKING:
    from control.sim.network import LacHost

RUN_LEAST = 8
"""Fewer quiet packets in a row than these are not worth the trouble."""


class Batch:
    """Packets of `buffer`, in the order of `times` (seconds), none of which is past.

    `flow` and `flows` are what quiet.flows says, `hosts` has each flow's LAC,
    whose line is perfect, None: its packets are to be handled singly.
    `from_router` takes a packet that leaves now, `count` is told how many do
    in bulk.
    """

    def __init__(
        self,
        clock: VirtualClock,
        arrays: tuple[Array, Array, Array, Array],
        flow: Array,
        flows: list[Flow],
        hosts: list[LacHost | None],
        *,
        from_router: Callable[[bytes], object],
        count: Callable[[int], object],
    ) -> None:
        self._clock = clock
        self._buffer, self._offsets, self._lengths, self._times = arrays
        self._flows = flows
        self._hosts = [host for host in dict.fromkeys(hosts) if host is not None]
        self._host = np.array([-1 if h is None else self._hosts.index(h) for h in [*hosts, None]])
        """By flow, the last one for packets of none."""
        self._flow = np.where(self._host[flow] < 0, -1, flow)
        self._from_router = from_router
        self._count = count

    def schedule(self) -> None:
        """Lets all of them leave, those whose time is now at once."""
        clock, times = self._clock, self._times
        now = int(np.searchsorted(times, clock.now, "right"))
        for first, last in self._runs():
            if self._flow[first] < 0 or last - first < RUN_LEAST:
                for index in range(first, last):
                    self._send(index, at_once=index < now)
                continue
            at_once = min(max(now - first, 0), last - first)
            if at_once:
                self._leave(first, 0, at_once)
            first += at_once
            serials = clock.reserve(last - first)
            clock.call_train(times[first:last], serials, partial(self._leave, first))

    def _runs(self) -> Iterator[tuple[int, int]]:
        """Packets in a row that are all quiet, or all are not."""
        edges = np.flatnonzero(np.diff(self._flow >= 0)) + 1
        bounds = [0, *edges.tolist(), len(self._flow)]
        return pairwise(bounds)

    def _send(self, index: int, *, at_once: bool) -> None:
        start = int(self._offsets[index])
        packet = self._buffer[start : start + int(self._lengths[index])].tobytes()
        if at_once:
            self._from_router(packet)
        else:
            self._clock.call_at(float(self._times[index]), self._from_router, packet)

    def _leave(self, base: int, first: int, last: int) -> None:
        """Quiet packets base+first..base+last-1 enter the lines of their LACs."""
        first, last = base + first, base + last
        self._count(last - first)
        flow, times = self._flow[first:last], self._times[first:last]
        lengths = self._lengths[first:last]
        serials = self._clock.reserve(last - first)
        if len(self._hosts) == 1:
            self._enter(self._hosts[0], times, serials, lengths, flow)
            return
        for number, host in enumerate(self._hosts):
            picked = np.flatnonzero(self._host[flow] == number)
            numbers = picked + serials.start
            self._enter(host, times[picked], numbers, lengths[picked], flow[picked])

    def _enter(
        self, host: LacHost, times: Array, serials: Array | range, lengths: Array, flow: Array
    ) -> None:
        lane = host.link.to_far
        arrive = partial(self._arrive, host, flow)
        lane.send_many(times + lane.delay, serials, int(lengths.sum()), arrive)

    def _arrive(self, host: LacHost, flow: Array, first: int, last: int) -> None:
        if len(self._flows) == 1:
            host.receive_quiet(self._flows[0], last - first)
            return
        counts = np.bincount(flow[first:last])
        for number in np.flatnonzero(counts).tolist():
            host.receive_quiet(self._flows[number], int(counts[number]))
