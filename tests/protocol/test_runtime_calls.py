"""Whole dial-outs over real sockets: a running process and the simulated other side."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from live import HOME, SITE, configuration, datagram, running

from control.errors import ResourceError
from control.runtime.process import Process
from control.sim.host import parse_udp


def test_first_packet_dials_and_arrives_and_traffic_flows_both_ways(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(configuration(tmp_path)) as (live, _):
            await live.dial()
            back: list[bytes] = []
            await live.until(lambda: back.extend(live.delivered()) or back)
            answer = parse_udp(back[0])
            assert (answer.source[0], answer.destination) == (SITE, (HOME, 5000))
            assert answer.payload == b"hello"
            live.process.receive("home", *[datagram(bytes([n]) * 900) for n in range(50)])
            await live.until(lambda: back.extend(live.delivered()) or len(back) == 51)
            assert [parse_udp(p).payload[:1] for p in back[1:]] == [bytes([n]) for n in range(50)]
            assert live.states() == ["inService"]

    asyncio.run(story())


def test_stop_closes_calls_and_tunnels_and_waits_for_their_peers(tmp_path: Path) -> None:
    async def story() -> None:
        config = configuration(tmp_path)
        async with running(config) as (live, peers):
            await live.dial()
            lac = peers.lacs[0].lac
            assert lac.bank.in_use == 1
            await live.process.stop(30)
            assert lac.bank.in_use == 0
            assert live.process.lns.stopped
            assert live.states() == []

    asyncio.run(story())


def test_second_instance_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    async def story() -> None:
        config = configuration(tmp_path)
        async with running(config) as (live, _):
            with pytest.raises(ResourceError, match=r"udp:127\..*: Address already in use"):
                await Process(config).start()
            await live.dial()

    asyncio.run(story())
