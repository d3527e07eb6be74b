"""What the running router gives up: each in a process of its own, for it is given up for good."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest

from control.runtime import privileges
from control.runtime.privileges import BPF, NET_ADMIN, NET_RAW, held, missing, needed

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root has privileges to give up")

PROBE = """
import json, os, sys
from control.runtime.privileges import drop, held
keep, user = json.loads(sys.argv[1])
drop(keep, user)
status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
def refused(call):
    try:
        call()
    except OSError:
        return True
    return False
print(json.dumps({
    "held": sorted(held()),
    "bounding": int(status["CapBnd"], 16),
    "ambient": int(status["CapAmb"], 16),
    "new": int(status["NoNewPrivs"]),
    "uid": os.getuid(),
    "groups": os.getgroups(),
    "setuid": refused(lambda: os.setuid(0)),
    "chroot": refused(lambda: os.chroot("/")),
}))
"""


def probe(keep: list[int], user: str = "") -> dict[str, Any]:
    command = [sys.executable, "-c", PROBE, json.dumps([keep, user])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@AS_ROOT
def test_only_what_is_kept_stays_and_nothing_brings_the_rest_back() -> None:
    found = probe([NET_ADMIN, NET_RAW])
    assert found["held"] == [NET_ADMIN, NET_RAW]
    assert found["bounding"] == 1 << NET_ADMIN | 1 << NET_RAW
    assert found["ambient"] == 0
    assert found["new"] == 1
    assert found["chroot"]


@AS_ROOT
def test_as_another_user_root_is_out_of_reach_and_capabilities_stay() -> None:
    found = probe([NET_RAW], "nobody")
    assert found["uid"] != 0
    assert found["held"] == [NET_RAW]
    assert found["setuid"]
    assert 0 not in found["groups"]


@AS_ROOT
def test_what_is_not_held_is_not_gained() -> None:
    code = PROBE.replace("drop(keep, user)", "drop([12]); drop(keep, user)")
    command = [sys.executable, "-c", code, json.dumps([[NET_ADMIN, NET_RAW], ""])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["held"] == [NET_ADMIN]


def test_a_user_that_does_not_exist_is_named() -> None:
    command = [sys.executable, "-c", PROBE, json.dumps([[], "no-such-user"])]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "ConfigurationError: --user no-such-user: there is no such user" in done.stderr


EARLY = """
import threading
ended = threading.Event()
threading.Thread(target=ended.wait).start()
from control.errors import ResourceError
from control.runtime.privileges import drop
try:
    drop([12])
except ResourceError as error:
    print(error)
ended.set()
"""


@AS_ROOT
def test_a_thread_from_before_keeps_nothing_unnoticed() -> None:
    """Capabilities are a thread's own, and memory is shared by all."""
    command = [sys.executable, "-c", EARLY]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert re.fullmatch(r"thread \d+ \(.*\) keeps privileges: started early\n", done.stdout)


def test_ports_say_what_they_need() -> None:
    assert needed(["udp", "mem", "pcap"]) == frozenset()
    assert needed(["tun", "udp"]) == {NET_ADMIN}
    assert needed(["xdp"]) == {NET_ADMIN, NET_RAW, BPF}
    assert missing([]) == []
    lacking = sorted(set(privileges.NAMES) - held())
    assert missing(privileges.NAMES) == [privileges.NAMES[number] for number in lacking]
