"""Pictures of `dialout top`: rates, bounds, keys, and a router that goes and comes back."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.errors import DialoutError
from control.top.command import Top, once
from control.top.frame import Order, Style, frame, rate, uptime


def target(prefix: str, **more) -> dict:
    return {
        **{"virtual_router": "main", "prefix": prefix, "state": "inService", "sessions": 1},
        **{"triggers": 0, "calls": 0, "established": 0},
        **more,
    }


def view(time: float = 10.0, **more) -> dict:
    names = ("triggers_received", "calls_placed", "dialouts_established", "dialouts_rejected")
    port = {"name": "wan", "side": "tunnel", "rx_packets": 0, "rx_octets": 0}
    return {
        "time": time,
        "name": "lns",
        "sessions": {"inService": 3, "pending": 0, "failed": 1},
        "max_sessions": 1000,
        "targets": 2,
        "tunnels": 1,
        "calls_today": 5,
        "calls_per_day": 2000,
        "dial_out": dict.fromkeys((*names, "dialouts_timed_out", "dialouts_torn_down"), 0),
        "verdicts": {},
        "drops": {},
        "ports": [{**port, "tx_packets": 0, "tx_octets": 0, "tx_refused": 0}],
        "hottest": [target("192.0.2.0/24"), target("198.51.100.0/24", sessions=9)],
        "health": [],
        **more,
    }


def later(seconds: float = 2.0) -> dict:
    """Two thousand packets and four calls after `view`."""
    told = copy.deepcopy(view(10.0 + seconds))
    told["dial_out"]["calls_placed"] = 4
    told["ports"][0].update(rx_packets=2000, rx_octets=250_000)
    told["drops"] = {"no-route": 10, "ttl-expired": 400}
    told["hottest"][0]["triggers"] = 50
    return told


def text(*given, **more) -> str:
    return "\n".join(line.text for line in frame(*given, **more))


def test_rates_are_made_of_two_looks():
    told = text(view(), later())
    assert "calls 2 " in told
    wan = next(line for line in told.splitlines() if line.startswith("wan"))
    assert wan.split() == ["wan", "1", "k", "1", "M", "0", "0", "0"]
    assert "ttl-expired" in told


def test_the_first_look_has_no_rates():
    wan = next(line for line in text(None, view()).splitlines() if line.startswith("wan"))
    assert wan.split() == ["wan", "-", "-", "-", "-", "0"]


def test_a_router_that_began_anew_has_no_rates():
    assert "triggers -" in text(later(), view(1.0))


def test_drops_stand_by_what_grew_most():
    told = text(view(drops={"no-route": 10, "ttl-expired": 399}), later())
    assert told.index("ttl-expired") < told.index("no-route")


@pytest.mark.parametrize(
    ("order", "first"),
    [
        (Order.TRIGGERS, "192.0.2.0/24"),
        (Order.SESSIONS, "198.51.100.0/24"),
        (Order.NAME, "192.0.2.0/24"),
    ],
)
def test_targets_are_sorted_as_wanted(order, first):
    lines = text(view(), later(), order=order).splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("TARGET"))
    assert lines[at + 1].startswith(f"main {first}")


def test_health_is_told_with_the_worst_first_and_cut():
    rows = [{"severity": "critical", "name": "a", "text": f"x{n}"} for n in range(5)]
    lines = frame(None, view(health=rows))
    assert [line.text for line in lines[1:5]] == [
        *("critical: x0", "critical: x1", "critical: x2"),
        "and 2 more: dialout show health",
    ]
    assert lines[1].style is Style.CRITICAL


@pytest.mark.parametrize("width", [20, 80, 200])
@pytest.mark.parametrize("height", [1, 5, 24, 60])
def test_a_picture_fits_its_window(width, height):
    lines = frame(view(), later(), width=width, height=height)
    assert len(lines) == height
    assert all(len(line.text) <= width for line in lines)


def test_at_80_columns_nothing_is_cut():
    wide, narrow = (text(view(), later(), width=width).split() for width in (200, 80))
    assert wide == narrow


def test_names_cannot_steer_the_terminal():
    assert "\x1b" not in text(None, view(name="\x1b[2J"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *((None, "-"), (0, "0"), (0.5, "0.5"), (99.9, "99.9"), (99.96, "100"), (950.4, "950")),
        *((1000, "1 k"), (1234, "1.23 k"), (12345678, "12.3 M"), (4.2e9, "4.2 G")),
        *((999_600, "1 M"), (5e12, "5 T")),
    ],
)
def test_rates_have_three_digits_that_count(value, expected):
    assert rate(value) == expected


@given(st.floats(0, 1e14))
def test_rates_are_short(value):
    assert len(rate(value)) <= 9


def test_uptime():
    assert [uptime(0.9), uptime(3661), uptime(90000)] == ["00:00:00", "01:01:01", "1 d 01:00:00"]


def test_keys_sort_pause_and_quit():
    top = Top()
    top.seen(view())
    top.key("s")
    assert top.lines(80, 24)[-1].text.endswith("sorted by sessions")
    top.key("p")
    top.seen(later())
    assert "PAUSED" in top.lines(80, 24)[0].text
    assert "up 00:00:10" in top.lines(80, 24)[0].text
    top.key("p")
    top.seen(later())
    assert "up 00:00:12" in top.lines(80, 24)[0].text
    assert not top.over
    top.key("q")
    assert top.over


def test_a_lost_router_leaves_the_last_picture_and_begins_anew():
    top = Top()
    assert top.lines(80, 24)[0].text == "asking the router ..."
    top.seen(view())
    top.lost("nobody answers there")
    assert "LOST: nobody answers there" in top.lines(80, 24)[0].text
    assert len(top.lines(80, 24)) == 24
    top.seen(later())
    assert "LOST" not in top.lines(80, 24)[0].text
    assert "triggers -" in "\n".join(line.text for line in top.lines(80, 24))


def test_once_prints_rates_of_two_looks():
    told: list[str] = []
    assert once(lambda: iter([view(), later()]), told.append) == 0
    assert any("calls 2 " in line for line in told)


def test_once_says_if_the_router_ends():
    with pytest.raises(DialoutError, match="the router ended"):
        once(lambda: iter([view()]), pytest.fail)
