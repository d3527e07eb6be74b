"""The command line: what is refused, with which exit code, and what is left alone."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from replay_run import DEMO, dialout, home_site, packets_of, ping, write_pcap

from control import commands, exit_codes
from control.cli import main
from control.errors import ConfigurationError, DialoutError, ResourceError
from control.sim.traffic import flood_capture

COUNT = 20


@pytest.fixture
def capture(tmp_path):
    return write_pcap(tmp_path / "in.pcap", ((n / 10, ping(n)) for n in range(COUNT)))


# --- usage ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        ((), "required: COMMAND"),
        (("dial",), "invalid choice: 'dial'"),
        (("replay",), "required: IN.pcap"),
        (("replay", "--loud", "in.pcap"), "unrecognized arguments: --loud"),
        (("replay", "--rep", "r.json", "in.pcap"), "unrecognized arguments: --rep"),
        (("replay", "-v", "-q", "in.pcap"), "not allowed with argument"),
        (("replay", "--limit", "-1", "in.pcap"), "--limit: must be a whole number from 0 to"),
        (("replay", "--limit", "1e3", "in.pcap"), "--limit: must be a whole number from 0 to"),
        (("replay", "--limit", "\u0661", "in.pcap"), "--limit: must be a whole number from 0 to"),
        (("replay", "--seed", "9" * 19, "in.pcap"), "--seed: must be a whole number from 0 to"),
        (("replay", "--seed", "9" * 5000, "in.pcap"), "--seed: must be a whole number from 0 to"),
        (("replay", ""), "IN.pcap: must be the name of a file, not empty"),
        (("replay", "--config", "", "in.pcap"), "--config: must be the name of a file, not empty"),
        (("replay", "--write", "", "in.pcap"), "--write: must be the name of a file, not empty"),
        (("replay", "--report", "", "in.pcap"), "--report: must be the name of a file, not empty"),
        (("demo", "--output", ""), "--output: must be the name of a file, not empty"),
        (("demo", "in.pcap"), "unrecognized arguments: in.pcap"),
        (("check",), "required: --config"),
    ],
)
def test_wrong_usage_is_told_and_nothing_is_done(capsys, tmp_path, monkeypatch, argv, told):
    monkeypatch.chdir(tmp_path)
    result = dialout(capsys, *argv)
    assert result.code == 2
    assert result.out == ""
    usage, message = result.err.splitlines()[0], result.err.splitlines()[-1]
    assert usage.startswith("usage: dialout")
    assert message.startswith("dialout: ")
    assert told in message
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("argv", [["--help"], ["replay", "-h"], ["demo", "-h"], ["check", "-h"]])
def test_help_names_the_exit_codes(capsys, argv):
    result = dialout(capsys, *argv)
    assert (result.code, result.err) == (0, "")
    assert "130 interrupted" in result.out


def test_help_imports_nothing_that_takes_time():
    code = "import sys; from control.cli import main; main(['--help']); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = run.stdout.splitlines()[-1].split()
    assert "control.arguments" in loaded
    heavy = {"numpy", "fastpath", "pyrad", "pytricia", "asyncio", "json", "control.commands"}
    assert not heavy & set(loaded)


# --- inputs ---------------------------------------------------------------------------------------


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: None, "No such file or directory"),
        (Path.mkdir, "Is a directory"),
        (make_fifo, "not a regular file, cannot be mapped"),
        (lambda path: path.symlink_to("/dev/zero"), "not a regular file, cannot be mapped"),
        (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
        (lambda path: path.write_bytes(b""), "octet 0: the file is empty"),
        (lambda path: path.write_bytes(b"abc"), "octet 0: 3 octets are too few for a capture"),
        (
            lambda path: path.write_text("hello world"),
            "octet 0: neither pcap, pcapng nor Network Monitor",
        ),
        (lambda path: path.write_bytes(b"\x1f\x8b\x08\0"), "run gunzip on it first"),
    ],
)
def test_what_is_no_capture_is_refused(capsys, tmp_path, make, told):
    path = tmp_path / "odd"
    make(path)
    result = dialout(capsys, "replay", path)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"dialout: {path}: ")
    assert told in result.err
    assert result.err.count("\n") == 1


def test_one_that_is_no_capture_refuses_all_and_leaves_the_output_alone(capsys, tmp_path, capture):
    out = tmp_path / "out.pcapng"
    out.write_text("old")
    result = dialout(capsys, "replay", capture, tmp_path / "absent", "--write", out)
    assert result.code == 1
    assert out.read_text() == "old"


def test_a_damaged_input_fails_after_its_last_whole_packet(capsys, tmp_path, capture):
    capture.write_bytes(capture.read_bytes()[:-1])
    whole = home_site(tmp_path, "whole.pcap")
    result = dialout(capsys, "replay", "--json", capture, whole)
    assert result.code == 1
    offset = capture.stat().st_size - (16 + 98 - 1)
    told = f"octet {offset}: record of 114 octets, only 113 are left in the file"
    assert result.err == f"dialout: {capture}: {told}\n"
    assert result.json["packets"] == COUNT - 1 + 200
    assert [(e["file"], e["offset"]) for e in result.json["errors"]] == [("in.pcap", offset)]
    assert result.json["accounted_for"]


@pytest.mark.parametrize(
    ("limit", "packets", "limited"),
    [(0, 0, True), (1, 1, True), (COUNT - 1, COUNT - 1, True), (COUNT, COUNT, False)],
)
def test_a_limit_ends_the_input(capsys, tmp_path, capture, limit, packets, limited):
    out = tmp_path / "out.pcapng"
    result = dialout(capsys, "replay", "--limit", limit, "--write", out, "--json", capture)
    assert result.code == 0
    assert (result.json["packets"], result.json["limited"]) == (packets, limited)
    assert len(packets_of(out)) == packets


def test_inputs_are_merged_by_time(capsys, tmp_path):
    even = write_pcap(tmp_path / "even.pcap", ((n, ping(n)) for n in range(0, 40, 2)))
    odd = write_pcap(tmp_path / "odd.pcap", ((n, ping(n)) for n in range(1, 41, 2)))
    out = tmp_path / "out.pcapng"
    assert dialout(capsys, "replay", odd, even, "--write", out).code == 0
    numbers = [int.from_bytes(packet.ip[26:28], "big") for packet in packets_of(out)]
    assert numbers == list(range(40))


# --- outputs --------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["--write", "--report"])
@pytest.mark.parametrize("link", ["", "same name", "symbolic", "hard"])
def test_an_output_that_is_an_input_is_refused_before_it_is_touched(
    capsys, tmp_path, monkeypatch, capture, option, link
):
    monkeypatch.chdir(tmp_path)
    other = tmp_path / "other"
    if link == "":
        other = capture
    elif link == "same name":
        other = Path("..") / tmp_path.name / capture.name
    elif link == "symbolic":
        other.symlink_to(capture)
    else:
        other.hardlink_to(capture)
    before = capture.read_bytes()
    result = dialout(capsys, "replay", home_site(tmp_path), capture, option, other)
    assert result.code == 2
    assert result.err.endswith(f"dialout: {option} {other} is an input as well\n")
    assert capture.read_bytes() == before


@pytest.mark.parametrize("option", ["--write", "--report"])
def test_an_output_must_not_be_the_configuration(capsys, tmp_path, capture, option):
    config = tmp_path / "dialout.toml"
    config.write_text(DEMO.read_text())
    result = dialout(capsys, "replay", capture, "--config", config, option, config)
    assert result.code == 2
    assert config.read_text() == DEMO.read_text()


def test_both_outputs_must_not_be_one_file(capsys, tmp_path, capture):
    out, link = tmp_path / "out", tmp_path / "link"
    link.symlink_to(out)
    result = dialout(capsys, "replay", capture, "--write", out, "--report", link)
    assert result.code == 2
    assert not out.exists()


def test_outputs_may_go_nowhere_together(capsys, capture):
    result = dialout(
        capsys, "replay", "-q", "--write", "/dev/null", "--report", "/dev/null", capture
    )
    assert (result.code, result.out, result.err) == (0, "", "")


@pytest.mark.parametrize("option", ["--write", "--report"])
@pytest.mark.parametrize(
    ("name", "code", "told"),
    [
        ("absent/out", 1, "No such file or directory"),
        (".", 1, "Is a directory"),
        ("in.pcap/out", 1, "Not a directory"),
        ("/dev/full", 5, "No space left on device"),
    ],
)
def test_an_output_that_cannot_be_written_is_told(
    capsys, tmp_path, capture, option, name, code, told
):
    path = tmp_path / name
    result = dialout(capsys, "replay", capture, option, path)
    assert (result.code, result.err) == (code, f"dialout: {path}: {told}\n")


def test_a_full_disk_ends_the_run_early(capsys, tmp_path):
    capture = tmp_path / "in.pcap"
    flood_capture(capture, packets=60000)
    seen = []

    class Watch(commands.Progress):
        def __call__(self, replay):
            seen.append(replay.home.packets)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(commands, "Progress", Watch)
        result = dialout(capsys, "replay", capture, "--write", "/dev/full")
    assert result.code == 5
    assert seen
    assert max(seen) < 60000


def test_the_report_on_standard_output_is_the_one_in_the_file(capsys, tmp_path, capture):
    report = tmp_path / "report.json"
    result = dialout(capsys, "replay", "--json", "-v", "--report", report, capture)
    assert result.code == 0
    assert result.json == json.loads(report.read_text())
    assert "particulars" in result.err  # the timeline goes where it does not harm


def test_quiet_tells_nothing(capsys, tmp_path, capture):
    result = dialout(capsys, "replay", "-q", "--config", DEMO, capture)
    assert (result.code, result.out, result.err) == (0, "", "")


# --- exit codes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (DialoutError("no"), exit_codes.FAILED, "dialout: no\n"),
        (ConfigurationError("f:1: no"), exit_codes.CONFIGURATION, "f:1: no\n"),
        (ResourceError("full"), exit_codes.RESOURCE, "dialout: full\n"),
        (MemoryError(), exit_codes.RESOURCE, "dialout: out of memory\n"),
        (OSError(errno.EACCES, "not you", "f"), exit_codes.RESOURCE, "dialout: f: not you\n"),
        (OSError(errno.EROFS, "read only", "f"), exit_codes.RESOURCE, "dialout: f: read only\n"),
        (OSError(errno.EMFILE, "too many"), exit_codes.RESOURCE, "dialout: too many\n"),
        (OSError(errno.EIO, "broken", "f"), exit_codes.FAILED, "dialout: f: broken\n"),
        (OSError(errno.EPIPE, "gone", "f"), exit_codes.FAILED, "dialout: f: gone\n"),
        (OSError(errno.EPIPE, "gone"), exit_codes.FAILED, ""),
        (KeyboardInterrupt(), exit_codes.INTERRUPTED, "dialout: interrupted\n"),
    ],
)
def test_an_error_has_its_exit_code_and_one_line(capsys, monkeypatch, error, code, told):
    def fail(arguments):
        raise error

    monkeypatch.setitem(commands.COMMANDS, "check", fail)
    result = dialout(capsys, "check", "--config", "x")
    assert (result.code, result.out, result.err) == (code, "", told)


def test_a_defect_is_not_hidden(monkeypatch):
    def fail(arguments):
        raise ZeroDivisionError

    monkeypatch.setitem(commands.COMMANDS, "check", fail)
    with pytest.raises(ZeroDivisionError):
        main(["check", "--config", "x"])
