"""What a service manager hears, on a socket that stands for it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from control.runtime.service import Service

ROOT = Path(__file__).parents[4]
UNIT = ROOT / "contrib/systemd/dialout.service"


class Manager:
    def __init__(self, name: str):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(f"\0{name[1:]}" if name.startswith("@") else name)
        self.socket.settimeout(5)

    def hears(self) -> list[str]:
        return self.socket.recv(4096).decode().split("\n")


@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
def test_each_state_is_one_datagram(tmp_path: Path, abstract: bool) -> None:
    name = f"@dialout-{os.getpid()}-{tmp_path.name}" if abstract else str(tmp_path / "notify")
    manager, service = Manager(name), Service({"NOTIFY_SOCKET": name})
    service.ready("2 targets\nand more")
    assert manager.hears() == ["READY=1", "STATUS=2 targets and more"]
    service.reloading()
    first, second = manager.hears()
    assert first == "RELOADING=1"
    assert second.startswith("MONOTONIC_USEC=")
    assert int(second.partition("=")[2]) > 0
    service.alive()
    assert manager.hears() == ["WATCHDOG=1"]
    service.stopping()
    assert manager.hears()[0] == "STOPPING=1"
    service.close()
    manager.socket.close()


@pytest.mark.parametrize(
    ("given", "interval"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_gets_two_signs_in_the_time_that_it_waits(
    tmp_path: Path, given: dict[str, str], interval: float | None
) -> None:
    service = Service({"NOTIFY_SOCKET": str(tmp_path / "notify"), **given})
    assert service.watchdog == interval
    service.close()


@pytest.mark.parametrize("address", ["", "relative", "vsock:2:1", "/nowhere/at/all"])
def test_without_a_manager_nothing_is_sent_and_nothing_fails(address: str) -> None:
    service = Service({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"})
    service.ready("")
    service.alive()
    service.close()
    service.stopping()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_the_unit_exposes_little() -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(UNIT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-200:] + done.stderr


def test_what_fast_ports_add_is_not_in_the_unit_itself() -> None:
    unit, more = UNIT.read_text(), UNIT.with_name("fast-ports.conf").read_text()
    for added in ("CAP_BPF", "AF_XDP"):
        assert added not in unit
        assert added in more
