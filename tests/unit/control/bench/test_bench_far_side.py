"""The other side of signalling benchmarks, as a process."""

from __future__ import annotations

import os

from control.bench.far_side import FarSide
from control.bench.signalling import half_of_loopback


def test_it_is_told_nothing_by_ctrl_c_and_ends_with_its_input() -> None:
    (processor, *_) = os.sched_getaffinity(0)
    with FarSide(processor=processor, lacs=1, half=half_of_loopback()) as far:
        process = far._process
        assert os.getpgid(process.pid) == process.pid
    assert process.returncode == 0
    assert far.report["calls"] == 0
