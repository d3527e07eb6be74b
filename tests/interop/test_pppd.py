"""Debian's pppd as the site, in a Linux guest at the end of the LAC's serial line: one guest for
all of it, and one pppd for each call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import chain
import guest
import pytest
from chain import LNS_NAME, LNS_SECRET, SITE_NAME, SITE_SECRET, Chain, Site
from guest import SITE_NETWORK, Guest

ADDRESS = "203.0.113.2"
LINK = "192.0.2.254"
METHODS = ("chap", "pap")
REFUSALS = {
    "chap": f"Peer {LNS_NAME} failed CHAP authentication",
    "pap": f"PAP peer authentication failed for {LNS_NAME}",
}
"""What pppd says of a caller's wrong secret."""


@pytest.fixture(scope="module")
def linux(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    with guest.running(tmp_path_factory.mktemp("guest")) as running:
        yield running


def pick_up(linux: Guest, method: str, *, secret: str = SITE_SECRET) -> None:
    """A pppd that waits for a call, demands a proof and has one: with this secret."""
    lines = f"{SITE_NAME} * {secret} *", f"{LNS_NAME} * {LNS_SECRET} *"
    for file in ("chap-secrets", "pap-secrets"):
        linux.command(f"printf '%s\\n' '{lines[0]}' '{lines[1]}' > /etc/ppp/{file}")
    # The guest's way home is the call.
    linux.call_in(
        *("auth", f"require-{method}", "name", SITE_NAME, f"{ADDRESS}:{LINK}"),
        *("defaultroute", "noccp", "noipv6"),
    )


def site(linux: Guest, method: str, **changes: str) -> Site:
    line = f"tcp:127.0.0.1:{linux.port}"
    return Site(line, "203.0.113.0/24", ADDRESS, demand=method, method=method.upper(), **changes)


async def is_refused(live: Chain) -> None:
    """The attempt fails by its authentication, and nothing is left of the call."""
    live.ping(SITE_NETWORK, 1)
    await live.until(lambda: live.state() == "inhibited")
    assert "authentication" in live.failure()
    await live.until(lambda: live.peers.lacs[0].lac.bank.in_use == 0)
    assert live.answers() == []


@pytest.mark.parametrize("method", METHODS)
def test_both_prove_themselves_and_the_first_packet_arrives(
    linux: Guest, tmp_path: Path, method: str
) -> None:
    """The packet that placed the call is the first that the site's new interface sees."""
    pick_up(linux, method)

    async def story() -> None:
        async with chain.running(site(linux, method), tmp_path) as live:
            live.ping(SITE_NETWORK, 1)
            await live.until(live.answers)
            assert live.answers() == [1]
            assert live.state() == "inService"
            for number in range(2, 12):
                live.ping(SITE_NETWORK if number % 2 else ADDRESS, number, 120 * number)
            await live.until(lambda: len(live.answers()) == 11)
            assert live.answers() == list(range(1, 12))

    asyncio.run(story())
    heard = "\n".join(linux.hear())
    assert f"local  IP address {ADDRESS}" in heard
    assert f"remote IP address {LINK}" in heard
    assert "LCP terminated by peer" in heard


@pytest.mark.parametrize("method", METHODS)
def test_our_wrong_secret_is_refused_by_the_site(linux: Guest, tmp_path: Path, method: str) -> None:
    pick_up(linux, method)

    async def story() -> None:
        wrong = site(linux, method, password="another secret")
        async with chain.running(wrong, tmp_path) as live:
            await is_refused(live)

    asyncio.run(story())
    linux.wait_for(REFUSALS[method], chain.PATIENCE)


@pytest.mark.parametrize("method", METHODS)
def test_the_sites_wrong_secret_is_refused_by_us(linux: Guest, tmp_path: Path, method: str) -> None:
    pick_up(linux, method, secret="another")

    async def story() -> None:
        async with chain.running(site(linux, method), tmp_path) as live:
            await is_refused(live)
            assert live.peers.radius[0].report()["rejected"] == 1

    asyncio.run(story())
    linux.wait_for(f"{method.upper()} authentication failed", chain.PATIENCE)
