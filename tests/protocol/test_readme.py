"""What the README shows works: its Python, its commands, its targets of make, its files."""

from __future__ import annotations

import ast
import bz2
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import fastpath
from control import arguments, exit_codes

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def lines_of_code() -> list[str]:
    return [line.partition("#")[0].rstrip() for block in blocks("") for line in block.splitlines()]


COMMANDS = [line for line in lines_of_code() if line.startswith("dialout ")]
TARGETS = re.findall(r"\bmake ([a-z]+(?: [a-z]+)*)`", README)
TARGETS += [line.removeprefix("make ") for line in lines_of_code() if line.startswith("make ")]


def test_the_lines_of_python_forward_a_packet_into_its_session():
    code = blocks("python")[-1]
    assert sum(line != "" for line in code.splitlines()[1:]) == 10
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
    verdicts, _, packets = run.stdout.partition(") ")
    assert verdicts == "(1, 0, 0, 0, 0, 0, 0"
    ((_, packet),) = ast.literal_eval(packets)
    assert packet[9] == 17
    assert packet[12:20] == bytes([10, 88, 0, 1, 10, 88, 0, 2])
    assert packet[32:40] == b"\0\3\0\4\xff\3\0\x21", "ids of the peer, then PPP"
    assert packet[48] == 63, "TTL of the inner packet"


def test_the_lines_about_files_of_routes_work(tmp_path):
    spec = importlib.util.spec_from_file_location(
        "mrt_dump", ROOT / "tests/unit/control/mrt_dump.py"
    )
    dump = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = dump
    spec.loader.exec_module(dump)
    data = dump.peer_index([("192.0.2.1", 64500)])
    data += dump.rib("203.0.113.0/24", [dump.Path(0, dump.attributes("192.0.2.7"))])
    (tmp_path / "rib.mrt.bz2").write_bytes(bz2.compress(data))
    code, *_ = blocks("python")
    code += 'assert engine.resolve(table, "203.0.113.9") == next(iter(nhs.values()))\n'
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    assert (tmp_path / "table.routes").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_can_be_typed(command, monkeypatch):
    monkeypatch.chdir(ROOT)
    parsed = arguments.parse(shlex.split(command)[1:])
    for path in [
        *getattr(parsed, "captures", []),
        *filter(None, [getattr(parsed, "config", None)]),
    ]:
        assert Path(path).is_file(), path


def test_there_are_commands():
    assert {command.split()[1] for command in COMMANDS} == {
        "replay",
        "check",
        "bench",
        "sim",
        "run",
        "show",
        "explain",
        "freeze",
        "reload",
    }


def test_targets_of_make_are_in_the_makefile():
    assert {"demo", "test", "deps", "interop"} <= set(TARGETS)
    makefile = (ROOT / "Makefile").read_text()
    for target in " ".join(TARGETS).split():
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_links_lead_somewhere():
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert "CONTRIBUTING.md" in links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_exit_codes_are_those_of_the_program():
    text = " ".join(README.split())
    for name, code in vars(exit_codes).items():
        if name.isupper():
            assert re.search(rf"\b{code} ({name.lower()}|[a-z ]*{name.lower()})", text), name


def test_the_lines_of_c_handle_a_packet(tmp_path):
    (code,) = blocks("c")
    (tmp_path / "embed.c").write_text(code)
    if shutil.which("cc") is None:
        pytest.skip("cc is not installed")
    python = f"python{sysconfig.get_python_version()}-config"
    config = Path(sysconfig.get_config_var("BINDIR")) / python
    flags = [
        subprocess.run([config, *way], capture_output=True, text=True, check=True).stdout.split()
        for way in (["--includes"], ["--ldflags", "--embed"])
    ]
    libraries = f"-Wl,-rpath,{sysconfig.get_config_var('LIBDIR')}"
    program = tmp_path / "embed"
    compiler = ["cc", "-Wall", f"-I{fastpath.get_include()}", *flags[0]]
    command = [*compiler, tmp_path / "embed.c", "-o", program, *flags[1], libraries]
    subprocess.run(command, check=True)
    paths = os.pathsep.join([str(ROOT / "src"), *sys.path])
    run = subprocess.run(
        [program],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "DROP no-route\n", "")
