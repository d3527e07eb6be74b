"""Tunnel and session ids of an endpoint (threats T5 and T28)."""

from __future__ import annotations

import random
from itertools import pairwise

from control.l2tp.id_pool import IdPool


def test_ids_are_never_zero_never_twice_and_wait_for_their_quarantine() -> None:
    pool = IdPool(random.Random(1), 60.0)
    ids = [pool.allocate(0.0) for _ in range(65535)]
    assert sorted(i for i in ids if i is not None) == list(range(1, 65536))
    assert pool.allocate(0.0) is None
    pool.release(4242, 10.0)
    assert pool.allocate(69.9) is None
    assert pool.allocate(70.0) == 4242


def test_ids_are_not_sequential() -> None:
    pool = IdPool(random.Random(1), 60.0)
    ids = [pool.allocate(0.0) or 0 for _ in range(100)]
    assert sum(b - a == 1 for a, b in pairwise(ids)) < 3
