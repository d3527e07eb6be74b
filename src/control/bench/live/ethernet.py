"""Ethernet ports under a flood of frames from inside the kernel: `packet:` beside the kernel's own
forwarding between the same interfaces, `xdp:` beside a bare AF_XDP forwarder in C.

The generator and the counter are the same for all, interface statistics behind the router; frames
have 60 octets and are all of one flow. The generator has a processor of its own, but what the
kernel does with a frame until a port has it, and all of its own forwarding, is done there too. So
more comes than most of them take: what is lost is lost in front of them. Processor time is that of
the generator and of the router together.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from control.bench.context import Context
from control.bench.live.candidates import PATIENCE, TICKS
from control.bench.live.carried import Carried
from control.bench.live.network import CORE, LAC, NOBODY, SITE, TOWARD_LNS, Network, network, run
from control.bench.peers import xdp_forwarder
from control.bench.rows import Row, row
from control.errors import ResourceError
from control.sim.host import udp_packet

PAYLOAD: Final = 60 - 14 - 20 - 8
KERNEL: Final = "the kernel's own forwarding"
BARE: Final = "a bare AF_XDP forwarder"
INTERFACES: Final = ("to-core", "to-lac")
CASES: Final = {
    KERNEL: (None, LAC),
    "packet: plain": ("packet", LAC),
    "packet: into a session": ("packet", SITE),
    BARE: ("bare", LAC),
    "xdp: plain": ("xdp", LAC),
    "xdp: into a session": ("xdp", SITE),
}
"""What forwards, and where to; those that are compared come next to each other."""
_SETTLES: Final = 0.1
"""Seconds in which rings run empty."""


def ethernet(context: Context) -> Iterator[Row]:
    """Raises ResourceError without root, or if something does not start."""
    found = _measure(context)
    for name, mine in found.items():
        peer = BARE if name.startswith("xdp") else KERNEL
        other = found.get(peer) if peer != name and name != BARE else None
        called, rates, costs = None, None, None
        if other is not None:
            called, rates, costs = peer, other.rate, other.cost
        yield row(f"ethernet {name}", "Mpps", mine.rate, called, rates)
        yield row(f"ethernet {name}, CPU for a million", "s", mine.cost, called, costs)
        yield row(f"ethernet {name}, lost", "%", mine.lost)


def _measure(context: Context) -> dict[str, Carried]:
    bare = _bare()
    cases = {name: case for name, case in CASES.items() if name != BARE or bare is not None}
    found = {name: Carried() for name in cases}
    with network("ethernet") as net:
        # A device takes frames of XDP only while it gathers them for its own sake.
        run(*net.inside("lns", "ethtool", "-K", INTERFACES[0], "gro", "on"))
        for _ in range(context.sizes.live_runs):
            for name, (scheme, to) in cases.items():
                with net.dropped_at("lac"), _router(net, context, scheme, bare) as router:
                    _one(net, context, router, to, found[name])
    return found


def _bare() -> Path | None:
    """None: there is nothing to build it from, or nothing to build it with."""
    try:
        return xdp_forwarder()
    except ResourceError:
        return None


@contextmanager
def _router(
    net: Network, context: Context, scheme: str | None, bare: Path | None
) -> Iterator[subprocess.Popen[str] | None]:
    """A process that is ready to forward; None: the kernel does it."""
    if scheme is None:
        yield None
        return
    processor = context.processors[-1]
    words: tuple[str, ...]
    if scheme == "bare":
        words = ("taskset", "-c", str(processor), str(bare), *INTERFACES, NOBODY)
    else:
        told = {"scheme": scheme, "interfaces": INTERFACES, "processor": processor,
                "polling": "adaptive"}  # fmt: skip
        words = (sys.executable, "-m", "control.bench.live.ethernet_router", json.dumps(told))
    process = subprocess.Popen(
        net.inside("lns", *words), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        if (line := process.stdout.readline().strip()) != "ready":
            raise ResourceError(f"{words[0]} of the benchmark said {line!r}, not 'ready'")
        yield process
    finally:
        if scheme == "bare":
            process.terminate()
        try:
            process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _one(
    net: Network, context: Context, router: subprocess.Popen[str] | None, to: str, into: Carried
) -> None:
    before, used = net.arrived("lac")[0], _used(router)
    told = _flooded(net, context, to)
    time.sleep(_SETTLES)
    used = _used(router) - used + told["used"]
    arrived = net.arrived("lac")[0] - before
    into.rate.append(arrived / told["seconds"] / 1e6)
    into.cost.append(used / max(arrived, 1) * 1e6)
    into.lost.append(100.0 * max(0.0, 1.0 - arrived / max(told["sent"], 1)))


def _flooded(net: Network, context: Context, to: str) -> dict[str, Any]:
    macs = [_mac(net, "lns", INTERFACES[0]), _mac(net, "core", TOWARD_LNS)]
    frame = b"".join(macs) + b"\x08\x00" + udp_packet(CORE, 1000, to, 9, bytes(PAYLOAD))
    told = {
        "interface": TOWARD_LNS,
        "frame": frame.hex(),
        "seconds": context.sizes.live_seconds,
        "processor": context.processors[0],
    }
    python = net.inside("core", sys.executable, "-m", "control.bench.live.flood")
    said: dict[str, Any] = json.loads(run(*python, json.dumps(told)))
    return said


def _mac(net: Network, name: str, interface: str) -> bytes:
    (link,) = json.loads(run("ip", "-n", net.namespace(name), "-j", "link", "show", interface))
    return bytes.fromhex(link["address"].replace(":", ""))


def _used(process: subprocess.Popen[str] | None) -> float:
    """Seconds of processor time until now."""
    if process is None:
        return 0.0
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
