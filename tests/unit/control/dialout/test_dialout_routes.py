"""Access routes: which prefixes, verification, equal prefixes, renegotiation."""

import ipaddress

import pytest
from dialout_bench import LAC1, LOCAL, SITE, Bench, configuration, grant_of
from hypothesis import given
from hypothesis import strategies as st

from control.config import Profile, Target
from control.dialout.access_route import RouteDoesNotFit, access_prefixes
from control.dialout.events import AccessRouteInstalled, AccessRouteRemoved
from control.dialout.session_table import SessionState as S
from control.ppp import events as ppp
from control.radius.events import DialoutGranted, FramedRoute, SessionGrant


def routed(*prefixes, address=""):
    return SessionGrant(address, framed_routes=tuple(FramedRoute(prefix) for prefix in prefixes))


@pytest.mark.parametrize(
    ("grant", "peer", "expected"),
    [
        (SessionGrant("10.1.2.3"), "10.5.5.5", ("10.1.2.3/32",)),
        (SessionGrant("10.1.2.3", "255.255.255.0"), "", ("10.1.2.0/24",)),
        (routed("10.7.0.0/16", "10.8.1.1/24"), "10.5.5.5", ("10.7.0.0/16", "10.8.1.0/24")),
        (routed("10.7.0.0/16", address="10.1.2.3"), "", ("10.1.2.3/32", "10.7.0.0/16")),
        (routed("10.1.2.3/32", address="10.1.2.3"), "", ("10.1.2.3/32",)),
        (SessionGrant(), "10.5.5.5", ("10.5.5.5/32",)),
        (None, "10.5.5.5", ("10.5.5.5/32",)),
        (routed("0.0.0.0/0"), "", ("0.0.0.0/0",)),
    ],
)
def test_prefixes(grant, peer, expected):
    assert access_prefixes(grant, peer, accept_peer_address=True) == expected


@pytest.mark.parametrize(
    ("grant", "peer", "accept"),
    [
        (SessionGrant(), "10.5.5.5", False),
        (SessionGrant(), "", True),
        (None, "0.0.0.0", True),
        (None, "127.0.0.1", True),
        (None, "224.0.0.5", True),
        (routed("10.0.0.0/33"), "", True),
        (routed("2001:db8::/32"), "", True),
        (routed("240.0.0.0/8"), "", True),
        (SessionGrant("10.1.2.3", "255.0.255.0"), "", True),
    ],
)
def test_prefixes_that_cannot_be_routed(grant, peer, accept):
    with pytest.raises(RouteDoesNotFit):
        access_prefixes(grant, peer, accept_peer_address=accept)


def answered(config=None, destination=SITE):
    bench = Bench(config)
    bench.packet(destination)
    bench.grant()
    bench.connected()
    return bench, bench.session(destination)


@pytest.mark.parametrize(
    "grant",
    [
        SessionGrant(SITE),
        SessionGrant("10.1.2.0", "255.255.255.0"),
        routed("10.1.0.0/17"),
        routed("10.1.0.0/16"),
        routed("10.200.0.0/16", "10.1.2.0/24"),
    ],
)
def test_a_route_that_fits_goes_in_service(grant):
    bench, session = answered()
    bench.network(grant)
    assert session.state is S.IN_SERVICE
    assert bench.plane.resolve(1, SITE) == session.attempt.nh
    assert [payload for _, payload in bench.plane.sent] == ["p"]
    installed = [f for f in bench.timeline() if isinstance(f, AccessRouteInstalled)]
    assert installed[0].prefixes == session.target.router.rib.prefixes(session.owner)


@pytest.mark.parametrize(
    "grant",
    [
        SessionGrant("10.1.2.4"),
        routed("10.0.0.0/15"),
        routed("10.1.2.0/33"),
        routed("10.200.0.0/16"),
    ],
)
def test_a_route_that_does_not_fit_commits_nothing_and_fails(grant):
    bench, session = answered()
    before = dict(bench.plane.routes[1])
    bench.network(grant)
    assert session.state is S.FAILED
    assert bench.plane.routes[1] == before
    assert bench.plane.sessions == {}
    assert bench.endpoint.closed == [1]
    assert session.last_failure.stage == "route"
    assert session.target.router.rib.prefixes(session.owner) == ()
    bench.pass_time(100_000)
    assert session.state is S.FAILED, "only a reset leads out"


def test_a_more_specific_route_of_another_session_makes_it_unfit():
    bench, other = answered(destination="10.1.2.4")
    bench.packet()
    bench.network(SessionGrant(SITE))
    assert other.state is S.FAILED
    bench = Bench()
    bench.packet("10.1.2.4")
    bench.packet()
    bench.answer(DialoutGranted(1, grant_of()))
    bench.connected(1)
    bench.answer(DialoutGranted(2, grant_of()))
    bench.connected(2)
    bench.network(routed("10.1.2.4/31"), at=0)
    assert bench.state("10.1.2.4") is S.IN_SERVICE
    bench.network(SessionGrant("10.1.2.0", "255.255.255.0"), at=1, peer="10.1.2.9")
    assert bench.state() is S.IN_SERVICE


@pytest.mark.parametrize("inside", [LAC1, LOCAL])
def test_a_route_over_an_end_of_its_own_tunnel_is_refused(inside):
    bench, session = answered()
    bench.network(routed("10.1.2.0/24", f"{inside}/32"))
    assert session.state is S.FAILED
    assert "its own tunnel" in session.last_failure.reason


def test_the_peers_address_is_routed_only_where_the_profile_allows():
    bench, session = answered(configuration(profile=Profile("p", ())))
    bench.link(ppp.NetworkOpened(LOCAL, SITE))
    assert session.state is S.IN_SERVICE
    strict = Profile("p", (), accept_peer_address=False)
    bench, session = answered(configuration(profile=strict))
    bench.link(ppp.NetworkOpened(LOCAL, SITE))
    assert session.state is S.FAILED


def test_the_dial_out_route_shows_again_after_the_call():
    bench, session = answered()
    bench.network(routed("10.1.0.0/16"))
    assert bench.plane.routes[1] == {"10.1.0.0/16": session.attempt.nh}
    bench.pass_time(60)
    bench.closed()
    assert bench.plane.routes[1] == {"10.1.0.0/16": session.target.glean}
    assert [f for f in bench.timeline() if isinstance(f, AccessRouteRemoved)]
    assert bench.packet() is not None


def two_with_equal_prefix():
    bench = Bench()
    for number, destination in enumerate(("10.1.2.1", "10.1.2.2"), 1):
        bench.packet(destination)
        bench.grant()
        bench.connected(number)
    grant = SessionGrant("10.1.2.0", "255.255.255.0")
    bench.network(grant, at=0)
    bench.network(grant, at=1)
    return bench, bench.session("10.1.2.1"), bench.session("10.1.2.2")


def test_of_equal_prefixes_the_newest_is_active():
    bench, first, second = two_with_equal_prefix()
    assert first.state is second.state is S.IN_SERVICE
    assert bench.plane.routes[1]["10.1.2.0/24"] == second.attempt.nh


def test_the_older_of_equal_prefixes_comes_back():
    bench, first, _ = two_with_equal_prefix()
    bench.closed(2)
    assert bench.plane.routes[1]["10.1.2.0/24"] == first.attempt.nh
    bench.closed(1)
    assert list(bench.plane.routes[1]) == ["10.1.0.0/16"]


def test_the_older_of_equal_prefixes_may_go_unnoticed():
    bench, _, second = two_with_equal_prefix()
    commits = bench.plane.routes[1]
    bench.closed(1)
    assert bench.plane.routes[1] == commits
    assert bench.plane.resolve(1, "10.1.2.1") == second.attempt.nh


def test_an_unfit_session_gives_an_equal_prefix_back():
    bench = Bench()
    bench.packet("10.1.2.1")
    bench.packet("10.1.3.1")
    for number in (1, 2):
        bench.answer(DialoutGranted(number, grant_of()))
        bench.connected(number)
    grant = SessionGrant("10.1.2.0", "255.255.255.0")
    bench.network(grant, at=0)
    bench.network(grant, at=1)
    first = bench.session("10.1.2.1")
    assert bench.state("10.1.3.1") is S.FAILED
    assert bench.plane.routes[1]["10.1.2.0/24"] == first.attempt.nh
    assert first.target.router.rib.backups("10.1.2.0/24") == ()


def test_a_renegotiating_peer_gets_nothing_until_it_is_open_again():
    bench, session = answered()
    bench.network()
    bench.link(ppp.NetworkClosed())
    assert list(bench.plane.routes[1]) == ["10.1.0.0/16"]
    bench.packet(payload="meanwhile")
    assert session.state is S.IN_SERVICE
    assert bench.plane.buffered() == ["meanwhile"]
    bench.network()
    assert [payload for _, payload in bench.plane.sent] == ["p", "meanwhile"]
    assert session.state is S.IN_SERVICE
    assert len(bench.radius.session) == 2


def test_a_renegotiation_that_ends_in_another_place_closes_the_call():
    bench, session = answered()
    bench.network()
    bench.pass_time(100)
    bench.link(ppp.NetworkClosed())
    bench.network(SessionGrant("10.1.77.77"))
    assert session.state is S.DORMANT
    assert list(bench.plane.routes[1]) == ["10.1.0.0/16"]


def test_nested_targets_make_sessions_of_the_longest_match():
    targets = tuple(Target(prefix, "home", "d", "p") for prefix in ("10.0.0.0/8", "10.1.0.0/16"))
    bench = Bench(configuration(targets=targets))
    bench.packet("10.1.0.1")
    bench.packet("10.2.0.1")
    assert [s.target.prefix for s in bench.manager.sessions.values()] == [
        *("10.1.0.0/16", "10.0.0.0/8")
    ]


@given(st.integers(0, 2**32 - 1))
def test_a_site_is_routed_unless_its_address_is_no_hosts(number: int) -> None:
    address = ipaddress.IPv4Address(number)
    martians = ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3")
    granted = SessionGrant(framed_address=str(address))
    if any(address in ipaddress.ip_network(prefix) for prefix in martians):
        with pytest.raises(RouteDoesNotFit):
            access_prefixes(granted, "", accept_peer_address=False)
    else:
        found = access_prefixes(granted, "", accept_peer_address=False)
        assert found == (f"{address}/32",)
