"""A storm of triggers in virtual time: a million a second over 100,000 destinations, against a
bucket of a thousand calls a second (threat T10, T28).

The packets go through the engine as bursts of a port; each destination is called once, calls never
come faster than the bucket, and sessions that were up before lose no packet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter, process_time
from typing import Final

import numpy as np

from control.bench.load_config import LoadRadius, load_config, site
from control.bench.soak_rules import BudgetRule
from control.bench.world import World
from control.dialout.events import CallPlaced, Event
from control.dialout.session_table import SessionState
from control.fastpath_dataplane import NANOSECONDS
from control.sim.host import udp_packet
from fastpath.ports.mem import MemPort

HOME: Final = "192.0.2.1"
STEP: Final = 0.01
"""Seconds of virtual time between two portions of packets."""
BEAT: Final = 10
"""Steps between two packets of each session that is up before."""
SETTLED: Final = 1000
"""Such sessions, at the most."""
LIMIT: Final = 131072
MOST_PROBLEMS: Final = 20


@dataclass(slots=True)
class StormResult:
    triggers: int = 0
    destinations: int = 0
    calls: int = 0
    called_twice: int = 0
    most_calls_a_second: int = 0
    in_service: int = 0
    lost: int = 0
    """Packets of sessions that were up before which were not forwarded."""
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0
    cpu: float = 0.0


class Storm:
    """`rate` packets a second to `destinations` in turn, `seconds` long, with a bucket of `bucket`
    calls a second."""

    def __init__(self, rate: int, destinations: int, seconds: float, bucket: int) -> None:
        self.result = StormResult(destinations=destinations)
        self._portion, self._steps = int(rate * STEP), round(seconds / STEP)
        config = load_config(lacs=4, sessions=LIMIT, delay=0.005)
        budget = replace(config.budget, dial_rate=float(bucket), dial_burst=bucket)
        self._rule = BudgetRule(budget)
        self._bucket = bucket
        self._called: Counter[str] = Counter()
        self._in_second: Counter[int] = Counter()
        self.world = World(
            replace(config, budget=budget),
            1,
            on_event=self._on_fact,
            new_radius=LoadRadius,
            with_data=False,
        )

    def run(self) -> StormResult:
        started, cpu = perf_counter(), process_time()
        settled = min(SETTLED, self.result.destinations // 10)
        live = self._settle(settled)
        old = _Packets([site(number) for number in range(settled)])
        storm = _Packets([site(settled + number) for number in range(self.result.destinations)])
        home = self.world.home
        before, beats, at = self._forwarded(live), 0, 0
        for step in range(self._steps):
            now = round(self.world.clock.now * NANOSECONDS)
            at = storm.push(home, at, self._portion // 2, now)
            if step % BEAT == 0:
                # Those that were up send in the middle of it.
                old.push(home, 0, settled, now)
                beats += 1
            at = storm.push(home, at, self._portion - self._portion // 2, now)
            self.world.take()
            self.world.run(STEP)
        self.world.run(5.0)
        self.result.triggers = self._steps * self._portion
        self.result.lost = beats * settled - (self._forwarded(live) - before)
        self._judge()
        self.result.seconds, self.result.cpu = perf_counter() - started, process_time() - cpu
        return self.result

    def _settle(self, count: int) -> list[int]:
        """Brings sites up before the storm; their next hops."""
        packets = _Packets([site(number) for number in range(count)])
        for at in range(0, count, 10):
            packets.push(self.world.home, at, min(10, count - at), 0)
            self.world.take()
            self.world.run(10 / self._bucket + 0.01)
        self.world.run(5.0)
        attempts = [session.attempt for session in self.world.lns.manager.sessions.values()]
        return [each.nh for each in attempts if each is not None and each.nh is not None]

    def _forwarded(self, live: list[int]) -> int:
        """Packets of home that went into these sessions."""
        counters = [self.world.dataplane.session_counters(nh) for nh in live]
        return sum(each.packets_out for each in counters)

    def _judge(self) -> None:
        result = self.result
        result.calls = self._called.total()
        result.called_twice = sum(count > 1 for count in self._called.values())
        result.most_calls_a_second = max(self._in_second.values(), default=0)
        states = self.world.lns.manager.chassis.states
        result.in_service = states[SessionState.IN_SERVICE.value]
        if result.called_twice:
            result.problems.append(f"{result.called_twice} destinations were called twice")
        if result.lost:
            result.problems.append(f"{result.lost} packets of sessions that were up are lost")

    def _on_fact(self, fact: Event) -> None:
        if isinstance(fact, CallPlaced):
            self._called[fact.destination] += 1
            self._in_second[int(fact.time)] += 1
            if len(self.result.problems) < MOST_PROBLEMS:
                self.result.problems += self._rule.placed(fact)


class _Packets:
    """One UDP packet for each destination, ready to be pushed in turn."""

    def __init__(self, destinations: Sequence[str]) -> None:
        packets = [udp_packet(HOME, 1024, each, 53, b"load") for each in destinations]
        self._size = len(packets[0]) if packets else 1
        self._buffer = np.frombuffer(b"".join(packets), np.uint8).copy()
        self._count = len(packets)
        self._offsets = np.arange(self._count, dtype=np.uint64) * self._size

    def push(self, port: MemPort, at: int, count: int, now_ns: int) -> int:
        """`count` of them from number `at` on, round and round. Returns the number behind."""
        picked = (at + np.arange(count)) % max(self._count, 1)
        lengths = np.full(count, self._size, np.uint64)
        times = np.full(count, now_ns, np.uint64)
        port.push_arrays(self._buffer, self._offsets[picked], lengths, times)
        return (at + count) % max(self._count, 1)
