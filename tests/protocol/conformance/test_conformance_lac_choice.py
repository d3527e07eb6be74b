"""Which LAC is called, and which one next (specification 1.8, 1.9, 2.3)."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from dialout_network import LNS, Network, tunnels
from watched import Watched, any_site, sites

from control.config import Lac
from control.dialout.events import CallFailed
from control.dialout.session_table import SessionState as S
from control.l2tp.config import EndpointConfig
from control.l2tp.endpoint import Endpoint
from control.l2tp.events import TunnelParameters

LAC, LAC2, LAC3 = "10.9.0.1", "10.9.0.2", "10.9.0.3"
KNOWN = TunnelParameters((LNS, 1701), (LAC, 1701), "lac", secret=b"tunnel-secret")
"""What a LAC takes us for."""


def equal_lacs(*lacs: str, **extra: str) -> tuple[tuple[str, str], ...]:
    """Tagged alternatives of one preference; `extra` are rows for single LACs."""
    rows = [row for row in tunnels(*lacs) if not row[0].startswith("Tunnel-Preference")]
    rows += [(f"Tunnel-Preference:{tag}", "5") for tag in range(1, len(lacs) + 1)]
    return (*rows, *((name.replace("_", "-"), value) for name, value in extra.items()))


def dial_each(net: Network, count: int, gap: float = 0.2) -> None:
    """So fast that no call's route covers the next site."""
    for lac in net.lacs.values():
        lac.dial_delay = 30.0
    for destination in sites(count):
        net.packet(destination)
        net.run(gap)
    net.run(10.0)


def test_equal_preference_takes_turns() -> None:
    net = Watched(equal_lacs(LAC, LAC2, LAC3), site=any_site())
    for lac in (LAC, LAC2, LAC3):
        net.add_lac(lac)
    dial_each(net, 12)
    assert Counter(lac for lac, _ in net.placed()) == {LAC: 4, LAC2: 4, LAC3: 4}


def test_weighted_choice_follows_what_each_lac_may_carry() -> None:
    known = (Lac(LAC, max_sessions=30), Lac(LAC2, max_sessions=10))
    net = Watched(equal_lacs(LAC, LAC2), change={"lac": known}, lac_selection="weighted")
    net.add_lac(LAC)
    net.add_lac(LAC2)
    dial_each(net, 40)
    assert Counter(lac for lac, _ in net.placed()) == {LAC: 30, LAC2: 10}


def test_tunnel_maximum_sessions_is_a_limit_of_each_lac() -> None:
    rows = (*tunnels(LAC, LAC2), ("ERX-Tunnel-Maximum-Sessions", "3"))
    net = Watched(rows, site=any_site())
    net.add_lac(LAC)
    net.add_lac(LAC2)
    dial_each(net, 7)
    assert Counter(lac for lac, _ in net.placed()) == {LAC: 3, LAC2: 3}


@pytest.mark.parametrize(
    ("result", "next_lac"),
    [(1, None), (4, True), (5, True), (6, True), (7, False), (8, False), (9, False), (10, True),
     (11, False)],
)  # fmt: skip
def test_cdn_code_says_whether_the_next_lac_is_tried(result: int, next_lac: bool | None) -> None:
    net = Watched(tunnels(LAC, LAC2))
    net.add_lac(LAC, lambda number: result)
    net.add_lac(LAC2)
    net.packet()
    net.run(10)
    called = [lac for lac, _ in net.placed()]
    if next_lac is None:
        assert called[0] == LAC
    elif result in (5, 6):
        # "No retry with this LAC": whether another one may be tried is not said.
        assert called.count(LAC) == 1
    else:
        assert called == [LAC, LAC2][: 1 + next_lac]
        assert net.state() is (S.IN_SERVICE if next_lac else S.INHIBITED)


@pytest.mark.parametrize("result", [5, 6])
def test_no_facilities_for_good_raises_the_back_off_one_step(result: int) -> None:
    net = Watched(tunnels(LAC), connecting_timer=60)
    net.add_lac(LAC, lambda number: result)
    net.packet()
    net.run(10)
    (view,) = net.lns.sessions(net.now)
    assert view.state.lower().replace("_", "") == "inhibited"
    assert view.age + view.timer == pytest.approx(120, abs=1)


def test_a_lac_without_bearer_capabilities_gets_no_call() -> None:
    net = Watched(tunnels(LAC, LAC2))
    first = net.add_lac(LAC)
    settings = EndpointConfig("lac", "lac", incoming=lambda name, peer: KNOWN)
    first.endpoint = Endpoint(replace(settings, bearer_capabilities=None), Random(1))
    net.add_lac(LAC2)
    assert net.dial() is S.IN_SERVICE
    assert first.requests == []


def test_a_tag_without_a_secret_is_unusable_by_default_and_no_number_is_a_denial() -> None:
    no_secret = tuple(r for r in tunnels(LAC) if not r[0].startswith("Tunnel-Password"))
    no_number = tuple(r for r in tunnels(LAC) if r[0] != "ERX-Dial-Out-Number")
    for rows in (no_secret, no_number):
        net = Watched(rows)
        lac = net.add_lac(LAC)
        assert net.dial() is S.INHIBITED
        assert not lac.endpoint.tunnels()


def test_a_drained_lac_gets_no_call_even_as_the_only_one() -> None:
    net = Watched(tunnels(LAC), connecting_timer=30)
    net.add_lac(LAC)
    net.lns.drain(LAC, net.now)
    assert net.dial() is S.INHIBITED
    assert net.placed() == []
    failures = [fact.failure for fact in net.timeline if isinstance(fact, CallFailed)]
    assert failures
