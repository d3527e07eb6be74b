"""Captures that shrink while they are read (SIGBUS)."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from pcap_bytes import (
    enhanced,
    header,
    interface,
    record,
    section,
)

SHRINK = """
import os, signal, sys
from fastpath.ports.pcap import PcapPort
path, keep, taken = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
port = PcapPort(path)
got = []
while len(got) < taken:
    got += port.read(max=taken - len(got))
os.truncate(path, keep)
while more := port.read():
    got += more
print(len(got), all(p[3] == b"\\xaa" * 1400 for p in got), port.errors())
"""


@pytest.mark.parametrize(
    ("records", "keep", "taken", "whole"),
    [
        (40, 0, 5, 5),
        (40, 4096, 1, 2),
        (40, 24 + 1416 * 10 + 3, 5, 10),
        (3000, 24 + 1416 * 1000 + 100, 300, 1000),
        (3000, 4096 * 100, 2, 289),
        # the walk itself steps on pages that are gone
        (3000, 4096, 256, 256),
        (3000, 0, 512, 512),
        (3000, 4096 * 100 + 4000, 2, 292),
    ],
)
@pytest.mark.parametrize("form", ["pcap", "pcapng"])
def test_file_that_shrinks_while_read_is_an_error_and_no_crash(
    save, form, records, keep, taken, whole
):
    if form == "pcap":
        content = header() + record(0, b"\xaa" * 1400) * records
    else:
        content = section() + interface() + enhanced(0, b"\xaa" * 1400) * records
        whole = max(taken, (keep - 48) // 1432)
    result = subprocess.run(
        [sys.executable, "-c", SHRINK, str(save(content)), str(keep), str(taken)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert result.returncode == 0, result.stderr
    count, intact, errors = result.stdout.split(maxsplit=2)
    assert intact == "True"
    # of a pcapng block only the trailer may be gone
    assert whole <= int(count) <= whole + (form == "pcapng")
    assert f"the file shrank while it was read: {keep} octets are left of {len(content)}" in errors


FOREIGN = """
import ctypes, faulthandler, mmap, os, sys
if sys.argv[3] == "before": faulthandler.enable()
from fastpath.ports.pcap import PcapPort
port = PcapPort(sys.argv[1])
if sys.argv[3] == "between":
    faulthandler.enable()
    other = PcapPort(sys.argv[1])
if sys.argv[3] == "kill":
    os.kill(os.getpid(), 7)
with open(sys.argv[2], "r+b") as file:
    file.truncate(8192)
    memory = mmap.mmap(file.fileno(), 8192)
    file.truncate(0)
    memory[5000]
"""


@pytest.mark.parametrize("mode", ["plain", "before", "between", "kill"])
def test_bus_error_elsewhere_still_ends_the_process(save, tmp_path, mode):
    path = save(header() + record(0, bytes(60)))
    other = tmp_path / "other"
    other.touch()
    result = subprocess.run(
        [sys.executable, "-c", FOREIGN, str(path), str(other), mode],
        capture_output=True,
        text=True,
        timeout=20,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert result.returncode == -7
    assert ("Bus error" in result.stderr) == (mode in ("before", "between"))
