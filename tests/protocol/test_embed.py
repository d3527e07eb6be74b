"""A C program embeds the whole: its threads forward, Python places the call beside them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples/embed"
SOURCES = {**os.environ, "PYTHONPATH": str(ROOT / "src")}


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    for tool in ("make", "cc"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    out = tmp_path_factory.mktemp("embed")
    command = ["make", "-s", "-C", str(FOLDER), f"PYTHON={sys.executable}", f"OUT={out}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=SOURCES)
    assert done.returncode == 0, done.stdout + done.stderr
    return out / "embed"


def test_a_trigger_places_a_call_and_traffic_flows_both_ways(program):
    done = subprocess.run(
        [str(program), str(ROOT / "examples/demo.toml"), str(FOLDER)],
        capture_output=True,
        text=True,
        check=False,
        env=SOURCES,
        timeout=120,
    )
    told = done.stdout
    assert done.returncode == 0, told + done.stderr
    # In this order: the first ping is a trigger, the call comes up, pings go through.
    story = (
        r"trigger +ICMP 192\.0\.2\.10 -> 198\.51\.100\.10.*"
        r"call +number 5551234 by LAC 10\.88\.0\.2.*"
        r"IPCP opened.*"
        r"route +access route .*installed and verified.*"
        r"ping +FORWARD.*"
        r"buffered packets forwarded.*"
        r"198\.51\.100\.0/24 leads to next hop \d+, session by port 1"
    )
    assert re.search(story, told, re.DOTALL), told
    (out, into, refused) = map(int, re.search(r"session: (\d+).*?(\d+) in, (\d+)", told).groups())
    assert out >= 200
    assert into >= 200
    assert refused == 0
    accounted, received = re.search(r"accounted for: (\d+) of (\d+)", told).groups()
    assert abs(int(accounted) - int(received)) <= 64, "read while two workers count"
    assert re.search(r"answers: [2-9]\d\d, bursts refused: 0", told)
    assert "tunnel" in told.partition("accounted for")[2], "every call is hung up at the end"
