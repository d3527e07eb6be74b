"""Compiled rule sets: every variant of the lookup answers what a search rule by rule does."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from acl_cases import CHARACTERS, generated, keys_near, obvious, rules
from hypothesis import given, settings
from hypothesis import strategies as st

from fastpath.acl import NONE, Classifier
from fastpath.rule_text import Rule, RuleError
from fastpath.rules import FRAGMENT, HEADLESS, KEY4, KEY6, RuleSet
from fastpath.simd import available

DATA = os.environ.get("DIALOUT_DATA")


def agree(rule_set: RuleSet, family: int, keys: np.ndarray) -> Classifier:
    """Holds all variants against the linear search."""
    classifier = Classifier(rule_set)
    expected = rule_set.match_array(family, keys)
    for variant in available():
        classifier.select(variant)
        found = classifier.lookup_array(family, keys)
        wrong = np.nonzero(found != expected)[0]
        assert not len(wrong), (variant, keys[wrong[0]], found[wrong[0]], expected[wrong[0]])
    return classifier


@settings(max_examples=150, deadline=None)
@given(st.lists(rules(), max_size=30), st.integers(0, 1 << 30))
def test_search_rule_by_rule_is_what_the_fields_say(some, seed):
    for family in (4, 6):
        keys = keys_near(some, family, 20, seed)
        answers = RuleSet(some).match_array(family, keys)
        assert [None if at == NONE else at for at in answers.tolist()] == [
            obvious(some, family, key) for key in keys
        ]


@settings(max_examples=150, deadline=None)
@given(st.lists(rules(), max_size=60), st.integers(0, 1 << 30))
def test_compiled_rules_answer_as_the_search_does(some, seed):
    for family in (4, 6):
        agree(RuleSet(some), family, keys_near(some, family, 70, seed))


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("count", [1, 40, 700])
@pytest.mark.parametrize("kind", CHARACTERS)
def test_generated_sets_answer_as_the_search_does(kind, count, family):
    some = generated(kind, count, 1, family)
    agree(RuleSet(some), family, keys_near(some, family, 3000, 2))


@pytest.mark.parametrize("kind", CHARACTERS)
def test_large_sets_answer_as_the_search_does(kind):
    some = generated(kind, 6000, 3)
    agree(RuleSet(some), 4, keys_near(some, 4, 5000, 4))


def test_groups_are_made_where_open_rules_multiply():
    some = generated("fw", 6000, 3)
    assert max(Classifier(RuleSet(some)).shape[0]) > 1


def test_rules_that_combine_in_too_many_ways_are_parted():
    random = np.random.default_rng(5)
    low = random.integers(0, 40000, (2, 900))
    high = low + random.integers(0, 20000, (2, 900))
    some = [
        Rule(4, source_ports=(a, b), destination_ports=(c, d), protocol=(6, 255))
        for a, b, c, d in zip(
            *map(np.ndarray.tolist, (low[0], high[0], low[1], high[1])), strict=True
        )
    ]
    classifier = agree(RuleSet(some), 4, keys_near(some, 4, 4000, 6))
    assert len(classifier.shape[0]) > 1


@pytest.mark.parametrize("n", [0, 1, 7, 15, 16, 17, 255, 256, 257, 530])
def test_any_number_of_keys_can_be_looked_up(n):
    some = generated("ipc", 100, 7)
    for family, kind in ((4, KEY4), (6, KEY6)):
        rule_set = RuleSet(generated("ipc", 100, 7, family))
        keys = keys_near(some, 4, n, 8) if family == 4 else np.zeros(n, kind)
        out = np.full(n + 8, 77, np.uint32)
        for variant in available():
            classifier = Classifier(rule_set, variant=variant)
            classifier.lookup_array(family, keys, out[:n])
            assert out[:n].tolist() == rule_set.match_array(family, keys).tolist()
            assert (out[n:] == 77).all()


def test_no_rules_match_nothing():
    keys = np.zeros(20, KEY4)
    assert (Classifier(RuleSet()).lookup_array(4, keys) == NONE).all()
    assert Classifier(RuleSet()).shape == ((), ())


def test_rules_of_one_family_do_not_touch_the_other():
    classifier = Classifier(RuleSet([Rule(4), Rule(0)]))
    assert classifier.lookup_array(4, np.zeros(1, KEY4)).tolist() == [0]
    assert classifier.lookup_array(6, np.zeros(1, KEY6)).tolist() == [1]


def test_what_has_no_ports_fits_rules_without_ports_only():
    some = RuleSet.parse(
        ["permit tcp any port 0-65534 any", "permit tcp any any flags !syn", "deny tcp any any"]
    )
    keys = np.zeros(2, KEY4)
    keys["protocol"] = 6
    keys["traffic"] = (0, HEADLESS | FRAGMENT)
    agree(some, 4, keys)
    assert Classifier(some).lookup_array(4, keys).tolist() == [0, 2]


def test_priorities_come_before_the_order():
    some = RuleSet.parse(
        ["priority 5 deny ip any any", "priority 2 permit udp any any", "permit tcp any any"]
    )
    keys = np.zeros(3, KEY4)
    keys["protocol"] = (6, 17, 1)
    assert Classifier(some).lookup_array(4, keys).tolist() == [0, 1, 2]
    assert some.origins == (3, 2, 1)


def test_variants_are_checked():
    with pytest.raises(ValueError, match="'mmx' is not one of"):
        Classifier(RuleSet(), variant="mmx")


@pytest.mark.parametrize(
    ("family", "keys", "error"),
    [
        pytest.param(4, np.zeros(3, KEY6), TypeError, id="keys-of-the-other-family"),
        pytest.param(4, [1, 2], TypeError, id="no-array"),
        pytest.param(5, np.zeros(3, KEY4), ValueError, id="unknown-family"),
    ],
)
def test_keys_are_checked(family, keys, error):
    with pytest.raises(error):
        Classifier(RuleSet()).lookup_array(family, keys)


def test_room_for_the_answers_is_checked():
    with pytest.raises(ValueError, match="out has 2 elements, keys 3"):
        Classifier(RuleSet()).lookup_array(4, np.zeros(3, KEY4), np.zeros(2, np.uint32))


@pytest.mark.parametrize("flags", [False, True], ids=["five-fields", "with-flags"])
@pytest.mark.parametrize(
    "name", [f"{kind}1_{size}" for kind in ("acl", "fw", "ipc") for size in ("100", "1k", "10k")]
)
def test_classbench_sets_answer_as_the_search_does(name, flags):
    folder = Path(DATA or "none") / "classbench"
    path = next(
        (at for at in (folder / f"{name}.txt", folder / f"{name}.txt.xz") if at.exists()), None
    )
    if path is None:
        pytest.skip("DIALOUT_DATA has no such ClassBench set")
    rule_set = RuleSet.load(path) if flags else RuleSet.load(path, flags=False)
    keys = classbench_keys(path, len(rule_set), rule_set)
    agree(rule_set, 4, keys)


def classbench_keys(path: Path, count: int, rule_set: RuleSet) -> np.ndarray:
    """Keys at random places of random rules."""
    random = np.random.default_rng(9)
    keys = np.zeros(4000, KEY4)
    rows = rule_set.table()[random.integers(0, count, len(keys))]
    for side in ("source", "destination"):
        host = (1 << (32 - rows[f"{side}_length"].astype(np.uint64))) - 1
        keys[side] = rows[side] | (random.integers(0, 1 << 32, len(keys)) & host.astype(np.int64))
        low, high = rows[f"{side}_low"].astype(int), rows[f"{side}_high"].astype(int)
        keys[f"{side}_port"] = low + random.integers(0, 65536, len(keys)) % (high - low + 1)
    for name in ("flags", "protocol"):
        noise = random.integers(0, 1 << 16, len(keys)) & ~rows[f"{name}_mask"].astype(int)
        keys[name] = (rows[name] | noise) & (0xFF if name == "protocol" else 0xFFFF)
    keys["traffic"] = random.choice((0, 46, FRAGMENT, HEADLESS | FRAGMENT), len(keys))
    return keys


def test_a_set_beyond_all_limits_is_refused_by_name():
    random = np.random.default_rng(1)
    some = [
        Rule(4, flags=(value & mask, mask), source_ports=(low, low + 50), protocol=(6, 255))
        for value, mask, low in zip(
            random.integers(0, 65536, 9000).tolist(),
            random.integers(1, 65536, 9000).tolist(),
            random.integers(0, 60000, 9000).tolist(),
            strict=True,
        )
    ]
    with pytest.raises(RuleError, match="many: 9000 rules combine in too many ways"):
        Classifier(RuleSet(some, name="many"))
