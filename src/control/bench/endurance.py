"""The groups `soak` and `storm`: long runs in virtual time, which fail if a rule was broken."""

from __future__ import annotations

from collections.abc import Iterator

from control.bench.context import Context
from control.bench.rows import Row, once
from control.bench.soak import Soak
from control.bench.storm import Storm
from control.errors import DialoutError


def soak(context: Context) -> Iterator[Row]:
    """Days of random calls with faults and reloads. DialoutError: what was wrong."""
    days, calls, seed = context.sizes.days, context.sizes.calls, context.seed
    result = Soak(days, calls, seed).run()
    name = f"soak {days:g} days, {calls} calls, seed {seed}"
    if result.problems:
        raise DialoutError("\n".join([f"{name}:", *result.problems]))
    yield once(f"{name}: it took", "s", result.seconds)
    yield once(f"{name}: calls placed", "calls", result.facts["CallPlaced"])
    yield once(f"{name}: most at once", "calls", result.most_at_once)
    yield once(f"{name}: faults and reloads", "faults", result.faults.total())
    yield once(f"{name}: problems", "problems", 0)
    yield once(f"{name}: facts {result.digest}", "facts", result.facts.total())


def storm(context: Context) -> Iterator[Row]:
    """Triggers for many destinations at once. DialoutError: what was wrong."""
    sizes = context.sizes
    result = Storm(sizes.storm_rate, sizes.storm_sites, sizes.storm_seconds, sizes.bucket).run()
    name = f"storm {sizes.storm_rate}/s, {sizes.storm_sites} sites, {sizes.storm_seconds:g} s"
    if result.problems:
        raise DialoutError("\n".join([f"{name}:", *result.problems]))
    yield once(f"{name}: it took", "s", result.seconds)
    yield once(f"{name}: triggers", "triggers", result.triggers)
    yield once(f"{name}: calls placed", "calls", result.calls)
    yield once(f"{name}: called twice", "calls", result.called_twice)
    yield once(f"{name}: most calls in a second", "calls", result.most_calls_a_second)
    yield once(f"{name}: in service at the end", "calls", result.in_service)
    yield once(f"{name}: packets lost of live calls", "packets", result.lost)
