"""examples/isp-frr as it stands, in three namespaces: packets of the core place calls of two
customers through two LACs, and FRR tells the core by BGP what its frr.conf says."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from frr import Frr
from namespace import Namespace

EXAMPLE = Path(__file__).parents[2] / "examples/isp-frr"
DIALOUT = (sys.executable, "-m", "control.cli")
SECRETS = {"radius": "radius-secret", "lac": "tunnel-secret", "coa": "coa-secret"}
PATIENCE = 30.0
RED, BLUE = "198.51.100.10", "203.0.113.10"
SCRAPE = """
import urllib.request
print(urllib.request.urlopen("http://127.0.0.1:9717/metrics").read().decode())
"""
CORE = """
router bgp 65002
 bgp router-id 192.0.2.2
 no bgp ebgp-requires-policy
 neighbor 192.0.2.1 remote-as 65001
 neighbor 192.0.2.1 timers connect 1
"""


@pytest.fixture
def spaces() -> Iterator[tuple[Namespace, Namespace, Namespace]]:
    core, lns, lacs = (Namespace("isp") for _ in range(3))
    for space, name, at in ((core, "core", "192.0.2."), (lacs, "lacs", "10.88.0.")):
        lns.run("ip", "link", "add", name, "type", "veth", "peer", "lns", "netns", space.name)
        lns.run("ip", "address", "add", f"{at}1/24", "dev", name)
        lns.run("ip", "link", "set", name, "up")
        space.run("ip", "address", "add", f"{at}2/24", "dev", "lns")
        space.run("ip", "link", "set", "lns", "up")
    for more in ("10.88.0.3", "10.88.0.9"):
        lacs.run("ip", "address", "add", f"{more}/24", "dev", "lns")
    lns.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    # As the head of lns.toml says.
    for prefix, table in (("198.51.100.0/24", "100"), ("203.0.113.0/24", "200")):
        lns.run("ip", "rule", "add", "to", prefix, "lookup", table, "priority", f"1{table}")
    yield core, lns, lacs
    for space in (core, lns, lacs):
        space.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The example as somebody installs it: files and secrets that nobody else can read."""
    for path in EXAMPLE.iterdir():
        shutil.copy(path, tmp_path / path.name)
        (tmp_path / path.name).chmod(0o600)
    (tmp_path / "secrets").mkdir(mode=0o700)
    for name, secret in SECRETS.items():
        (tmp_path / "secrets" / name).touch(mode=0o600)
        (tmp_path / "secrets" / name).write_text(secret)
    return tmp_path


class Program:
    """A `dialout` in a namespace, whose log is a file."""

    def __init__(self, space: Namespace, log: Path, *words: str) -> None:
        self._log = log
        with open(log, "w") as file:
            self._process = subprocess.Popen(
                ("ip", "netns", "exec", space.name, *DIALOUT, *words),
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    def said(self) -> str:
        return self._log.read_text()

    def close(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def until(holds: Callable[[], object], told: Callable[[], str]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, told()
        time.sleep(0.1)


def heard(core: Frr) -> dict[str, str]:
    """Prefix -> community of what BGP told the core."""
    table = json.loads(core.show("show bgp ipv4 unicast json")).get("routes", {})
    return {
        prefix: json.loads(core.show(f"show bgp ipv4 unicast {prefix} json"))["paths"][0][
            "community"
        ]["string"]
        for prefix in table
    }


def test_both_customers_are_called_and_told_by_bgp(spaces, folder) -> None:
    core, lns, lacs = spaces
    running: list[Program | Frr] = []
    try:
        running += [ours := Frr(lns, ""), theirs := Frr(core, CORE)]
        ours.configure(folder / "frr.conf")
        far = ("sim", "lac", "radius", "--config", str(folder / "far-side.toml"))
        running.append(other := Program(lacs, folder / "far.log", *far))
        until(lambda: "radius 10.88.0.9" in other.said(), other.said)
        socket = str(folder / "control.sock")
        run = ("run", "--config", str(folder / "lns.toml"), "--socket", socket)
        running.append(router := Program(lns, folder / "lns.log", *run))
        targets = {"198.51.100.0/24": "65001:1 65001:100", "203.0.113.0/24": "65001:1 65001:200"}
        until(lambda: heard(theirs) == targets, lambda: f"{heard(theirs)}\n{router.said()}")
        # By the routes that BGP told: the first packet to each customer places the call.
        for site in (RED, BLUE):
            said = core.run("ping", "-c", "3", "-W", "10", "-I", "192.0.2.2", site)
            assert "icmp_seq=1" in said
        assert f"{BLUE}" in router.said()
        branches = {f"{RED}/32": "65001:2 65001:100", f"{BLUE}/32": "65001:2 65001:200"}
        branches["198.51.100.16/28"] = "65001:2 65001:100"
        until(lambda: heard(theirs) == targets | branches, lambda: str(heard(theirs)))
        # LAC one refuses the blue branch's number, LAC two calls it.
        until(lambda: "by LAC 10.88.0.3" in router.said(), router.said)
        assert "dialout_budget_calls" in lns.run(sys.executable, "-c", SCRAPE)
    finally:
        for program in reversed(running):
            program.close()
    assert "every peer has heard of it" in router.said()
    assert "proto 171" not in lns.run("ip", "route", "show", "table", "all")
