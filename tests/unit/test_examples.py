"""Every example runs as its comments say, and makes its point."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from control.cli import main

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
CAPTURE = EXAMPLES / "home-site.pcap"
LIVE = {
    EXAMPLES / "small-office.toml": ["radius"],
    EXAMPLES / "lab/lns.toml": ["radius"],
    EXAMPLES / "isp-frr/lns.toml": ["coa", "lac", "radius"],
}
"""Configurations of real interfaces, with the secrets that each wants beside it. They run in
tests/interop: test_operations.py, test_lab.py, test_isp_example.py."""
CONFIGURATIONS = sorted(path.name for path in EXAMPLES.glob("*.toml") if path not in LIVE)


@pytest.fixture
def replay(tmp_path, capsys):
    """Runs `dialout replay -v` with an example; returns what it printed and its report."""

    def run(name: str, *arguments: str) -> tuple[str, dict]:
        report = tmp_path / "report.json"
        options = ["--config", str(EXAMPLES / name), "--report", str(report), *arguments]
        assert main(["replay", "-v", *options, str(CAPTURE)]) == 0
        told = capsys.readouterr()
        return told.out + told.err, json.loads(report.read_text())

    return run


def in_service(data: dict) -> set[str]:
    """Destinations whose session came in service."""
    return {
        event["destination"]
        for event in data["timeline"]
        if event["event"] == "SessionStateChanged" and event["new"] == "IN_SERVICE"
    }


def placed(data: dict) -> list[tuple[str, str]]:
    """(destination, LAC) of the calls, in order."""
    return [
        (event["destination"], event["lac"])
        for event in data["timeline"]
        if event["event"] == "CallPlaced"
    ]


def test_each_configuration_has_its_test():
    tested = {"bad-line", "demo", "filtered-traffic", "replay-own-traffic", "two-lacs-failover"}
    tested |= {"ipv6-tunnel", "live"}  # the latter in test_runtime_command.py
    tested.add("lac-emulator")  # test_sim_example.py
    assert set(CONFIGURATIONS) == {f"{name}.toml" for name in tested}


def test_each_router_of_a_folder_is_among_the_live_ones():
    assert {path for path in LIVE if path.parent != EXAMPLES} == set(EXAMPLES.glob("*/lns.toml"))


@pytest.mark.parametrize("path", LIVE, ids=lambda path: str(path.relative_to(EXAMPLES)))
def test_a_live_example_needs_no_more_than_its_secrets(path, tmp_path, capsys):
    shutil.copy(path, tmp_path / "lns.toml")
    (tmp_path / "secrets").mkdir(mode=0o700)
    wanted = sorted(set(re.findall(r'secret_file = "secrets/(\w+)"', path.read_text())))
    assert wanted == LIVE[path]
    for name in wanted:
        (tmp_path / "secrets" / name).touch(mode=0o600)
        (tmp_path / "secrets" / name).write_text("secret")
    assert main(["check", "--config", str(tmp_path / "lns.toml")]) == 0
    assert "warning" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "path", sorted(EXAMPLES.glob("*/far-side.toml")), ids=lambda p: p.parent.name
)
def test_the_other_side_of_a_live_example_is_sound(path):
    assert main(["check", "--config", str(path)]) == 0


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_each_packet_of_an_example_is_accounted_for(replay, name):
    _, data = replay(name)
    assert data["accounted_for"]
    assert data["packets"] == 200
    assert data["errors"] == []


def test_demo_answers_come_back(replay):
    _, data = replay("demo.toml")
    assert in_service(data) == {"198.51.100.10", "198.51.100.77"}
    assert data["verdicts"]["FORWARD"] > 100
    assert data["verdicts"]["DELIVER"] == data["counters"]["decapsulated"] > 50


def test_own_traffic_reaches_every_destination_of_the_capture(replay):
    _, demo = replay("demo.toml")
    _, data = replay("replay-own-traffic.toml")
    assert demo["drop_reasons"]["no-route"] > 0
    assert data["drop_reasons"]["no-route"] == 1  # one packet of IPv6
    assert {d.rpartition(".")[0] for d in in_service(data)} == {"198.51.100", "203.0.113"}
    numbers = {e["number"] for e in data["timeline"] if e["event"] == "CallPlaced"}
    assert numbers == {"1001", "1002"}


def test_filters_say_what_places_a_call_and_what_passes(replay):
    _, plain = replay("replay-own-traffic.toml")
    _, data = replay("filtered-traffic.toml")
    assert {d.rpartition(".")[0] for d in in_service(data)} == {"198.51.100", "203.0.113"}
    assert data["drop_reasons"]["filtered"] > 0
    assert data["drop_reasons"]["no-traffic"] > 0
    assert data["verdicts"]["FORWARD"] < plain["verdicts"]["FORWARD"]
    assert data["verdicts"]["DELIVER"] > 0


def test_busy_first_lac_is_followed_by_the_second_in_the_timeline(replay):
    told, data = replay("two-lacs-failover.toml")
    first, second = "10.88.0.2", "10.88.0.3"
    for destination in ("198.51.100.10", "198.51.100.77"):
        assert [lac for to, lac in placed(data) if to == destination] == [first, second]
    assert in_service(data) == {"198.51.100.10", "198.51.100.77"}
    assert data["verdicts"]["FORWARD"] > 50
    # As the comment in the file shows it.
    pattern = (
        r"call +number 5551234 by LAC 10\.88\.0\.2\n"
        r".*call failed +cdn: no-facilities, LAC 10\.88\.0\.2, result 4\n"
        r".*call +number 5551234 by LAC 10\.88\.0\.3\n"
    )
    assert re.search(pattern, told)


def test_tunnel_over_ipv6_carries_what_one_over_ipv4_does(replay):
    _, demo = replay("demo.toml")
    _, data = replay("ipv6-tunnel.toml")
    assert {lac for _, lac in placed(data)} == {"2001:db8:88::2"}
    assert in_service(data) == in_service(demo)
    assert data["verdicts"] == demo["verdicts"]
    links = [e["detail"] for e in data["timeline"] if e.get("stage") == "lcp"]
    assert set(links) == {"mtu 1440"}


@pytest.mark.parametrize("seed", [(), ("--seed", "1"), ("--seed", "7"), ("--seed", "8")])
def test_calls_come_up_over_the_bad_line(replay, seed):
    _, data = replay("bad-line.toml", *seed)
    line = data["simulated"]["lac"][0]["link"]
    for way in ("to_far", "to_near"):
        assert line[way]["lost"] > 0
        assert line[way]["reordered"] > 0
    assert in_service(data) == {"198.51.100.10", "198.51.100.77"}


def test_data_flows_over_the_bad_line(replay):
    _, data = replay("bad-line.toml")
    assert data["verdicts"]["FORWARD"] > 50
    assert 0 < data["counters"]["decapsulated"] < data["counters"]["encapsulated"]


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_no_secret_shows_in_what_an_example_prints_and_reports(replay, name):
    text = (EXAMPLES / name).read_text()
    secrets = set(re.findall(r'(?:secret|[pP]assword(?::\d)?)"? = "([^"]+)"', text))
    assert len(secrets) >= 3
    told, data = replay(name)
    shown = told + json.dumps(data)
    assert not [secret for secret in secrets if secret in shown]


def test_embedding_by_hand_forwards_what_waited_and_what_came():
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "embed.py")],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT / "src")},
    )
    lines = done.stdout.splitlines()
    assert lines[0] == "trigger: 192.0.2.10 wants 198.51.100.10"
    assert lines[1] == "flushed: 1 packet"
    assert [line.startswith("sent: 28 octets in 68: 4002") for line in lines[2:4]] == [True, True]
    assert lines[4] == "{'FORWARD': 1, 'TRIGGER': 1}"
