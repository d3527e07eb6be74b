"""A running LNS and the simulated other side, on loopback addresses that nobody else has."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from control.config import Config
from control.config_file import read_config
from control.dialout.events import Event, TriggersFlushed
from control.runtime.process import Process
from control.sim.host import udp_packet
from control.sim.serve import Simulators

PATIENCE = 30.0
"""Seconds after which something that should happen at once is taken for lost."""
HOME, SITE = "192.0.2.10", "198.51.100.7"
DEMO = Path(__file__).parents[2] / "src/control/sim/demo.toml"


def loopback_network() -> str:
    """The beginning of addresses of 127.0.0.0/8 that nobody else has drawn."""
    drawn = random.SystemRandom()
    return f"127.{drawn.randrange(1, 255)}.{drawn.randrange(256)}."


def configuration(folder: Path, *changes: tuple[str, str]) -> Config:
    """The demo's, without delays, in a network of its own in 127.0.0.0/8."""
    network = loopback_network()
    text = DEMO.read_text()
    for old, new in (
        ("10.88.0.", network),
        ("flush_delay = 100", "flush_delay = 0"),
        ("dial_delay = 1.5", "dial_delay = 0.0\ndelay = 0.0"),
        ('url = "pcap:"', 'url = "mem:"'),
        ("new_port = true", "new_port = false"),
        ('address = "198.51.100.1"', 'address = "198.51.100.1"\ndelay = 0.0\necho = true'),
        *changes,
    ):
        assert old in text, old
        text = text.replace(old, new)
    file = folder / "live.toml"
    file.write_text(text)
    file.chmod(0o600)
    return read_config(file)


def datagram(payload: bytes = b"hello", site: str = SITE, port: int = 5000) -> bytes:
    return udp_packet(HOME, port, site, 9, payload)


class Live:
    """A process with its timeline."""

    def __init__(self, config: Config, **options: Any):
        self.events: list[Event] = []
        self.process = Process(config, on_event=self.events.append, **options)

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not holds():
                await self.process.changed()

    def count(self, kind: type) -> int:
        return sum(isinstance(event, kind) for event in self.events)

    async def dial(self, site: str = SITE) -> None:
        """A packet for a site, until it and what waited with it have left."""
        before = self.count(TriggersFlushed)
        self.process.receive("home", datagram(site=site))
        await self.until(lambda: self.count(TriggersFlushed) > before)

    def delivered(self) -> list[bytes]:
        """What came to the home side."""
        return [octets for _, octets in self.process.port("home").port.pop_all()]

    def states(self) -> list[str]:
        return [view.state for view in self.process.lns.sessions(self.process.now)]


@asynccontextmanager
async def running(config: Config, **options: Any) -> AsyncIterator[tuple[Live, Simulators]]:
    """Peers and a started process; both are gone afterwards, however it ends."""
    peers = Simulators(config.sim)
    live = Live(config, **options)
    try:
        await live.process.start()
        try:
            yield live, peers
        finally:
            await live.process.stop(PATIENCE)
    finally:
        peers.close()
