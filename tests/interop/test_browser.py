"""Reports in a real browser: nothing is wrong with them, everything in them can be seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser, browser

from control.bench.machine import machine
from control.bench.rows import once, row
from control.cli import main
from control.html_report.bench_page import bench_page

ROOT = Path(__file__).parents[2]

SIZES = """
[...document.querySelectorAll("section, .tile, svg, table")].filter(e => !e.closest("details"))
    .map(e => e.getBoundingClientRect()).map(r => [r.width, r.height])
"""
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
COLOURS = """
["body", "section", "h1", ".plot text"].map(s => document.querySelector(s))
    .map(e => getComputedStyle(e)).map(s => [s.backgroundColor, s.color, s.fill])
"""
OVERLAPS = """
[...document.querySelectorAll("svg")].map(svg => [...svg.querySelectorAll("text")]
    .map(e => e.getBoundingClientRect()))
    .map(boxes => boxes.filter((a, i) => boxes.some((b, j) => j > i && a.left < b.right - 1
        && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1)).length)
"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as made:
        yield made


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    replay, bench = folder / "replay.html", folder / "bench.html"
    capture, demo = ROOT / "examples/home-site.pcap", ROOT / "src/control/sim/demo.toml"
    given = ["replay", str(capture), "--config", str(demo), "--html", str(replay), "--quiet"]
    assert main(given) == 0
    rows = [
        row("IPv4 lookup random", "ns", [2.0] * 9, "DPDK fib", [4.0] * 9),
        row("IPv4 lookup trace", "ns", [4.0] * 9, "DPDK fib", [3.0] * 9),
        once("soak calls", "calls", 20000),
    ]
    bench.write_text(bench_page(rows, machine()))
    return {"replay": replay, "bench": bench}


@pytest.mark.parametrize("name", ["replay", "bench"])
@pytest.mark.parametrize("width", [360, 1280])
def test_everything_has_a_size_and_fits_the_window(chromium, pages, name, width):
    chromium.call(
        "Emulation.setDeviceMetricsOverride",
        width=width, height=900, deviceScaleFactor=1, mobile=False,
    )  # fmt: skip
    chromium.load(pages[name])
    sizes = chromium.value(SIZES)
    assert len(sizes) > 6
    assert all(w > 20 and h > 10 for w, h in sizes), sizes
    assert chromium.value(WIDER) <= 0
    assert not chromium.complaints


@pytest.mark.parametrize("name", ["replay", "bench"])
def test_no_text_of_a_plot_stands_on_another(chromium, pages, name):
    chromium.call("Emulation.clearDeviceMetricsOverride")
    chromium.load(pages[name])
    assert not any(chromium.value(OVERLAPS))


def test_light_and_dark_differ_and_both_can_be_read(chromium, pages):
    seen = []
    for dark in (False, True):
        chromium.load(pages["replay"], dark=dark)
        seen.append(chromium.value(COLOURS))
    for light, dark in zip(*seen, strict=True):
        assert light != dark

    def brightness(colour: str) -> int:
        red, green, blue = (int(n) for n in colour[4:-1].split(","))
        return red + green + blue

    (_, ground, _, _), (_, dark_ground, _, _) = seen
    assert brightness(ground[0]) > 600 > 200 > brightness(dark_ground[0])


def test_the_policy_of_a_page_stops_what_would_run_in_it(chromium, pages, tmp_path):
    page = (
        pages["replay"].read_text().replace("<main>", "<script>document.title='x'</script><main>")
    )
    changed = tmp_path / "changed.html"
    changed.write_text(page)
    chromium.load(changed)
    assert chromium.value("document.title") == "dialout replay"
    assert "Content Security Policy" in str(chromium.complaints)
    chromium.complaints.clear()
