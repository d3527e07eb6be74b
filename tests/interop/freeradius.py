"""Debian's FreeRADIUS on random ports of loopback addresses, and radclient, for tests as root."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PATIENCE = 60.0
"""Seconds for a program to start or end; only failed tests wait so long."""

CONFIGURATION = """
prefix = /usr
raddbdir = {folder}/raddb
logdir = {folder}/log
run_dir = {folder}/run
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
 secret = {secret}
 require_message_authenticator = yes
}}
thread pool {{
 start_servers = 1
 max_servers = 2
 min_spare_servers = 1
 max_spare_servers = 2
 max_requests_per_server = 0
}}
modules {{
 files {{
  usersfile = ${{raddbdir}}/users
 }}
 pap {{
  normalise = no
 }}
 chap {{
 }}
 detail {{
  filename = ${{logdir}}/detail
 }}
}}
server default {{
 listen {{
  type = auth
  ipaddr = {address}
  port = {port}
 }}
 listen {{
  type = acct
  ipaddr = {address}
  port = {accounting_port}
 }}
 authorize {{
  files
  chap
  pap
 }}
 authenticate {{
  Auth-Type PAP {{
   pap
  }}
  Auth-Type CHAP {{
   chap
  }}
 }}
 accounting {{
  detail
 }}
 post-auth {{
  {signed}
 }}
}}
"""
SIGNED = """update reply {
   Message-Authenticator := 0x00
  }
  Post-Auth-Type REJECT {
   update reply {
    Message-Authenticator := 0x00
   }
  }"""


def free_port(address: str) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


class FreeRadius:
    """One server; `users` is its users file."""

    def __init__(
        self, users: str, *, secret: str = "testing123", signed: bool = True,
        address: str = "127.0.0.1",
    ) -> None:  # fmt: skip
        # Not pytest's folder: FreeRADIUS runs as nobody, who must be able to reach it.
        self.folder = Path(tempfile.mkdtemp(prefix="freeradius-"))
        self.address = address
        self.secret = secret
        self.port = free_port(address)
        self.accounting_port = free_port(address)
        for name in ("raddb", "log", "run"):
            (self.folder / name).mkdir()
        raddb = self.folder / "raddb"
        text = CONFIGURATION.format(
            folder=self.folder,
            secret=secret,
            address=address,
            port=self.port,
            accounting_port=self.accounting_port,
            signed=SIGNED if signed else "",
        )
        (raddb / "radiusd.conf").write_text(text)
        (raddb / "users").write_text(users)
        (raddb / "dictionary").write_text("")
        subprocess.run(["chmod", "-R", "go-w,a+rX", str(self.folder)], check=True)
        for name in ("log", "run"):
            shutil.chown(self.folder / name, "nobody", "nogroup")
        self._process: subprocess.Popen[str] | None = None
        self.start()

    def start(self) -> None:
        command = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "freeradius"]
        output = (self.folder / "output").open("a+")
        at = output.seek(0, os.SEEK_END)
        self._process = subprocess.Popen(
            [*command, "-f", "-l", "stdout", "-d", str(self.folder / "raddb")],
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )
        end = time.monotonic() + PATIENCE
        while "Ready to process requests" not in (said := self.output()[at:]):
            assert self._process.poll() is None, said
            assert time.monotonic() < end, said
            time.sleep(0.05)

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(PATIENCE)
            self._process = None

    def output(self) -> str:
        return (self.folder / "output").read_text()

    def records(self) -> list[dict[str, list[str]]]:
        """What accounting wrote: the values of each attribute, by name."""
        path = self.folder / "log" / "detail"
        found = []
        for block in re.split(r"\n\n+", path.read_text() if path.exists() else ""):
            record: dict[str, list[str]] = {}
            for name, value in re.findall(r"^\t(\S+) [:+]?= (.*)$", block, re.MULTILINE):
                record.setdefault(name, []).append(value.strip('"'))
            if record:
                found.append(record)
        return found

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)


@contextlib.contextmanager
def running(users: str, **options: object) -> Iterator[FreeRadius]:
    server = FreeRadius(users, **options)  # type: ignore[arg-type]
    try:
        yield server
    finally:
        server.close()


def radclient(kind: str, attributes: str, address: tuple[str, int], secret: str) -> str:
    """What radclient says after a `coa` or `disconnect` request; it tries three times."""
    command = ["radclient", "-x", "-r", "3", "-t", "1", f"{address[0]}:{address[1]}", kind, secret]
    done = subprocess.run(
        command, input=attributes, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    return done.stdout + done.stderr
