"""What benchmarks share: tables and sizes of `dialout bench`, and how a number is noted.

DIALOUT_BENCH_SIZE makes tables, streams and captures smaller for a quick look; DIALOUT_DATA names a
folder with real routing tables (`rib/`), which are measured beside the generated ones then.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from control.bench.context import Context, Sizes
from control.route_file import read_routes

FACTOR = float(os.environ.get("DIALOUT_BENCH_SIZE", "1"))
REAL = {"v4-2020-02": 4, "v6-2020-02": 6}


def scaled(size: int, least: int = 256) -> int:
    return max(least, round(size * FACTOR))


def sizes() -> Sizes:
    whole = Sizes()
    return replace(
        whole,
        keys=scaled(whole.keys, 4096),
        routes4=scaled(whole.routes4),
        routes6=scaled(whole.routes6),
        sessions=scaled(whole.sessions, 64),
        updates=scaled(whole.updates),
        packets=scaled(whole.packets),
    )


def real_table(name: str) -> Path | None:
    if "DIALOUT_DATA" not in os.environ:
        return None
    path = Path(os.environ["DIALOUT_DATA"]) / "rib" / f"{name}.txt.xz"
    return path if path.exists() else None


@pytest.fixture(scope="session")
def context() -> Context:
    """Generated tables of full size."""
    return Context(sizes(), None)


TABLES = ["generated4", "generated6", *(name for name in REAL if real_table(name))]


@pytest.fixture(scope="session", params=TABLES)
def routes(request, context):
    """Each table: a generated one of each family, and real ones if there are any."""
    if request.param in REAL:
        return read_routes(real_table(request.param)).routes[REAL[request.param]]
    return context.table(int(request.param[-1]))[1]


def note(benchmark, operations: int, **extra) -> None:
    """What one operation took, beside the benchmark's own numbers."""
    benchmark.extra_info.update(extra)
    if benchmark.stats:  # None with --benchmark-disable
        took = benchmark.stats["median"] / operations * 1e9
        benchmark.extra_info["ns_per_operation"] = round(took, 2)
