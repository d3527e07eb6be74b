"""The lab's dial-out with Ethernet ports on both sides, not the TUN device and the socket."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.interop

LAB = Path(__file__).parents[2] / "examples/lab"


@pytest.mark.parametrize("scheme", ["packet", "xdp"])
def test_packets_of_a_site_pass_our_ports_once_and_the_kernel_serves_control(
    scheme: str, tmp_path: Path
) -> None:
    for name in ("lab.py", "far-side.toml"):
        (tmp_path / name).write_text((LAB / name).read_text())
    program = tmp_path / "lab.py"
    # The kernel has no TUN device to route into: its route to the target is an unreachable one.
    program.write_text(program.read_text().replace('while "lns0" not in', "while TARGET not in"))
    text = (LAB / "lns.toml").read_text().replace("tun:lns0", f"{scheme}:to-home")
    tunnel = f'\n[[port]]\nname = "tunnel"\nurl = "{scheme}:to-lac"\nside = "tunnel"\n'
    (tmp_path / "lns.toml").write_text(f'{text}{tunnel}virtual_router = "default"\n')
    command = (sys.executable, str(program), "--seconds", "1")
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    # One hop less than by a TUN device: the kernel forwards nothing, and answers nothing.
    assert "icmp_seq=1 ttl=63" in done.stdout
    assert "DUP!" not in done.stdout
    assert "Unreachable" not in done.stdout
    assert "IN_SERVICE" in done.stdout
    transfers = re.findall(r"(?:to the site|and back): ([\d,]+) octets", done.stdout)
    assert len(transfers) == 2
    assert all(int(octets.replace(",", "")) > 1_000_000 for octets in transfers)
