"""Days of random calls in virtual time, with faults and reloads, and what must be true all the
while and afterwards (threats T10 to T12, T28): no stuck session, budgets kept, nothing left behind.

The seed decides everything: one run is the other, fact by fact, and so is what it finds.
"""

from __future__ import annotations

import gc
import hashlib
import random
from collections import Counter
from dataclasses import dataclass, field
from time import perf_counter, process_time
from typing import Final

from control import reload
from control.bench.soak_config import LACS, TARGETS, destination, soak_config
from control.bench.soak_rules import BudgetRule, counter_faults, leftovers, stuck
from control.bench.world import World
from control.config import Config
from control.dialout.call_record import KEPT
from control.dialout.events import CallPlaced, Event, SessionStateChanged
from control.dialout.session_table import SessionState
from control.sim.host import udp_packet

DAY: Final = 86400.0
AT_ONCE: Final = 50
"""Sessions that may be calling or connected before the next call has to wait."""
QUIET: Final = 4 * 3600.0
"""Seconds without new calls after which nothing of the old ones may be left."""
REMEMBERED: Final = 2 * KEPT
"""Objects that may have come since then all the same: the last calls are remembered."""
CHECK: Final = 1800.0
"""Seconds between two looks for what is stuck."""
RUSH: Final = 2400.0
RUSH_SHARE: Final = 0.6
"""So many of a day's calls come within as many seconds."""
HOME: Final = "192.0.2.1"
_CALLING: Final = (SessionState.AUTHENTICATING, SessionState.CONNECTING, SessionState.IN_SERVICE)
_KEEP_ALIVE: Final = 45.0
_LONGEST: Final = 3600.0


@dataclass(slots=True)
class SoakResult:
    seed: int
    days: float
    calls: int = 0
    """Triggers that were sent."""
    facts: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    """What was done to it."""
    problems: list[str] = field(default_factory=list)
    """What was wrong; empty if all is well."""
    most_at_once: int = 0
    digest: str = ""
    """Of all facts: equal for equal seeds."""
    objects: tuple[int, int] = (0, 0)
    """Python objects at the first quiet time and at the end."""
    seconds: float = 0.0
    """It took."""
    cpu: float = 0.0


class Soak:
    def __init__(self, days: float, calls: int, seed: int) -> None:
        self.result = SoakResult(seed, days)
        self._config = soak_config(days, calls)
        self._rng = random.Random(f"{seed}/soak")
        self._digest = hashlib.sha256()
        self._rule = BudgetRule(self._config.budget)
        self._calls = calls
        self._span = days * DAY
        self.world = World(self._config, seed, on_event=self._on_fact)
        self.clock = self.world.clock

    def run(self) -> SoakResult:
        started, cpu = perf_counter(), process_time()
        early = max(self._calls // 10, 1)
        self._play(early, self._span * 0.1)
        first = self._come_to_rest()
        self._play(self._calls - early, self._span * 0.9)
        last = self._come_to_rest()
        self.result.objects = first, last
        if last > first * 1.05 + REMEMBERED:
            self._wrong(f"{last} objects at the end, {first} after the first tenth")
        self.result.problems += counter_faults(self.world.lns, self.result.facts)
        self._stop()
        self.result.digest = self._digest.hexdigest()[:16]
        self.result.seconds, self.result.cpu = perf_counter() - started, process_time() - cpu
        return self.result

    # Calls.

    def _play(self, calls: int, seconds: float) -> None:
        start = self.clock.now
        rushes = [self._rng.random() * seconds for _ in range(max(round(seconds / DAY), 1))]
        for _ in range(calls):
            when = self._rng.random() * seconds
            if self._rng.random() < RUSH_SHARE:
                when = min(self._rng.choice(rushes) + self._rng.random() * RUSH, seconds)
            self.clock.call_at(start + when, self._call)
        count = round(seconds / DAY * 12) + 3
        for _ in range(count):
            self.clock.call_at(start + self._rng.random() * seconds, self._fault)
        checks = int(seconds // CHECK)
        for number in range(checks):
            self.clock.call_at(start + number * CHECK, self._check)
        self.world.run(seconds)

    def _call(self) -> None:
        if self._active() >= AT_ONCE:
            self.clock.call_later(60.0 + self._rng.random() * 60.0, self._call)
            return
        self.result.calls += 1
        to = destination(self._rng.randrange(len(TARGETS)), self._rng.randrange(200))
        self._send(to)
        last = min(self._rng.expovariate(1 / 400.0), _LONGEST)
        when = _KEEP_ALIVE
        while when < last:
            self.clock.call_later(when, self._send, to)
            when += _KEEP_ALIVE
        if self._rng.random() < 0.1:
            self.clock.call_later(last, self._reset, to)

    def _send(self, to: str) -> None:
        # What would place a call that is one too many is not sent: it is this run's own limit.
        sessions = self.world.lns.manager.targets.sessions_to("home", to)
        calling = any(session.state in _CALLING for session in sessions)
        if calling or self._active() < AT_ONCE:
            self.world.send([udp_packet(HOME, 1024, to, 53, b"soak")])

    def _reset(self, to: str) -> None:
        self.world.lns.reset("home", to, self.clock.now)
        self.world.settle()

    def _active(self) -> int:
        states = self.world.lns.manager.chassis.states
        return sum(states[state.value] for state in (*_CALLING, SessionState.PENDING))

    # Faults.

    def _fault(self) -> None:
        kind = self._rng.choice(
            ("lac silent", "lac reboot", "carriers drop", "radius down", "reload", "tunnels close")
        )
        self.result.faults[kind] += 1
        lac = self.world.network.lac(self._rng.choice(LACS))
        seconds = self._rng.uniform(5.0, 300.0)
        if kind == "lac silent":
            lac.silent = True
            self.clock.call_later(seconds, setattr, lac, "silent", False)
        elif kind == "lac reboot":
            lac.reboot()
        elif kind == "carriers drop":
            lac.drop_carriers()
        elif kind == "tunnels close":
            lac.close_tunnels()
        elif kind == "radius down":
            self.world.radius_down = True
            self.clock.call_later(seconds, setattr, self.world, "radius_down", False)
        else:
            self._reload(soak_config(self.result.days, self._calls, edition=self._rng.randrange(4)))
        self.world.settle()

    def _reload(self, config: Config) -> None:
        lns = self.world.lns
        reload.apply(lns, config, reload.plan(lns, config), self.clock.now)
        lns.config = config

    # What must be true.

    def _on_fact(self, fact: Event) -> None:
        result = self.result
        self._digest.update(repr(fact).encode())
        result.facts[type(fact).__name__] += 1
        if isinstance(fact, SessionStateChanged) and fact.new in _CALLING:
            active = self._active()
            result.most_at_once = max(result.most_at_once, active)
            if active > AT_ONCE:
                self._wrong(f"{active} sessions are calling at once")
        elif isinstance(fact, CallPlaced):
            for broken in self._rule.placed(fact):
                self._wrong(broken)

    def _check(self) -> None:
        for what in stuck(self.world.lns, self.clock.now):
            self._wrong(what)

    def _come_to_rest(self) -> int:
        """Nothing is asked for any more: all calls end, all sessions are forgotten."""
        for lac in LACS:
            self.world.network.lac(lac).silent = False
        self.world.radius_down = False
        self.world.run(QUIET)
        manager = self.world.lns.manager
        for session in list(manager.sessions.values()):
            if session.state is SessionState.FAILED:
                self._reset(session.destination)
        self.world.run(QUIET)
        for what in leftovers(self.world):
            self._wrong(what)
        gc.collect()
        return len(gc.get_objects())

    def _stop(self) -> None:
        self.world.lns.stop(self.clock.now)
        self.world.settle()
        self.world.run(120.0)
        tunnels = self.world.lns.tunnels()
        if tunnels:
            self._wrong(f"{len(tunnels)} tunnels are left two minutes after the stop")

    def _wrong(self, what: str) -> None:
        if len(self.result.problems) < 20:
            self.result.problems.append(f"at {self.clock.now:.0f} s: {what}")
