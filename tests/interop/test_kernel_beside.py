"""A running router beside what others do to the kernel: routes, interfaces, and its own crash."""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from namespace import Namespace

sys.path.append(str(Path(__file__).parents[1] / "protocol"))
from live import PATIENCE, Live, configuration

from control.address_text import address_octets
from control.dialout.events import KernelTold
from control.kernel.fib_import import PortUse
from control.kernel.lac_paths import LacPaths
from control.kernel.slots import NeighbourSlots
from control.runtime.kernel import interface_index
from control.runtime.kernel_import import KernelImport

TABLE = 100
TARGET = "198.51.100.0/24"


@pytest.fixture
def space():
    made = Namespace("kernel")
    made.run("ip", "link", "add", "left", "type", "veth", "peer", "right")
    for name in ("left", "right"):
        made.run("ip", "link", "set", name, "up")
    made.run("ip", "address", "add", "192.0.2.1/24", "dev", "left")
    yield made
    made.close()


def with_tun(folder):
    return configuration(
        folder,
        ("table = 0", f"table = 0\nkernel_table = {TABLE}"),
        ('url = "mem:"\nside = "home"', 'url = "tun:dial0"\nside = "home"'),
    )


def routes(space):
    return {
        (row["dst"], row.get("dev"), row["metric"])
        for row in space.ip("route", "show", "table", str(TABLE), "protocol", "171") or []
    }


def run(space, folder, main):
    async def around():
        live = Live(with_tun(folder))
        await live.process.start()
        try:
            await live.process.kernel.settled()
            await main(live.process, live)
        finally:
            await live.process.stop(5)

    space.call(lambda: asyncio.run(around()))


async def until(holds):
    async with asyncio.timeout(PATIENCE):
        while not holds():
            await asyncio.sleep(0.01)


def test_routes_of_others_call_nobody_while_they_are_there(space, tmp_path):
    async def main(process, live):
        assert routes(space) == {(TARGET, "dial0", 252)}
        glean = process.dataplane.resolve(0, "198.51.100.200")
        command = "198.51.100.128/25", "via", "192.0.2.9", "dev", "left", "table", "100"
        space.run("ip", "route", "add", *command)
        await until(lambda: process.dataplane.resolve(0, "198.51.100.200") != glean)
        assert process.dataplane.resolve(0, "198.51.100.7") == glean
        assert process.kernel.imported == 1
        space.run("ip", "route", "delete", *command)
        await until(lambda: process.dataplane.resolve(0, "198.51.100.200") == glean)
        # Those that were there before, or vanish with their interface without a word.
        space.run("ip", "route", "add", *command)
        await until(lambda: process.kernel.imported == 1)
        space.run("ip", "link", "set", "left", "down")
        await until(lambda: process.kernel.imported == 0)

    run(space, tmp_path, main)
    assert routes(space) == set()


def test_virtual_router_that_is_gone_imports_nothing(space, tmp_path):
    async def main(process, live):
        glean = process.dataplane.resolve(0, "198.51.100.200")
        command = "198.51.100.128/25", "via", "192.0.2.9", "dev", "left", "table", str(TABLE)
        space.run("ip", "route", "add", *command)
        await until(lambda: process.kernel.imported == 1)
        process.kernel.configure(replace(process.config, virtual_router=()))
        assert process.kernel.imported == 0
        assert process.dataplane.resolve(0, "198.51.100.200") == glean
        space.run("ip", "route", "replace", *command, "mtu", "1400")
        process.kernel.configure(process.config)
        await until(lambda: process.kernel.imported == 1)

    run(space, tmp_path, main)


def test_our_interface_may_go_down_and_come_back(space, tmp_path):
    async def main(process, live):
        space.run("ip", "link", "set", "dial0", "down")
        await until(lambda: live.count(KernelTold) > 0)
        assert not routes(space)
        space.run("ip", "link", "set", "dial0", "mtu", "1400")
        space.run("ip", "link", "set", "dial0", "up")
        await until(lambda: routes(space) == {(TARGET, "dial0", 252)})
        texts = [e.text for e in live.events if isinstance(e, KernelTold)]
        assert texts[-2:] == ["dial0: the interface is up", "dial0: MTU 1500 -> 1400"]

    run(space, tmp_path, main)


def test_our_routes_that_somebody_flushes_come_back(space, tmp_path):
    async def main(process, live):
        space.run("ip", "route", "flush", "table", str(TABLE))
        await until(lambda: routes(space) == {(TARGET, "dial0", 252)})

    run(space, tmp_path, main)


def test_a_route_to_a_lac_is_never_ours(space, tmp_path):
    async def main(process, live):
        process.kernel.lac("198.51.100.77")
        await until(lambda: len(routes(space)) == 8)
        assert "dev dial0" not in space.run("sh", "-c", "ip route get 198.51.100.77 2>&1; true")
        space.run("ip", "rule", "add", "lookup", str(TABLE), "priority", "10")
        assert "dev dial0" in space.run("ip", "route", "get", "198.51.100.76")
        got = space.run("sh", "-c", "ip route get 198.51.100.77 2>&1; true")
        assert "dev dial0" not in got

    run(space, tmp_path, main)


def test_way_to_a_lac_follows_the_kernels(space):
    moved, written = [], {}

    async def main():
        left = interface_index("left")
        slots = NeighbourSlots(written.__setitem__)
        loop = asyncio.get_running_loop()
        kernel = KernelImport(loop, 171, 0, time.monotonic, lambda *a: None, lambda *a: None)
        paths = LacPaths(
            {left: PortUse(0, 1500, slots)}, 171, lambda *m: moved.append(m), kernel.ask, print
        )
        kernel.follow(paths)
        lac = address_octets("203.0.113.9")
        paths.add(lac)
        kernel.look_up(lac)
        try:
            for last in (7, 8):
                gateway, mac = f"192.0.2.{last}", f"02:00:00:00:00:0{last}"
                at = ("dev", "left")
                space.run("ip", "neighbour", "replace", gateway, "lladdr", mac, *at)
                space.run("ip", "route", "replace", "203.0.113.0/24", "via", gateway, *at)
                await until(lambda last=last: bytes((2, 0, 0, 0, 0, last)) in written.values())
            space.run("ip", "route", "delete", "203.0.113.0/24")
            await until(lambda: moved[-1] == (0, "203.0.113.9", 0))
        finally:
            kernel.close()

    space.call(lambda: asyncio.run(main()))
    assert moved == [(0, "203.0.113.9", slot) for slot in (1, 2, 0)]
    assert set(written.values()) == {None}
