"""A running router whose packets are forwarded by threads: neither they nor control wait."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from live import HOME, PATIENCE, SITE, Live, configuration, datagram, running
from live_command import command, write_capture

from control.config import Config, Workers
from control.dialout.events import CallPlaced, TriggersFlushed
from control.errors import ConfigurationError, ResourceError
from control.runtime.data_plane_health import Health
from control.sim import data_header
from control.sim.data_header import DataHeader
from control.sim.host import parse_udp, udp_packet
from control.sim.serve import Simulators

PPP_IP = b"\xff\x03\x00\x21"


class Line:
    """The LAC's end of the one session that is up."""

    def __init__(self, live: Live, peers: Simulators) -> None:
        (call,) = live.process.lns.calls()
        self._header = DataHeader(call.tunnel, call.call_session)
        self._address = live.process.port("tunnel " + self._local(live)).port.address
        self._socket = peers.lacs[0]._sockets[1701]._socket

    def _local(self, live: Live) -> str:
        return next(iter(live.process.lns.endpoints))

    def send(self, number: int) -> None:
        """A packet of the site's, past every event loop."""
        packet = udp_packet(SITE, 9, HOME, 5000, number.to_bytes(4, "big"))
        self._socket.sendto(data_header.encode(self._header, PPP_IP + packet), self._address)


def numbers(live: Live) -> list[int]:
    payloads = [parse_udp(packet).payload for packet in live.delivered()]
    return [int.from_bytes(payload, "big") for payload in payloads if len(payload) == 4]


@pytest.mark.parametrize("polling", ["adaptive", "busy"])
def test_packets_of_an_access_route_pass_while_control_is_busy(
    tmp_path: Path, polling: str
) -> None:
    async def story() -> None:
        config = dataclasses.replace(configuration(tmp_path), workers=Workers(polling=polling))
        async with running(config) as (live, peers):
            await live.dial()
            await live.until(lambda: live.process.port("home").port.tx_packets)
            live.delivered()
            home, line = live.process.port("home").port, Line(live, peers)
            # From here to the end nothing gives control's event loop a turn.
            before = home.tx_packets
            for number in range(200):
                line.send(number)
            end = time.monotonic() + PATIENCE
            while home.tx_packets < before + 200 and time.monotonic() < end:
                pass
            assert numbers(live) == list(range(200))

    asyncio.run(story())


FLOOD = """
import socket, sys, time
address, port = sys.argv[1], int(sys.argv[2])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
data = b"\\x00\\x02\\x12\\x34\\x56\\x78\\xff\\x03\\x00\\x21E" + bytes(40)
end = time.monotonic() + 30
while time.monotonic() < end:
    for _ in range(256):
        try:
            s.sendto(data, (address, port))
        except OSError:
            pass
"""


@contextmanager
def flood(address: tuple[str, int]) -> Iterator[None]:
    """Data messages from another process, as many as it can send."""
    process = subprocess.Popen([sys.executable, "-c", FLOOD, address[0], str(address[1])])
    try:
        yield
    finally:
        process.kill()
        process.wait(PATIENCE)


def test_calls_come_up_while_a_worker_has_all_that_it_can_do(tmp_path: Path) -> None:
    async def story() -> None:
        config = configuration(tmp_path)
        async with running(config) as (live, _):
            await live.dial()
            address = live.process.ports[1].port.address
            received = live.process.engine.counters()["received"]
            with flood(address):
                while live.process.engine.counters()["received"] < received + 3000:
                    await asyncio.sleep(0.001)
                for _ in range(3):
                    await live.process.delete("default", SITE)
                    flushed = live.count(TriggersFlushed)
                    live.process.receive("home", datagram())
                    await live.until(lambda n=flushed: live.count(TriggersFlushed) > n)
            assert live.process.engine.counters()["received"] > received + 3000
            assert live.process.health == Health()

    asyncio.run(story())


def test_it_ends_at_a_signal_however_much_comes(tmp_path: Path) -> None:
    async def story() -> None:
        config = configuration(tmp_path)
        peers = Simulators(config.sim)
        address = config.virtual_router[0].local_address
        async with command("run", "--config", tmp_path / "live.toml") as run:
            await run.says("started")
            with flood((address, 1701)):
                await asyncio.sleep(0.2)
                assert await run.end() == 0
        peers.close()

    asyncio.run(story())


def descriptors() -> int:
    gc.collect()  # what other tests left goes now or not at all
    return len(os.listdir("/proc/self/fd"))


def test_a_hundred_starts_and_stops_leave_no_thread_and_no_descriptor(tmp_path: Path) -> None:
    config = dataclasses.replace(configuration(tmp_path), workers=Workers(count=3))

    async def once() -> None:
        live = Live(config)
        await live.process.start()
        await live.process.stop(PATIENCE)

    async def story() -> None:
        await once()
        threads, before = threading.active_count(), descriptors()
        for _ in range(100):
            await once()
        assert (threading.active_count(), descriptors()) == (threads, before)

    asyncio.run(story())


def test_calls_come_up_with_several_workers(tmp_path: Path) -> None:
    async def story() -> None:
        config = dataclasses.replace(configuration(tmp_path), workers=Workers(count=4))
        async with running(config) as (live, peers):
            await live.dial()
            await live.until(lambda: live.process.port("home").port.tx_packets)
            live.delivered()
            line = Line(live, peers)
            home = live.process.port("home").port
            before = home.tx_packets
            for number in range(500):
                line.send(number)
            while home.tx_packets < before + 500:
                await asyncio.sleep(0.001)
            assert numbers(live) == list(range(500))

    asyncio.run(story())


def test_processor_that_is_not_ours_is_named(tmp_path: Path) -> None:
    async def story() -> None:
        config = dataclasses.replace(configuration(tmp_path), workers=Workers(cpus=(1023,)))
        with pytest.raises(ConfigurationError, match="cpus: there is no 1023 for us"):
            await Live(config).process.start()

    asyncio.run(story())


# --- ports that come and go -----------------------------------------------------------------------


def with_port(config: Config, **changes: object) -> Config:
    extra = dataclasses.replace(config.port[0], name="second", networks=("203.0.113.0/24",))
    return dataclasses.replace(config, port=(*config.port, dataclasses.replace(extra, **changes)))


def test_reload_opens_changes_and_closes_a_port_and_the_others_go_on(tmp_path: Path) -> None:
    async def story() -> None:
        config = configuration(tmp_path)
        async with running(config) as (live, _):
            process = live.process
            await live.dial()
            before = process.engine.port_counters(0)["rx_packets"]
            packet = udp_packet(HOME, 1, "203.0.113.9", 2, b"x")
            elsewhere = udp_packet(HOME, 1, "203.0.114.9", 2, b"x")
            for _ in range(3):
                await process.reload(with_port(config))
                second = process.port("second")
                process.receive("home", packet, elsewhere)
                assert len(second.port.pop_all()) == 1
                await process.reload(with_port(config, networks=("203.0.114.0/24",), mtu=1400))
                process.receive("home", packet, elsewhere)
                assert len(second.port.pop_all()) == 1
                found = await process.reload(config)
                assert str(found.changes[0]) == "- port second: counts at once, sessions stay"
                process.receive("home", packet)
            assert process.ports[0].config.name == "home"
            assert len(process.ports) == 2
            assert process.engine.port_counters(0)["rx_packets"] == before + 15
            assert live.count(CallPlaced) == 1
            assert live.states() == ["inService"]

    asyncio.run(story())


def test_reload_with_a_port_that_is_not_to_be_had_changes_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        config = configuration(tmp_path)
        async with running(config) as (live, _):
            before = descriptors()
            with pytest.raises(ResourceError, match="No such file"):
                await live.process.reload(with_port(config, url="pcap:/nothing"))
            assert (len(live.process.ports), descriptors()) == (2, before)
            await live.dial()

    asyncio.run(story())


def test_capture_that_a_reload_brings_is_played(tmp_path: Path) -> None:
    async def story() -> None:
        capture = write_capture(tmp_path / "home.pcap", [(0, datagram())])
        config = configuration(tmp_path)
        async with running(config) as (live, _):
            await live.process.reload(with_port(config, url=f"pcap:{capture}"))
            await live.until(lambda: live.count(TriggersFlushed))
            await live.process.reload(config)

    asyncio.run(story())
