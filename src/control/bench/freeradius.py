"""Whole dial-outs with a FreeRADIUS instead of the simulated RADIUS: one that is installed, started
here on loopback with a configuration of its own in a temporary folder, and ended in the end.

It has to give every call the address that the call is for: the number to dial, which both requests
have, is that address with asterisks.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from control.bench.context import Context
from control.bench.load_config import (
    DOMAIN,
    PASSWORD,
    RADIUS_SECRET,
    TUNNEL_SECRET,
    lac_address,
    radius_address,
)
from control.bench.rows import Row
from control.bench.signalling import LACS, load, load_rows
from control.errors import ResourceError

PROGRAM: Final = "freeradius"
READY: Final = "Ready to process requests"
PATIENCE: Final = 30.0
"""Seconds it may take to start, and to end."""

CONFIGURATION: Final = """
prefix = /usr
raddbdir = {folder}
logdir = {folder}
run_dir = {folder}
libdir = /usr/lib/freeradius
modconfdir = ${{raddbdir}}
pidfile = ${{run_dir}}/radiusd.pid
max_request_time = 5
cleanup_delay = 0
max_requests = 16384
hostname_lookups = no
log {{
 destination = stdout
}}
security {{
 allow_core_dumps = no
 max_attributes = 200
 reject_delay = 0
 status_server = yes
}}
client loopback {{
 ipaddr = 127.0.0.0/8
 secret = "{secret}"
 require_message_authenticator = yes
}}
thread pool {{
 start_servers = 1
 max_servers = 1
 min_spare_servers = 1
 max_spare_servers = 1
 max_requests_per_server = 0
}}
modules {{
 files {{
  usersfile = ${{raddbdir}}/users
 }}
 chap {{
 }}
}}
server default {{
 listen {{
  type = auth
  ipaddr = {address}
  port = {port}
 }}
 authorize {{
  files
  chap
 }}
 authenticate {{
  Auth-Type CHAP {{
   chap
  }}
 }}
 post-auth {{
  update reply {{
   Message-Authenticator := 0x00
  }}
 }}
}}
"""
USERS: Final = """
DEFAULT User-Name =~ "^{address}@{domain}$", Auth-Type := Accept
\tERX-Dial-Out-Number = "%{{1}}*%{{2}}*%{{3}}*%{{4}}",
\tERX-PPP-Username = "lns",
\tERX-PPP-Password = "{password}",
\t{lacs}

DEFAULT Called-Station-Id =~ "^{number}$", Cleartext-Password := "{password}"
\tFramed-IP-Address = "%{{1}}.%{{2}}.%{{3}}.%{{4}}"
"""
_OCTET: Final = "([0-9]+)"
_LAC: Final = """Tunnel-Type:{tag} = L2TP,
\tTunnel-Medium-Type:{tag} = IPv4,
\tTunnel-Server-Endpoint:{tag} = "{address}",
\tTunnel-Password:{tag} = "{secret}\""""


class FreeRadius:
    """The process, as its user sees it. A context manager. Raises ResourceError if there is none to
    start."""

    def __init__(self, half: str, lacs: int, processor: int) -> None:
        """`half`: the first half of the addresses of all hosts."""
        program = shutil.which(PROGRAM, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if program is None:
            raise ResourceError("no FreeRADIUS to measure with: apt-get install freeradius")
        address = radius_address(half)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
            self.port = int(probe.getsockname()[1])
        self._folder = Path(tempfile.mkdtemp(prefix="dialout-freeradius-"))
        try:
            self._write(half, lacs, address)
            self._process = self._start(program, processor)
        except BaseException:
            shutil.rmtree(self._folder)
            raise

    def __enter__(self) -> FreeRadius:
        end = time.monotonic() + PATIENCE
        while READY not in (said := self._output().read_text()):
            if self._process.poll() is not None or time.monotonic() > end:
                self.__exit__()
                why = " ".join(said.splitlines()[-2:])
                raise ResourceError(f"FreeRADIUS does not start: {why}")
            time.sleep(0.02)
        return self

    def __exit__(self, *error: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder)

    def _write(self, half: str, lacs: int, address: str) -> None:
        tunnels = [
            _LAC.format(tag=n + 1, address=lac_address(half, n), secret=TUNNEL_SECRET.decode())
            for n in range(lacs)
        ]
        files = {
            "radiusd.conf": CONFIGURATION.format(
                folder=self._folder, secret=RADIUS_SECRET.decode(), address=address, port=self.port
            ),
            "users": USERS.format(
                address="[.]".join([_OCTET] * 4),
                number="[*]".join([_OCTET] * 4),
                domain=DOMAIN,
                password=PASSWORD.decode(),
                lacs=",\n\t".join(tunnels),
            ),
            "dictionary": "",
        }
        for name, text in files.items():
            (self._folder / name).write_text(text)
            (self._folder / name).chmod(0o644)
        self._folder.chmod(0o755)

    def _output(self) -> Path:
        return self._folder / "output"

    def _start(self, program: str, processor: int) -> subprocess.Popen[bytes]:
        user: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = {"user": "nobody", "group": "nogroup", "extra_groups": []}
            shutil.chown(self._folder, "nobody", "nogroup")
        # A file: nobody reads a pipe while it is measured, and it would wait for that.
        with self._output().open("w") as output:
            process = subprocess.Popen(
                [program, "-f", "-l", "stdout", "-d", str(self._folder)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=0,
                **user,
            )
        os.sched_setaffinity(process.pid, {processor})
        return process


def freeradius(context: Context) -> Iterator[Row]:
    """Dial-outs at a rate that FreeRADIUS, LACs and sites can do on one processor."""
    sizes, processors = context.sizes, context.processors
    rate, seconds = sizes.freeradius_rate, sizes.freeradius_seconds
    found = load(processors, rate, seconds, LACS, FreeRadius)
    yield from load_rows(f"freeradius {rate:g} dial-outs/s for {seconds:g} s", found)
