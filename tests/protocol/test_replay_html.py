"""Pages of replays and benchmarks: whole, repeatable, and nothing but what they should say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from control.bench.machine import machine
from control.bench.rows import once, row
from control.cli import main
from control.dialout.events import CallPlaced, IncomingCallChanged, LinkProgress
from control.html_report.bench_page import bench_page
from control.html_report.replay_page import without_names

DEMO = Path(__file__).parents[2] / "src/control/sim/demo.toml"
CAPTURE = Path(__file__).parents[2] / "examples/home-site.pcap"
SECTIONS = ["sessions", "packets", "latency", "verdicts", "calls", "counters", "timeline"]


def replayed(folder: Path, name: str, *more: str) -> str:
    page = folder / name
    given = ["replay", str(CAPTURE), "--config", str(DEMO), "--html", str(page), "--quiet"]
    assert main([*given, *more]) == 0
    return page.read_text()


def test_a_replay_has_every_section_and_its_figures(tmp_path: Path) -> None:
    page = replayed(tmp_path, "a.html")
    assert re.findall(r'<section id="([a-z]+)"', page) == SECTIONS
    assert "<strong>200</strong>" in page
    assert "198.51.100.77" in page
    assert page.count("<svg ") == 4


def test_equal_input_makes_equal_octets(tmp_path: Path) -> None:
    assert replayed(tmp_path, "a.html") == replayed(tmp_path, "b.html")


def test_the_page_changes_nothing_of_the_replay(tmp_path: Path) -> None:
    beside, alone = tmp_path / "beside.json", tmp_path / "alone.json"
    replayed(tmp_path, "a.html", "--report", str(beside))
    given = ["replay", str(CAPTURE), "--config", str(DEMO), "--report", str(alone), "--quiet"]
    assert main(given) == 0
    assert json.loads(beside.read_text()) == json.loads(alone.read_text())


def test_nothing_is_loaded_from_anywhere(tmp_path: Path) -> None:
    page = replayed(tmp_path, "a.html")
    assert not re.search(r"(?i)https?:|//[a-z]|\bsrc=|\bhref=|@import|url\(|<script|<link", page)


def test_numbers_and_users_are_not_in_it(tmp_path: Path) -> None:
    report = tmp_path / "r.json"
    page = replayed(tmp_path, "a.html", "--report", str(report))
    numbers = {call["number"] for call in json.loads(report.read_text())["calls"]}
    assert numbers
    assert not [number for number in numbers if number in page]


def test_facts_lose_numbers_and_names_and_nothing_else() -> None:
    about = (1.0, "main", "192.0.2.0/24", "192.0.2.1")
    placed = CallPlaced(*about, number="49301234", lac="192.0.2.9")
    assert without_names(placed) == CallPlaced(*about, number="(not shown)", lac="192.0.2.9")
    user = LinkProgress(*about, stage="peer authenticated", detail="alice")
    assert "alice" not in str(without_names(user))
    call = IncomingCallChanged(*about, lac="192.0.2.9", state="closed", why="")
    assert without_names(call) is call


def test_a_hostile_name_of_a_capture_stays_text(tmp_path: Path) -> None:
    hostile = tmp_path / "<img src=x onerror=alert(1)>&\x1b.pcap"
    hostile.write_bytes(CAPTURE.read_bytes())
    page = tmp_path / "a.html"
    assert main(["replay", str(hostile), "--html", str(page), "--quiet"]) == 0
    assert "<img" not in page.read_text()
    assert "&lt;img src=x onerror=alert(1)&gt;&amp;\\x1b.pcap" in page.read_text()


def test_the_page_may_not_be_an_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(CAPTURE), "--html", str(CAPTURE)]) == 2
    assert "is an input as well" in capsys.readouterr().err


def test_a_benchmark_is_a_page_of_bars_and_rows() -> None:
    rows = [
        row("IPv4 lookup <b>", "ns", [2.0, 2.0], "peer & co", [4.0, 4.0]),
        once("soak calls", "calls", 20000),
    ]
    page = bench_page(rows, machine())
    assert re.findall(r'<section id="([a-z]+)"', page) == ["ratios", "rows"]
    assert "<b>" not in page
    assert "peer &amp; co" in page
    assert "2.00x" in page
    assert 'fill="var(--accent)"' in page


def test_a_benchmark_without_peers_has_no_bars() -> None:
    page = bench_page([once("soak calls", "calls", 20000)], machine())
    assert re.findall(r'<section id="([a-z]+)"', page) == ["rows"]
