"""`make lab`: a dial-out between real network stacks, in four network namespaces."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.interop

LAB = Path(__file__).parents[2] / "examples/lab/lab.py"


def namespaces() -> set[str]:
    done = subprocess.run(("ip", "netns"), capture_output=True, text=True, check=True)
    return {line.split()[0] for line in done.stdout.splitlines() if "dialout-" in line}


def test_the_first_ping_dials_tcp_flows_and_nothing_is_left() -> None:
    before = namespaces()
    done = subprocess.run(
        (sys.executable, LAB, "--seconds", "1"), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # The first packet is what placed the call, and it arrived.
    assert "icmp_seq=1 ttl=62" in done.stdout
    for told in ("trigger", "number 5551234 by LAC 10.88.0.2", "CONNECTING -> IN_SERVICE"):
        assert told in done.stdout
    transfers = re.findall(r"(?:to the site|and back): ([\d,]+) octets", done.stdout)
    assert len(transfers) == 2
    assert all(int(octets.replace(",", "")) > 1_000_000 for octets in transfers)
    assert namespaces() - before == set()
