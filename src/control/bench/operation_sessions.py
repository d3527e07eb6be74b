"""Tens of thousands of sessions in service under an operator's eyes: lists through the control
socket by real commands, scrapes, `top`, and changes of targets.

The router is that of signalling.py in this process, with a control socket and a metrics server as
`dialout run` has them; clients and far side have the other processor.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, NamedTuple

from control.bench.far_side import FarSide
from control.bench.lateness import Lateness
from control.bench.operation_client import command, scrapes
from control.bench.rows import Row, once, row
from control.bench.signalling import BEFORE, Load, half_of_loopback, load_of
from control.config import Config, Target
from control.dialout.session_table import SessionState
from control.difference import Difference
from control.operation.roles import Access
from control.operation.top import top_view
from control.runtime.collector import calm
from control.runtime.control_listener import ControlListener
from control.runtime.control_socket import ControlSocket
from control.runtime.observation import Observation
from control.runtime.operated import Operated

LOOKS: Final = 50
"""At all targets, as `top` does."""
LISTS: Final = (
    ("brief", ("brief",)),
    ("brief, JSON", ("brief", "--json")),
    ("detail", ("detail",)),
    ("detail, JSON", ("detail", "--json")),
)


@dataclass(frozen=True, slots=True)
class Sight:
    """How much there is to be seen."""

    sessions: int
    rate: float
    """Calls a second while they come up."""
    tunnels: int
    targets: int
    runs: int
    scrapes: int


class _Timed(NamedTuple):
    seconds: list[float]
    late: float
    """Longest delay of anything else meanwhile, seconds."""


class _Router:
    """A running router, and who looks at it."""

    def __init__(self, load: Load, path: str, processors: Sequence[int]) -> None:
        self.load = load
        self.processors = processors
        self.path = path
        self.observation = Observation(load.process, note=lambda level, what, text: None)
        self.operated = Operated(load.process, self.observation, self._load)
        access = Access(os.getuid())
        self._control = ControlSocket(
            ControlListener(path), self.operated, access, lambda text: None
        )

    async def start(self, address: str) -> None:
        await self.observation.server.open(address, 0)
        await self._control.start()

    async def stop(self) -> None:
        self.observation.stop()
        await self._control.close()

    async def ask(self, *arguments: str) -> float:
        """Seconds of a command."""
        seconds, _ = await command((*arguments, "--socket", self.path), self.processors)
        return seconds

    async def timed(self, runs: int, work: Callable[[], Awaitable[float]]) -> _Timed:
        lateness = Lateness()
        try:
            found = [await work() for _ in range(runs)]
        finally:
            late = lateness.end()
        return _Timed(found, late)

    async def change(self, config: Config) -> float:
        """Puts it in force; seconds."""
        start = time.perf_counter()
        await self.load.process.reload(config)
        return time.perf_counter() - start

    async def _load(self, *, dry_run: bool) -> Difference:
        return await self.load.process.reload(self.load.process.lns.config, dry_run=dry_run)


def seen(sight: Sight, processors: Sequence[int]) -> list[Row]:
    half = half_of_loopback()

    async def measure(config: Config) -> list[Row]:
        async with _up(config, sight, half, processors) as router:
            return [each async for each in _rows(router, sight, half)]

    with FarSide(processor=processors[0], lacs=sight.tunnels, half=half) as far:
        config = load_of(half, sight.tunnels, sight.sessions + 1000, far.radius_port)
        return asyncio.run(measure(replace(config, target=(*config.target, *_more(sight.targets)))))


def _more(count: int) -> Iterator[Target]:
    """Targets that nobody calls, beside that of the sites."""
    for number in range(count - 1):
        prefix = f"10.{64 + (number >> 8)}.{number & 255}.0/24"
        yield Target(prefix, "home", "other.example", "site", max_sessions=10)


@asynccontextmanager
async def _up(
    config: Config, sight: Sight, half: str, processors: Sequence[int]
) -> AsyncIterator[_Router]:
    """All sessions in service."""
    load = Load(config)
    await load.process.start()
    calm()
    try:
        await load.run(max(sight.rate / 10, 10.0), BEFORE)
        await load.run(sight.rate, sight.sessions / sight.rate)
        with tempfile.TemporaryDirectory(prefix="dialout-bench-") as folder:
            router = _Router(load, f"{folder}/control", processors)
            await router.start(f"{half}.0.1")
            try:
                yield router
            finally:
                await router.stop()
    finally:
        await load.process.stop(grace=0.0)


async def _rows(router: _Router, sight: Sight, half: str) -> AsyncIterator[Row]:
    up = router.load.process.lns.manager.chassis.states[SessionState.IN_SERVICE]
    name = f"operation {sight.sessions} sessions"
    yield once(f"{name}: in service", "calls", up)
    for what, form in LISTS:
        found = await router.timed(sight.runs, partial(router.ask, "show", "sessions", *form))
        yield row(f"{name}: show sessions {what}", "s", found.seconds)
        yield once(f"{name}: longest delay meanwhile", "ms", found.late * 1e3)
    name = f"operation {sight.sessions} sessions, {sight.targets} targets"
    port = router.observation.server.port
    times = await scrapes(f"{half}.0.1", port, sight.scrapes, router.processors)
    for share in (0.5, 0.99):
        at = min(int(share * len(times)), len(times) - 1)
        yield once(f"{name}: scrape p{share * 100:g}", "ms", times[at] * 1e3)
    looks = _looks(router)
    yield row(f"{name}: a look of top", "ms", looks)
    yield once(f"{name}: longest look of top", "ms", max(looks))
    async for each in _changes(router, sight):
        yield each


def _looks(router: _Router) -> list[float]:
    look = top_view(router.operated)
    found = []
    for _ in range(LOOKS):
        start = time.perf_counter()
        look()
        found.append((time.perf_counter() - start) * 1e3)
    return found


async def _changes(router: _Router, sight: Sight) -> AsyncIterator[Row]:
    states = router.load.process.lns.manager.chassis.states
    before = states[SessionState.IN_SERVICE]
    name = f"operation {sight.targets} targets"
    one = "10.200.0.0/24"
    adding = ("target", "add", one, "--domain", "other.example", "--profile", "site")
    found = await router.timed(1, lambda: router.ask(*adding))
    yield row(f"{name}: target add", "s", found.seconds)
    yield once(f"{name}: longest delay meanwhile", "ms", found.late * 1e3)
    found = await router.timed(1, lambda: router.ask("target", "remove", one))
    yield row(f"{name}: target remove", "s", found.seconds)
    config = router.load.process.lns.config
    mine, others = config.target[:1], config.target[1:]
    changed = tuple(replace(each, max_sessions=11) for each in others)
    found = await router.timed(1, lambda: router.change(replace(config, target=mine + changed)))
    yield row(f"{name}: reload in force, each changed", "s", found.seconds)
    replaced = tuple(replace(each, domain="new.example") for each in others)
    found = await router.timed(1, lambda: router.change(replace(config, target=mine + replaced)))
    yield row(f"{name}: reload in force, each replaced", "s", found.seconds)
    yield once(f"{name}: sessions lost by that", "calls", before - states[SessionState.IN_SERVICE])
