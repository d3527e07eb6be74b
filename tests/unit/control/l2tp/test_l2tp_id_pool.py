"""Tunnel and session ids of an endpoint (threats T5 and T28)."""

from __future__ import annotations

import random
from itertools import pairwise

from control.l2tp.id_pool import CROWDED, HIGHEST, IdPool


def test_ids_are_never_zero_never_twice_and_wait_for_their_quarantine() -> None:
    pool = IdPool(random.Random(1), 60.0)
    ids = [pool.allocate(0.0) for _ in range(65535)]
    assert sorted(i for i in ids if i is not None) == list(range(1, 65536))
    assert pool.allocate(0.0) is None
    pool.release(4242, 10.0)
    assert pool.allocate(69.9) is None
    assert pool.allocate(70.0) == 4242


def test_a_crowded_pool_draws_at_random_as_well_and_loses_none() -> None:
    pool = IdPool(random.Random(1), 60.0)
    used = {pool.allocate(0.0) or 0 for _ in range(CROWDED + 1)}
    late = [pool.allocate(0.0) or 0 for _ in range(HIGHEST - CROWDED - 1)]
    assert used | set(late) == set(range(1, HIGHEST + 1))
    assert sum(b > a for a, b in pairwise(late)) in range(len(late) // 3, len(late) * 2 // 3)
    for number in sorted(used):
        pool.release(number, 0.0)
    again = {pool.allocate(60.0) for _ in used}
    assert again == used
    assert pool.allocate(60.0) is None


def test_a_draw_costs_the_same_number_of_tries_in_an_empty_and_in_a_full_pool() -> None:
    rng = Counting()
    pool = IdPool(rng, 0.0)
    for _ in range(HIGHEST):
        pool.allocate(0.0)
    assert rng.draws < 2 * HIGHEST
    rng.draws = 0
    for number in range(1, 1000):
        pool.release(number, 0.0)
        assert pool.allocate(0.0) == number
    assert rng.draws == 999


class Counting(random.Random):
    draws = 0

    def randrange(self, start: int, stop: int) -> int:
        self.draws += 1
        return super().randrange(start, stop)


def test_ids_are_not_sequential() -> None:
    pool = IdPool(random.Random(1), 60.0)
    ids = [pool.allocate(0.0) or 0 for _ in range(100)]
    assert sum(b - a == 1 for a, b in pairwise(ids)) < 3
