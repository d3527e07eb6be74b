"""FRR in a namespace: zebra and bgpd of Debian's frr, with files of their own."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from namespace import Namespace

PROGRAMS = Path("/usr/lib/frr")
PATIENCE = 30.0


class Frr:
    """Two daemons; `bgp`: lines of bgpd's configuration. An error if frr is not installed."""

    def __init__(self, space: Namespace, bgp: str) -> None:
        self._space = space
        self._folder = Path(tempfile.mkdtemp(prefix="frr-"))
        (self._folder / "zebra.conf").write_text("hostname zebra\n")
        (self._folder / "bgpd.conf").write_text(bgp)
        for path in (self._folder, *self._folder.iterdir()):
            shutil.chown(path, "frr", "frr")
        self._processes = [
            self._start("zebra", "-s", "67108864"),
            self._start("bgpd", "-l", "0.0.0.0"),
        ]

    def _start(self, program: str, *options: str) -> subprocess.Popen[bytes]:
        folder = self._folder
        command = [PROGRAMS / program, "-u", "frr", "-g", "frr", "-z", folder / "zserv.api"]
        command += ["--vty_socket", folder, "-i", folder / f"{program}.pid"]
        command += ["-f", folder / f"{program}.conf", "--log", f"file:{folder}/{program}.log"]
        process = subprocess.Popen(
            ["ip", "netns", "exec", self._space.name, *command, *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        # Its socket for vtysh is the last that it opens before it works.
        end = time.monotonic() + PATIENCE
        while not (folder / f"{program}.vty").exists():
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{program} does not start")
            time.sleep(0.01)
        return process

    def show(self, command: str) -> str:
        return self._vtysh("-c", command)

    def configure(self, path: Path) -> None:
        """Takes a whole frr.conf, as vtysh does at boot. Raises CalledProcessError."""
        self._vtysh("-f", str(path))

    def _vtysh(self, *words: str) -> str:
        # It writes what it was told into a file of its home.
        home = ("env", f"HOME={self._folder}")
        return self._space.run(*home, "vtysh", "--vty_socket", str(self._folder), *words)

    def close(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self._folder)
