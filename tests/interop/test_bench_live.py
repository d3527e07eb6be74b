"""Benchmarks that need root or other programs: that they run, and tell rows as the others do."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from control.bench.command import LONG

pytestmark = pytest.mark.interop

ELSEWHERE = ("soak", "storm", "signalling")
"""Those that need neither are among the protocol tests."""


@pytest.mark.parametrize("group", [group for group in LONG if group not in ELSEWHERE])
def test_a_group_tells_rows_with_its_name(group: str) -> None:
    command = (sys.executable, "-m", "control.cli", "bench", "--quick", "--json", group)
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert rows
    assert all(row["name"].startswith(f"{group} ") for row in rows), rows
