"""What the LNS adds to the latency of packets at a tenth of what it carries, beside the kernel's
own forwarding between the same two interfaces."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Final

from control.bench.context import Context
from control.bench.live.blast import IP_UDP
from control.bench.live.candidates import FarSide
from control.bench.live.latency import PORTS
from control.bench.live.network import CORE, LAC, SITE, Network
from control.bench.rows import Row, row
from control.errors import ResourceError
from control.sim.host import udp_packet

OCTETS: Final = 50
"""Of an inner packet."""
PART: Final = 0.1
"""Of the packets a second that it carries singly."""
_SIDES: Final = {"up": ("lac", "core"), "down": ("core", "lac")}


def delays(
    context: Context, net: Network, far: FarSide, rate: Mapping[str, float]
) -> Iterator[Row]:
    """`rate`: what it carries each way, in million packets a second."""
    for way, (source, to) in _SIDES.items():
        plain = {"up": _packets(LAC, CORE), "down": _packets(CORE, LAC)}[way]
        ours = far.packets(OCTETS, len(PORTS)) if way == "up" else _packets(CORE, SITE)
        added: list[tuple[float, float]] = []
        load = max(PART * rate[way] * 1e6, 100.0)
        for _ in range(context.sizes.live_runs):
            kernel = _one(context, net, source, to, plain, load)
            own = _one(context, net, source, to, ours, load)
            added.append((own[0] - kernel[0], own[1] - kernel[1]))
        name = f"io {way}, {OCTETS} octets, latency added at {PART:.0%} load"
        yield row(f"{name}, median", "us", [median for median, _ in added])
        yield row(f"{name}, 99 % of packets", "us", [most for _, most in added])


def _one(
    context: Context, net: Network, source: str, to: str, packets: list[str], rate: float
) -> tuple[float, float]:
    """Latencies at 50 % and 99 %, in microseconds. Raises ResourceError if no packet arrives."""
    told = {
        "from": net.namespace(source),
        "to": net.namespace(to),
        "packets": packets,
        "octets": OCTETS,
        "rate": rate,
        "seconds": context.sizes.live_seconds,
        "processor": min(context.processors),
    }
    command = (sys.executable, "-m", "control.bench.live.latency")
    with net.dropped_at(to):
        done = subprocess.run(command, input=json.dumps(told), capture_output=True, text=True)
    if done.returncode:
        raise ResourceError(f"the latency was not measured: {done.stderr.strip()}")
    median, most, arrived = json.loads(done.stdout)
    if not arrived:
        raise ResourceError(f"no packet came from {source} to {to}")
    return median, most


def _packets(source: str, to: str) -> list[str]:
    body = bytes(OCTETS - IP_UDP)
    packets = (udp_packet(source, port, to, 9, body, dont_fragment=True) for port in PORTS)
    return [packet.hex() for packet in packets]
