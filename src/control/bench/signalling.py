"""Whole dial-outs over loopback sockets: trigger, both RADIUS exchanges, call, PPP with both
authentications, route, verification, first packet forwarded.

The LNS is control.runtime's process as `dialout run` has it, in this process and on one processor;
LACs, sites and RADIUS are far_side.py's on another. CPU is that of this process, traffic made
included.
"""

from __future__ import annotations

import asyncio
import gc
import random
import resource
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from time import monotonic, process_time
from typing import Final, Protocol

from control.bench.context import Context
from control.bench.far_side import FarSide
from control.bench.load_config import LoadRadius, load_config, our_address, site
from control.bench.rows import Row, once
from control.bench.world import World
from control.config import Config, Port
from control.dialout.events import Event, SessionStateChanged, TriggersFlushed
from control.dialout.session_table import SessionState
from control.runtime.collector import calm
from control.runtime.process import Process
from control.sim.host import udp_packet

HOME: Final = "192.0.2.1"
LACS: Final = 8
"""Of what is placed at a rate: a tunnel has 16 messages under way at the most, which is a thousand
calls a second only while both ends answer within milliseconds."""
TICK: Final = 0.002
"""Seconds between two portions of triggers."""
PATIENCE: Final = 30.0
"""Seconds for the last calls to come up."""
BEFORE: Final = 0.5
"""Seconds in which tunnels open before anything is measured."""


@dataclass(slots=True)
class Measured:
    calls: int = 0
    up: int = 0
    seconds: float = 0.0
    cpu: float = 0.0
    each_second: list[int] = field(default_factory=list)
    """Calls that came up in each second but the last."""
    latencies: list[float] = field(default_factory=list)
    """Seconds from a trigger to its forwarding."""
    far_cpu: float = 0.0
    made: float = 0.0
    """Of `cpu`: the packets of triggers, made as if they had come from somewhere."""

    def latency(self, share: float) -> float:
        """A percentile, in milliseconds."""
        ordered = sorted(self.latencies) or [0.0]
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)] * 1000


class Load:
    """An LNS that runs, and triggers for it."""

    def __init__(self, config: Config) -> None:
        self._sent: dict[str, float] = {}
        self._number = 0
        self.measured = Measured()
        self._per_second: Counter[int] = Counter()
        self.process = Process(config, on_event=self._on_fact)

    async def run(self, rate: float, seconds: float) -> Measured:
        """`rate` triggers a second, each for a site of its own."""
        started, cpu = monotonic(), process_time()
        wanted, first = round(rate * seconds), self._number
        self._per_second.clear()
        self.measured = Measured()
        while (sent := self._number - first) < wanted:
            due = min(round((monotonic() - started) * rate) + 1, wanted)
            if due > sent:
                self._trigger(due - sent)
            await asyncio.sleep(TICK)
        await self._all_up()
        result = self.measured
        result.seconds, result.cpu = monotonic() - started, process_time() - cpu
        result.calls = wanted
        result.each_second = [self._per_second[int(started) + n] for n in range(1, int(seconds))]
        return result

    async def one_by_one(self, calls: int) -> Measured:
        """Each trigger comes when the call before is up and the box idle."""
        self.measured = Measured()
        for _ in range(calls):
            self._trigger(1)
            await self._all_up()
            await asyncio.sleep(TICK)
        self.measured.calls = calls
        return self.measured

    def _trigger(self, count: int) -> None:
        now, began = monotonic(), process_time()
        packets = []
        for number in range(self._number, self._number + count):
            to = site(number)
            self._sent[to] = now
            packets.append(udp_packet(HOME, 1024, to, 53, b"load"))
        self._number += count
        self.measured.made += process_time() - began
        self.process.receive("home", *packets)

    async def _all_up(self) -> None:
        end = monotonic() + PATIENCE
        while self._sent and monotonic() < end:
            await asyncio.sleep(TICK / 4)

    def _on_fact(self, fact: Event) -> None:
        if isinstance(fact, TriggersFlushed):
            now = monotonic()
            sent = self._sent.pop(fact.destination, None)
            if sent is not None:
                self.measured.up += 1
                self._per_second[int(now)] += 1
                # Of a trigger that found the buffer full nothing is forwarded.
                if fact.packets:
                    self.measured.latencies.append(now - sent)


class RadiusProcess(Protocol):
    """A RADIUS server of its own on the far side's processor. A context manager."""

    port: int

    def __enter__(self) -> RadiusProcess: ...
    def __exit__(self, *error: object) -> None: ...


def load(
    processors: Sequence[int],
    rate: float,
    seconds: float,
    lacs: int,
    new_radius: Callable[[str, int, int], RadiusProcess] | None = None,
) -> Measured:
    """Calls at a rate. `new_radius`: of addresses, LACs and processor; None: the simulated one."""

    async def measure(config: Config) -> Measured:
        one = Load(config)
        await one.process.start()
        calm()
        try:
            await one.run(max(rate / 10, 10.0), BEFORE)
            return await one.run(rate, seconds)
        finally:
            await one.process.stop(grace=1.0)

    half, room = half_of_loopback(), round(rate * seconds) + 1000
    with ExitStack() as stack:
        far = stack.enter_context(
            FarSide(processor=processors[0], lacs=lacs, half=half, radius=new_radius is None)
        )
        port = far.radius_port
        if new_radius is not None:
            port = stack.enter_context(new_radius(half, lacs, processors[0])).port
        found = asyncio.run(measure(load_of(half, lacs, room, port)))
    found.far_cpu = far.report.get("cpu", 0.0)
    return found


def idle(processors: Sequence[int], calls: int) -> Measured:
    """One call after the other."""

    async def measure(config: Config) -> Measured:
        one = Load(config)
        await one.process.start()
        calm()
        try:
            await one.run(10.0, BEFORE)
            return await one.one_by_one(calls)
        finally:
            await one.process.stop(grace=1.0)

    half = half_of_loopback()
    with FarSide(processor=processors[0], lacs=1, half=half) as far:
        return asyncio.run(measure(load_of(half, 1, calls + 1000, far.radius_port)))


@dataclass(slots=True)
class Standing:
    sessions: int = 0
    octets: float = 0.0
    """Resident memory of the LNS for each, data plane included."""
    cpu: float = 0.0
    """Share of a processor while nothing but keepalives happen."""
    lost: int = 0
    """Sessions that were not in service at the end."""
    set_up: float = 0.0
    """Seconds until all were up."""


def standing(
    processors: Sequence[int], sessions: int, rate: float, seconds: float, lacs: int
) -> Standing:
    """Sessions that are up and idle: what they cost."""

    async def measure(config: Config) -> Standing:
        one = Load(config)
        await one.process.start()
        calm()
        try:
            await one.run(max(rate / 10, 10.0), BEFORE)
            before = _resident()
            found = await one.run(rate, sessions / rate)
            gc.collect()
            result = Standing(found.up, (_resident() - before) / max(found.up, 1))
            result.set_up = found.seconds
            cpu, started = process_time(), monotonic()
            await asyncio.sleep(seconds)
            result.cpu = (process_time() - cpu) / (monotonic() - started)
            states = one.process.lns.manager.chassis.states
            result.lost = found.calls - min(states[SessionState.IN_SERVICE.value], found.calls)
            return result
        finally:
            await one.process.stop(grace=0.0)

    half = half_of_loopback()
    with FarSide(processor=processors[0], lacs=lacs, half=half) as far:
        return asyncio.run(measure(load_of(half, lacs, sessions + 1000, far.radius_port)))


def lossy(calls: int, seed: int) -> Measured:
    """Calls over lines that lose 10 % of all datagrams each way and hold back as many, in virtual
    time."""
    result = Measured(calls=calls)
    started: dict[str, float] = {}

    def on_fact(fact: Event) -> None:
        if isinstance(fact, SessionStateChanged) and fact.new is SessionState.IN_SERVICE:
            result.up += 1
            result.latencies.append(fact.time - started[fact.destination])

    config = load_config(lacs=2, sessions=calls + 1000, delay=0.02, loss=0.1, reorder=0.1)
    # The lean PPP of load tests does not insist enough for such a line.
    patient = replace(config.sim.cpe[0], answer="full")
    config = replace(config, sim=replace(config.sim, cpe=(patient,)))
    world = World(config, seed, on_event=on_fact, new_radius=LoadRadius)
    for number in range(calls):
        started[site(number)] = world.clock.now
        world.send([udp_packet(HOME, 1024, site(number), 53, b"load")])
        world.run(0.1)
    world.run(config.chassis.connecting_timer + 5.0)
    return result


def load_rows(name: str, found: Measured) -> Iterator[Row]:
    """What calls at a rate came to."""
    yield once(f"{name}: mean", "calls/s", statistics.mean(found.each_second))
    yield once(f"{name}: least", "calls/s", min(found.each_second))
    yield once(f"{name}: most", "calls/s", max(found.each_second))
    yield once(f"{name}: not up in the end", "calls", found.calls - found.up)
    yield once(f"{name}: LNS CPU of each", "us", found.cpu / found.calls * 1e6)
    yield once(f"{name}: of that, triggers made", "us", found.made / found.calls * 1e6)
    yield once(f"{name}: far side's CPU of each", "us", found.far_cpu / found.calls * 1e6)
    yield once(f"{name}: latency p50", "ms", found.latency(0.5))
    yield once(f"{name}: latency p99", "ms", found.latency(0.99))


def signalling(context: Context) -> Iterator[Row]:
    """All of it."""
    sizes, processors = context.sizes, context.processors
    rate = sizes.signalling_rate
    found = load(processors, rate, sizes.signalling_seconds, LACS)
    name = f"signalling {rate:g} dial-outs/s for {sizes.signalling_seconds:g} s"
    yield from load_rows(name, found)
    found = idle(processors, sizes.idle_calls)
    yield once("signalling idle: trigger to first packet p50", "ms", found.latency(0.5))
    yield once("signalling idle: trigger to first packet p99", "ms", found.latency(0.99))
    found = lossy(sizes.lossy_calls, context.seed)
    yield once("signalling 10 % loss and reordering: up", "%", 100 * found.up / found.calls)
    yield once("signalling 10 % loss and reordering: p99", "ms", found.latency(0.99))
    up = standing(
        processors, sizes.standing, sizes.standing_rate, sizes.standing_seconds, sizes.tunnels
    )
    name = f"signalling {sizes.standing} sessions over {sizes.tunnels} tunnels"
    yield once(f"{name}: memory of each", "B", up.octets)
    yield once(f"{name}: CPU of a processor", "%", 100 * up.cpu)
    yield once(f"{name}: lost", "calls", up.lost)


def load_of(half: str, lacs: int, sessions: int, radius_port: int) -> Config:
    ports = (
        Port("home", "mem:", "home", "home", ("192.0.2.0/24",)),
        Port("tunnel", f"udp:{our_address(half)}", "tunnel", "home"),
    )
    return load_config(
        lacs=lacs, sessions=sessions, half=half, radius_port=radius_port, ports=ports
    )


def half_of_loopback() -> str:
    """Two octets of loopback addresses that nobody else has drawn."""
    return f"127.{random.SystemRandom().randrange(16, 255)}"


def _resident() -> int:
    """Octets of memory in use."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
