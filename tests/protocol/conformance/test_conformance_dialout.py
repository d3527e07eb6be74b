"""The transition table of specification 1.4.6, played on a whole LNS with real peers: every cell
that the outside can cause, and what can be seen of it from there."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from dialout_network import Network, site_user, tunnels

from control.config import SimUser
from control.dialout.events import SessionStateChanged
from control.dialout.session_table import SessionState as S

LAC = "10.9.0.1"
SITE, OTHER = "10.1.2.3", "10.1.0.9"
DENIAL = (("Reply-Message", "no number is named"),)

# Columns: none dormant pending authenticating connecting inService inhibited postInhibited failed.
# A cell is the new state by its letter (`.`: the same, `-`: this event does not exist there) and
# what is seen: a RADIUS is asked, b the packet is buffered, d discarded, f forwarded, c a call is
# placed, x the LAC gets CDN, q the RADIUS request is forgotten.
TABLE = """
                    none dorm pend auth conn inSv inhi post fail
trigger             A/ab A/ab ./d  ./b  ./d  ./f  ./d  A/ab ./d
trigger-no-slot     P/d  P/d  ./d  ./b  ./d  ./f  ./d  P/d  ./d
grant               -    -    -    C/c  -    -    -    -    -
grant-reachable     -    -    -    D/f  -    -    -    -    -
grant-no-budget     -    -    -    I/d  -    -    -    -    -
deny                -    -    -    I/d  -    -    -    -    -
aaa-timeout         -    -    -    I/d  -    -    -    -    -
all-failed          -    -    -    -    I/d  -    -    -    -
all-failed-slow     -    -    -    -    ./   -    -    -    -
ppp-fails           -    -    -    -    I/xd -    -    -    -
route-verified      -    -    -    -    S/f  -    -    -    -
route-unfit         -    -    -    -    F/xd -    -    -    -
connecting-timer    -    -    -    -    I/xd -    -    -    -
closed-while-ppp    -    -    -    -    I/d  -    -    -    -
closed-old          -    -    -    -    -    D/   -    -    -
closed-young        -    -    -    -    -    I/   -    -    -
inhibited-timer     -    -    -    -    -    -    O/   -    -
post-timer          -    -    -    -    -    -    -    D/   -
dormant-timer       -    N/   -    -    -    -    -    -    -
slot-freed          -    -    D/   -    -    -    -    -    -
reset               ./   ./   D/   D/qd D/xd D/x  D/   D/   D/
delete              ./   N/   N/   N/qd N/xd N/x  N/   N/   N/
target-delete       ./   N/   N/   N/qd N/xd N/x  N/   N/   N/
"""
STATES = dict(zip("NDPACSIOF", S, strict=True))


def cells() -> list[object]:
    _, *lines = TABLE.strip("\n").splitlines()
    return [
        pytest.param(event, letter, cell, id=f"{event}-in-{STATES[letter].name}")
        for event, *row in (line.split() for line in lines)
        for letter, cell in zip(STATES, row, strict=True)
        if cell != "-"
    ]


def world(state: S, event: str) -> Network:
    """A network in which `state` can be reached and `event` happen."""
    more = {"flush_delay": 0, "connecting_timer": 30, "fail_fast": int("slow" not in event)}
    if state is S.PENDING or event == "trigger-no-slot":
        more["max_connecting"] = 1
    denies = event == "deny" or state in (S.INHIBITED, S.POST_INHIBITED)
    unfit = event == "route-unfit" or state is S.FAILED
    site = site_user(Framed_IP_Address="10.1.99.99" if unfit else SITE)
    if event == "grant-reachable":
        site = site_user(Framed_IP_Address=OTHER, Framed_Route="10.1.0.0/16 0.0.0.0 1")
    elif event == "ppp-fails":
        site = SimUser("site", b"another secret", site.reply)
    net = Network(DENIAL if denies else tunnels(LAC), site=site, **more)
    net.site_address = site.reply[0][1]
    lac = net.add_lac(LAC, lambda number: 7 if event.startswith("all-failed") else 0)
    answered = state in (S.IN_SERVICE, S.FAILED) or event in (
        *("route-verified", "route-unfit", "ppp-fails", "closed-while-ppp", "grant-reachable"),
        *("all-failed", "all-failed-slow"),
    )
    lac.dial_delay = (0.2 if "reachable" in event else 1.0) if answered else 1000.0
    return net


def reach(net: Network, state: S, event: str) -> None:
    if state is S.NONE:
        return
    if state is S.PENDING or event == "grant-reachable":
        net.packet(OTHER, "other")
    if event == "grant-reachable":
        # The first Access-Request for SITE is lost: its answer comes when OTHER is in service.
        net.run(0.1)
        net.loss = 1.0
        net.packet(SITE, "first")
        net.loss = 0.0
        until(net, lambda: net.state(OTHER) is S.IN_SERVICE, 1.7)
        assert net.state() is S.AUTHENTICATING
    else:
        net.packet(SITE, "first")
    if state is S.DORMANT:
        net.lns.manager.reset_session("home", SITE, net.now)
        net.settle()
    until(net, lambda: net.state() is state)
    if state is S.CONNECTING:
        net.run(0.3)
    tell(net)


def tell(net: Network) -> int:
    """Brings the timeline up to date; how long it is."""
    while (fact := net.lns.next_event()) is not None:
        net.timeline.append(fact)
    return len(net.timeline)


def until(net: Network, done: Callable[[], bool], most: float = 40.0) -> None:
    end = net.now + most
    while not done():
        assert net.now < end
        net.run(0.01)


def happen(net: Network, state: S, event: str) -> None:
    manager, lac = net.lns.manager, net.lacs[LAC]
    match event:
        case "trigger":
            net.packet(SITE, "next")
        case "trigger-no-slot":
            if state not in (S.PENDING, S.AUTHENTICATING, S.CONNECTING):
                net.packet(OTHER, "other")
            net.packet(SITE, "next")
        case "grant-no-budget":
            net.lns.freeze(True, net.now)
            net.run(0.2)
        case "aaa-timeout":
            net.loss = 1.0
            net.run(7.0)
        case "grant-reachable":
            until(net, lambda: net.state() is not state, 2.0)
        case "closed-while-ppp":
            until(net, lambda: bool(lac.sites))
            net.hang_up(lac)
        case "closed-old":
            net.run(31.0)
            net.hang_up(lac)
        case "closed-young":
            net.run(29.0)
            net.hang_up(lac)
        case "all-failed-slow":
            until(net, lambda: not lac.endpoint.calls())
        case "dormant-timer":
            net.run(300.1)
        case "slot-freed":
            manager.delete_session("home", OTHER, net.now)
        case "reset":
            assert manager.reset_session("home", SITE, net.now) == (state is not S.NONE)
        case "delete":
            assert manager.delete_session("home", SITE, net.now) == (state is not S.NONE)
        case "target-delete":
            assert manager.remove_target("home", "10.1.0.0/16", net.now)
        case _:
            until(net, lambda: net.state() is not state)
    net.settle()
    if not event.startswith("trigger"):
        net.run(0.2)


@pytest.mark.parametrize(("event", "letter", "cell"), cells())
def test_cell(event: str, letter: str, cell: str) -> None:
    state = STATES[letter]
    net = world(state, event)
    reach(net, state, event)
    lac, client, plane = net.lacs[LAC], net.lns.clients["r"], net.plane
    asked, placed = client.counters.sent, len(lac.requests)
    open_before = len(lac.endpoint.calls())
    others = int(event == "trigger-no-slot" or state is S.PENDING)
    begin = tell(net)
    happen(net, state, event)
    tell(net)
    after, _, seen = cell.partition("/")
    facts = [fact for fact in net.timeline[begin:] if isinstance(fact, SessionStateChanged)]
    entered = [fact.new for fact in facts if fact.destination == SITE]
    came = [state, *entered][-1 if after == "N" else min(1, len(entered))]
    assert came is (state if after == "." else STATES[after])
    payload = "next" if event.startswith("trigger") else "first"
    sent = [packet for _, packet in plane.sent]
    if "a" in seen:
        assert client.counters.sent == asked + 1
    elif event.startswith("trigger"):
        assert client.counters.sent <= asked + others
    if "b" in seen:
        assert payload in plane.buffered()
    if event.startswith("trigger") or "d" in seen or "f" in seen:
        assert (payload in plane.discarded) == ("d" in seen)
        assert (payload in sent) == ("f" in seen)
    assert (len(lac.requests) > placed) == ("c" in seen) or entered[1:] or others
    if "x" in seen:
        assert open_before == 1
        assert lac.endpoint.calls() == []
    if "q" in seen:
        assert client.pending == 0


def test_table_has_a_column_for_each_state_and_all_cells_are_played() -> None:
    assert len(STATES) == 9
    assert len(cells()) > 60
