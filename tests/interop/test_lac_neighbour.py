"""Tunnels by a `packet:` port of a running router leave for the LAC's neighbour by themselves, and
follow its address and its route; the kernel carries the first packets only."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.interop

PATIENCE = 20.0
PINGS = 20
LAC, OTHER, NOBODY = "10.88.0.2", "10.88.0.9", "10.88.0.7"
LAB = Path(__file__).parents[2] / "examples/lab/lab.py"


def _laboratory() -> Any:
    spec = importlib.util.spec_from_file_location("lab", LAB)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.fixture
def lab() -> Iterator[Any]:
    module = _laboratory()
    with module.laboratory() as made:
        module.put_ports(made.folder, "packet")
        made.build()
        # It tells its neighbours of a new MAC, as routers do.
        made.inside("lac", "sysctl", "-qw", "net.ipv4.conf.to-lns.arp_notify=1")
        command = (sys.executable, "-m", "control.cli")
        far = ("sim", "lac", "radius", "--config", str(made.folder / "far-side.toml"))
        made.start("lac", "far-side.log", *command, *far)
        made.says("far-side.log", "radius 10.88.0.9")
        made.settle_site()
        run = ("run", "--config", str(made.folder / "lns.toml"), "--socket", made.socket)
        made.start("lns", "lns.log", *command, *run)
        made.says("lns.log", "started")
        made.inside("home", "ping", "-c", "1", "-W", "15", module.SITE)
        yield made


def pings(lab: Any, count: int = 1) -> int:
    """How many came back."""
    words = ("ping", "-n", "-c", str(count), "-i", "0.02", "-W", "1", "198.51.100.10")
    command = ("ip", "netns", "exec", f"{lab.prefix}home", *words)
    done = subprocess.run(command, capture_output=True, text=True)
    return int(done.stdout.partition(" packets transmitted, ")[2].split()[0])


def counts(lab: Any) -> dict[str, tuple[int, int]]:
    """Of each port, how many packets were sent, and how many of them by the kernel."""
    command = (sys.executable, "-m", "control.cli", "show", "ports", "--json")
    done = subprocess.run((*command, "--socket", lab.socket), capture_output=True, check=True)
    rows = json.loads(done.stdout)
    return {
        row["name"]: (row["tx_packets"], row["backend"]["kernel_sent"])
        for row in rows
        if row["url"].startswith("packet:")
    }


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


def leave_by_themselves(lab: Any) -> bool:
    """All pings come back, and the kernel carried none of them."""
    before = counts(lab)
    answered = pings(lab, PINGS)
    after = counts(lab)
    assert after["lac"][0] - before["lac"][0] >= PINGS
    return answered == PINGS and all(after[n][1] == before[n][1] for n in ("home", "lac"))


def test_tunnels_follow_the_mac_and_the_route_of_their_lac(lab: Any) -> None:
    until(lambda: leave_by_themselves(lab))
    lab.ip("lac", "link", "set", "to-lns", "address", "02:00:00:00:88:02")
    until(lambda: leave_by_themselves(lab))
    # By a gateway that is not there, and by one that is.
    way = ("dev", "to-lac")
    lab.ip("lns", "neigh", "add", NOBODY, "lladdr", "02:00:00:00:88:07", "nud", "permanent", *way)
    lab.ip("lns", "route", "add", f"{LAC}/32", "via", NOBODY, *way)
    until(lambda: pings(lab) == 0)
    lab.ip("lns", "route", "replace", f"{LAC}/32", "via", OTHER, *way)
    until(lambda: leave_by_themselves(lab))
