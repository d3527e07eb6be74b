"""Our routes in a real kernel: made, kept over a crash, taken away, and nobody else's touched."""

from __future__ import annotations

import asyncio
import time

import pytest
from namespace import Namespace

from control.kernel.mirror import Mirror
from control.runtime.kernel import KernelMirror, interface_index

TABLE = "1000"


@pytest.fixture
def space():
    made = Namespace("kernel")
    made.run("ip", "tuntap", "add", "tun0", "mode", "tun")
    made.run("ip", "link", "set", "tun0", "up")
    yield made
    made.close()


def access(*prefixes):
    return [(7, prefix, "access") for prefix in prefixes]


def many(count):
    return access(*(f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}/32" for i in range(count)))


class Run:
    """A mirror on sockets, from its start to `stop` or, as by SIGKILL, to `crash`."""

    def __init__(self, told=None, tun="tun0", **options):
        self.mirror = Mirror({7: int(TABLE)})
        self.mirror.set_exit(7, interface_index(tun))
        self.told = [] if told is None else told
        loop = asyncio.get_running_loop()
        self.kernel = KernelMirror(loop, self.mirror, time.monotonic, self.told.append, **options)

    async def have(self, *changes):
        self.mirror.change(changes)
        self.kernel.wake()
        await self.kernel.settled()

    def crash(self):
        self.kernel.close()

    async def stop(self):
        await self.kernel.stop(30)


def routes(space, *options):
    return {
        (row["dst"], row.get("dev"), row.get("type", "unicast"), row.get("metric"))
        for family in ("-4", "-6")
        for row in space.ip(family, "route", "show", "table", "all", *options) or []
        if row.get("table") == TABLE
    }


def run(space, main):
    return space.call(lambda: asyncio.run(main()))


def test_routes_of_both_families_come_and_go(space):
    async def main():
        process = Run()
        await process.have(
            (7, "10.0.0.0/8", "dial-out"), *access("10.1.2.3/32", "2001:db8::/32", "0.0.0.0/0")
        )
        found = routes(space, "protocol", "171")
        await process.stop()
        return found

    assert run(space, main) == {
        ("10.0.0.0/8", "tun0", "unicast", 252),
        ("10.1.2.3", "tun0", "unicast", 2),
        ("2001:db8::/32", "tun0", "unicast", 2),
        ("default", "tun0", "unicast", 2),
    }
    assert routes(space) == set()


def test_without_a_tun_they_are_unreachable(space):
    async def main():
        process = Run(tun="absent")
        await process.have(*access("10.1.2.3/32", "2001:db8::/32"))
        found = routes(space)
        process.crash()
        # The next start has a tun: each takes the place of its own.
        process = Run()
        await process.have(*access("10.1.2.3/32", "2001:db8::/32"))
        return found, routes(space)

    first, second = run(space, main)
    assert {(dst, kind) for dst, _, kind, _ in first} == {
        ("10.1.2.3", "unreachable"),
        ("2001:db8::/32", "unreachable"),
    }
    assert second == {
        ("10.1.2.3", "tun0", "unicast", 2),
        ("2001:db8::/32", "tun0", "unicast", 2),
    }


def test_a_killed_process_leaves_what_the_next_one_reconciles(space):
    async def main():
        process = Run()
        await process.have(*access(*(f"10.1.2.{i}/32" for i in range(40)), "2001:db8:1::/48"))
        process.crash()
        process = Run()
        await process.have(*access(*(f"10.1.2.{i}/32" for i in range(20, 60))))
        return routes(space), dict(process.mirror.counts)

    found, counts = run(space, main)
    assert found == {(f"10.1.2.{i}", "tun0", "unicast", 2) for i in range(20, 60)}
    assert counts == {"added": 20, "deleted": 21, "dumps": 1}


def test_routes_of_others_stay_as_they_are(space):
    for arguments in (
        ("10.1.2.3/32", "metric", "2"),
        ("10.1.2.4/32", "metric", "20"),
        ("2001:db8::/32", "metric", "2"),
    ):
        space.run("ip", "route", "add", *arguments, "dev", "tun0", "table", TABLE, "proto", "bgp")
    told = []

    async def main():
        process = Run(told)
        await process.have(*access("10.1.2.3/32", "10.1.2.4/32", "2001:db8::/32"))
        await process.stop()

    run(space, main)
    assert routes(space, "protocol", "bgp") == {
        ("10.1.2.3", "tun0", "unicast", 2),
        ("10.1.2.4", "tun0", "unicast", 20),
        ("2001:db8::/32", "tun0", "unicast", 2),
    }
    assert routes(space) == routes(space, "protocol", "bgp")
    assert [line.split(" is there")[0] for line in told] == [
        "table 1000: 10.1.2.3/32 metric 2",
        "table 1000: 2001:db8::/32 metric 2",
    ]


def test_thousands_of_refusals_in_a_tiny_buffer_are_survived(space):
    changes = many(3000)
    for _, prefix, _ in changes[:5]:
        space.run("ip", "route", "add", prefix, "dev", "tun0", "metric", "2", "table", TABLE)
    told = []

    async def main():
        # The kernel refuses all of them: more answers than the buffer holds.
        space.run("ip", "link", "set", "tun0", "down")
        process = Run(told, buffer=2048)
        process.mirror.change(changes)
        process.kernel.wake()
        async with asyncio.timeout(30):
            while not told:
                await asyncio.sleep(0.01)
        space.run("ip", "link", "set", "tun0", "up")
        process.mirror.resync()
        await process.have()
        return dict(process.mirror.counts)

    counts = run(space, main)
    assert counts["losses"] > 0
    assert "Network is down" in told[0]
    assert len(routes(space)) == 3000


def test_hundred_thousand_routes(space):
    async def main():
        process = Run()
        await process.have(*many(100_000))
        before = space.run("ip", "route", "show", "table", TABLE).count("\n")
        process.crash()
        process = Run()
        await process.have(*many(100_000))
        counts = dict(process.mirror.counts)
        await process.stop()
        return before, counts

    assert run(space, main) == (100_000, {"dumps": 1})
    assert routes(space) == set()
