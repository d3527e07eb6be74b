"""A DPDK program on Debian's libdpdk-dev forwards mbufs in place while Python places the call."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples/dpdk"
SOURCES = {**os.environ, "PYTHONPATH": str(ROOT / "src")}


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("dpdk")
    command = ["make", "-s", "-C", str(FOLDER), f"PYTHON={sys.executable}", f"OUT={out}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=SOURCES)
    assert done.returncode == 0, done.stdout + done.stderr
    return out / "dpdk"


def frames(path: Path) -> list[bytes]:
    """Of a classic pcap, read from its octets."""
    data = path.read_bytes()
    found, at = [], 24
    while at < len(data):
        (length,) = struct.unpack_from("<I", data, at + 8)
        found.append(data[at + 16 : at + 16 + length])
        at += 16 + length
    return found


def test_mbufs_are_forwarded_in_place_both_ways(program, tmp_path):
    answers = tmp_path / "answers.pcap"
    capture = ROOT / "examples/home-site.pcap"
    arguments = [ROOT / "examples/demo.toml", capture, answers, ROOT / "examples/embed"]
    done = subprocess.run(
        [str(program), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=SOURCES,
        timeout=120,
        cwd=tmp_path,
    )
    told = done.stdout
    assert done.returncode == 0, told + done.stderr
    assert re.search(r"trigger .*call .*IPCP opened.*access route", told, re.DOTALL), told
    in_place, made, copied, lost = map(
        int,
        re.search(
            r"sent in place: (\d+), made by the engine: (\d+), copied: (\d+), lost: (\d+)", told
        ).groups(),
    )
    assert in_place >= 400, "to the site, and back from it"
    assert made > 0, "control messages, and what had waited for the call"
    assert (copied, lost) == (0, 0)
    # What the site answered has reached the home port, in Ethernet, out of the tunnel.
    delivered = frames(answers)
    assert len(delivered) >= 200
    for frame in delivered:
        assert frame[12:15] == b"\x08\x00\x45"
        assert frame[26:29] in (bytes([198, 51, 100]), bytes([203, 0, 113]))
