"""Dial-outs over loopback sockets: the LNS's CPU for each, latency, the cost of standing sessions.

Run: pytest benchmarks/bench_signalling.py, which takes ten seconds a figure; the long runs are
`dialout bench signalling`, `soak` and `storm`. Two processors are needed: LACs, sites and RADIUS
run on the other one.
"""

from __future__ import annotations

import os

import pytest

from control.bench.signalling import idle, load, lossy, standing

PROCESSORS = sorted(os.sched_getaffinity(0))
FACTOR = float(os.environ.get("DIALOUT_BENCH_SIZE", "1"))

pytestmark = pytest.mark.skipif(len(PROCESSORS) < 2, reason="needs two processors")


@pytest.fixture(autouse=True)
def one_processor():
    os.sched_setaffinity(0, {PROCESSORS[-1]})
    yield
    os.sched_setaffinity(0, PROCESSORS)


def test_dialouts_at_a_rate(benchmark):
    rate, seconds = max(500 * FACTOR, 10.0), max(10 * FACTOR, 2.0)
    found = benchmark.pedantic(load, (PROCESSORS, rate, seconds, 4), rounds=1)
    benchmark.extra_info["us_of_each"] = round(found.cpu / found.calls * 1e6)
    benchmark.extra_info["p99_ms"] = round(found.latency(0.99), 1)


def test_one_call_after_the_other(benchmark):
    found = benchmark.pedantic(idle, (PROCESSORS, max(int(200 * FACTOR), 5)), rounds=1)
    benchmark.extra_info["p50_ms"] = round(found.latency(0.5), 2)
    benchmark.extra_info["p99_ms"] = round(found.latency(0.99), 2)


def test_calls_over_bad_lines(benchmark):
    found = benchmark.pedantic(lossy, (max(int(200 * FACTOR), 5), 1), rounds=1)
    assert found.up == found.calls


def test_standing_sessions(benchmark):
    count = max(int(5000 * FACTOR), 20)
    found = benchmark.pedantic(standing, (PROCESSORS, count, 500.0, 10.0, 8), rounds=1)
    benchmark.extra_info["octets_of_each"] = round(found.octets)
    benchmark.extra_info["processor_percent"] = round(100 * found.cpu, 1)
