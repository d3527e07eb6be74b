"""The classifier: batch lookup in each variant, and compiling, on generated rule sets.

Run: pytest benchmarks/bench_acl.py. Beside rte_acl: dialout bench --peers.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fastpath.acl import Classifier
from fastpath.rules import RuleSet
from fastpath.simd import available

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "unit" / "fastpath"))
from acl_cases import CHARACTERS, generated, keys_near

KEYS = 20_000
SEED = 1
pytestmark = pytest.mark.benchmark(min_rounds=10, max_time=2)


@pytest.fixture(scope="module", params=[100, 1_000, 10_000])
def size(request):
    return request.param


@pytest.mark.parametrize("variant", available())
@pytest.mark.parametrize("kind", CHARACTERS)
def test_lookup(benchmark, kind, size, variant):
    rules = generated(kind, size, SEED)
    classifier = Classifier(RuleSet(rules), variant=variant)
    keys = keys_near(rules, 4, KEYS, SEED)
    benchmark.group = f"classify {kind} {size}"
    found = benchmark(classifier.lookup_array, 4, keys)
    assert len(found) == KEYS
    benchmark.extra_info.update(rules=size, keys=KEYS, seed=SEED, memory=classifier.memory)
    if benchmark.stats:  # None with --benchmark-disable
        ns = benchmark.stats["min"] / KEYS * 1e9
        benchmark.extra_info["ns_per_operation"] = round(ns, 2)


@pytest.mark.parametrize("kind", CHARACTERS)
def test_compile(benchmark, kind, size):
    rules = RuleSet(generated(kind, size, SEED))
    benchmark.group = f"compile {size}"
    benchmark(Classifier, rules)
    benchmark.extra_info.update(rules=size, seed=SEED)
