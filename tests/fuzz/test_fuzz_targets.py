"""The fuzz targets with their kept seeds, and with those changed a little (threats T1, T2, T15,
T17, T24 and T25). `make fuzz` runs the same targets with coverage guidance."""

from __future__ import annotations

import random

import pytest
from run import SEEDS, read_seeds
from targets import TARGETS

CHANGES = 4
"""Changed copies of each seed."""


def changed(seed: bytes, others: list[bytes], rng: random.Random) -> bytes:
    octets = bytearray(seed)
    match rng.randrange(4):
        case 0 if octets:
            octets[rng.randrange(len(octets))] = rng.randrange(256)
        case 1:
            del octets[rng.randrange(len(octets) + 1) :]
        case 2:
            other = rng.choice(others)
            octets += other[rng.randrange(len(other) + 1) :]
        case _:
            at = rng.randrange(len(octets) + 1)
            octets[at:at] = rng.randbytes(rng.randrange(1, 5))
    return bytes(octets)


@pytest.mark.parametrize("name", TARGETS)
def test_kept_seeds_and_changes_of_them_find_nothing(name):
    rng = random.Random(name)
    seeds = read_seeds(name)
    for seed in seeds:
        TARGETS[name](seed)
        for _ in range(CHANGES):
            TARGETS[name](changed(seed, seeds, rng))


def test_every_target_has_seeds():
    assert {path.stem for path in SEEDS.iterdir()} == set(TARGETS)
    assert all(read_seeds(name) for name in TARGETS)
