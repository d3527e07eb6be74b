#!/usr/bin/env python3
"""A router, a LAC, a home and a remote site in four network namespaces of this machine: the first
ping dials, the rest flow. Needs root, iproute2, ping and iperf3 (`make deps`).

What is made here is taken away at the end; nothing outside the namespaces is touched.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
NAMES = ("home", "lns", "lac", "site")
SITE = "198.51.100.10"
PATIENCE = 20.0
"""Seconds for anything that has to begin."""
CLIENTS = ("sysctl", "ip", "ping", "iperf3")


class Lab:
    """The four namespaces, and what runs in them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.prefix = f"dialout-lab-{os.getpid()}-"
        self.socket = str(folder / "control.sock")
        self._running: list[subprocess.Popen[str]] = []

    # Namespaces -----------------------------------------------------------------------------

    def build(self) -> None:
        for name in NAMES:
            _run("ip", "netns", "add", self.prefix + name)
            self.ip(name, "link", "set", "lo", "up")
        self._join("home", "192.0.2.10/24", "lns", "192.0.2.1/24")
        self._join("lns", "10.88.0.1/24", "lac", "10.88.0.2/24")
        self.ip("lac", "addr", "add", "10.88.0.9/24", "dev", "to-lns")
        self.ip("home", "route", "add", "default", "via", "192.0.2.1")
        self.inside("lns", "sysctl", "-qw", "net.ipv4.ip_forward=1")

    def _join(self, one: str, its: str, other: str, others: str) -> None:
        """A cable between two namespaces."""
        here, there = self.prefix + one, self.prefix + other
        ends = ("name", f"to-{other}", "type", "veth", "peer", "name", f"to-{one}")
        _run("ip", "-n", here, "link", "add", *ends, "netns", there)
        for name, device, address in ((one, f"to-{other}", its), (other, f"to-{one}", others)):
            self.ip(name, "addr", "add", address, "dev", device)
            self.ip(name, "link", "set", device, "up")

    def settle_site(self) -> None:
        """The device behind the site's modem moves to the site, whose hosts answer there."""
        self.ip("lac", "link", "set", "site0", "netns", self.prefix + "site")
        self.ip("site", "addr", "add", f"{SITE}/24", "dev", "site0")
        self.ip("site", "link", "set", "site0", "mtu", "1460", "up")
        self.ip("site", "route", "add", "default", "dev", "site0")

    def clean(self) -> None:
        for process in reversed(self._running):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._running:
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for name in NAMES:
            subprocess.run(("ip", "netns", "del", self.prefix + name), capture_output=True)

    def ip(self, name: str, *words: str) -> None:
        _run("ip", "-n", self.prefix + name, *words)

    # Programs -------------------------------------------------------------------------------

    def inside(self, name: str, *words: str) -> str:
        return _run("ip", "netns", "exec", self.prefix + name, *words)

    def start(self, name: str, log: str, *words: str) -> subprocess.Popen[str]:
        command = ("ip", "netns", "exec", self.prefix + name, *words)
        with open(self.folder / log, "w") as file:
            process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, text=True)
        self._running.append(process)
        return process

    def says(self, log: str, text: str) -> str:
        """Waits for a line of a log. SystemExit with the log if it does not come."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            for line in (self.folder / log).read_text().splitlines():
                if text in line:
                    return line
            time.sleep(0.05)
        raise SystemExit(f"{log} never said {text!r}:\n{(self.folder / log).read_text()}")


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def _dialout(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "control.cli", *words)


def configure(folder: Path) -> None:
    """The configurations and the secret, where only we can read them."""
    for name in ("lns.toml", "far-side.toml"):
        shutil.copy(HERE / name, folder / name)
        (folder / name).chmod(0o600)
    (folder / "secrets").mkdir(mode=0o700)
    secret = folder / "secrets/radius"
    secret.touch(mode=0o600)
    secret.write_text("radius-secret\n")


def put_ports(folder: Path, scheme: str) -> None:
    """Ports right on the interfaces, by `packet` or `xdp`, in place of the TUN device."""
    file = folder / "lns.toml"
    text = file.read_text().replace("tun:lns0", f"{scheme}:to-home")
    tunnel = f'[[port]]\nname = "lac"\nurl = "{scheme}:to-lac"\nside = "tunnel"\n'
    file.write_text(f'{text}\n{tunnel}virtual_router = "default"\n')


def play(lab: Lab, seconds: int) -> None:
    lab.build()
    far = ("sim", "lac", "radius", "--config", str(lab.folder / "far-side.toml"))
    lab.start("lac", "far-side.log", *_dialout(*far))
    lab.says("far-side.log", "radius 10.88.0.9")
    lab.settle_site()
    run = ("run", "--config", str(lab.folder / "lns.toml"), "--state", str(lab.folder / "state"))
    lab.start("lns", "lns.log", *_dialout(*run, "--socket", lab.socket))
    lab.says("lns.log", "started")
    print(f"home 192.0.2.10 pings {SITE}, which nobody has called yet:\n")
    print(lab.inside("home", "ping", "-c", "5", "-i", "0.5", "-W", "5", SITE))
    lab.says("lns.log", "CONNECTING -> IN_SERVICE")
    print("what the router did:\n")
    print((lab.folder / "lns.log").read_text())
    for words in (("show", "sessions"), ("explain", SITE)):
        print(f"$ dialout {' '.join(words)}\n\n{_run(*_dialout(*words, '--socket', lab.socket))}")
    for title, words in (("TCP from home to the site", ()), ("and back", ("-R",))):
        transfer(lab, seconds, title, *words)


def transfer(lab: Lab, seconds: int, title: str, *words: str) -> None:
    server = lab.start("site", "iperf3.log", "iperf3", "-s", "-1", "--forceflush")
    lab.says("iperf3.log", "listening")
    out = lab.inside("home", "iperf3", "-c", SITE, "-t", str(seconds), "-J", *words)
    server.wait(PATIENCE)
    sums = json.loads(out)["end"]["sum_received"]
    rate = sums["bits_per_second"] / 1e6
    print(f"{title}: {sums['bytes']:,} octets in {sums['seconds']:.1f} s, {rate:.1f} Mbit/s")


@contextlib.contextmanager
def laboratory() -> Iterator[Lab]:
    with tempfile.TemporaryDirectory(prefix="dialout-lab-") as name:
        lab = Lab(Path(name))
        configure(lab.folder)
        try:
            yield lab
        finally:
            lab.clean()


def main() -> int:
    parser = argparse.ArgumentParser(description="A dial-out through four network namespaces.")
    parser.add_argument("--seconds", type=int, default=3, help="of TCP each way; default 3")
    parser.add_argument(
        "--ports",
        choices=("tun", "packet", "xdp"),
        default="tun",
        help="how the router takes packets: a TUN device beside a UDP socket, AF_PACKET or AF_XDP "
        "on its interfaces; default tun",
    )
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        raise SystemExit("lab: only root may make network namespaces")
    if lacking := [name for name in CLIENTS if shutil.which(name) is None]:
        raise SystemExit(f"lab: {', '.join(lacking)} not found (make deps installs them)")
    with laboratory() as lab:
        if arguments.ports != "tun":
            put_ports(lab.folder, arguments.ports)
        play(lab, arguments.seconds)
    print("\neverything is taken away again")
    return 0


if __name__ == "__main__":
    sys.exit(main())
