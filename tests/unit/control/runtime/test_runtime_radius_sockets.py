"""RADIUS clients' sockets: who is heard, and what happens when nobody listens."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Callable

from control.radius.events import RadiusDatagram
from control.runtime.radius_sockets import LONGEST, RadiusSockets

PATIENCE = 30.0


def loopback_host() -> str:
    drawn = random.SystemRandom()
    return f"127.{drawn.randrange(1, 255)}.{drawn.randrange(256)}.{drawn.randrange(1, 255)}"


def server() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((loopback_host(), 0))
    made.settimeout(PATIENCE)
    return made


class Bench:
    def __init__(self) -> None:
        self.got: list[tuple[str, RadiusDatagram]] = []
        loop = asyncio.get_running_loop()
        self.sockets = RadiusSockets(loop, self._receive)

    def _receive(self, group: str, found: list[RadiusDatagram]) -> None:
        assert found
        self.got += [(group, datagram) for datagram in found]

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not holds():
                await asyncio.sleep(0.001)


def story(test):
    """Runs a coroutine test with a bench, and closes that."""

    def run():
        async def inside():
            bench = Bench()
            try:
                await test(bench)
            finally:
                bench.sockets.close()
                assert len(bench.sockets) == 0

        asyncio.run(inside())

    run.__name__ = test.__name__
    return run


@story
async def test_each_number_has_a_source_port_of_its_own_and_answers_come_to_it(bench):
    with server() as radius:
        sources = set()
        for number in (0, 1, 0):
            question = RadiusDatagram(b"question", radius.getsockname(), number)
            bench.sockets.send("home", question)
            _, source = radius.recvfrom(100)
            sources.add(source)
            radius.sendto(b"answer %d" % number, source)
        assert len(sources) == len(bench.sockets) == 2
        await bench.until(lambda: len(bench.got) == 3)
        assert {(group, found.data, found.socket) for group, found in bench.got} == {
            ("home", b"answer 0", 0),
            ("home", b"answer 1", 1),
        }


@story
async def test_source_address_is_the_datagrams(bench):
    source = loopback_host()
    with server() as radius:
        bench.sockets.send("home", RadiusDatagram(b"x", radius.getsockname(), 0, source))
        assert radius.recvfrom(100)[1][0] == source


@story
async def test_only_the_server_that_was_asked_is_heard(bench):
    with server() as radius, server() as stranger:
        bench.sockets.send("home", RadiusDatagram(b"x", radius.getsockname(), 0))
        _, source = radius.recvfrom(100)
        stranger.sendto(b"forged", source)
        radius.sendto(b"genuine", source)
        await bench.until(lambda: bench.got)
        assert [found.data for _, found in bench.got] == [b"genuine"]


@story
async def test_server_that_is_down_is_counted_and_heard_when_it_is_back(bench):
    with server() as radius:
        address = radius.getsockname()
    for _ in range(3):
        bench.sockets.send("home", RadiusDatagram(b"x", address, 0))
        await asyncio.sleep(0)
    await bench.until(lambda: bench.sockets.counters.refused)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as back:
        back.bind(address)
        back.settimeout(PATIENCE)
        bench.sockets.send("home", RadiusDatagram(b"again", address, 0))
        data, source = back.recvfrom(100)
        assert data == b"again"
        back.sendto(b"answer", source)
        await bench.until(lambda: bench.got)


@story
async def test_datagram_longer_than_any_radius_packet_is_counted_and_not_handed_on(bench):
    with server() as radius:
        bench.sockets.send("home", RadiusDatagram(b"x", radius.getsockname(), 0))
        _, source = radius.recvfrom(100)
        radius.sendto(bytes(LONGEST + 1), source)
        radius.sendto(bytes(LONGEST), source)
        await bench.until(lambda: bench.got)
        assert [len(found.data) for _, found in bench.got] == [LONGEST]
        assert bench.sockets.counters.too_long == 1


@story
async def test_address_that_is_not_ours_is_counted_and_raises_nothing(bench):
    bench.sockets.send("home", RadiusDatagram(b"x", ("127.0.0.1", 9), 0, "192.0.2.77"))
    assert bench.sockets.counters.failed == 1
    assert len(bench.sockets) == 0


@story
async def test_sockets_of_groups_that_are_gone_are_closed(bench):
    with server() as radius:
        for group in ("old", "new"):
            bench.sockets.send(group, RadiusDatagram(b"x", radius.getsockname(), 0))
        bench.sockets.keep({"new"})
        assert len(bench.sockets) == 1
