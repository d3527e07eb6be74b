"""Local address pools: what calls get, give back, and what happens when there is no more."""

from __future__ import annotations

import pytest
from dialout_bench import SITE, Bench
from hypothesis import given
from hypothesis import strategies as st

from control.config import Pool
from control.dialout.pools import Pools
from control.dialout.session_table import SessionState as S
from control.errors import ResourceError
from control.ppp import events as ppp
from control.radius import events as radius

SMALL = Pool("small", ("10.1.2.0/30", "10.1.3.7-10.1.3.8"))


def test_addresses_come_in_order_and_a_prefix_leaves_out_its_ends():
    pools = Pools((SMALL,))
    found = [pools.take("small") for _ in range(4)]
    assert found == ["10.1.2.1", "10.1.2.2", "10.1.3.7", "10.1.3.8"]
    assert pools.usage() == {"small": (4, 4)}


def test_empty_pool_says_which_and_how_large():
    pools = Pools((SMALL,))
    for _ in range(4):
        pools.take("small")
    with pytest.raises(ResourceError, match="pool 'small': all 4 addresses are in use"):
        pools.take("small")
    with pytest.raises(ResourceError, match=r"no \[\[pool\]\] 'other'"):
        pools.take("other")


def test_what_was_given_back_first_comes_again_first_and_behind_the_unused():
    pools = Pools((SMALL,))
    first, second = pools.take("small"), pools.take("small")
    pools.give("small", second)
    pools.give("small", first)
    pools.give("small", first)
    pools.give("small", "192.0.2.1")
    pools.give("nobody", first)
    assert [pools.take("small") for _ in range(4)] == ["10.1.3.7", "10.1.3.8", second, first]


@pytest.mark.parametrize(
    ("addresses", "length", "first", "size"),
    [
        ("2001:db8:5::/48", 64, "2001:db8:5::/64", 65536),
        ("2001:db8:5::/56", 60, "2001:db8:5::/60", 16),
        ("10.9.0.4/31", 64, "10.9.0.4", 2),
        ("10.9.0.4/32", 64, "10.9.0.4", 1),
    ],
)
def test_prefixes_give_what_they_hold(addresses, length, first, size):
    pools = Pools((Pool("p", (addresses,), length),))
    assert pools.take("p") == first
    assert pools.usage() == {"p": (1, size)}


def test_reload_keeps_what_is_taken_and_gives_out_nothing_that_is_gone():
    pools = Pools((SMALL,))
    kept, gone = pools.take("small"), [pools.take("small") for _ in range(3)][-1]
    pools.configure((Pool("small", ("10.1.2.0/29",)),))
    found = [pools.take("small") for _ in range(4)]
    assert kept not in found
    pools.give("small", gone)
    pools.give("small", kept)
    assert pools.take("small") == kept
    with pytest.raises(ResourceError):
        pools.take("small")


@given(st.lists(st.booleans(), max_size=200))
def test_no_address_is_held_twice_and_none_is_lost(steps):
    pools = Pools((SMALL,))
    held: list[str] = []
    for take in steps:
        if take:
            if len(held) == 4:
                with pytest.raises(ResourceError):
                    pools.take("small")
                continue
            address = pools.take("small")
            assert address not in held
            held.append(address)
        elif held:
            pools.give("small", held.pop(0))
    assert pools.usage() == {"small": (len(held), 4)}


# Calls.


def with_pools(*pools: Pool) -> Bench:
    bench = Bench()
    bench.services.pools.configure(pools)
    bench.packet()
    bench.grant()
    bench.connected()
    return bench


def authenticate(bench: Bench, grant: radius.SessionGrant) -> None:
    bench.link(
        ppp.LcpOpened(1500, False, False),
        ppp.AuthenticationRequested(7, "chap", "site", b"", 1, b"c" * 16, b"r" * 16),
    )
    bench.answer(radius.SessionGranted(bench.radius.number, grant))


def test_call_gets_an_address_of_the_pool_and_gives_it_back():
    bench = with_pools(Pool("sites", (f"{SITE}-{SITE}",)))
    authenticate(bench, radius.SessionGrant(framed_pool="sites"))
    assert bench.links[-1].results[-1] == (7, True, SITE)
    bench.link(ppp.NetworkOpened("10.0.0.1", SITE))
    assert bench.state() is S.IN_SERVICE
    assert bench.services.pools.usage() == {"sites": (1, 1)}
    bench.closed()
    assert bench.services.pools.usage() == {"sites": (0, 1)}


def test_address_that_radius_gives_goes_before_the_pool():
    bench = with_pools(Pool("sites", ("10.5.0.0/24",)))
    authenticate(bench, radius.SessionGrant(SITE, framed_pool="sites"))
    assert bench.links[-1].results[-1] == (7, True, SITE)
    assert bench.services.pools.usage() == {"sites": (0, 254)}


@pytest.mark.parametrize("pool", ["full", "absent"])
def test_exhausted_or_unknown_pool_fails_the_call_and_says_so(pool):
    bench = with_pools(Pool("full", (f"{SITE}-{SITE}",)))
    bench.services.pools.take("full")
    session = bench.session()
    authenticate(bench, radius.SessionGrant(framed_pool=pool))
    assert session.state is S.INHIBITED
    assert session.last_failure.stage == "resources"
    assert pool in session.last_failure.reason


def test_nothing_is_kept_of_several_pools_when_one_is_empty():
    pools = Pools((Pool("four", ("10.5.0.0/24",)), Pool("six", ("2001:db8::/64",))))
    pools.take("six")
    with pytest.raises(ResourceError):
        pools.fill(radius.SessionGrant(framed_pool="four", framed_ipv6_pool="six"))
    assert pools.usage()["four"] == (0, 254)


def test_ipv6_pools_fill_prefixes():
    pools = Pools((Pool("link", ("2001:db8:1::/48",)), Pool("site", ("2001:db8:2::/48",), 56)))
    grant, leases = pools.fill(
        radius.SessionGrant(framed_ipv6_pool="link", delegated_ipv6_pool="site")
    )
    assert grant.framed_ipv6_prefixes == ("2001:db8:1::/64",)
    assert grant.delegated_ipv6_prefixes == ("2001:db8:2::/56",)
    pools.give_back(leases)
    assert {taken for taken, _ in pools.usage().values()} == {0}


def test_lower_metric_of_a_framed_route_wins_over_a_newer_call():
    bench = Bench()
    for destination, metric in (("10.1.0.1", 5), ("10.1.0.2", 9), ("10.1.0.3", 5)):
        bench.packet(destination)
        bench.grant()
        bench.connected()
        route = radius.FramedRoute("10.1.128.0/24", metric)
        bench.network(radius.SessionGrant(destination, framed_routes=(route,)))
    rib = bench.session("10.1.0.1").router.rib
    assert rib.active("10.1.128.0/24").nh == bench.nh(2)
    assert [route.metric for route in rib.backups("10.1.128.0/24")] == [5, 9]
