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
    return {line.split()[0] for line in done.stdout.splitlines() if "dialout-lab-" in line}


@pytest.mark.parametrize("ports", ["tun", "packet", "xdp"])
def test_the_first_ping_dials_tcp_flows_and_nothing_is_left(ports: str) -> None:
    before = namespaces()
    command = (sys.executable, LAB, "--seconds", "1", "--ports", ports)
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    # The first packet is what placed the call, and it arrived, once. With ports on interfaces the
    # kernel of the router takes no part: it forwards nothing, so one hop less, and answers nothing.
    assert f"icmp_seq=1 ttl={62 if ports == 'tun' else 63}" in done.stdout
    assert "DUP" not in done.stdout
    assert "Unreachable" not in done.stdout
    for told in ("trigger", "number 5551234 by LAC 10.88.0.2", "CONNECTING -> IN_SERVICE"):
        assert told in done.stdout
    transfers = re.findall(r"(?:to the site|and back): ([\d,]+) octets", done.stdout)
    assert len(transfers) == 2
    assert all(int(octets.replace(",", "")) > 1_000_000 for octets in transfers)
    assert namespaces() - before == set()
