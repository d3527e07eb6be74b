"""Axes and plots: ticks that people can read, and shapes where they belong."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.dialout.events import SessionStateChanged, TunnelUp
from control.dialout.session_table import SessionState as S
from control.html_report.axis import Scale, duration, short, ticks, time_text, time_ticks
from control.html_report.charts import Bar, Lane, histogram, lanes, legend, stacked
from control.html_report.sessions import STATES, session_lanes


def rectangles(svg: str, kind: str = "bar") -> list[dict[str, str]]:
    tree = ElementTree.fromstring(svg)
    return [dict(node.attrib) for node in tree.iter("rect") if node.get("class") == kind]


def test_a_scale_keeps_what_is_outside_at_its_ends():
    scale = Scale(0.0, 10.0, 100.0, 200.0)
    assert [scale(v) for v in (-5, 0, 5, 10, 99)] == [100, 100, 150, 200, 200]
    assert Scale(3.0, 3.0, 7.0, 9.0)(3.0) == 7.0


@pytest.mark.parametrize(
    ("high", "expected"),
    [(1, [0, 0.2, 0.4, 0.6, 0.8, 1.0]), (7, [0, 2, 4, 6, 8]), (1500, [0, 500, 1000, 1500])],
)
def test_ticks_are_round_and_reach_the_highest_value(high, expected):
    assert ticks(high) == expected


@given(st.floats(1e-6, 1e12))
def test_ticks_are_few_and_cover(high):
    found = ticks(high)
    assert 2 <= len(found) <= 12
    assert found[-1] >= high * 0.999


@given(st.floats(1e-3, 1e9))
def test_time_ticks_are_few_and_inside(span):
    found = time_ticks(span)
    assert found[0] == 0
    assert len(found) <= 14
    assert found[-1] <= span * 1.001


@pytest.mark.parametrize(
    ("seconds", "span", "expected"),
    [
        (5, 20, "5 s"),
        (0.25, 1, "0.25 s"),
        (330, 900, "5:30"),
        (5400, 86400, "1:30 h"),
        (86400 * 3, 86400 * 9, "3 d"),
        (86400 * 1.5, 86400 * 9, "1 d 12 h"),
    ],
)
def test_moments_are_told_as_the_span_asks(seconds, span, expected):
    assert time_text(seconds, span) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 s"),
        (0.05, "50 ms"),
        (2.5, "2.5 s"),
        (119, "119 s"),
        (150, "2 min 30 s"),
        (3700, "1 h 1 min"),
        (100000, "1.2 d"),
    ],
)
def test_durations(seconds, expected):
    assert duration(seconds) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(0, "0"), (950, "950"), (1500, "1.5 k"), (2e6, "2 M"), (3e9, "3 G")]
)
def test_large_numbers_are_short(value, expected):
    assert short(value) == expected


def test_stacked_layers_stand_on_each_other():
    svg = stacked([("forward", "a", [2, 0, 1]), ("drop", "b", [1, 0, 0])], 1.0, 3.0)
    tree = ElementTree.fromstring(svg)
    first, second = (node.get("d") for node in tree.iter("path"))
    assert first.count("M") == 2  # the empty span is left out
    assert second.count("M") == 1
    assert [node.text for rect in tree.iter("rect") for node in rect] == [
        "0 s: 2 a, 1 b",
        "2 s: 1 a",
    ]


def test_an_empty_plot_is_a_plot():
    ElementTree.fromstring(stacked([], 1.0, 0.0))
    ElementTree.fromstring(lanes([], 0.0))
    assert not rectangles(histogram([("a", 0)], "accent"))


def test_a_histogram_has_a_bar_for_each_class_that_is_not_empty():
    bars = rectangles(histogram([("a", 1), ("b", 0), ("c", 4)], "accent"))
    assert len(bars) == 2
    low, high = (float(bar["height"]) for bar in bars)
    assert high == pytest.approx(4 * low, rel=0.01)


def test_bars_of_a_lane_follow_each_other():
    row = Lane("x", (Bar(0, 5, "pending", "p"), Bar(5, 10, "failed", "f")))
    first, second = rectangles(lanes([row], 10.0))
    assert float(first["x"]) + float(first["width"]) == pytest.approx(float(second["x"]), abs=0.02)


def test_a_state_that_lasts_no_time_is_seen():
    (bar,) = rectangles(lanes([Lane("x", (Bar(1, 1, "failed", "f"),))], 10.0))
    assert float(bar["width"]) > 1


def changed(time: float, old: S, new: S, destination: str = "192.0.2.1"):
    return SessionStateChanged(time, "main", "192.0.2.0/24", destination, old, new, "")


def test_lanes_are_made_of_changes_of_state():
    facts = [
        changed(1.0, S.NONE, S.AUTHENTICATING),
        TunnelUp(1.5, ("192.0.2.9", 1701), 1, 2, "lac"),
        changed(2.0, S.AUTHENTICATING, S.IN_SERVICE),
        changed(6.0, S.IN_SERVICE, S.NONE),
        changed(7.0, S.NONE, S.PENDING),
    ]
    (lane,), count = session_lanes(facts, 10.0)
    assert count == 1
    assert [(b.colour, b.start, b.end) for b in lane.bars] == [
        ("authenticating", 1.0, 2.0),
        ("in-service", 2.0, 6.0),
        ("pending", 7.0, 10.0),
    ]


def test_only_the_first_sessions_are_drawn():
    facts = [changed(n, S.NONE, S.PENDING, f"192.0.2.{n}") for n in range(9)]
    rows, count = session_lanes(facts, 10.0, most=3)
    assert ([row.name for row in rows], count) == (["192.0.2.0", "192.0.2.1", "192.0.2.2"], 9)


def test_every_state_has_its_colour_in_both_themes():
    from control.html_report.markup import STYLE

    style = STYLE.read_text()
    for colour, name in STATES:
        assert style.count(f"--{colour}:") == 2, name
    assert "pending" in legend(STATES)
