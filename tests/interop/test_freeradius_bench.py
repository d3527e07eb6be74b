"""`dialout bench freeradius`: whole dial-outs that a real FreeRADIUS grants."""

from __future__ import annotations

import json
import subprocess
import sys


def test_every_call_of_the_benchmark_comes_up() -> None:
    command = [sys.executable, "-m", "control.cli", "bench", "freeradius", "--quick", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    values = {row["name"].partition(": ")[2]: row["value"] for row in json.loads(done.stdout)}
    assert values["not up in the end"] == 0
    assert values["mean"] > 0
