"""`dialout sim`: the simulators as a command."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from socket_lns import loopback

from control import exit_codes
from control.cli import main

CONFIG = """
[[sim.lac]]
address = "{}"
secret = "tunnel-secret"

[[sim.cpe]]
number = "*"

[[sim.radius]]
address = "{}"
secret = "radius-secret"
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "sim.toml"
    path.write_text(CONFIG.format(loopback(), loopback()))
    return str(path)


def test_it_ends_by_itself_and_reports(config, tmp_path, capsys) -> None:
    report = tmp_path / "report.json"
    arguments = ["--config", config, "--duration", "0.05", "--report", str(report)]
    assert main(["sim", "lac", "radius", *arguments]) == exit_codes.OK
    data = json.loads(report.read_text())
    assert data["calls"]["calls_per_second"] == {"count": 0, "min": 0, "avg": 0.0, "max": 0}
    assert len(data["lac"]) == len(data["cpe"]) == len(data["radius"]) == 1
    told = capsys.readouterr().out
    assert told.startswith("lac lac 127.")
    assert "tunnel-secret" not in told + report.read_text()
    assert "radius-secret" not in told + report.read_text()


def test_a_scenario_ends_it_and_each_phase_is_reported(config, tmp_path, capsys) -> None:
    phases = """
[[sim.phase]]
name = "quiet"
duration = 0.1
[[sim.phase]]
name = "flood"
duration = 0.2
trigger_rate = 100
destinations = "127.255.0.0/30"
"""
    path = Path(config)
    path.write_text(path.read_text() + phases)
    report = tmp_path / "report.json"
    assert main(["sim", "lac", "--config", config, "--report", str(report)]) == exit_codes.OK
    data = json.loads(report.read_text())
    assert [phase["name"] for phase in data["phases"]] == ["quiet", "flood"]
    assert 15 <= data["triggers"] <= 20
    told = capsys.readouterr().out
    assert "phase quiet: 0.1 s\nphase flood: 0.2 s\n" in told


@pytest.mark.parametrize(
    ("phase", "told"),
    [
        ("duration = 0", "sim.phase.duration = 0: must be a number from 0.001 to"),
        ("duration = 1\nlacs = ['192.0.2.1']", "must be the address of a [[sim.lac]]"),
        ("duration = 1\ncall_rate = 1", 'sim.phase.lns = "": must not be empty beside call_rate'),
        ("duration = 1\ntrigger_rate = 1", 'sim.phase.destinations = "": must not be empty beside'),
        ("duration = 1\nfault = 'fire'", 'must be one of "", "stopccn", "reboot", "carriers"'),
    ],
)
def test_what_is_wrong_with_a_phase_is_told(config, phase, told, capsys) -> None:
    path = Path(config)
    path.write_text(path.read_text() + f"[[sim.phase]]\n{phase}\n")
    assert main(["sim", "lac", "--config", config]) == exit_codes.CONFIGURATION
    assert told in capsys.readouterr().err


def test_a_lean_site_with_a_method_it_does_not_know_is_told(config, capsys) -> None:
    path = Path(config)
    more = 'number = "*"\nanswer = "fast"\nauthentication = ["mschapv2"]'
    path.write_text(path.read_text().replace('number = "*"', more))
    assert main(["sim", "lac", "--config", config]) == exit_codes.CONFIGURATION
    assert 'sim.cpe.answer = "fast": knows no mschapv2' in capsys.readouterr().err


@pytest.mark.parametrize(
    "line", ["tcp:127.0.0.1", "tcp:somewhere:1", "tcp:127.0.0.1:0", "pty:", "pty:'", "com1"]
)
def test_a_line_that_is_none_is_told(config, line, capsys) -> None:
    path = Path(config)
    path.write_text(path.read_text().replace('number = "*"', f'number = "*"\nline = "{line}"'))
    assert main(["sim", "lac", "--config", config]) == exit_codes.CONFIGURATION
    assert "sim.cpe.line" in capsys.readouterr().err


def test_the_report_goes_to_standard_output_alone(config, capsys) -> None:
    assert main(["sim", "lac", "--config", config, "--duration", "0.05", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["radius"] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_good_order(config, number) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "control.cli", "sim", "lac", "--config", config],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process:
        assert process.stdout.readline().startswith("lac lac 127.")
        process.send_signal(number)
        assert "calls" in process.stdout.read()
    assert process.returncode == exit_codes.OK


def test_a_file_without_the_part_is_refused(tmp_path, capsys) -> None:
    path = tmp_path / "empty.toml"
    path.write_text("")
    assert main(["sim", "radius", "--config", str(path)]) == exit_codes.CONFIGURATION
    assert "there is no [[sim.radius]] to run" in capsys.readouterr().err


def test_an_address_of_another_machine_is_told(tmp_path, capsys) -> None:
    path = tmp_path / "far.toml"
    path.write_text(CONFIG.format("192.0.2.77", loopback()))
    assert main(["sim", "lac", "--config", str(path)]) == exit_codes.RESOURCE
    assert capsys.readouterr().err.startswith("dialout: 192.0.2.77:1701: ")


@pytest.mark.parametrize("duration", ["0", "-1", "nan", "1e9", "soon"])
def test_a_duration_is_bounded(config, duration, capsys) -> None:
    arguments = ["sim", "lac", "--config", config, "--duration", duration]
    assert main(arguments) == exit_codes.USAGE
    assert "--duration: must be seconds" in capsys.readouterr().err


def test_an_address_that_is_taken_is_a_resource_that_is_missing(config, capsys) -> None:
    arguments = ["sim", "lac", "--config", config, "--duration", "0.01"]
    address = config_address(config)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((address, 1701))
        assert main(arguments) == exit_codes.RESOURCE
    assert f"{address}:1701: Address already in use" in capsys.readouterr().err


def config_address(path: str) -> str:
    """Of the LAC."""
    return Path(path).read_text().split('address = "')[1].partition('"')[0]
