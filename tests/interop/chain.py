"""The whole chain on loopback: a running LNS, our simulated LAC and RADIUS server, and whoever is
at the LAC's serial line. All datagrams of both are kept for tshark.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import captures
import tshark
from tshark import Remark

from control.config import Config
from control.config_file import read_config
from control.dialout.events import Event
from control.runtime.process import Process
from control.sim import host
from control.sim.serve import Simulators

PATIENCE = 60.0
"""Seconds after which what should happen soon is taken for lost; only failed tests wait so long."""
HOME = "192.0.2.10"
LNS_NAME, LNS_SECRET = "lns", "lns-secret"
SITE_NAME, SITE_SECRET = "branch", "branch-secret"

CONFIGURATION = """
[chassis]
flush_delay = {flush_delay}

[[virtual_router]]
name = "default"
radius = "sim"
local_address = "{network}1"

[[port]]
name = "home"
url = "mem:"
side = "home"
virtual_router = "default"
networks = ["192.0.2.0/25"]

[[target]]
prefix = "{prefix}"
virtual_router = "default"
domain = "example"
profile = "modem"

[[profile]]
name = "modem"
authentication = [{demand}]
ip_address = "{link_address}"
peer_address = "{peer_address}"

[[radius]]
name = "sim"
servers = [{{ address = "{network}9" }}]

[[sim.lac]]
address = "{network}2"
secret = "tunnel-secret"
dial_delay = 0.1
delay = 0
new_port = true

[[sim.cpe]]
number = "5551234"
line = "{line}"

[[sim.radius]]
address = "{network}9"
secret = "radius-secret"

[[sim.radius.users]]
name = "*@example"
[sim.radius.users.reply]
"Tunnel-Type:1" = "L2TP"
"Tunnel-Medium-Type:1" = "IPv4"
"Tunnel-Server-Endpoint:1" = "{network}2"
"Tunnel-Password:1" = "tunnel-secret"
"ERX-Dial-Out-Number" = "5551234"
"ERX-PPP-Username" = "lns"
"ERX-PPP-Password" = "{password}"
"ERX-PPP-Auth-Protocol" = "{method}"

[[sim.radius.users]]
name = "branch"
password = "branch-secret"
[sim.radius.users.reply]
"Framed-IP-Address" = "{address}"
"Framed-Route" = "{prefix} 0.0.0.0 1"
"""


@dataclass
class Site:
    """Who is called, and how we and it prove ourselves."""

    line: str
    prefix: str
    address: str
    """Its own, of the PPP link."""
    demand: str = "chap"
    """What we demand of it; empty: nothing."""
    method: str = "CHAP"
    """What we prove ourselves with."""
    password: str = LNS_SECRET
    """Ours."""
    link_address: str = "192.0.2.254"
    """Ours, of the PPP link."""
    flush_delay: int = 100

    def configuration(self, folder: Path) -> Config:
        drawn = random.SystemRandom()
        text = CONFIGURATION.format(
            network=f"127.{drawn.randrange(1, 255)}.{drawn.randrange(256)}.",
            line=self.line,
            prefix=self.prefix,
            address=self.address,
            peer_address="" if self.demand else self.address,
            link_address=self.link_address,
            demand=f'"{self.demand}"' if self.demand else "",
            method=self.method,
            password=self.password,
            flush_delay=self.flush_delay,
        )
        file = folder / "chain.toml"
        file.write_text(text)
        file.chmod(0o600)
        return read_config(file)


@dataclass
class Capture:
    """Datagrams of both ways, as the peers' sockets had them."""

    packets: list[tuple[int, bytes]] = field(default_factory=list)

    def trace(self, data: bytes, source: tuple[str, int], destination: tuple[str, int]) -> None:
        packet = host.udp_packet(*source, *destination, data)
        self.packets.append((time.time_ns(), packet))

    def write(self, path: Path) -> None:
        captures.write(path, captures.RAW, self.packets)


class Chain:
    """A running chain."""

    def __init__(self, config: Config) -> None:
        self.capture = Capture()
        self.events: list[Event] = []
        self.peers = Simulators(config.sim, trace=self.capture.trace)
        self.process = Process(config, on_event=self.events.append)
        self.received: list[bytes] = []
        """IP packets that came to the home side."""

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not holds():
                await asyncio.sleep(0.02)

    def ping(self, destination: str, sequence: int, size: int = 56) -> None:
        packet = host.ping_packet(HOME, destination, sequence=sequence, data=bytes(size))
        self.process.receive("home", packet)

    def answers(self) -> list[int]:
        """Sequence numbers of the Echo Replies that came back."""
        self.received += [octets for _, octets in self.process.port("home").port.pop_all()]
        replies = [p for p in self.received if p[9] == host.ICMP and p[20] == 0]
        return [int.from_bytes(p[26:28], "big") for p in replies]

    def state(self) -> str:
        """Of the one session there is."""
        (view,) = self.process.lns.sessions(self.process.now)
        return view.state

    def failure(self) -> str:
        (view,) = self.process.lns.sessions(self.process.now)
        return "" if view.last_failure is None else f"{view.last_failure}"


@asynccontextmanager
async def running(site: Site, folder: Path) -> AsyncIterator[Chain]:
    """A started chain; afterwards all of it is gone, and tshark has seen what was sent."""
    chain = Chain(site.configuration(folder))
    try:
        await chain.process.start()
        try:
            yield chain
        finally:
            await chain.process.stop(5)
    finally:
        chain.peers.close()
    chain.capture.write(folder / "chain.pcap")
    layers, remarks = decoded(folder / "chain.pcap")
    assert not remarks
    assert {"l2tp", "radius", "ppp", "lcp"} <= layers


def decoded(path: Path) -> tuple[set[str], list[tuple[int | None, Remark]]]:
    """Names of all layers that tshark saw, and what it remarked on."""
    layers: set[str] = set()
    remarks: list[tuple[int | None, Remark]] = []
    for frame in tshark.frames(path):
        layers.update(frame.names)
        remarks += [(frame.number, remark) for remark in tshark.remarks(frame.layers)]
    return layers, remarks
