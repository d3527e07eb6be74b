"""The LNSs of a live benchmark, each as a process in its namespace: how it is configured, started,
and what it used of the processor."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final, Protocol

from control.bench.live.alone import threads_of
from control.bench.live.network import CORE, LAC, LNS, SITE, SITES, Network, run
from control.errors import ResourceError

SECRET: Final = "bench-secret"
PATIENCE: Final = 40.0
"""Seconds; l2tpns waits 15 before it is its own master."""
TICKS: Final = os.sysconf("SC_CLK_TCK")
LNS_PROCESSOR: Final = -1
"""Of the processors that may be used: what is measured is alone on the last one."""


class Candidate(Protocol):
    brings: bool
    """The LAC brings the call to it; it does not place one."""

    def start(self, network: Network, folder: Path) -> None: ...
    def stop(self) -> None: ...
    def used(self) -> float:
        """Seconds of processor time, user and system, until now."""

    def forwarding(self) -> list[int]:
        """Numbers of its threads that forward."""


class _Processes:
    """What both have in common: processes with logs, tied to a processor."""

    def __init__(self) -> None:
        self._running: list[subprocess.Popen[bytes]] = []
        self._measured = 0

    def spawn(self, log: Path, *command: str, processor: int | None = None) -> None:
        if processor is not None:
            command = ("taskset", "-c", str(processor), *command)
        with log.open("wb") as file:
            process = subprocess.Popen(
                command, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
            )
        self._running.append(process)

    def stop(self) -> None:
        for process in reversed(self._running):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(PATIENCE)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        self._running.clear()

    def used(self) -> float:
        """Of the process started last: commands before it only start others."""
        fields = Path(f"/proc/{self._running[-1].pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def wait_for(self, log: Path, text: str) -> None:
        until = time.monotonic() + PATIENCE
        while text not in log.read_text(errors="replace"):
            if time.monotonic() > until or self._running[-1].poll() is not None:
                raise ResourceError(f"{log.name} never said {text!r}: {log.read_text()[-500:]}")
            time.sleep(0.05)


OURS: Final = f"""
[[virtual_router]]
name = "default"
radius = "home"
local_address = "{LNS}"
kernel_table = 254

[[port]]
name = "home"
url = "tun:lns0"
side = "home"
virtual_router = "default"
networks = ["10.21.0.0/24"]

[[target]]
prefix = "{SITES}"
virtual_router = "default"
domain = "bench.example"
profile = "line"

[[profile]]
name = "line"
authentication = []
peer_address = "{SITE}"
idle_timeout = 0

[[radius]]
name = "home"
servers = [{{ address = "{LNS}", secret_file = "radius-secret" }}]
"""

ANSWERS: Final = f"""
[[sim.radius]]
address = "{LNS}"
secret = "radius-secret"
delay = 0.0
require_message_authenticator = false
[[sim.radius.users]]
name = "*@bench.example"
[sim.radius.users.reply]
"Tunnel-Type:1" = "L2TP"
"Tunnel-Medium-Type:1" = "IPv4"
"Tunnel-Server-Endpoint:1" = "{LAC}"
"Tunnel-Password:1" = "{SECRET}"
"ERX-Dial-Out-Number" = "5551234"
[[sim.radius.users]]
name = "site"
[sim.radius.users.reply]
"Framed-IP-Address" = "{SITE}"
"Framed-Protocol" = "1"
"Service-Type" = "2"
"""


class Dialout(_Processes):
    """`dialout run`, with one worker, between a UDP socket and a TUN device."""

    brings = False

    def forwarding(self) -> list[int]:
        return threads_of(self._running[-1].pid, "worker")

    def start(self, network: Network, folder: Path) -> None:
        _write(folder / "radius-secret", "radius-secret\n")
        _write(folder / "lns.toml", OURS)
        _write(folder / "radius.toml", ANSWERS)
        command = (*network.inside("lns", sys.executable), "-m", "control.cli")
        radius = ("sim", "radius", "--config", str(folder / "radius.toml"))
        self.spawn(folder / "radius.log", *command, *radius)
        self.wait_for(folder / "radius.log", "radius")
        lns = ("run", "--config", str(folder / "lns.toml"), "--state", str(folder / "state"),
               "--socket", "none")  # fmt: skip
        self.spawn(folder / "lns.log", *command, *lns, processor=_last_processor())
        self.wait_for(folder / "lns.log", "started")
        until = time.monotonic() + PATIENCE
        while "lns0" not in run("ip", "-n", network.namespace("lns"), "route", "show", SITES):
            if time.monotonic() > until:
                raise ResourceError("the dial-out route did not come into the kernel")
            time.sleep(0.05)
        # The packet that places the call.
        send = f"import socket; socket.socket(2, 2).sendto(b'x', ({SITE!r}, 9))"
        run(*network.inside("core", sys.executable, "-c", send))


L2TPNS: Final = """
set debug 1
set log_file "{folder}/l2tpns.log"
set pid_file "{folder}/l2tpns.pid"
set l2tp_secret "{secret}"
set primary_radius {lns}
set primary_radius_port 1812
set radius_accounting no
set radius_secret "radius-secret"
set radius_authtypes "pap"
set allow_duplicate_users yes
set bind_address {lns}
set peer_address 10.77.0.1
set hostname "l2tpns"
set cluster_interface "lo"
set cluster_address 239.192.13.13
set cluster_master_min_adv 1
set throttle_speed 0
set dump_speed no
set accounting_dir ""
set cli_bind_address 127.0.0.1
"""


class L2tpns(_Processes):
    """Debian's l2tpns: an LNS for incoming calls with a data plane of one thread in user space.

    It reads its pool from a fixed place: the namespace's own mounts put one there.
    """

    brings = True

    def forwarding(self) -> list[int]:
        return threads_of(self._running[-1].pid, "l2tpns")

    def start(self, network: Network, folder: Path) -> None:
        _write(folder / "radius.toml", ANSWERS)
        python = network.inside("lns", sys.executable)
        radius = ("-m", "control.cli", "sim", "radius", "--config", str(folder / "radius.toml"))
        self.spawn(folder / "radius.log", *python, *radius)
        self.wait_for(folder / "radius.log", "radius")
        text = L2TPNS.format(folder=folder, secret=SECRET, lns=LNS)
        _write(folder / "startup-config", text)
        _write(folder / "pool", "10.77.0.0/24\n")
        _write(folder / "l2tpns.log", "")
        place = f"mount --bind {folder}/pool /etc/l2tpns/ip_pool"
        start = f"{place} && exec l2tpns -c {folder}/startup-config"
        shell = network.inside("lns", "sh", "-c", start)
        self.spawn(folder / "l2tpns.out", *shell, processor=_last_processor())
        self.wait_for(folder / "l2tpns.log", "declaring myself the master")
        time.sleep(1.0)


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def _last_processor() -> int:
    return sorted(os.sched_getaffinity(0))[LNS_PROCESSOR]


class FarSide:
    """far_side.py in the LAC's namespace. Raises ResourceError if no call comes up."""

    def __init__(self, network: Network, processor: int, *, brings: bool) -> None:
        told = {"lac": LAC, "lns": LNS, "site": SITE, "secret": SECRET, "brings": brings}
        text = json.dumps({**told, "processor": processor})
        command = network.inside("lac", sys.executable, "-m", "control.bench.live.far_side", text)
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._hears("ready")

    def wait(self) -> None:
        """Until the call is up."""
        self._hears("up")

    def send(self, octets: int, train: int, seconds: float) -> int:
        """Packets of so many octets from the site to the core. How many were sent."""
        return int(self._ask({"octets": octets, "train": train, "seconds": seconds}))

    def packets(self, octets: int, flows: int) -> list[str]:
        """What it would send: a packet of each flow, in hexadecimal."""
        found: list[str] = json.loads(self._ask({"octets": octets, "flows": flows}))
        return found

    def close(self) -> None:
        try:
            self._process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ask(self, told: dict[str, Any]) -> str:
        assert self._process.stdin is not None
        text = json.dumps({**told, "lac": LAC, "site": SITE, "core": CORE})
        self._process.stdin.write(text + "\n")
        self._process.stdin.flush()
        return self._line()

    def _hears(self, word: str) -> None:
        if (line := self._line()) != word:
            raise ResourceError(f"the LAC of the benchmark said {line!r}, not {word!r}")

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()
