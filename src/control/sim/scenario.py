"""A scenario of `dialout sim`: phases one behind the other, each with its faults, its calls in and
its trigger packets, and each measured for itself.

It knows the VirtualClock and the LACs; sockets are serve.py's. What it does depends on the
configuration alone.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import cycle
from typing import Protocol

from control import config as settings
from control.sim.clock import Scheduled, VirtualClock
from control.sim.lac import SimLac
from control.sim.meter import Meter

TICK = 0.001
"""Seconds between two portions of calls or packets, for rates above one in such a time."""
MOST = 1 << 20
"""Destinations that are gone through before the first comes again."""
OVERRIDES = (
    *("outcome", "modems", "dial_delay", "hold"),
    *("delay", "jitter", "loss", "duplicate", "reorder", "corrupt"),
)
"""Keys of a LAC that a phase may give for its time."""


class Lac(Protocol):
    """A LAC with its line: serve.LacServer."""

    @property
    def lac(self) -> SimLac: ...
    def retune(self, config: settings.SimLac) -> None: ...


class Beat:
    """Calls `act` so many times a second until it is stopped."""

    def __init__(self, clock: VirtualClock, rate: float, act: Callable[[], object]) -> None:
        self._clock = clock
        self._rate = rate
        self._act = act
        self._start = clock.now
        self._done = 0
        self._next: Scheduled = clock.call_later(0.0, self._tick)

    def stop(self) -> None:
        self._next.cancel()

    def _tick(self) -> None:
        # By the count and not by the interval, so that no error of rounding adds up.
        due = int((self._clock.now - self._start) * self._rate + 1e-6) + 1
        while self._done < due:
            self._done += 1
            self._act()
        after = self._start + self._done / self._rate
        self._next = self._clock.call_at(max(after, self._clock.now + TICK), self._tick)


class Scenario:
    """The phases of a configuration, over the LACs of one Simulators."""

    def __init__(
        self,
        phases: Sequence[settings.SimPhase],
        lacs: Sequence[Lac],
        clock: VirtualClock,
        *,
        trigger: Callable[[str], object],
        told: Callable[[str], object],
        ended: Callable[[], object],
    ) -> None:
        """`trigger` sends one packet to an address, `told` gets a line for each phase, `ended` is
        called behind the last."""
        self.measured: list[tuple[settings.SimPhase, Meter]] = []
        """Each phase that is over."""
        self._phases = iter(phases)
        self._lacs = lacs
        self._before = [found.lac.config for found in lacs]
        self._clock = clock
        self._trigger = trigger
        self._told = told
        self._ended = ended
        self._phase: settings.SimPhase | None = None
        self._beats: list[Beat] = []

    def start(self) -> None:
        self._begin_next()

    def meter(self) -> Meter:
        """All phases together, the present one too."""
        whole = Meter(lambda: self._clock.now)
        for _, meter in self.measured:
            whole.merge(meter)
        for found in self._lacs:
            whole.merge(found.lac.meter)
        return whole

    def report(self) -> list[dict[str, object]]:
        return [
            {"name": phase.name, "seconds": phase.duration, **meter.report()}
            for phase, meter in self.measured
        ]

    def _begin_next(self) -> None:
        self._end()
        self._phase = next(self._phases, None)
        if self._phase is None:
            self._ended()
            return
        phase = self._phase
        self._told(f"phase {phase.name or len(self.measured) + 1}: {phase.duration:g} s")
        given = {n: v for n in OVERRIDES if (v := getattr(phase, n)) is not None}
        for found, config in zip(self._lacs, self._before, strict=True):
            if self._concerns(found):
                found.retune(replace(config, **given))
                found.lac.silent = phase.silent
        if phase.fault:
            self._fault(phase)
        if phase.call_rate:
            callers = cycle([f.lac for f in self._lacs if self._concerns(f)] or [None])
            self._beat(phase.call_rate, lambda: self._call(next(callers), phase))
        if phase.trigger_rate and phase.destinations:
            addresses = cycle_addresses(phase.destinations)
            self._beat(phase.trigger_rate, lambda: self._trigger(next(addresses)))
        self._clock.call_later(phase.duration, self._begin_next)

    def _end(self) -> None:
        """Of the present phase: LACs are as they were, and measure anew."""
        for beat in self._beats:
            beat.stop()
        self._beats.clear()
        if self._phase is None:
            return
        whole = Meter(lambda: self._clock.now)
        for found, config in zip(self._lacs, self._before, strict=True):
            whole.merge(found.lac.meter)
            found.lac.meter = Meter(lambda: self._clock.now)
            found.lac.silent = False
            found.retune(config)
        self.measured.append((self._phase, whole))

    def _concerns(self, found: Lac) -> bool:
        assert self._phase is not None
        return not self._phase.lacs or found.lac.config.address in self._phase.lacs

    def _beat(self, rate: float, act: Callable[[], object]) -> None:
        self._beats.append(Beat(self._clock, rate, act))

    def _fault(self, phase: settings.SimPhase) -> None:
        """At once, and then again and again if the phase says so."""
        if phase.fault_interval:
            self._beat(1 / phase.fault_interval, lambda: self._break(phase.fault))
        else:
            self._break(phase.fault)

    def _break(self, fault: str) -> None:
        for found in self._lacs:
            if self._concerns(found):
                match fault:
                    case "stopccn":
                        found.lac.close_tunnels()
                    case "reboot":
                        found.lac.reboot()
                    case "carriers":
                        found.lac.drop_carriers()

    def _call(self, lac: SimLac | None, phase: settings.SimPhase) -> None:
        if lac is not None:
            lac.bring_call((phase.lns, phase.lns_port), phase.caller, phase.called)


def cycle_addresses(prefix: str) -> Iterator[str]:
    """The host addresses of a prefix, again and again."""
    network = ipaddress.ip_network(prefix)
    first = 1 if network.num_addresses > 2 else 0
    count = min(max(1, network.num_addresses - 2 * first), MOST)
    while True:
        for number in range(first, first + count):
            yield str(network[number])
