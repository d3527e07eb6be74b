"""What all measurements of a run share: sizes, tables, peers, the processor they are tied to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from control.bench.peers import Library
from control.bench.tables import internet_like
from control.routes import Routes

SEED: Final = 1


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured."""

    runs: int = 11
    """Repetitions, of which medians are taken."""
    keys: int = 1 << 22
    """Destinations of a stream: more than caches hold of what they lead to."""
    batch: int = 256
    """Lookups of one call, as a burst makes them."""
    routes4: int = 900_000
    routes6: int = 160_000
    access: tuple[int, ...] = (100_000, 1_000_000)
    """Tables with so many access routes more."""
    sessions: int = 100_000
    updates: int = 100_000
    packets: int = 1 << 16
    """Packets in memory: with the space around them more than caches hold."""
    rules: tuple[int, ...] = (100, 1000)
    """Sets of so many generated rules."""
    captured: int = 1_000_000
    """Packets of the generated capture."""
    days: float = 30.0
    calls: int = 20_000
    """Of a soak."""
    storm_rate: int = 1_000_000
    """Triggers a second."""
    storm_sites: int = 100_000
    storm_seconds: float = 120.0
    bucket: int = 1000
    """Calls a second that the storm's budget allows."""
    signalling_rate: float = 1000.0
    """Dial-outs a second."""
    signalling_seconds: float = 60.0
    freeradius_rate: float = 300.0
    freeradius_seconds: float = 20.0
    idle_calls: int = 500
    lossy_calls: int = 500
    standing: int = 65535
    """Sessions that are up at once, and how fast they come up."""
    standing_rate: float = 600.0
    standing_seconds: float = 60.0
    tunnels: int = 64
    live_seconds: float = 2.0
    """For which a live LNS is sent to."""
    live_runs: int = 5
    targets: int = 10_000
    """Of a router that is started, reloaded and looked at."""
    scrapes: int = 100


QUICK: Final = Sizes(
    runs=10,
    keys=2048,
    routes4=2000,
    routes6=500,
    access=(200,),
    sessions=50,
    updates=200,
    packets=256,
    rules=(20,),
    captured=1000,
    days=0.5,
    calls=60,
    storm_rate=10_000,
    storm_sites=60,
    storm_seconds=3.0,
    bucket=20,
    signalling_rate=20.0,
    signalling_seconds=2.0,
    freeradius_rate=20.0,
    freeradius_seconds=2.0,
    idle_calls=10,
    lossy_calls=20,
    standing=40,
    standing_rate=40.0,
    standing_seconds=1.0,
    tunnels=2,
    live_seconds=0.2,
    live_runs=1,
    targets=20,
    scrapes=5,
)
"""For a look whether everything runs; its numbers mean nothing."""


@dataclass(slots=True)
class Context:
    """One run of `dialout bench`."""

    sizes: Sizes
    peers: Library | None
    given: dict[int, Routes] = field(default_factory=dict)
    """Tables of the user's, by family, instead of generated ones."""
    trace: str | None = None
    """A capture of the user's."""
    rules: str | None = None
    """A file of rules of the user's."""
    seed: int = SEED
    """Of a soak."""
    processors: tuple[int, ...] = field(
        default_factory=lambda: tuple(sorted(os.sched_getaffinity(0)))
    )
    """Those that may be used; what is timed runs on the last one, as the first ones are busier with
    interrupts."""
    _made: dict[int, Routes] = field(default_factory=dict)

    def table(self, family: int) -> tuple[str, Routes]:
        """Name and prefixes of the routing table to measure with."""
        if family in self.given:
            return "table", self.given[family]
        if family not in self._made:
            size = self.sizes.routes4 if family == 4 else self.sizes.routes6
            self._made[family] = internet_like(family, size, SEED)
        return "bgp", self._made[family]


@contextmanager
def one_processor(context: Context) -> Iterator[None]:
    """Ties this thread to the last processor."""
    os.sched_setaffinity(0, {context.processors[-1]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, set(context.processors))
