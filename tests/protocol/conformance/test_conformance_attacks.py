"""Whole LNS against hostile peers, a few seeds of it; what must hold is in hostile.py."""

from __future__ import annotations

import pytest
from hostile import HostileNetwork


@pytest.mark.parametrize("honesty", [0.2, 0.6, 0.9])
@pytest.mark.parametrize("seed", range(4))
def test_hostile_peers_break_nothing_and_leave_nothing(seed: int, honesty: float) -> None:
    network = HostileNetwork(seed, honesty=honesty)
    for _ in range(150):
        network.step(destinations=20)
    network.drain()
    assert network.placed > 0
