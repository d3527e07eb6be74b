"""A running process while what is around it fails, changes or floods: over real sockets."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from pathlib import Path

import pytest
from live import SITE, Live, configuration, datagram, running
from live_command import write_capture

from control.config import Config, Workers
from control.dialout.events import CallPlaced, SessionStateChanged, TriggersFlushed
from control.errors import ConfigurationError
from control.sim.host import parse_udp
from control.sim.real_time import UdpSocket
from control.sim.serve import LacServer, RadiusServer

QUICK_RADIUS = ("[[radius]]\n", "[[radius]]\nretries = 2\ntimeout = 0.1\n")


def entered(live: Live, state: str) -> bool:
    return any(isinstance(e, SessionStateChanged) and e.new.name == state for e in live.events)


async def redial(live: Live) -> None:
    """Takes the session out of its penalty and dials anew."""
    await live.process.delete("default", SITE)
    await live.dial()


def test_radius_may_be_down_and_come_back(tmp_path: Path) -> None:
    async def story() -> None:
        config = configuration(tmp_path, QUICK_RADIUS)
        async with running(config) as (live, peers):
            (server,) = peers.radius
            server.close()
            live.process.receive("home", datagram())
            await live.until(lambda: entered(live, "INHIBITED"))
            assert live.count(CallPlaced) == 0
            assert live.process.radius.counters.refused > 0
            peers.radius[:] = [RadiusServer(config.sim.radius[0], peers.time)]
            await redial(live)

    asyncio.run(story())


def test_lac_that_goes_down_ends_its_calls_and_is_called_again_once_it_is_back(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        config = configuration(tmp_path)
        async with running(config) as (live, peers):
            await live.dial()
            peers.stop()
            await live.until(lambda: "inService" not in live.states())
            peers.lacs[0].close()
            await live.process.delete("default", SITE)
            placed = live.count(CallPlaced)
            live.process.receive("home", datagram())
            await live.until(lambda: live.count(CallPlaced) > placed)
            # Nobody listened to the first SCCRQ; the next ones go on until somebody does.
            await live.until(lambda: live.process.ports[1].counts()["refused"] > 0)
            flushed = live.count(TriggersFlushed)
            peers.lacs[0] = LacServer(config.sim.lac[0], peers.sites, peers.time)
            await live.until(lambda: live.count(TriggersFlushed) > flushed)

    asyncio.run(story())


def test_wall_clock_that_jumps_ends_no_call_and_starts_no_timer(tmp_path: Path) -> None:
    async def story() -> None:
        wall = 1_800_000_000.0
        config = configuration(tmp_path)
        async with running(config, wall=lambda: wall) as (live, _):
            await live.dial()
            for jump in (3600.0, -7200.0, 400 * 86400.0):
                wall += jump
                live.process.receive("home", datagram())
                got: list[bytes] = []
                await live.until(lambda found=got: found.extend(live.delivered()) or found)
                assert live.states() == ["inService"]

    asyncio.run(story())


def reloaded(config: Config, number: int) -> Config:
    """Another target, other limits, another LAC: nothing that concerns the call."""
    extra = dataclasses.replace(config.target[0], prefix=f"203.0.{number}.0/24")
    chassis = dataclasses.replace(config.chassis, max_pending=number)
    budget = dataclasses.replace(config.budget, calls_per_day=2000 + number)
    return dataclasses.replace(
        config, target=(*config.target, extra), chassis=chassis, budget=budget
    )


def test_a_hundred_reloads_under_traffic_lose_no_session_and_no_packet(tmp_path: Path) -> None:
    async def story() -> None:
        config = configuration(tmp_path)
        async with running(config) as (live, _):
            await live.dial()
            back: list[bytes] = []
            await live.until(lambda: back.extend(live.delivered()) or back)
            for number in range(100):
                live.process.receive("home", *[datagram(bytes([number, n])) for n in range(5)])
                found = await live.process.reload(reloaded(config, number))
                assert len(found.changes) >= 2
            await live.until(lambda: back.extend(live.delivered()) or len(back) == 501)
            sent = {bytes([number, n]) for number in range(100) for n in range(5)}
            assert {parse_udp(packet).payload for packet in back[1:]} == sent
            assert live.states() == ["inService"]
            assert live.count(CallPlaced) == 1

    asyncio.run(story())


def test_reload_that_needs_a_restart_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        config = configuration(tmp_path)
        async with running(config) as (live, _):
            other = dataclasses.replace(config, workers=Workers(count=2))
            with pytest.raises(ConfigurationError, match="needs a restart"):
                await live.process.reload(other)
            await live.dial()

    asyncio.run(story())


def test_freeze_reset_delete_and_drain(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(configuration(tmp_path)) as (live, peers):
            process = live.process
            await process.freeze(True)
            process.receive("home", datagram())
            await live.until(lambda: entered(live, "INHIBITED"))
            assert live.count(CallPlaced) == 0
            await process.freeze(False)
            await redial(live)
            assert await process.reset("default", SITE) == 1
            assert live.states() == ["dormant"]
            assert await process.delete("default", SITE) == 1
            assert live.states() == []
            assert await process.delete("default", SITE) == 0
            (lac,) = [server.lac for server in peers.lacs]
            await process.drain(lac.config.address)
            live.events.clear()
            process.receive("home", datagram())
            await live.until(lambda: entered(live, "INHIBITED"))
            assert live.count(CallPlaced) == 0
            await process.drain(lac.config.address, on=False)
            await redial(live)

    asyncio.run(story())


def test_commands_may_come_from_another_thread(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(configuration(tmp_path)) as (live, _):
            await live.dial()

            def elsewhere() -> int:
                command = live.process.delete("default", SITE)
                return asyncio.run_coroutine_threadsafe(command, live.process.loop).result(30)

            assert await asyncio.to_thread(elsewhere) == 1
            assert live.states() == []

    asyncio.run(story())


def test_calls_come_up_beside_a_flood_of_data_and_junk(tmp_path: Path) -> None:
    """The tunnel's socket is never empty, and every datagram in it is refused."""

    async def story() -> None:
        config = configuration(tmp_path)
        async with running(config) as (live, peers):
            address = live.process.ports[1].port.address
            rng = random.Random(1)
            junk = [rng.randbytes(rng.randrange(1, 200)) for _ in range(64)]
            junk += [b"\x00\x02\x12\x34\x56\x78\xff\x03\x00\x21E"] * 64
            flooder = UdpSocket(peers.time, config.sim.lac[0].address, 0, lambda data, source: None)
            ended = False

            async def flood() -> None:
                while not ended:
                    for message in junk:
                        flooder.send(message, address)
                    await asyncio.sleep(0)

            task = asyncio.create_task(flood())
            for _ in range(3):
                await redial(live)
            ended = True
            await task
            flooder.close()
            assert live.process.engine.counters()["verdict"]["DROP"] > 1000

    asyncio.run(story())


def test_a_hundred_sites_are_called_at_once(tmp_path: Path) -> None:
    async def story() -> None:
        config = configuration(
            tmp_path,
            ('number = "5551234"', 'number = "*"'),
            ('"Framed-IP-Address" = "198.51.100.1"', '"Framed-IP-Address" = "198.51.100.1"'),
            ("198.51.100.0/24 0.0.0.0 1", "198.51.100.250/32 0.0.0.0 1"),
            ("[sim]\n", "[budget]\ndial_rate = 1000\nlac_dial_rate = 1000\ndial_burst = 1000\n"
                        "target_calls_per_day = 1000\n\n[sim]\n"),
        )  # fmt: skip
        async with running(config) as (live, _):
            for number in range(100):
                live.process.receive("home", datagram(site=f"198.51.100.{number + 2}"))
            await live.until(lambda: live.count(CallPlaced) == 100)

    asyncio.run(story())


def test_nothing_stays_open_behind_a_start_that_fails(tmp_path: Path) -> None:
    async def story() -> None:
        config = configuration(tmp_path)
        wrong = dataclasses.replace(config.port[0], name="second", url="pcap:/nothing", side="home")
        async with running(config) as (_, __):
            pass
        for _ in range(3):
            live = Live(dataclasses.replace(config, port=(*config.port, wrong)))
            with pytest.raises(Exception, match="No such file"):
                await live.process.start()
        async with running(config) as (live, _):
            await live.dial()

    asyncio.run(story())


def test_what_a_worker_has_for_control_is_taken_however_little_fits_a_portion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here it is one message, and the bell rings once for all."""

    async def story() -> None:
        monkeypatch.setattr("control.runtime.process.PUNTS", 1)
        config = configuration(tmp_path)
        async with running(config) as (live, peers):
            port = live.process.ports[1]
            sender = UdpSocket(peers.time, config.sim.lac[0].address, 0, lambda data, source: None)
            for _ in range(50):
                sender.send(b"\xc8\x02\x00\x0c\x00\x09\x00\x00\x00\x00\x00\x00", port.port.address)
            endpoint = live.process.lns.endpoints[port.port.address[0]]
            await live.until(lambda: endpoint.counters.unknown_tunnel == 50)
            sender.close()

    asyncio.run(story())


def test_capture_whose_next_packet_is_hours_away_costs_nothing_meanwhile(tmp_path: Path) -> None:
    async def story() -> None:
        capture = write_capture(tmp_path / "home.pcap", [(0, datagram()), (7200, datagram())])
        async with running(
            configuration(tmp_path, ('url = "mem:"', f'url = "pcap:{capture}"'))
        ) as (live, _):
            await live.until(lambda: live.count(TriggersFlushed))
            polled = 0
            engine = live.process.engine

            class Counting:
                def __getattr__(self, name: str) -> object:
                    return getattr(engine, name)

                def poll(self, *arguments: object, **options: object) -> int:
                    nonlocal polled
                    polled += 1
                    return engine.poll(*arguments, **options)

            live.process.engine = Counting()
            await asyncio.sleep(0.2)
            live.process.engine = engine
            assert polled < 100

    asyncio.run(story())
