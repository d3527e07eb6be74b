"""FRR beside a running router: access routes go out by BGP to a second FRR, and what that one tells
comes into our FIB."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from frr import Frr
from namespace import Namespace

sys.path.append(str(Path(__file__).parents[1] / "protocol"))
from live import PATIENCE, configuration, running

SITE = "198.51.100.7"
BGP = """
router bgp {ours}
 bgp router-id 192.0.2.{at}
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 192.0.2.{other} remote-as {theirs}
 neighbor 192.0.2.{other} timers connect 1
 neighbor 192.0.2.{other} advertisement-interval 0
 address-family ipv4 unicast
  {says}
"""


@pytest.fixture
def spaces():
    lns, far = Namespace("kernel"), Namespace("kernel")
    lns.run("ip", "link", "add", "far", "type", "veth", "peer", "lns", "netns", far.name)
    for space, name, at in ((lns, "far", 1), (far, "lns", 2)):
        space.run("ip", "address", "add", f"192.0.2.{at}/30", "dev", name)
        space.run("ip", "link", "set", name, "up")
    yield lns, far
    far.close()
    lns.close()


@pytest.fixture
def frrs(spaces):
    numbers = {"ours": 65001, "theirs": 65002, "at": 1, "other": 2, "says": "redistribute kernel"}
    first = Frr(spaces[0], BGP.format(**numbers))
    numbers = {"ours": 65002, "theirs": 65001, "at": 2, "other": 1}
    # One route beside the target, and one inside it: of the second no packet may call anybody.
    says = "network 203.0.113.0/24\n  network 198.51.100.128/25"
    second = Frr(spaces[1], BGP.format(**numbers, says=says))
    yield first, second
    second.close()
    first.close()


def with_tun(folder):
    return configuration(
        folder,
        ("table = 0", "table = 0\nkernel_table = 254"),
        ('url = "mem:"\nside = "home"', 'url = "tun:dial0"\nside = "home"'),
    )


def routes(space):
    return {row["dst"]: row for row in space.ip("route", "show") or []}


async def until(holds):
    async with asyncio.timeout(PATIENCE):
        while not await asyncio.to_thread(holds):
            await asyncio.sleep(0.05)


def test_access_routes_are_told_by_bgp_and_bgps_routes_are_in_our_fib(spaces, frrs, tmp_path):
    lns, far = spaces

    async def main():
        async with running(with_tun(tmp_path)) as (live, _):
            process = live.process
            await until(lambda: "203.0.113.0/24" in routes(lns))
            assert routes(lns)["203.0.113.0/24"]["protocol"] == "bgp"
            await until(lambda: process.kernel.imported >= 2)
            glean = process.dataplane.resolve(0, SITE)
            plain = process.dataplane.resolve(0, "203.0.113.9")
            assert plain not in (0, glean)
            assert process.dataplane.resolve(0, "198.51.100.200") == plain
            # The dial-out route is told already, the site's own address when it has called.
            await until(lambda: "198.51.100.0/24" in routes(far))
            assert "198.51.100.1" not in routes(far)
            ping = asyncio.to_thread(lns.run, "sh", "-c", f"ping -c 1 -W 1 {SITE}; true")
            await asyncio.gather(ping, live.until(lambda: "inService" in live.states()))
            assert process.dataplane.is_session(process.dataplane.resolve(0, SITE))
            await until(lambda: "198.51.100.1" in routes(far))
            assert routes(far)["198.51.100.1"]["gateway"] == "192.0.2.1"
            await process.reset("default", SITE)
            await until(lambda: "198.51.100.1" not in routes(far))
        await until(lambda: "198.51.100.0/24" not in routes(far))

    lns.call(lambda: asyncio.run(main()))
    kept = [row for row in routes(lns).values() if row.get("protocol") == "171"]
    assert not kept
