"""Whole dial-outs: trigger, RADIUS, tunnel, call, PPP both ways authenticated, route, traffic."""

import dataclasses
import json

import pytest
from dialout_network import Network, site_user, tunnels

from control.config import Profile
from control.dialout.counters import SessionCounter as C
from control.dialout.events import (
    AccessRouteInstalled,
    CallFailed,
    CallPlaced,
    LinkProgress,
    TriggersFlushed,
    TunnelDown,
    TunnelUp,
)
from control.dialout.session_table import SessionState as S

LAC1, LAC2 = "10.9.0.1", "10.9.0.2"
WHOLE = [S.AUTHENTICATING, S.CONNECTING, S.IN_SERVICE]


def one_lac(outcome=lambda number: 0, **more):
    network = Network(tunnels(LAC1), **more)
    network.add_lac(LAC1, outcome)
    return network


def sent(network):
    return [payload for _, payload in network.plane.sent]


def in_service(**more):
    network = one_lac(**more)
    network.packet(payload="first")
    network.run(5)
    assert network.state() is S.IN_SERVICE
    return network


def test_a_trigger_brings_the_site_up_and_is_forwarded_first():
    network = one_lac()
    network.packet(payload="first")
    network.run(0.1)
    network.packet(payload="discarded while connecting")
    network.run(4.9)
    assert network.states() == WHOLE
    network.packet(payload="second")
    assert sent(network) == ["first", "second"]
    kinds = [type(fact) for fact in network.timeline]
    for kind in (TunnelUp, CallPlaced, AccessRouteInstalled, TriggersFlushed):
        assert kinds.count(kind) == 1
    stages = [fact.stage for fact in network.timeline if isinstance(fact, LinkProgress)]
    assert sorted(stages) == ["authenticated to peer", "ipcp", "lcp", "peer authenticated"]


def test_the_lac_gets_what_radius_said():
    network = Network(
        tunnels(
            LAC1,
            number="0049301234",
            **{"ERX-Minimum-BPS": "9600", "ERX-Maximum-BPS": "33600", "ERX-Bearer-Type": "1"},
        )
    )
    lac = network.add_lac(LAC1)
    network.packet()
    network.run(5)
    request = lac.requests[0]
    assert request.called_number == "0049301234"
    assert (request.minimum_bps, request.maximum_bps) == (9600, 33600)
    assert request.bearer_type == 2


def test_packets_wait_for_the_flush_in_order():
    network = one_lac(flush_delay=1000)
    network.packet(payload="1")
    while network.state() is not S.IN_SERVICE:
        network.run(0.05)
    network.packet(payload="2")
    assert sent(network) == []
    network.run(1)
    network.packet(payload="3")
    assert sent(network) == ["1", "2", "3"]


def test_a_second_site_shares_the_tunnel():
    network = Network(
        tunnels(LAC1), site=site_user(Framed_IP_Address="10.1.0.0", Framed_IP_Netmask="255.255.0.0")
    )
    network.add_lac(LAC1)
    network.packet("10.1.2.3")
    network.packet("10.1.2.4")
    network.run(8)
    assert network.state("10.1.2.3") is S.IN_SERVICE
    assert network.state("10.1.2.4") is S.IN_SERVICE
    assert len([f for f in network.timeline if isinstance(f, TunnelUp)]) == 1
    assert len(network.lns.calls()) == 2


@pytest.mark.parametrize("result", [4, 10])
def test_a_lac_without_facilities_hands_on_to_the_next(result):
    network = Network(tunnels(LAC1, LAC2))
    network.add_lac(LAC1, lambda number: result)
    network.add_lac(LAC2)
    network.packet(payload="first")
    network.run(8)
    assert network.states() == WHOLE
    assert sent(network) == ["first"]
    failed = [fact.failure for fact in network.timeline if isinstance(fact, CallFailed)]
    assert [(f.stage, f.result, f.lac) for f in failed] == [("cdn", result, LAC1)]


def test_a_busy_site_is_not_called_through_another_lac():
    network = Network(tunnels(LAC1, LAC2))
    network.add_lac(LAC1, lambda number: 8)
    other = network.add_lac(LAC2)
    network.packet()
    network.run(8)
    assert network.state() is S.INHIBITED
    assert other.requests == []
    (view,) = network.lns.sessions(network.now)
    assert view.last_failure["result"] == 8
    assert view.timer == pytest.approx(60 - (network.now - 1.1), abs=0.2)


def test_a_silent_lac_is_given_up_after_seven_seconds_and_locked_out():
    network = Network(tunnels(LAC1, LAC2))
    network.add_lac(LAC1).silent = True
    network.add_lac(LAC2)
    network.packet()
    network.run(6.9)
    assert network.state() is S.CONNECTING
    network.run(5)
    assert network.state() is S.IN_SERVICE
    assert network.lns.chassis(network.now).locked_out_lacs == 1


def test_without_any_answer_the_attempt_ends_and_backs_off():
    network = Network(tunnels(LAC1))
    network.add_lac(LAC1).silent = True
    network.packet()
    network.run(70)
    assert network.states() == [S.AUTHENTICATING, S.CONNECTING, S.INHIBITED]
    assert network.lns.chassis(network.now).counters["dialouts_rejected"] == 1


def test_a_site_that_hangs_up_makes_the_next_packet_a_trigger():
    network = in_service()
    network.run(70)
    network.hang_up(network.lacs[LAC1])
    network.run(1)
    assert network.state() is S.DORMANT
    assert network.plane.sessions == {}
    network.packet(payload="again")
    network.run(5)
    assert network.state() is S.IN_SERVICE
    assert sent(network)[-1] == "again"


def test_a_site_that_closes_ppp_ends_the_call():
    network = in_service()
    network.run(70)
    network.close_ppp()
    network.run(5)
    assert network.state() is S.DORMANT
    assert network.lns.calls() == []


def test_an_idle_call_is_closed_with_a_farewell():
    network = in_service(profile=Profile("p", idle_timeout=30))
    site = network.site()
    network.run(40)
    assert network.state() is S.INHIBITED, "shorter than the guard time"
    assert site.closed is not None
    assert site.closed.stage == "peer"
    assert network.lacs[LAC1].endpoint.calls() == []


def test_a_dead_line_is_noticed_by_echo():
    profile = Profile("p", echo_interval=10.0, echo_failures=3)
    network = in_service(profile=profile)
    network.site().deaf = True
    network.run(60)
    assert network.state() in (S.INHIBITED, S.DORMANT)
    (view,) = network.lns.sessions(network.now)
    assert view.last_failure["stage"] == "echo"


def test_a_lac_that_dies_ends_its_calls():
    network = in_service()
    network.run(70)
    network.lacs[LAC1].silent = True
    network.run(200)
    assert network.state() is S.DORMANT
    assert [f for f in network.timeline if isinstance(f, TunnelDown)]


def test_a_site_with_a_wrong_password_is_inhibited():
    site = dataclasses.replace(site_user(), password=b"something else")
    network = one_lac(site=site)
    network.packet()
    network.run(10)
    assert network.state() is S.INHIBITED
    (view,) = network.lns.sessions(network.now)
    assert view.last_failure["stage"] == "authentication"
    assert network.plane.sessions == {}


def test_a_site_that_only_answers_pap_fails_where_chap_is_demanded():
    network = one_lac()
    network.site_protocols = ("pap",)
    network.packet()
    network.run(10)
    assert network.state() is S.INHIBITED
    assert network.lns.calls() == []


def test_a_site_that_demands_nothing_is_fine_and_pap_is_taken_where_wanted():
    network = one_lac(profile=Profile("p", ("pap",)))
    network.authenticate_us = ()
    network.packet()
    network.run(5)
    assert network.state() is S.IN_SERVICE


def test_a_site_that_does_not_accept_us_fails():
    network = one_lac()
    network.our_name = "somebody else"
    network.packet()
    network.run(10)
    assert network.state() is S.INHIBITED


def test_a_route_that_misses_the_trigger_fails_until_reset():
    network = one_lac(site=site_user(Framed_IP_Address="10.1.99.99"))
    network.site_address = "10.1.99.99"
    network.packet()
    network.run(8)
    assert network.states()[-1] is S.FAILED
    assert network.plane.resolve(1, "10.1.2.3") in network.plane.gleans
    network.packet(payload="nobody gets it")
    assert network.plane.discarded[-1] == "nobody gets it"
    network.run(1000)
    assert network.state() is S.FAILED
    network.lns.manager.reset_session("home", "10.1.2.3", network.now)
    assert network.state() is S.DORMANT


def test_framed_routes_bring_the_network_behind_the_site():
    network = one_lac(site=site_user(Framed_IP_Address="10.1.2.3", Framed_Route="10.77.0.0/16"))
    network.packet()
    network.run(5)
    network.packet("10.77.1.1", "behind")
    assert sent(network) == ["p", "behind"]
    (view,) = network.lns.sessions(network.now)
    assert view.access_routes == ("10.1.2.3/32", "10.77.0.0/16")


def test_radius_refusing_or_silent_inhibits():
    network = Network((("ERX-Dial-Out-Number", "1"),))
    network.packet()
    network.run(1)
    assert network.state() is S.INHIBITED
    network = Network(tunnels(LAC1))
    network.radius.receive_datagram = lambda data, source, now: None
    network.packet()
    network.run(20)
    assert network.state() is S.INHIBITED
    assert network.lns.manager.chassis.counters[C.AUTH_TIMEOUTS] == 1


@pytest.mark.parametrize("seed", range(4))
def test_a_line_with_losses_still_connects(seed):
    network = one_lac(loss=0.15, seed=seed)
    network.packet(payload="first")
    network.run(40)
    assert network.state() is S.IN_SERVICE
    assert sent(network) == ["first"]


def test_shutdown_closes_calls_and_tunnels():
    network = in_service()
    network.shutdown()
    network.run(40)
    assert network.plane.routes == {1: {}}
    assert network.lns.calls() == network.lns.sessions(network.now) == []
    assert network.lacs[LAC1].endpoint.tunnels() == []
    assert network.lns.endpoints["10.0.0.1"].tunnels() == []
    assert network.lns.get_timer() is None


def test_the_same_input_gives_the_same_run():
    runs = []
    for _ in range(2):
        network = one_lac(loss=0.1, seed=7)
        network.packet()
        network.run(30)
        runs.append([repr(fact) for fact in network.timeline])
    assert runs[0] == runs[1]


def test_snapshots_are_json_and_hold_no_secret():
    network = in_service()
    lns, now = network.lns, network.now
    views = [
        lns.chassis(now),
        *lns.virtual_routers(now),
        *lns.targets(now),
        *lns.sessions(now),
        *lns.calls(),
    ]
    text = json.dumps([dataclasses.asdict(view) for view in views])
    text += "".join(map(repr, network.timeline)) + repr(lns.manager.sessions)
    for secret in ("tunnel-secret", "lns-secret", "site-secret", "radius-secret"):
        assert secret not in text
    (call,) = lns.calls()
    assert (call.lac, call.number, call.state) == (LAC1, "4930", "inService")
    assert lns.virtual_routers(now)[0].session_states["inService"] == 1
    assert lns.targets(now)[0].state == "inService"


def test_junk_changes_nothing():
    network = in_service()
    before = network.lns.sessions(network.now)
    network.lns.receive_l2tp(b"\xc8\x02junk", ("10.0.0.1", 1701), (LAC2, 1701), network.now)
    network.lns.receive_l2tp(b"\xc8\x02junk", ("10.0.0.77", 1701), (LAC2, 1701), network.now)
    network.lns.receive_ppp(4711, b"\xff\x03\xc0\x21junk", network.now)
    assert network.lns.not_local == 1
    assert network.lns.sessions(network.now) == before
