"""slirp-fullbolt as the site: a second PPP, without authentication."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import chain
from chain import Site

SLIRP = "slirp-fullbolt"
ADDRESS = "10.0.2.2"
"""Slirp's own; it answers pings itself."""


def site(**changes: str) -> Site:
    found = shutil.which(SLIRP)
    assert found, f"{SLIRP} is not installed: run `make deps` as root first"
    # The caller's address is slirp's own idea, too.
    return Site(f"pty:{found} -P", f"{ADDRESS}/32", ADDRESS, link_address="10.0.2.15", **changes)


def test_the_first_ping_and_those_behind_it_are_answered_through_the_whole_chain(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with chain.running(site(demand=""), tmp_path) as live:
            live.ping(ADDRESS, 1)
            await live.until(live.answers)
            for number in range(2, 12):
                live.ping(ADDRESS, number, 100 * number)
            await live.until(lambda: len(live.answers()) == 11)
            assert live.answers() == list(range(1, 12))
            assert live.state() == "inService"

    asyncio.run(story())


def test_agreeing_to_authenticate_and_never_doing_it_ends_the_call_in_good_order(
    tmp_path: Path,
) -> None:
    """Slirp acknowledges the Authentication-Protocol option, and answers no Challenge."""

    async def story() -> None:
        async with chain.running(site(demand="chap"), tmp_path) as live:
            live.ping(ADDRESS, 1)
            await live.until(lambda: live.state() == "inhibited")
            assert "authentication" in live.failure()
            lac = live.peers.lacs[0].lac
            await live.until(lambda: lac.bank.in_use == 0)
            assert lac.tunnels_opened == 1
            assert live.answers() == []
            programs = live.peers.sites[0].wires
            await live.until(lambda: all(wire.done for wire in programs))

    asyncio.run(story())
