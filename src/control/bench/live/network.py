"""Three network namespaces in a row, lac - lns - core, and what passes between them.

What arrives behind the LNS is counted by the interface there and then dropped, because it is
addressed to a station that does not exist: so nothing but the LNS is measured. A superpacket counts
once at an interface; its octets tell how many packets it is.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from control.errors import ResourceError

LAC: Final = "10.20.0.2"
LNS: Final = "10.20.0.1"
CORE: Final = "10.21.0.2"
SITES: Final = "10.77.0.0/24"
SITE: Final = "10.77.0.2"
NAMES: Final = ("lac", "lns", "core")
LNS_STATION: Final = "02:00:00:00:00:01"
"""The LNS, to both sides."""
TOWARD_LNS: Final = "to-lns"
"""The device of either side."""
NOBODY: Final = "02:00:00:00:00:77"
"""A station that does not exist."""
PATIENCE: Final = 10.0
"""Seconds at most until nothing comes any more."""
_PAUSE: Final = 0.1
_STRAY: Final = 2
"""Packets in a pause that are the kernels' own."""
_FAR: Final = {"core": (CORE, "to-core"), "lac": (LAC, "to-lac")}


class Network:
    def __init__(self, name: str) -> None:
        self._prefix = f"dialout-bench-{os.getpid()}-{name}-"

    def namespace(self, name: str) -> str:
        return self._prefix + name

    def build(self) -> None:
        for name in NAMES:
            run("ip", "netns", "add", self.namespace(name))
            self.ip(name, "link", "set", "lo", "up")
        self._join("lac", f"{LAC}/24", "lns", f"{LNS}/24")
        self._join("lns", "10.21.0.1/24", "core", f"{CORE}/24")
        self.ip("core", "route", "add", "default", "via", "10.21.0.1")
        settings = ("net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0")
        run(*self.inside("lns", "sysctl", "-qw", *settings, "net.ipv4.conf.default.rp_filter=0"))

    def clean(self) -> None:
        for name in NAMES:
            command = ("ip", "netns", "del", self.namespace(name))
            subprocess.run(command, capture_output=True)

    def ip(self, name: str, *words: str) -> None:
        run("ip", "-n", self.namespace(name), *words)

    def inside(self, name: str, *words: str) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self.namespace(name), *words)

    @contextmanager
    def dropped_at(self, name: str) -> Iterator[None]:
        """What the LNS sends to this side is counted there and goes no further."""
        address, device = _FAR[name]
        words = ("neigh", "replace", address, "lladdr", NOBODY, "dev", device)
        self.ip("lns", *words, "nud", "permanent")
        try:
            yield
        finally:
            self.ip("lns", "neigh", "del", address, "dev", device)

    def arrived(self, name: str) -> tuple[int, int]:
        """Packets, superpackets as one, and octets that came from the LNS until now."""
        folder = f"/sys/class/net/{TOWARD_LNS}/statistics"
        files = (f"{folder}/rx_packets", f"{folder}/rx_bytes")
        packets, octets = run(*self.inside(name, "cat", *files)).split()
        return int(packets), int(octets)

    def drained(self, name: str) -> None:
        """Waits until nothing comes any more: what waits in buffers of the LNS would be counted
        with what is measured next."""
        until = time.monotonic() + PATIENCE
        before, now = (-1, -1), self.arrived(name)
        while now[0] - before[0] > _STRAY and time.monotonic() < until:
            time.sleep(_PAUSE)
            before, now = now, self.arrived(name)

    def _join(self, one: str, its: str, other: str, others: str) -> None:
        here, there = self.namespace(one), self.namespace(other)
        ends = ("name", f"to-{other}", "type", "veth", "peer", "name", f"to-{one}")
        run("ip", "-n", here, "link", "add", *ends, "netns", there)
        for name, device, address in ((one, f"to-{other}", its), (other, f"to-{one}", others)):
            self.ip(name, "addr", "add", address, "dev", device)
            if name == "lns":
                self.ip(name, "link", "set", device, "address", LNS_STATION)
            self.ip(name, "link", "set", device, "up")


def run(*command: str) -> str:
    """Raises ResourceError with what the command says if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        raise ResourceError(f"{command[0]} is not installed") from None
    if done.returncode:
        raise ResourceError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


@contextmanager
def network(name: str) -> Iterator[Network]:
    """Built under a name, and taken away at the end. Raises ResourceError without the rights."""
    if os.geteuid() != 0:
        raise ResourceError("network namespaces need root")
    made = Network(name)
    try:
        made.build()
        yield made
    finally:
        made.clean()
