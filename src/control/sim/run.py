"""`dialout sim`: runs the simulators of a configuration until their time is over or a signal ends
them, and tells what happened, as data and as text."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from control import config as settings
from control.sim.serve import Simulators

GOODBYE: Final = 0.2
"""Seconds for LNSs to acknowledge that the LACs shut down."""
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

Report = dict[str, Any]


def run(
    config: settings.Sim,
    parts: Sequence[str],
    *,
    duration: float | None,
    seed: int | None,
    tell: Callable[[str], object],
) -> Report:
    """Runs until `duration` seconds are over, or SIGINT or SIGTERM; returns the report. Raises
    OSError if an address or port is not to be had."""
    return asyncio.run(_run(config, parts, duration, seed, tell))


async def _run(
    config: settings.Sim,
    parts: Sequence[str],
    duration: float | None,
    seed: int | None,
    tell: Callable[[str], object],
) -> Report:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in _SIGNALS:
        loop.add_signal_handler(number, ended.set)
    try:
        simulators = Simulators(config, parts, seed=seed)
        start = time.monotonic()
        try:
            for line in simulators.listening():
                tell(line)
            if config.phase:
                simulators.play(config.phase, tell, ended.set)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), duration)
            seconds = time.monotonic() - start
            simulators.stop()
            await asyncio.sleep(GOODBYE)
            return {
                "seconds": round(seconds, 3),
                "calls": simulators.meter().report(),
                **simulators.report(),
            }
        finally:
            simulators.close()
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


def summary(report: Report) -> Iterator[str]:
    """The report in a few lines of text."""
    calls = report["calls"]
    yield f"{'seconds':<24}{report['seconds']:>12.1f}"
    for title, key in (("calls", "calls_per_second"), ("opened", "opened_per_second")):
        rate = calls[key]
        yield (
            f"{title:<24}{rate['count']:>12,}   "
            f"per second: min {rate['min']}  avg {rate['avg']:.1f}  max {rate['max']}"
        )
    for phase in report["phases"]:
        rate, times = phase["calls_per_second"], phase["set_up_seconds"]
        p99 = f"  p99 {1000 * times['p99']:.2f} ms" if times["count"] else ""
        yield (
            f"{'  phase ' + phase['name']:<24}{rate['count']:>12,}   avg {rate['avg']:.1f}"
            f"  opened {phase['opened_per_second']['count']:,}{p99}"
        )
    for title, key in (("OCRQ to open", "set_up_seconds"), ("OCCN to open", "negotiation_seconds")):
        times = calls[key]
        if times["count"]:
            shown = ("min", "p50", "p90", "p99", "p99.9", "max")
            told = "  ".join(f"{name} {1000 * times[name]:.2f}" for name in shown)
            yield f"{title:<24}{times['count']:>12,}   ms: {told}"
    results: dict[str, int] = {}
    for lac in report["lac"]:
        for name, count in lac["results"].items():
            results[name] = results.get(name, 0) + count
    for title, table in (("call met", results), ("call ended by", calls["ends"])):
        for name, count in sorted(table.items()):
            yield f"{f'{title} {name}':<24}{count:>12,}"
    for server in report["radius"]:
        told = "  ".join(
            f"{k} {v}" for k, v in server.items() if isinstance(v, int) and k != "port"
        )
        yield f"radius {server['address']}:{server['port']}  {told}"
