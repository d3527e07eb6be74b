"""Timers, back-off, budgets and LAC selection as they look from outside (specification 1.4.5, 1.5,
1.9, 1.11; threats T10, T11, T12)."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from dialout_network import Network, site_user, tunnels

from control.config import Budget
from control.dialout.events import CallPlaced, RadiusAsked, SessionStateChanged
from control.dialout.session_table import SessionState as S
from control.lns import Lns

LAC, LAC2 = "10.9.0.1", "10.9.0.2"
SITE = "10.1.2.3"
DENIAL = (("Reply-Message", "no number is named"),)


def traffic(net: Network, seconds: float, every: float = 1.0, destination: str = SITE) -> None:
    """A packet each `every` seconds."""
    end = net.now + seconds
    while net.now < end:
        net.packet(destination)
        net.run(every)


def asked(net: Network) -> list[float]:
    """When RADIUS was asked whom to call."""
    facts = [f for f in net.timeline if isinstance(f, RadiusAsked) and f.purpose == "dial-out"]
    return [fact.time for fact in facts]


def gaps(times: list[float]) -> list[int]:
    return [round(b - a) for a, b in pairwise(times)]


def entered(net: Network) -> list[tuple[float, S]]:
    return [(f.time, f.new) for f in net.timeline if isinstance(f, SessionStateChanged)]


def hang_up_newest(net: Network) -> None:
    lac = net.lacs[LAC]
    lac.calls = dict(list(lac.calls.items())[-1:])
    net.hang_up(lac)


def test_traffic_that_never_ends_is_denied_60_120_240_480_480_seconds_apart() -> None:
    net = Network(DENIAL, connecting_timer=60)
    traffic(net, 3000.0)
    assert gaps(asked(net))[:6] == pytest.approx([60, 120, 240, 480, 480, 480], abs=2)


def test_site_that_hangs_up_at_once_is_not_called_again_and_again() -> None:
    """T12: a day of traffic stays within the target's calls of a day by the back-off alone."""
    net = Network(tunnels(LAC), connecting_timer=30, flush_delay=0)
    net.add_lac(LAC)
    for _ in range(12):
        while net.state() is not S.IN_SERVICE:
            net.packet()
            net.run(1.0)
        net.run(1.0)
        hang_up_newest(net)
        net.run(1.0)
        assert net.state() is S.INHIBITED
    placed = [fact.time for fact in net.timeline if isinstance(fact, CallPlaced)]
    assert gaps(placed)[3:] == pytest.approx([240] * len(gaps(placed)[3:]), abs=10)


@pytest.mark.parametrize("end", ["hang up", "reset"])
def test_service_as_long_as_the_guard_clears_the_history(end: str) -> None:
    net = Network(tunnels(LAC), connecting_timer=30, flush_delay=0)
    lac = net.add_lac(LAC, lambda number: 7 if len(lac.requests) in (1, 2) else 0)
    traffic(net, 130.0)
    assert net.state() is S.IN_SERVICE
    traffic(net, 70.0, every=10.0)
    if end == "reset":
        net.lns.manager.reset_session("home", SITE, net.now)
        net.settle()
    else:
        hang_up_newest(net)
    net.run(1.0)
    assert net.state() is S.DORMANT
    lac.outcome = lambda number: 7
    net.timeline.clear()
    traffic(net, 60.0)
    first = next(time for time, state in entered(net) if state is S.INHIBITED)
    again = next(time for time in asked(net) if time > first)
    assert again - first == pytest.approx(30, abs=2)


def test_time_in_post_inhibited_is_taken_off_the_dormant_time() -> None:
    net = Network(DENIAL, connecting_timer=60, dormant_timer=300)
    net.packet()
    net.run(1000.0)
    times = {state: time for time, state in entered(net)}
    assert times[S.POST_INHIBITED] - times[S.INHIBITED] == pytest.approx(60)
    assert times[S.DORMANT] - times[S.POST_INHIBITED] == pytest.approx(60)
    assert times[S.NONE] - times[S.DORMANT] == pytest.approx(240)


def test_dormant_timer_of_zero_deletes_at_once() -> None:
    net = Network(DENIAL, connecting_timer=30, dormant_timer=0)
    net.packet()
    net.run(31.0)
    assert net.state() is S.NONE
    assert net.lns.sessions(net.now) == []


@pytest.mark.parametrize(("silent_after", "seconds"), [("nothing", 7.0), ("tunnel", 5.0)])
def test_silent_lac_is_left_for_the_next_within_its_patience(
    silent_after: str, seconds: float
) -> None:
    net = Network(tunnels(LAC, LAC2))
    first, second = net.add_lac(LAC), net.add_lac(LAC2)
    if silent_after == "nothing":
        first.silent = True
    net.packet()
    if silent_after == "tunnel":
        while not net.lns.tunnels() or net.lns.tunnels()[0].state != "ESTABLISHED":
            net.run(0.005)
        first.silent = True
    net.run(20.0)
    placed = [(fact.time, fact.lac) for fact in net.timeline if isinstance(fact, CallPlaced)]
    assert [lac for _, lac in placed] == [LAC, LAC2]
    assert placed[1][0] - placed[0][0] == pytest.approx(seconds, abs=0.1)
    assert net.state() is S.IN_SERVICE
    assert second.requests


def test_last_lac_has_until_the_tunnel_is_given_up() -> None:
    net = Network(tunnels(LAC), connecting_timer=60)
    net.add_lac(LAC).silent = True
    net.packet()
    net.run(31.0)
    assert net.state() is S.CONNECTING
    net.run(0.1)
    assert net.state() is S.INHIBITED


def with_budget(net: Network, budget: Budget) -> Network:
    """The same network around an LNS with this budget."""
    net.config = replace(net.config, budget=budget)
    net.lns = Lns(net.config, net.plane, net.random, lambda: 1.7e9 + net.now)
    net.plane.routes.clear()
    net.lns.start(net.now)
    return net


def test_scan_of_a_route_dials_no_faster_than_its_buckets_and_nobody_twice() -> None:
    """T10, with the budget that ships: 10 calls a second after 50, 2 a second after 10 at a LAC."""
    net = with_budget(Network(tunnels(LAC), flush_delay=0), Budget())
    lac = net.add_lac(LAC, lambda number: 0)
    lac.dial_delay = 100.0
    for number in range(600):
        net.packet(f"10.1.{number // 250}.{number % 250 + 1}")
        if number % 50 == 49:
            net.run(0.5)
    for _ in range(20):
        net.run(1.0)
    placed = [fact for fact in net.timeline if isinstance(fact, CallPlaced)]
    assert len({fact.destination for fact in placed}) == len(placed) > 15
    for n, fact in enumerate(placed, 1):
        assert n <= 10 + 2 * fact.time + 1e-6
    assert len(lac.requests) == len(placed)


@pytest.mark.parametrize(
    "budget",
    [
        Budget(target_calls_per_day=3),
        Budget(calls_per_day=3),
        Budget(target_minutes_per_day=3),
        Budget(minutes_per_day=3),
    ],
)
def test_budget_of_a_day_ends_dialing_until_midnight(budget: Budget) -> None:
    """T11; the LNS starts 80,000 seconds into a day."""
    net = with_budget(Network(tunnels(LAC), connecting_timer=30, flush_delay=0), budget)
    lac = net.add_lac(LAC)
    midnight = 86400 - 1.7e9 % 86400
    while net.now < midnight - 100:
        net.packet()
        net.run(20.0)
        if net.state() is S.IN_SERVICE and lac.calls:
            net.run(40.0)
            hang_up_newest(net)
    before = len([f for f in net.timeline if isinstance(f, CallPlaced)])
    assert before in (3, 4)
    net.lns.manager.delete_session("home", SITE, net.now)
    net.run(midnight + 1 - net.now)
    net.packet()
    net.run(1.0)
    assert len([f for f in net.timeline if isinstance(f, CallPlaced)]) == before + 1


@pytest.mark.parametrize(
    ("number", "allowed"),
    [
        ("0049301234", True),
        ("0049900123", False),
        ("00,49,900123", False),
        ("+49900123", False),
        ("0190", False),
        ("4930", False),
    ],
)
def test_numbers_are_checked_against_both_lists_after_radius(number: str, allowed: bool) -> None:
    lists = Budget(allow_numbers=("0049", "+49"), deny_numbers=("0049900", "+49900"))
    net = with_budget(Network(tunnels(LAC, number=number)), lists)
    lac = net.add_lac(LAC)
    net.packet()
    net.run(1.0)
    assert [request.called_number for request in lac.requests] == [number] * allowed
    assert net.state() is (S.CONNECTING if allowed else S.INHIBITED)


def test_route_of_a_call_goes_when_it_ends_and_the_next_packet_is_a_trigger() -> None:
    net = Network(tunnels(LAC), site=site_user(Framed_IP_Address=SITE), connecting_timer=30)
    lac = net.add_lac(LAC)
    net.packet(payload="first")
    net.run(40.0)
    assert net.plane.routes[1].keys() == {"10.1.0.0/16", f"{SITE}/32"}
    net.hang_up(lac)
    net.run(1.0)
    assert net.plane.routes[1].keys() == {"10.1.0.0/16"}
    assert net.plane.sessions == {}
    net.packet(payload="again")
    net.run(10.0)
    assert [payload for _, payload in net.plane.sent] == ["first", "again"]
