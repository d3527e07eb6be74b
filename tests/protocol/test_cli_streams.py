"""What the command does with its terminal: pipes that close, Ctrl-C, progress, odd characters."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import subprocess
import sys

import pytest
from replay_run import DEMO, demo_config, dialout, home_site, packets_of, ping, write_pcap

from control import console, report
from control.dialout import events

COMMAND = [sys.executable, "-m", "control.cli"]


@pytest.fixture
def sigint():
    """SIGINT as Python has it at the start, whatever this test runs under."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def at_the_call(monkeypatch, act):
    """Has `-v` call `act` when the LAC's call is answered."""
    line = report.timeline_line

    def watched(event):
        if isinstance(event, events.CallAnswered):
            act()
        return line(event)

    monkeypatch.setattr(report, "timeline_line", watched)


def run_demo_config(capsys, tmp_path, *argv):
    return dialout(
        capsys,
        "replay",
        "-v",
        "--config",
        DEMO,
        "--write",
        tmp_path / "out.pcapng",
        "--report",
        tmp_path / "report.json",
        *argv,
        home_site(tmp_path),
    )


# --- Ctrl-C ---------------------------------------------------------------------------------------


def test_ctrl_c_ends_a_replay_with_whole_files(capsys, tmp_path, monkeypatch, sigint):
    at_the_call(monkeypatch, lambda: signal.raise_signal(signal.SIGINT))
    result = run_demo_config(capsys, tmp_path)
    assert (result.code, result.err) == (130, "dialout: interrupted\n")
    told = json.loads((tmp_path / "report.json").read_text())
    assert told["interrupted"]
    assert told["accounted_for"]
    assert 0 < told["packets"] < 200
    assert [session["state"] for session in told["sessions"]] == ["connecting"] * 2
    # What is in a trigger's buffer has not left the router and is not written.
    written = packets_of(tmp_path / "out.pcapng")
    discarded = [packet for packet in written if packet.comment == "TRIGGER discarded"]
    assert len(discarded) == told["counters"]["triggers_discarded"] > 0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_is_not_waited_for(capsys, tmp_path, monkeypatch, sigint):
    def twice():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    at_the_call(monkeypatch, twice)
    result = run_demo_config(capsys, tmp_path)
    assert (result.code, result.err) == (130, "dialout: interrupted\n")
    assert packets_of(tmp_path / "out.pcapng")


def test_a_command_that_is_to_ignore_ctrl_c_goes_on(capsys, tmp_path, monkeypatch, sigint):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    at_the_call(monkeypatch, lambda: signal.raise_signal(signal.SIGINT))
    assert run_demo_config(capsys, tmp_path).code == 0
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_ctrl_c_reaches_a_command_that_waits_for_a_far_packet(
    capsys, tmp_path, monkeypatch, sigint
):
    """An hour of virtual time has no packet in it, but it has steps."""
    at_the_call(monkeypatch, lambda: signal.raise_signal(signal.SIGINT))
    capture = write_pcap(tmp_path / "sparse.pcap", [(0, ping(0)), (3600, ping(1))])
    result = dialout(capsys, "replay", "-v", "--config", DEMO, capture)
    assert result.code == 130
    assert "packets read                           1" in result.out


def test_ctrl_c_as_a_terminal_sends_it(tmp_path):
    frame = ping(0)
    frames = ((n / 1000, frame) for n in range(20000))
    capture, out = write_pcap(tmp_path / "in.pcap", frames), tmp_path / "out.pcapng"
    argv = ["replay", "-v", "--config", DEMO, "--write", out, capture]
    with subprocess.Popen(
        [*COMMAND, *map(str, argv)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        for line in process.stdout:
            if " trigger " in line:
                process.send_signal(signal.SIGINT)
                break
        _, err = process.communicate()
    assert (process.returncode, err) == (130, "dialout: interrupted\n")
    assert len(packets_of(out)) < 20000


# --- pipes ----------------------------------------------------------------------------------------


def test_a_reader_that_goes_away_ends_the_command_quietly(tmp_path):
    argv = [*COMMAND, "demo", "--output", str(tmp_path / "demo")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        err = process.stderr.read()
    assert (process.returncode, err) == (1, b"")


def test_a_full_standard_output_is_told(tmp_path):
    argv = [*COMMAND, "check", "--config", str(DEMO)]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with open("/dev/full", "wb") as full:
        run = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, text=True, env=env)
    assert run.returncode == 5
    assert run.stderr == "dialout: standard output: No space left on device\n"


def test_standard_error_may_be_closed(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    result = dialout(capsys, "replay", "-v", "--json", "--config", DEMO, home_site(tmp_path))
    assert result.code == 0
    assert result.json["packets"] == 200
    for argv, code in ((["replay"], 2), (["replay", tmp_path / "absent"], 1)):
        result = dialout(capsys, *argv)
        assert (result.code, result.out) == (code, "")


def test_standard_error_may_be_full(capsys, tmp_path, monkeypatch):
    class Full(io.StringIO):
        def write(self, text):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sys, "stderr", Full())
    assert dialout(capsys, "replay", tmp_path / "absent").code == 1
    assert dialout(capsys, "replay").code == 2


def test_standard_output_may_be_closed(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    assert dialout(capsys, "demo", "--output", tmp_path / "demo").code == 0


# --- characters -----------------------------------------------------------------------------------


def test_what_peers_say_cannot_drive_a_terminal(capsys, tmp_path):
    """A CDN's text reaches the timeline: RFC 2661 4.4.2 lets it be anything."""
    event = events.TunnelUp(1.0, ("10.0.0.1", 1701), 1, 2, "lac\x1b[2J\n\udcff\u202e.example")
    line = report.timeline_line(event)
    assert line.isprintable()
    assert line.endswith(r"at lac\x1b[2J\n\udcff\u202e.example")


def test_names_of_files_need_not_be_text(capsys, tmp_path):
    name = os.fsencode(tmp_path) + b"/\xff\x1b[2J.toml"
    with open(name, "w") as file:
        file.write(DEMO.read_text())
    result = dialout(capsys, "check", "--config", os.fsdecode(name))
    assert result.code == 0
    assert result.out.startswith(f"{tmp_path}/\\udcff\\x1b[2J.toml: ok: ")
    with open(name, "a") as file:
        file.write("[[")
    result = dialout(capsys, "check", "--config", os.fsdecode(name))
    assert result.code == 3
    assert result.err.startswith(f"{tmp_path}/\\udcff\\x1b[2J.toml:")


def test_a_terminal_need_not_know_every_character(tmp_path):
    config = demo_config(tmp_path, name="\u00fcber.toml")
    run = subprocess.run(
        [*COMMAND, "check", "--config", str(config)],
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert "\\xfcber.toml: ok" in run.stdout


# --- progress -------------------------------------------------------------------------------------


class Clock:
    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(console.time, "monotonic", lambda: self.now)


class Half:
    """A replay of which half is done."""

    class home:
        position, size, packets = 500, 1000, 3000


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_on_a_terminal_is_one_line_that_goes_away(monkeypatch):
    clock, screen = Clock(monkeypatch), Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    progress = console.Progress(quiet=False)
    progress(Half)
    assert screen.getvalue() == ""
    clock.now += 2
    progress(Half)
    progress(Half)
    bar = "#" * 15 + " " * 15
    assert screen.getvalue() == f"\r[{bar}]  50.0%         1,500 packets/s       2 s left"
    progress.clear()
    assert screen.getvalue().endswith("left\r\x1b[K")


def test_progress_into_a_pipe_is_a_plain_line_now_and_then(monkeypatch):
    clock, pipe = Clock(monkeypatch), io.StringIO()
    monkeypatch.setattr(sys, "stderr", pipe)
    progress = console.Progress(quiet=False)
    clock.now += 4
    progress(Half)
    assert pipe.getvalue() == ""
    clock.now += 1
    progress(Half)
    progress.clear()
    assert pipe.getvalue() == " 50.0%           600 packets/s       5 s left\n"


def test_quiet_shows_no_progress(monkeypatch):
    clock, screen = Clock(monkeypatch), Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    progress = console.Progress(quiet=True)
    clock.now += 60
    progress(Half)
    progress.clear()
    assert screen.getvalue() == ""
