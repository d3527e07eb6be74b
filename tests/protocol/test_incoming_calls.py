"""Incoming calls through the whole LNS: a LAC opens the tunnel and brings a site (RFC 2661 7.4),
RADIUS says who it is, and packets find their way. In virtual time, against real peers in memory."""

from __future__ import annotations

from dataclasses import replace

import pytest
from dialout_network import LNS, LacPeer, Network, site_user, tunnels

from control.config import Lac, Profile, SimUser
from control.dialout.events import CallFailed, IncomingCallChanged, LineErrorsTold
from control.l2tp import events as l2tp
from control.l2tp.avp_value import CallErrors

LAC = "10.9.0.1"
SECRET = b"tunnel-secret"
BRINGS = Lac(LAC, host_name="lac", secret=SECRET, incoming_calls=True, incoming_router="home")
RING = l2tp.IncomingCall("100", "5551234")


class Site(Network):
    """One LAC that may bring calls."""

    def __init__(self, lac: Lac | None = None, **more: object) -> None:
        super().__init__(tunnels(LAC), **more)  # type: ignore[arg-type]
        self.authenticate_us = ()
        brings = replace(lac or BRINGS, incoming_profile="p")
        self.lns.reload(replace(self.config, lac=(brings,)), 0.0)
        self.lac: LacPeer = self.add_lac(LAC)

    def ring(self, secret: bytes = SECRET, host_name: str = "lac", times: int = 1) -> None:
        tunnel = l2tp.TunnelParameters((LAC, 1701), (LNS, 1701), host_name, secret=secret)
        for _ in range(times):
            self.lac.endpoint.offer_call(tunnel, RING, self.now)
        self.settle()
        self.run(10.0)

    def course(self) -> list[str]:
        return [e.state for e in self.timeline if isinstance(e, IncomingCallChanged)]

    def refused(self) -> list[tuple[str, int]]:
        """How the calls ended that the LAC heard the end of."""
        dead = self.lac.endpoint.dead_calls(self.now)
        return [(each.failure.stage, each.failure.result) for each in dead]


def test_a_call_that_a_lac_brings_is_in_service_with_its_routes() -> None:
    network = Site()
    network.ring()
    assert network.course() == ["arrived", "connecting", "inService"]
    (view,) = network.lns.incoming_calls(network.now)
    assert (view.lac, view.calling_number, view.user_name) == (LAC, "5551234", "site")
    assert view.access_routes == ("10.1.2.3/32",)
    assert network.plane.resolve(1, "10.1.2.3") == view.nh
    assert network.lns.manager.services.lacs.calls(LAC) == 1
    # No trigger, no RADIUS question whom to call, no budget.
    assert network.lns.manager.sessions == {}


@pytest.mark.parametrize("method", ["chap", "pap"])
@pytest.mark.parametrize(
    ("name", "course"),
    [
        ("lns", ["arrived", "connecting", "inService"]),
        ("other", ["arrived", "connecting", "closed"]),
        ("", ["arrived", "connecting", "closed"]),
    ],
)
def test_a_site_may_want_proof_of_us(method: str, name: str, course: list[str]) -> None:
    lac = replace(BRINGS, incoming_username=name, incoming_password=b"lns-secret")
    network = Site(lac, profile=Profile("p", authentication=(method,)))
    network.authenticate_us = (method,)
    network.ring()
    network.run(60)
    assert network.course() == course


def test_a_call_may_be_for_ipv6_alone() -> None:
    profile = Profile("p", ipv4=False, ipv6=True)
    network = Site(site=site_user(Framed_IPv6_Prefix="2001:db8:1::/64"), profile=profile)
    network.site_more = {"ipv6": True, "ipv4": False}
    network.ring()
    (view,) = network.lns.incoming_calls(network.now)
    assert (view.state, view.access_routes) == ("inService", ("2001:db8:1::/64",))
    assert network.plane.resolve(1, "2001:db8:1::7") == view.nh


def test_a_call_for_ipv6_alone_ends_if_the_site_knows_only_ipv4() -> None:
    network = Site(profile=Profile("p", ipv4=False, ipv6=True))
    network.ring()
    network.run(60)
    assert network.course() == ["arrived", "connecting", "closed"]


def test_packets_to_the_site_make_no_call_of_our_own() -> None:
    network = Site()
    network.ring()
    network.packet()
    assert network.lns.calls() == []


def test_calls_of_a_lac_share_its_tunnel() -> None:
    network = Site(profile=Profile("p", accept_peer_address=True))
    network.ring(times=3)
    assert len(network.lns.tunnels()) == 1
    assert [v.state for v in network.lns.incoming_calls(network.now)] == ["inService"] * 3


@pytest.mark.parametrize("end", ["lac", "site", "people", "shutdown", "tunnel"])
def test_the_end_of_a_call_takes_everything_with_it(end: str) -> None:
    network = Site()
    network.ring()
    if end == "lac":
        network.hang_up(network.lac)
    elif end == "site":
        network.close_ppp()
    elif end == "people":
        assert network.lns.incoming.close(1, network.now)
        network.settle()
    elif end == "shutdown":
        network.shutdown()
    else:
        network.lac.endpoint.shutdown(network.now)
        network.settle()
    network.run(5.0)
    assert network.course()[-1] == "closed"
    assert network.lns.incoming_calls(network.now) == []
    assert network.lac.endpoint.calls() == []
    assert network.plane.sessions == {}
    assert network.lns.manager.services.lacs.calls(LAC) == 0
    assert network.lns.incoming.counters.torn_down == 1
    assert network.lns.incoming.get_timer() is None


def test_a_peer_that_radius_does_not_know_gets_no_route() -> None:
    network = Site(site=SimUser("site", b"another-secret"))
    network.ring()
    assert network.course() == ["arrived", "connecting", "closed"]
    (failed,) = [e for e in network.timeline if isinstance(e, CallFailed)]
    assert failed.failure.stage == "authentication"
    assert "RADIUS denies" in failed.failure.reason
    cause = network.lac.endpoint.dead_calls(network.now)[0].failure.disconnect_cause
    assert cause is not None
    assert cause.code == 16
    assert network.plane.sessions == {}


@pytest.mark.parametrize(
    ("lac", "ring", "end"),
    [
        (replace(BRINGS, incoming_calls=False), {}, ("timeout", 0)),
        (replace(BRINGS, host_name="other"), {}, ("stopccn", 4)),
        (replace(BRINGS, address="10.9.0.77"), {}, ("stopccn", 4)),
        (BRINGS, {"secret": b"wrong"}, ("authentication", 4)),
        (BRINGS, {"host_name": "x" * 9}, ("stopccn", 4)),
    ],
    ids=["off", "host name", "address", "secret", "other name"],
)
def test_whoever_is_not_on_the_list_opens_no_tunnel(
    lac: Lac, ring: dict[str, object], end: tuple[str, int]
) -> None:
    network = Site(lac)
    network.ring(**ring)  # type: ignore[arg-type]
    network.run(60.0)
    assert network.refused() == [end]
    assert network.course() == []
    assert network.lns.incoming.counters.arrived == 0


def test_calls_beyond_the_lacs_limit_are_refused_with_no_facilities() -> None:
    network = Site(replace(BRINGS, max_sessions=1))
    network.ring(times=2)
    assert network.refused() == [("cdn", 4)]
    assert network.lns.incoming.counters.refused == 1
    assert len(network.lns.incoming_calls(network.now)) == 1


def test_a_lac_that_is_drained_brings_no_new_calls() -> None:
    network = Site()
    network.ring()
    network.lns.manager.services.lacs.drain(LAC, True, network.now)
    network.ring()
    assert network.refused() == [("cdn", 4)]
    assert len(network.lns.incoming_calls(network.now)) == 1


def test_switching_incoming_calls_off_lets_calls_be_and_takes_no_more() -> None:
    network = Site()
    network.ring()
    network.lns.reload(replace(network.lns.config, lac=()), network.now)
    network.ring()
    assert network.refused() == [("cdn", 3)]
    assert [v.state for v in network.lns.incoming_calls(network.now)] == ["inService"]


def test_idle_and_session_time_end_a_call() -> None:
    for reply, stage in (({"Session_Timeout": "40"}, "session"), ({"Idle_Timeout": "20"}, "idle")):
        network = Site(site=site_user(Framed_IP_Address="10.1.2.3", **reply))
        network.ring()
        network.run(60.0)
        assert network.course()[-1] == "closed"
        last = [e for e in network.timeline if isinstance(e, IncomingCallChanged)][-1]
        assert stage in last.why


def test_line_errors_are_told() -> None:
    network = Site()
    network.ring()
    call = network.lac.endpoint.calls()[0].call
    network.lac.endpoint.report_errors(call, CallErrors(crc=7), network.now)
    network.settle()
    network.run(1.0)
    (told,) = [e for e in network.timeline if isinstance(e, LineErrorsTold)]
    assert (told.destination, told.crc) == ("incoming 1", 7)


def test_a_call_comes_up_over_lossy_lines() -> None:
    for seed in range(4):
        network = Site(loss=0.1, seed=seed)
        network.ring()
        network.run(60.0)
        assert "inService" in network.course()


def test_many_calls_leave_nothing_behind() -> None:
    network = Site()
    for _ in range(30):
        network.ring()
        (call,) = network.lac.endpoint.calls()
        network.lac.endpoint.close_call(call.call, network.now, result=1)
        network.settle()
        network.run(2.0)
    services = network.lns.manager.services
    assert len(services.adjacencies) == 0
    assert len(services.requests) == 0
    assert len(network.lns.incoming) == 0
    assert network.lns.incoming.counters.established == 30
