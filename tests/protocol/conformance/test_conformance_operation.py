"""Budgets, freeze, limits of time, reload and counters as they look from outside
(specification 1.4, 1.5, 1.8, 1.9, 1.13, 1.14, 2.3; threats T10 to T12)."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from dialout_network import LNS, LOOSE, site_user, tunnels
from watched import Watched, any_site, sites

from control.config import Budget, Lac, Profile, Target
from control.dialout.events import BudgetAlarm, SessionStateChanged
from control.dialout.session_table import SessionState as S
from control.l2tp.events import IncomingCall, TunnelParameters
from control.radius.packet import Packet

LAC = "10.9.0.1"
SITE = "10.1.2.3"
KNOWN = TunnelParameters((LNS, 1701), (LAC, 1701), "lac", secret=b"tunnel-secret")
"""What a LAC takes us for."""


# Budgets (1.5).


def test_defaults_of_the_budget_are_those_of_the_specification() -> None:
    budget = Budget()
    assert (budget.target_calls_per_day, budget.target_minutes_per_day) == (200, 1440)
    assert budget.calls_per_day == 2000
    assert (budget.dial_rate, budget.dial_burst, budget.lac_dial_rate) == (10, 50, 2)
    assert (Profile("p").session_timeout, Profile("p").idle_timeout) == (86400, 300)


def test_a_target_places_200_calls_a_day_and_not_one_more() -> None:
    budget = replace(LOOSE, target_calls_per_day=Budget().target_calls_per_day)
    net = Watched(tunnels(LAC), change={"budget": budget}, flush_delay=0)
    lac = net.add_lac(LAC, lambda number: 7)
    lac.dial_delay = 0.1
    for destination in sites(230):
        net.packet(destination)
        net.run(0.5)
    assert len(net.placed()) == 200
    assert net.lns.chassis(net.now).counters["budget_denied"] == 30


def test_2000_calls_a_day_are_all_whatever_the_number_of_targets() -> None:
    prefixes = [f"10.{n}.0.0/16" for n in range(1, 22)]
    wanted = tuple(Target(p, "home", "example.org", "p") for p in prefixes)
    budget = replace(LOOSE, calls_per_day=Budget().calls_per_day)
    net = Watched(tunnels(LAC), change={"budget": budget, "target": wanted}, flush_delay=0)
    net.add_lac(LAC, lambda number: 7).dial_delay = 0.0
    for n in range(2050):
        net.packet(f"10.{n % 21 + 1}.{n // 21 // 250}.{n // 21 % 250 + 1}")
        net.run(0.05)
    net.run(5)
    assert len(net.placed()) == 2000


@pytest.mark.parametrize("what", ["calls", "minutes"])
def test_alarms_at_50_80_and_100_percent_come_once_each(what: str) -> None:
    limits = {"target_calls_per_day": 10} if what == "calls" else {"target_minutes_per_day": 10}
    change = {"budget": replace(LOOSE, **limits)}
    net = Watched(tunnels(LAC), site=any_site(), change=change, flush_delay=0)
    net.add_lac(LAC)
    for destination in sites(12):
        net.dial(destination)
        net.run(90.0 if what == "minutes" else 0.0)
        net.hang_up_all()
    found = [f for f in net.timeline if isinstance(f, BudgetAlarm) and f.what == what]
    assert [fact.share for fact in found] == [50, 80, 100]
    assert {fact.limit for fact in found} == {10}


def test_a_spent_budget_denies_like_radius_and_counts_apart() -> None:
    net = Watched(tunnels(LAC), change={"budget": replace(LOOSE, target_calls_per_day=0)})
    net.add_lac(LAC)
    assert net.dial() is S.INHIBITED
    counters = net.lns.chassis(net.now).counters
    assert (counters["budget_denied"], counters["dialouts_requested"]) == (1, 0)
    assert net.placed() == []


def test_an_empty_bucket_makes_sessions_wait_as_without_a_slot() -> None:
    budget = replace(LOOSE, dial_rate=1.0, dial_burst=15, lac_dial_rate=0.1)
    net = Watched(tunnels(LAC), change={"budget": budget})
    net.add_lac(LAC).dial_delay = 20.0
    for destination in sites(8):
        net.packet(destination)
    net.run(0.5)
    states = Counter(net.state(destination) for destination in sites(8))
    assert states[S.CONNECTING] == len(net.placed()) == 3
    assert states[S.INHIBITED] == 0


def test_freeze_stops_new_calls_leaves_the_running_one_and_ends() -> None:
    net = Watched(tunnels(LAC), site=any_site(Framed_IP_Address=SITE), flush_delay=0)
    net.add_lac(LAC)
    assert net.dial() is S.IN_SERVICE
    net.lns.freeze(True, net.now)
    assert net.dial("10.1.2.4") is S.INHIBITED
    assert net.state() is S.IN_SERVICE
    assert len(net.placed()) == 1
    net.lns.freeze(False, net.now)
    net.lns.reset("home", "10.1.2.4", net.now)
    net.packet("10.1.2.4")
    net.run(5)
    assert len(net.placed()) == 2


# Limits of time (1.5, 1.14).


@pytest.mark.parametrize(("key", "cause"), [("Session_Timeout", 5), ("Idle_Timeout", 4)])
def test_limits_that_radius_names_end_the_call_with_their_cause(key: str, cause: int) -> None:
    site = site_user(Framed_IP_Address=SITE, **{key: "100"})
    net = Watched(tunnels(LAC), site=site, accounting={"accounting": True}, flush_delay=0)
    net.add_lac(LAC)
    assert net.dial() is S.IN_SERVICE
    net.run(90)
    assert net.state() is S.IN_SERVICE
    net.run(20)
    assert net.state() is S.DORMANT
    assert [stop["Acct-Terminate-Cause"] for stop in net.told(2)] == [cause]


def test_traffic_puts_the_idle_limit_off_but_not_the_limit_of_the_session() -> None:
    profile = Profile("p", idle_timeout=50, session_timeout=200)
    net = Watched(tunnels(LAC), profile=profile, flush_delay=0)
    net.add_lac(LAC)
    net.packet()
    left = None
    while left is None and net.now < 400:
        net.run(10.0)
        if net.state() is S.IN_SERVICE:
            net.packet()
        elif net.now > 20:
            left = net.now
    assert left == pytest.approx(200, abs=15)


# Failed (1.4.4).


def test_failed_is_left_by_reset_alone() -> None:
    net = Watched(tunnels(LAC), site=site_user(Framed_IP_Address="10.77.0.1"), dormant_timer=30)
    net.site_address = "10.77.0.1"
    net.add_lac(LAC)
    assert net.dial() is S.FAILED
    for _ in range(50):
        net.packet()
        net.run(100.0)
    assert net.state() is S.FAILED
    assert len(net.placed()) == 1
    assert net.lns.reset("home", SITE, net.now) == 1
    assert net.state() is S.DORMANT


# Slots (1.4.4, 1.5).


def test_sessions_beyond_the_slots_are_pending_and_the_oldest_becomes_dormant() -> None:
    net = Watched(tunnels(LAC), max_connecting=2, max_pending=2, connecting_timer=30)
    net.add_lac(LAC, lambda number: 7).dial_delay = 5.0
    first = sites(6)
    for destination in first:
        net.packet(destination)
        net.run(0.1)
    assert [net.state(d) for d in first[:4]] == [S.CONNECTING] * 2 + [S.PENDING] * 2
    assert [view.state for view in net.lns.targets(net.now)] == ["inhibited"]
    assert [net.state(d) for d in first[4:]] == [S.NONE, S.NONE]
    net.run(5.2)
    moved = [
        (fact.destination, fact.new)
        for fact in net.timeline
        if isinstance(fact, SessionStateChanged) and fact.old is S.PENDING
    ]
    assert moved == [(first[2], S.DORMANT), (first[3], S.DORMANT)]
    assert [view.state for view in net.lns.targets(net.now)] == ["inService"]


# Incoming (issue: off by default).


def test_incoming_tunnels_and_calls_are_not_answered_by_default() -> None:
    net = Watched(tunnels(LAC))
    lac = net.add_lac(LAC)
    lac.endpoint.offer_call(KNOWN, IncomingCall(called_number="1"), net.now)
    asked = lac.endpoint.datagrams_to_send()
    assert asked
    for datagram in asked:
        net.lns.receive_l2tp(datagram.data, (LNS, 1701), (LAC, 1701), net.now)
    assert (net.lns.l2tp_to_send(), net.lns.tunnels()) == ([], [])
    assert Lac(LAC).incoming_calls is False


# Reload (issue: by difference).


def test_reload_touches_only_what_it_concerns_and_a_dry_run_nothing() -> None:
    wanted = tuple(Target(p, "home", "example.org", "p") for p in ("10.1.0.0/16", "10.2.0.0/16"))
    net = Watched(tunnels(LAC), site=site_user(Framed_IP_Address=SITE),
                  change={"target": wanted}, flush_delay=0)  # fmt: skip
    net.add_lac(LAC)
    assert net.dial(SITE) is S.IN_SERVICE
    nh = dict(net.plane.sessions)
    without = replace(net.config, target=wanted[:1])
    assert str(net.lns.reload(without, net.now, dry_run=True))
    assert len(net.lns.targets(net.now)) == 2
    net.lns.reload(without, net.now)
    net.settle()
    assert [view.prefix for view in net.lns.targets(net.now)] == ["10.1.0.0/16"]
    assert (net.state(SITE), net.plane.sessions) == (S.IN_SERVICE, nh)
    net.lns.reload(replace(net.config, target=wanted[1:]), net.now)
    net.settle()
    net.run(1)
    assert net.state(SITE) is S.NONE
    assert (net.plane.sessions, list(net.plane.routes[1])) == ({}, ["10.2.0.0/16"])


# IPv6 (issue; 2.10).


def test_an_ipv6_trigger_asks_for_its_address_in_rfc_5952_form() -> None:
    asked: list[str] = []
    net = Watched(tunnels(LAC), prefix="2001:db8::/32")
    real = net.radius._reply

    def reply(request: Packet) -> bytes:
        asked.extend(v.decode() for t, v in _attributes(request.octets) if t == 1)
        return real(request)

    net.radius._reply = reply
    net.add_lac(LAC)
    net.packet("2001:db8::1:0:0:1")
    net.run(2)
    assert asked[0] == "2001:db8::1:0:0:1@example.org"


def _attributes(octets: bytes) -> list[tuple[int, bytes]]:
    rows, at = [], 20
    while at < len(octets):
        rows.append((octets[at], octets[at + 2 : at + octets[at + 1]]))
        at += octets[at + 1]
    return rows


# Counters (1.13).


def test_the_18_counters_add_up_over_levels_through_every_way_a_session_can_go() -> None:
    net = Watched(tunnels(LAC), site=any_site(), connecting_timer=30, dormant_timer=60,
                  max_connecting=3, max_pending=3)  # fmt: skip
    lac = net.add_lac(LAC, lambda number: (0, 7, 0, 8)[len(lac.requests) % 4])
    for n, destination in enumerate(sites(40)):
        net.packet(destination)
        net.run(0.7)
        if n % 10 == 7:
            net.lns.reset("home", destination, net.now)
        if n % 10 == 9:
            net.lns.delete("home", destination, net.now)
        if n % 13 == 12:
            net.hang_up_all()
    for _ in range(3):
        system, routers, targets = net.counters()
        summed = [name for name in system if name != "triggers_max_enqueued"]
        assert len(system) >= 18
        assert [system[n] for n in summed] == [routers[n] for n in summed]
        assert [system[n] for n in summed] == [targets[n] for n in summed]
        live = net.lns.sessions(net.now)
        assert system["sessions_active"] == len(live)
        assert system["sessions_created"] == system["sessions_removed"] + len(live)
        assert system["triggers_received"] == (
            system["triggers_enqueued"]
            + system["triggers_discarded"]
            + system["triggers_forwarded"]
        )
        for name in summed:
            kept = sum(view.counters[name] for view in live)
            assert kept <= system[name]
        net.run(2000)
    assert net.lns.chassis(net.now).counters["sessions_active"] == 0


def test_no_secret_and_no_number_outside_its_views_is_in_what_the_lns_tells() -> None:
    net = Watched(tunnels(LAC), accounting={"accounting": True})
    net.add_lac(LAC)
    net.dial()
    now = net.now
    told = repr([net.timeline, net.config, net.lns.chassis(now), net.lns.virtual_routers(now),
                 net.lns.targets(now), net.lns.sessions(now), net.lns.calls(), net.lns.tunnels(),
                 net.lns.lacs(now), vars(net.lns), net.lns.call_records()])  # fmt: skip
    for secret in ("tunnel-secret", "lns-secret", "site-secret", "radius-secret"):
        assert secret not in told
