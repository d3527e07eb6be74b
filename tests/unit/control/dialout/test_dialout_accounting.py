"""Accounting of dial-out calls: when each record is made and what it says (specification 1.14)."""

from __future__ import annotations

import pytest
from dialout_bench import LAC1, LOCAL, SITE, Bench, candidate, configuration

from control.config import Profile, Target
from control.dialout.session_table import SessionState as S
from control.dialout.terminate_cause import CAUSES, TerminateCause, of_stage
from control.l2tp import events as l2tp
from control.l2tp.avp_value import DisconnectCause
from control.ppp import events as ppp
from control.radius import events as radius


def accounting_bench(**more) -> Bench:
    return Bench(configuration(accounting=True, **more))


def in_service(bench: Bench, grant: radius.SessionGrant | None = None) -> None:
    bench.packet()
    bench.grant(candidate(assignment_id="group-1", server_auth_id="lac.one"))
    bench.connected()
    bench.network(grant or radius.SessionGrant(SITE))
    assert bench.state() is S.IN_SERVICE


def records(bench: Bench) -> list[tuple[str, dict]]:
    found, bench.radius.accounted = bench.radius.accounted, []
    return found


def advance(bench: Bench, seconds: float) -> None:
    """Runs timers of manager and accounting."""
    end = bench.now + seconds
    accounting = bench.services.accounting
    while True:
        times = (bench.manager.get_timer(), accounting.get_timer())
        due = min((when for when in times if when is not None), default=end + 1)
        if due > end:
            break
        bench._at(max(due, bench.now))
        bench.manager.handle_timer(bench.now)
        accounting.handle_timer(bench.now)
    bench._at(end)


def test_start_tells_the_call_once_it_is_in_service_and_not_before():
    bench = accounting_bench()
    bench.packet()
    bench.grant(candidate(assignment_id="group-1", server_auth_id="lac.one"))
    bench.connected()
    assert records(bench) == []
    grant = radius.SessionGrant(
        SITE,
        "255.255.255.0",
        (radius.FramedRoute("10.1.9.0/24", 7),),
        state_class=(b"gold",),
    )
    bench.link(
        ppp.LcpOpened(1500, False, False),
        ppp.AuthenticationRequested(7, "chap", "site", b"", 1, b"c" * 16, b"r" * 16),
    )
    bench.answer(radius.SessionGranted(bench.radius.number, grant))
    bench.link(ppp.PeerAuthenticated("site"), ppp.NetworkOpened(LOCAL, SITE))
    ((status, told),) = records(bench)
    assert status == "START"
    assert told == {
        "Acct-Status-Type": 1,
        "Acct-Session-Id": "B00000001",
        "Event-Timestamp": 1_700_000_000,
        "Service-Type": 2,
        "Framed-Protocol": 1,
        "NAS-Port-Type": 5,
        "Acct-Link-Count": 1,
        "User-Name": "site",
        "Acct-Multi-Session-Id": "B-1",
        "Called-Station-Id": "49301234",
        "NAS-Port-Id": "l2tp 11.101",
        "Connect-Info": "64000",
        "ERX-Tx-Connect-Speed": 64000,
        "ERX-Rx-Connect-Speed": 64000,
        "Framed-IP-Address": SITE,
        "Framed-IP-Netmask": "255.255.255.0",
        "Framed-Route": "10.1.9.0/24 0.0.0.0 7",
        "Class": b"gold",
        "Acct-Authentic": 1,
        "NAS-Port": 11 << 16 | 101,
        "Tunnel-Type": 3,
        "Tunnel-Medium-Type": 1,
        "Tunnel-Client-Endpoint": LOCAL,
        "Tunnel-Server-Endpoint": LAC1,
        "Tunnel-Client-Auth-Id": "lns",
        "Tunnel-Server-Auth-Id": "lac.one",
        "Tunnel-Assignment-Id": "group-1",
        "Acct-Tunnel-Connection": "11.101",
    }


def test_records_of_a_call_with_ipv6_tell_what_it_was_given():
    bench = accounting_bench(targets=(Target("2001:db8::/32", "home", "example.org", "p"),))
    site = "2001:db8:1::5"
    bench.packet(site)
    bench.grant()
    bench.connected()
    grant = radius.SessionGrant(
        framed_ipv6_addresses=("2001:db8:1::7",),
        framed_ipv6_prefixes=("2001:db8:1::/64",),
        framed_ipv6_routes=(radius.FramedRoute("2001:db8:9::/48", 3),),
        delegated_ipv6_prefixes=("2001:db8:8::/56",),
    )
    bench.link(
        ppp.LcpOpened(1500, False, False),
        ppp.AuthenticationRequested(7, "chap", "site", b"", 1, b"c" * 16, b"r" * 16),
    )
    bench.answer(radius.SessionGranted(bench.radius.number, grant))
    bench.link(ppp.Ipv6Opened("0000:0000:0000:0001", "0000:0000:0000:0005"))
    assert bench.state(site) is S.IN_SERVICE
    bench.closed()
    for status, told in records(bench):
        assert status in ("START", "STOP")
        assert {name: told[name] for name in told if "IPv6" in name or "Interface" in name} == {
            "Framed-Interface-Id": "0000:0000:0000:0005",
            "Framed-IPv6-Address": "2001:db8:1::7",
            "Framed-IPv6-Prefix": "2001:db8:1::/64",
            "Framed-IPv6-Route": "2001:db8:9::/48 :: 3",
            "Delegated-IPv6-Prefix": "2001:db8:8::/56",
        }
        assert "Framed-IP-Address" not in told


def test_first_request_and_accounting_have_one_session_id():
    bench = accounting_bench()
    in_service(bench)
    ids = {bench.radius.dialout[0].session_id, bench.radius.session[0].session_id}
    assert ids == {records(bench)[0][1]["Acct-Session-Id"]}


def test_stop_tells_time_and_traffic_while_they_can_still_be_read():
    bench = accounting_bench()
    in_service(bench)
    bench.plane.traffic[bench.nh()] = (3, 300, 4, 2**40)
    advance(bench, 90.7)
    bench.closed()
    status, told = records(bench)[-1]
    assert status == "STOP"
    assert (told["Acct-Session-Time"], told["Acct-Output-Gigawords"]) == (90, 256)
    assert (told["Acct-Input-Octets"], told["Acct-Input-Packets"]) == (300, 3)
    assert told["Event-Timestamp"] == 1_700_000_090


ENDS = {
    "the LAC ends the call": (lambda b: b.closed(), 10),
    "the tunnel breaks": (lambda b: b.closed(stage="timeout", result=0), 10),
    "the site ends the link": (lambda b: b.link(ppp.LinkClosed("peer", "bye")), 1),
    "the keepalive has no answer": (lambda b: b.link(ppp.LinkClosed("echo", "dead")), 10),
    "negotiation fails": (lambda b: b.link(ppp.LinkClosed("ipcp", "no")), 9),
    "nothing is forwarded": (lambda b: advance(b, 300), 4),
    "an administrator resets": (lambda b: b.manager.reset_session("home", SITE, b.now), 6),
    "an administrator deletes": (lambda b: b.manager.delete_session("home", SITE, b.now), 6),
}


@pytest.mark.parametrize(("end", "cause"), ENDS.values(), ids=ENDS)
def test_every_end_of_a_call_has_its_terminate_cause(end, cause):
    bench = accounting_bench()
    in_service(bench)
    end(bench)
    assert [status for status, _ in bench.radius.accounted] == ["START", "STOP"]
    assert bench.radius.accounted[-1][1]["Acct-Terminate-Cause"] == cause
    assert len(bench.services.accounting) == 0


TOLD = {
    "the LAC says what PPP had to do with it": (
        lambda b: b.closed(disconnect_cause=DisconnectCause(5, 0xC021, 1, "n\xf6\udc80")),
        "5 0xC021 1 n??",
    ),
    "the LAC says nothing of PPP": (lambda b: b.closed(), None),
    "we say that the keepalive had no answer": (
        lambda b: b.link(ppp.LinkClosed("echo", "dead")),
        "8 0xC021 1",
    ),
    "we say that an administrator did it": (
        lambda b: b.manager.reset_session("home", SITE, b.now),
        "1 0x0000 0",
    ),
    "the LAC's message is long": (
        lambda b: b.closed(disconnect_cause=DisconnectCause(5, 0xC021, 1, "x" * 900)),
        "5 0xC021 1 " + "x" * 236,
    ),
}


@pytest.mark.parametrize(("end", "told"), TOLD.values(), ids=TOLD)
def test_stop_tells_what_the_cdn_said_of_ppp_whoever_sent_it(end, told):
    bench = accounting_bench()
    in_service(bench)
    end(bench)
    assert bench.radius.accounted[-1][1].get("ERX-Disconnect-Cause-Info") == told


def test_both_speeds_are_told_where_the_lac_tells_them():
    bench = accounting_bench()
    bench.packet()
    bench.grant()
    ids = (1, (LOCAL, 1701), (LAC1, 1701), 1, 2, 3, 4)
    bench.l2tp(l2tp.CallConnected(*ids, 56000, rx_connect_speed=33600))
    bench.network()
    told = records(bench)[-1][1]
    assert (told["ERX-Tx-Connect-Speed"], told["ERX-Rx-Connect-Speed"]) == (56000, 33600)
    assert told["Connect-Info"] == "56000/33600"


def test_session_time_ends_a_call_with_its_own_cause():
    profile = Profile("p", idle_timeout=0, session_timeout=100)
    bench = accounting_bench(profile=profile)
    in_service(bench)
    advance(bench, 100)
    assert records(bench)[-1][1]["Acct-Terminate-Cause"] == TerminateCause.SESSION_TIMEOUT


def test_shutdown_ends_calls_with_admin_reboot():
    bench = accounting_bench()
    in_service(bench)
    bench.services.accounting.leaving = True
    bench.manager.shutdown(bench.now)
    bench.services.accounting.off(bench.now)
    status, told = records(bench)[-2]
    assert (status, told["Acct-Terminate-Cause"]) == ("STOP", TerminateCause.ADMIN_REBOOT)


def test_off_comes_behind_the_stops_and_names_the_run():
    bench = accounting_bench()
    bench.services.accounting.on(bench.now)
    in_service(bench)
    bench.services.accounting.leaving = True
    bench.manager.shutdown(bench.now)
    bench.services.accounting.off(bench.now)
    told = records(bench)
    assert [status for status, _ in told] == ["ON", "START", "STOP", "OFF"]
    assert told[0][1] == {
        "Acct-Status-Type": 7,
        "Acct-Session-Id": "B",
        "Event-Timestamp": 1_700_000_000,
    }


def test_call_that_never_was_in_service_is_not_accounted():
    bench = accounting_bench()
    bench.packet()
    bench.grant()
    bench.connected()
    bench.link(ppp.LinkClosed("lcp", "no"))
    assert records(bench) == []


def test_group_without_accounting_is_told_nothing_and_its_calls_are_known_all_the_same():
    bench = Bench()
    bench.services.accounting.on(bench.now)
    in_service(bench)
    found = bench.services.accounting.find("B00000001")
    assert found is not None
    assert found.facts.framed_address == SITE
    bench.closed()
    assert records(bench) == []


@pytest.mark.parametrize(
    ("configured", "granted", "seconds"),
    [(0, 600, 600), (120, 600, 120), (0, 7, 60), (0, None, None), (0, 0, None)],
)
def test_interim_updates_come_as_configured_or_as_the_server_says(configured, granted, seconds):
    profile = Profile("p", idle_timeout=0)
    bench = accounting_bench(interim=configured, profile=profile)
    in_service(bench, radius.SessionGrant(SITE, acct_interim_interval=granted))
    records(bench)
    advance(bench, 1800)
    told = records(bench)
    assert {status for status, _ in told} <= {"INTERIM_UPDATE"}
    times = [row["Acct-Session-Time"] for _, row in told]
    assert times == ([] if seconds is None else list(range(seconds, 1801, seconds)))


def test_interim_updates_of_many_calls_spread():
    bench = accounting_bench(interim=100)
    accounting = bench.services.accounting
    values = iter((0.0, 0.25, 0.5, 0.75, 0.999))
    accounting._random = lambda: next(values)
    for last in range(5):
        bench.to(S.IN_SERVICE, f"10.1.0.{last + 1}")
    due = [accounting._timers.get(session.session_id) for session in accounting]
    assert [round(when - bench.now) for when in due] == [90, 95, 100, 105, 110]


def test_renegotiation_starts_nothing_twice():
    bench = accounting_bench()
    in_service(bench)
    bench.link(ppp.NetworkClosed(), ppp.NetworkOpened(LOCAL, SITE))
    assert [status for status, _ in records(bench)] == ["START"]


def test_every_stage_of_a_failure_has_a_cause():
    stages = (
        "lcp authentication ipcp echo peer local timeout stopccn cdn protocol capability tunnel"
    )
    assert set(stages.split()) <= set(CAUSES)
    assert of_stage("of nobody") is TerminateCause.NAS_ERROR
