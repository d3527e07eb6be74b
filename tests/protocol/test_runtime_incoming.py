"""A simulated LAC brings a site's call to a running process, over real sockets."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from live import HOME, SITE, configuration, datagram, running

from control.config import Config, Lac
from control.sim.host import parse_udp

NUMBER = "5551234"


def taking(folder: Path) -> Config:
    """The demo's, whose LAC may bring calls, and whose site wants no proof of who answers."""
    proof = ('authentication = ["chap"]                # it wants', "authentication = []  # wants")
    config = configuration(folder, proof)
    lac = Lac(
        config.sim.lac[0].address,
        "lac.example",
        b"tunnel-secret",
        incoming_calls=True,
        incoming_router="default",
        incoming_profile="modem",
    )
    return replace(config, lac=(lac,))


def test_a_call_that_a_lac_brings_carries_traffic_until_the_site_hangs_up(tmp_path: Path) -> None:
    async def story() -> None:
        config = taking(tmp_path)
        (lac,) = config.lac
        assert lac.address == config.sim.lac[0].address
        async with running(config) as (live, peers):
            lns, now = live.process.lns, lambda: live.process.now
            brought = peers.lacs[0].lac
            local = config.virtual_router[0].local_address
            assert not brought.bring_call((local, 1701), "1")
            assert brought.bring_call((local, 1701), NUMBER)
            await live.until(lambda: lns.incoming.counters.established)
            (view,) = lns.incoming_calls(now())
            assert (view.lac, view.calling_number, view.user_name) == (
                lac.address,
                NUMBER,
                "branch",
            )
            live.process.receive("home", datagram())
            back: list[bytes] = []
            await live.until(lambda: back.extend(live.delivered()) or back)
            answer = parse_udp(back[0])
            assert (answer.source[0], answer.destination) == (SITE, (HOME, 5000))
            # Its route was there: nobody was called.
            assert live.states() == []
            brought.drop_carriers()
            await live.until(lambda: not lns.incoming_calls(now()))
            assert brought.bank.in_use == 0
            assert lns.incoming.counters.torn_down == 1

    asyncio.run(story())


def test_a_lac_that_nobody_lets_in_brings_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        config = configuration(tmp_path)
        async with running(config) as (live, peers):
            local = config.virtual_router[0].local_address
            assert peers.lacs[0].lac.bring_call((local, 1701), NUMBER)
            # The other side is called meanwhile, so that something does happen.
            await live.dial()
            assert live.process.lns.incoming.counters.arrived == 0
            # Where both open a tunnel at once the tie breaker says whose stays; the call the LAC
            # brings over it is refused.
            assert live.process.lns.incoming_calls(live.process.now) == []
            assert len(live.process.lns.calls()) == 1

    asyncio.run(story())
