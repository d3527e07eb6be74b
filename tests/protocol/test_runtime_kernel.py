"""A running router tells the kernel's mirror what its FIB routes, and keeps LACs out of it."""

from __future__ import annotations

import asyncio

import pytest
from live import configuration, running

from control.address_text import address_octets
from control.kernel.mirror import METRICS
from control.kernel.prefix import prefix_octets
from control.runtime import kernel_routing

TABLE = 1000


class FakeMirror:
    """In place of the sockets: remembers what it was asked for."""

    def __init__(self, loop, mirror, now, tell):
        self.mirror = mirror
        self.tell = tell
        self.stopped = False
        self.port = 0
        self.answered = asyncio.Event()

    def wake(self):
        self.mirror.next_request(0.0)

    async def settled(self):
        await self.answered.wait()

    async def stop(self, grace):
        self.stopped = True

    def close(self):
        pass


def wanted(mirror):
    return set(mirror._wanted)


@pytest.fixture
def made(monkeypatch):
    found = []

    def make(*arguments):
        found.append(FakeMirror(*arguments))
        return found[-1]

    monkeypatch.setattr(kernel_routing, "KernelMirror", make)
    return found


def with_table(folder):
    return configuration(
        folder, ("table = 0", f"table = 0\nkernel_table = {TABLE}\nkernel_import = false")
    )


def key(prefix, kind):
    return (TABLE, *prefix_octets(prefix), METRICS[kind])


def test_dial_out_route_is_mirrored_and_then_the_access_route(tmp_path, made):
    async def main():
        async with running(with_table(tmp_path)) as (live, _):
            (mirror,) = made
            assert key("198.51.100.0/24", "dial-out") in wanted(mirror.mirror)
            await live.dial()
            # The site's access route has the prefix of the target.
            assert key("198.51.100.0/24", "access") in wanted(mirror.mirror)
            assert key("198.51.100.0/24", "dial-out") not in wanted(mirror.mirror)
            mirror.tell("something")
            await live.until(
                lambda: any(getattr(e, "text", "") == "something" for e in live.events)
            )
        assert mirror.stopped

    asyncio.run(main())


def test_lacs_are_kept_out_before_anything_is_sent_to_them(tmp_path, made):
    async def main():
        async with running(with_table(tmp_path)) as (live, _):
            (mirror,) = made
            for lac in live.process.config.lac:
                assert address_octets(lac.address) in mirror.mirror._holes
            live.process.kernel.lac("192.0.2.99")
            assert address_octets("192.0.2.99") in mirror.mirror._holes

    asyncio.run(main())


def test_the_start_waits_for_the_kernel_but_not_forever(tmp_path, made):
    async def main():
        async with running(with_table(tmp_path)) as (live, _):
            kernel = live.process.kernel
            assert not await kernel.told(0.0)
            asyncio.get_running_loop().call_soon(made[0].answered.set)
            assert await kernel.told(60.0)
        async with running(configuration(tmp_path)) as (live, _):
            assert await live.process.kernel.told(60.0)

    asyncio.run(main())


def test_without_a_table_nothing_is_opened(tmp_path, made):
    async def main():
        async with running(configuration(tmp_path)) as (live, _):
            await live.dial()
        assert not made

    asyncio.run(main())
