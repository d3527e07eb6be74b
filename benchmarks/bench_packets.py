"""Packets from memory to memory, and classification: ours alone, for regressions.

Run: pytest benchmarks/bench_packets.py. Beside a minimal C program and rte_acl: `dialout bench
--peers packets classify`.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from conftest import note, scaled

from control.bench.classifying import generated, keys_of
from control.bench.context import SEED
from control.bench.packets import BATCH, HOT
from control.bench.packets import Path as PacketPath
from control.bench.tables import with_access_routes
from fastpath.acl import Classifier
from fastpath.measure_packets import time_bursts
from fastpath.rules import RuleSet

SLOTS = {"hot": HOT, "far": scaled(1 << 16, HOT)}
SETS = ["acl1_1k", "fw1_1k", "ipc1_1k", "acl1_10k"]

pytestmark = pytest.mark.benchmark(min_rounds=10, max_time=1)


@pytest.fixture(scope="module")
def sites(context):
    return with_access_routes(context.table(4)[1], context.sizes.sessions, SEED)


@pytest.mark.parametrize("state", SLOTS)
@pytest.mark.parametrize(
    ("checksum", "trusted"), [(False, False), (True, False), (True, True)],
    ids=["checksum-0", "computed", "trusted"],
)  # fmt: skip
def test_encap(benchmark, sites, state, checksum, trusted):
    burst(benchmark, PacketPath(sites, SLOTS[state], checksum=checksum, trusted=trusted))


@pytest.mark.parametrize("state", SLOTS)
def test_decap(benchmark, sites, state):
    burst(benchmark, PacketPath(sites, SLOTS[state], checksum=False, incoming=True))


def burst(benchmark, path: PacketPath) -> None:
    """All packets of the pool, fresh ones each time."""
    packets, entry = len(path.slots), path.engine.entry()

    def fill():
        path.fill()
        return (entry, 0, BATCH, packets), {}

    benchmark.pedantic(time_bursts, setup=fill, rounds=20, warmup_rounds=1)
    note(benchmark, packets, sessions=len(path.sites))


@pytest.mark.parametrize("count", [100, 1000])
def test_classify(benchmark, context, count):
    lines = generated(context, count)
    classify(benchmark, RuleSet.classbench(lines, name="generated", flags=False))


@pytest.mark.parametrize("name", SETS)
def test_classify_real_rules(benchmark, name):
    path = Path(os.environ.get("DIALOUT_DATA", "")) / "classbench" / f"{name}.txt.xz"
    if "DIALOUT_DATA" not in os.environ or not path.exists():
        pytest.skip("DIALOUT_DATA names no folder with rules")
    classify(benchmark, RuleSet.load(path, flags=False))


def classify(benchmark, rules: RuleSet) -> None:
    benchmark.group = "classify"
    keys = keys_of(rules.table(), scaled(1 << 18))
    classifier, out = Classifier(rules), np.empty(len(keys), np.uint32)
    benchmark(classifier.lookup_array, 4, keys, out)
    note(benchmark, len(keys), rules=len(rules), memory=classifier.memory)
