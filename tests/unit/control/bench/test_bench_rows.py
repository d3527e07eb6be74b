"""Rows: medians, ratios whose direction follows the unit, and the picture of them."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree

import pytest

from control.bench.drawing import svg
from control.bench.machine import lines, machine
from control.bench.rows import (
    LOWER_IS_BETTER,
    Row,
    geometric_mean,
    interleaved,
    line,
    number,
    row,
    spread,
)


@pytest.mark.parametrize("unit", LOWER_IS_BETTER)
def test_a_ratio_above_one_means_that_ours_is_better(unit):
    better, worse = ([2.0] * 10, [4.0] * 10) if LOWER_IS_BETTER[unit] else ([4.0], [2.0])
    assert row("x", unit, better, "peer", worse).ratio == 2.0
    assert row("x", unit, worse, "peer", better).ratio == 0.5


def test_the_ratio_is_the_median_of_pairs_and_not_the_pair_of_medians():
    found = row("x", "ns", [1.0, 10.0, 100.0], "peer", [3.0, 20.0, 100.0])
    assert found == Row("x", "ns", 10.0, "peer", 20.0, 2.0, 0.5, 3)


def test_a_row_without_a_peer_has_its_own_spread():
    found = row("x", "ns", [1.0, 2.0, 3.0, 4.0, 5.0])
    assert (found.value, found.peer, found.peer_value, found.ratio) == (3.0, None, None, None)
    assert found.spread == pytest.approx(2 / 3)


def test_spread_is_the_distance_of_the_quartiles_over_the_median():
    assert spread([5.0]) == 0
    assert spread([0.0, 0.0]) == 0
    assert spread([1.0, 1.0, 1.0, 100.0, 1.0]) == 0


def test_every_repetition_visits_every_candidate():
    visited = []

    def candidate(name: str):
        def measure() -> float:
            visited.append(name)
            return float(len(visited))

        return measure

    values = interleaved({name: candidate(name) for name in "abc"}, 3)
    assert "".join(visited) == "abc" * 4
    assert values == {"a": [4, 7, 10], "b": [5, 8, 11], "c": [6, 9, 12]}, "the first do not count"


def test_the_mean_of_streams_is_geometric():
    rows = [row("t uniform", "ns", [1.0], "p", [4.0]), row("t hot", "ns", [4.0], "p", [4.0])]
    mean = geometric_mean("t mean", rows)
    assert (mean.value, mean.peer_value, mean.ratio) == (2.0, 4.0, 2.0)
    alone = geometric_mean("t mean", [row("t hot", "ns", [4.0])])
    assert (alone.value, alone.peer_value, alone.ratio) == (4.0, None, None)


@pytest.mark.parametrize(
    ("value", "told"), [(0.1234, "0.12"), (1.2345, "1.23"), (12.34, "12.3"), (1234.5, "1,234")]
)
def test_numbers_have_three_digits(value, told):
    assert number(value) == told


def test_a_line_names_both_sides():
    found = row("ipv4 lookup bgp hot", "ns", [2.0], "rte_fib", [5.0])
    assert line(found).split() == [
        *("ipv4", "lookup", "bgp", "hot", "2.00", "ns", "5.00", "rte_fib", "2.50x", "0%")
    ]
    assert line(row("replay", "Mpps", [2.0])).split() == ["replay", "2.00", "Mpps", "0%"]


ROWS = [
    row("ipv4 lookup bgp hot", "ns", [2.0], "rte_fib <4-byte>", [5.0]),
    row("ipv4 lookup bgp uniform", "ns", [9.0, 8.0, 7.0], "rte_fib", [3.0, 4.0, 2.0]),
    row("ipv4 lookup bgp mean", "ns", [9.0], "rte_fib", [9000.0]),
    row("replay generated walk", "Mpps", [90.0]),
]
SPACE = "{http://www.w3.org/2000/svg}"


def texts(picture: str) -> list[str]:
    return [each.text for each in ElementTree.fromstring(picture).iter(f"{SPACE}text")]


def test_a_picture_is_valid_and_tells_every_row():
    picture = svg(ROWS, machine())
    told = texts(picture)
    assert "bgp hot · rte_fib <4-byte>" in told
    assert told[told.index("replay generated") + 1] == "walk"
    assert "2.50x" in told
    assert "2.00 against 5.00 ns" in told
    assert "90.0 Mpps" in told


def test_bars_are_inside_the_picture_and_on_their_side():
    root = ElementTree.fromstring(svg(ROWS, machine()))
    width, height = float(root.get("width")), float(root.get("height"))
    bars = [each for each in root.iter(f"{SPACE}rect") if each.get("rx") == "1.5"]
    middle = next(
        float(each.get("x1"))
        for each in root.iter(f"{SPACE}line")
        if each.get("stroke") == "#20262b"
    )
    assert len(bars) == 3
    for each in bars:
        x, wide = float(each.get("x")), float(each.get("width"))
        assert 0 < x < x + wide < width
        assert 0 < float(each.get("y")) < height
    assert float(bars[0].get("x")) == pytest.approx(middle, abs=0.2), "ours is better: right"
    end = float(bars[1].get("x")) + float(bars[1].get("width"))
    assert end == pytest.approx(middle, abs=0.2), "the peer is better: left"
    assert bars[0].get("fill") != bars[1].get("fill")
    assert all(math.isfinite(float(each.get("width"))) for each in bars)


def test_a_picture_of_nothing_and_of_no_peer_can_be_drawn():
    for rows in ([], ROWS[3:]):
        assert ElementTree.fromstring(svg(rows, machine())).tag == f"{SPACE}svg"


def test_the_machine_is_described():
    told = machine()
    assert {"cpu", "cores", "caches", "kernel", "compiler", "python", "dialout"} <= set(told)
    assert told["cores"] >= 1
    assert all(lines(told))
