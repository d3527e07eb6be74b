"""The network of tests of faults: a home, a router and a far side in three network namespaces.

    home 192.0.2.10 --- 192.0.2.1 lns 10.88.0.1 --- 10.88.0.2 LAC, 10.88.0.9 RADIUS

The router is `dialout run` and the far side `dialout sim`, processes that may be stopped, killed
and started again. The packets are UDP datagrams of a socket at home, which the site sends back.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from namespace import Namespace

PATIENCE = 30.0
"""Seconds after which what should happen soon is taken for lost."""
HOME, LNS, LAC, RADIUS = "192.0.2.10", "10.88.0.1", "10.88.0.2", "10.88.0.9"
SITE, TARGET = "198.51.100.7", "198.51.100.0/24"
ECHO = 7
"""The site sends back what comes to any port."""
WINDOW = 64
"""Datagrams under way at one time: the simulated site drops what comes in longer trains."""

ROUTER = """
[chassis]
name = "lns.example"
flush_delay = 0
dormant_timer = 0
{chassis}

[workers]
count = {workers}

[[virtual_router]]
name = "default"
radius = "home"
local_address = "10.88.0.1"
kernel_table = 254

[[port]]
name = "home"
url = "{home}"
side = "home"
virtual_router = "default"
networks = ["192.0.2.0/24"]
{ports}

[[target]]
prefix = "198.51.100.0/24"
virtual_router = "default"
domain = "dialout.example"
profile = "modem"

[[profile]]
name = "modem"
authentication = ["chap"]

[[lac]]
address = "10.88.0.2"
hello_interval = {hello}
lockout = 1

[[radius]]
name = "home"
servers = [{{ address = "10.88.0.9", secret_file = "radius" }}]
retries = 2
timeout = 0.3

[budget]
calls_per_day = 5000
target_calls_per_day = 5000
dial_rate = 100
dial_burst = 100
{more}
"""

FAR = """
[[sim.lac]]
address = "10.88.0.2"
host_name = "lac.example"
secret = "tunnel-secret"
dial_delay = 0
delay = 0

[[sim.cpe]]
number = "5551234"
username = "branch"
password = "branch-secret"
authentication = ["chap"]
peer_username = "lns"
peer_password = "lns-secret"
address = "198.51.100.1"
delay = 0

[[sim.radius]]
address = "10.88.0.9"
secret = "radius-secret"
delay = 0

[[sim.radius.users]]
name = "*@dialout.example"
[sim.radius.users.reply]
"Tunnel-Type:1" = "L2TP"
"Tunnel-Medium-Type:1" = "IPv4"
"Tunnel-Server-Endpoint:1" = "10.88.0.2"
"Tunnel-Password:1" = "tunnel-secret"
"Tunnel-Assignment-Id:1" = "lac-one"
"Tunnel-Client-Auth-Id:1" = "lns.example"
"Tunnel-Server-Auth-Id:1" = "lac.example"
"ERX-Dial-Out-Number" = "5551234"
"ERX-PPP-Username" = "lns"
"ERX-PPP-Password" = "lns-secret"
"ERX-PPP-Auth-Protocol" = "CHAP"
"ERX-Bearer-Type" = "Analog"

[[sim.radius.users]]
name = "branch"
password = "branch-secret"
[sim.radius.users.reply]
"Framed-IP-Address" = "198.51.100.1"
"Framed-Route" = "198.51.100.0/24 0.0.0.0 1"
"""


class Program:
    """A started `dialout` and all that it has said."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self.log = log
        with log.open("w") as file:
            self.process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)

    @property
    def pid(self) -> int:
        return self.process.pid

    def said(self) -> str:
        return self.log.read_text()

    def says(self, text: str, times: int = 1) -> None:
        until(
            lambda: self.said().count(text) >= times or self.process.poll() is not None,
            lambda: f"never said {text!r}:\n{self.said()}",
        )
        assert self.said().count(text) >= times, self.said()

    def tell(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
        return self.process.wait(PATIENCE)


def until(holds: Callable[[], object], what: Callable[[], str] = str) -> Any:
    """What `holds` returns once it is true."""
    end = time.monotonic() + PATIENCE
    while not (found := holds()):
        assert time.monotonic() < end, what()
        time.sleep(0.02)
    return found


class Home:
    """Sends numbered datagrams to sites and counts what they send back."""

    def __init__(self, socket: socket.socket) -> None:
        self._socket = socket
        self._socket.settimeout(0.02)
        self.sent = 0
        self.missing: set[int] = set()

    def send(self, count: int = 1, site: str = SITE, octets: int = 40) -> None:
        for _ in range(count):
            payload = self.sent.to_bytes(4, "big") + bytes(octets - 4)
            self._socket.sendto(payload, (site, ECHO))
            self.missing.add(self.sent)
            self.sent += 1

    def dial(self) -> None:
        """A first packet, and the call that it places."""
        self.send()
        self.all_back()

    def exchange(self, count: int, octets: int = 40) -> None:
        """All of them, and all of them come back."""
        for _ in range(0, count, WINDOW):
            self.send(WINDOW, octets=octets)
            self.all_back()

    def hear(self) -> set[int]:
        """Those whose echo is missing, after all that has come is read."""
        while self.missing:
            try:
                self.missing.discard(int.from_bytes(self._socket.recv(65535)[:4], "big"))
            except TimeoutError:
                return self.missing
            except OSError:
                continue  # an ICMP error of the kernel's on the way
        return self.missing

    def all_back(self) -> None:
        until(lambda: not self.hear(), lambda: f"missing {len(self.missing)} of {self.sent}")

    def reach(self, site: str = SITE) -> None:
        """Sends until an echo comes: what is lost meanwhile does not count."""

        def once() -> bool:
            self.missing.clear()
            try:
                self.send(site=site)
            except OSError:
                return False  # no route for the moment
            return not self.hear()

        until(once, lambda: "no echo from the site")


class Net:
    """`folder`: where configurations, logs and the control socket are."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.programs: list[Program] = []
        self.settings: dict[str, Any] = {
            "chassis": "", "workers": 1, "home": "tun:dial0", "ports": "", "hello": 60, "more": "",
        }  # fmt: skip
        self.configure(**settings)
        self.write("far.toml", FAR)
        self.write("radius", "radius-secret\n")
        self.spaces = [Namespace(f"faults-{name}") for name in ("home", "lns", "far")]
        self.home_space, self.lns, self.far = self.spaces
        self._join(self.home_space, "192.0.2.10/24", self.lns, "192.0.2.1/24", "homeward")
        self._join(self.lns, "10.88.0.1/24", self.far, "10.88.0.2/24", "tunnelward")
        self.far.run("ip", "addr", "add", "10.88.0.9/24", "dev", "tunnelward")
        self.home_space.run("ip", "route", "add", "default", "via", "192.0.2.1")
        self.lns.run("sysctl", "-qw", "net.ipv4.ip_forward=1")

    def _join(self, one: Namespace, its: str, other: Namespace, others: str, name: str) -> None:
        """A cable, both of whose ends have one name."""
        one.run("ip", "link", "add", name, "type", "veth", "peer", "name", name,
                "netns", other.name)  # fmt: skip
        for space, address in ((one, its), (other, others)):
            space.run("ip", "addr", "add", address, "dev", name)
            space.run("ip", "link", "set", name, "up")

    def configure(self, **settings: Any) -> None:
        self.settings |= settings
        self.write("router.toml", ROUTER.format(**self.settings))

    def write(self, name: str, text: str) -> None:
        file = self.folder / f"{name}.new"
        file.touch(mode=0o600)
        file.write_text(text)
        file.rename(self.folder / name)

    # Programs -----------------------------------------------------------------------------------

    def start(
        self,
        space: Namespace,
        name: str,
        *words: str,
        before: Sequence[str] = (),
        patch: str = "",
    ) -> Program:
        """`before`: a command that starts it, such as setpriv; `patch`: Python in front of it."""
        main = f"import sys; {patch}; from control.cli import main; sys.exit(main(sys.argv[1:]))"
        inside = ("ip", "netns", "exec", space.name)
        command = (*inside, *before, sys.executable, "-c", main.replace("; ;", ";"), *words)
        program = Program(command, self.folder / f"{name}-{len(self.programs)}.log")
        self.programs.append(program)
        return program

    def lac(self) -> Program:
        return self._far("lac", "10.88.0.2")

    def radius(self) -> Program:
        return self._far("radius", "10.88.0.9")

    def _far(self, part: str, told: str) -> Program:
        program = self.start(self.far, part, "sim", part, "--config", str(self.folder / "far.toml"))
        program.says(told)
        return program

    def command(self, *more: str, name: str = "router") -> tuple[str, ...]:
        return ("run", "--config", str(self.folder / f"{name}.toml"),
                "--socket", str(self.folder / f"{name}.sock"),
                "--state", str(self.folder / f"{name}.state"), *more)  # fmt: skip

    def router(self, **options: Any) -> Program:
        """Started, and the kernel leads packets to the target to it. `options`: of start()."""
        more = options.pop("more", ())
        program = self.start(self.lns, "router", *self.command(*more), **options)
        program.says("started")
        if self.settings["home"].startswith("tun:"):
            until(lambda: TARGET in self.routes(), program.said)
        return program

    def refused(self, *words: str, before: Sequence[str] = ()) -> str:
        """What a router says that is not to be, and ends with 5."""
        program = self.start(self.lns, "refused", *words, before=before)
        assert program.process.wait(PATIENCE) == 5, program.said()
        assert "Traceback" not in program.said()
        return program.said()

    def ask(self, command: str, name: str = "router", **arguments: Any) -> Any:
        """The router's answer at its control socket."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(str(self.folder / f"{name}.sock"))
            told = {"id": 1, "command": command, "arguments": arguments}
            connection.sendall(json.dumps(told).encode() + b"\n")
            found: Any = None
            with connection.makefile("rb") as lines:
                for line in lines:
                    told = json.loads(line)
                    assert told["ok"], told
                    part = told["result"]
                    found = part if found is None else found + part
                    if not told.get("more"):
                        return found
        raise AssertionError(f"no end of the answer to {command}")

    def sessions(self) -> list[str]:
        """States of all sessions."""
        return [row["state"] for row in self.ask("show sessions")]

    def calls_today(self) -> int:
        """That the budget has counted."""
        calls: int = self.ask("show chassis")["budget"]["calls_today"]
        return calls

    def drop_sessions(self) -> None:
        """Forgets all sessions, whatever they wait for."""
        for row in self.ask("show sessions"):
            self.ask("session delete", destination=row["destination"])

    def backend(self, port: str) -> dict[str, int]:
        """What the backend of a port counts."""
        (row,) = (row for row in self.ask("show ports") if row["name"] == port)
        counts: dict[str, int] = row["backend"]
        return counts

    # The kernel of the router -------------------------------------------------------------------

    def routes(self) -> dict[str, dict[str, Any]]:
        """Ours in the kernel, by prefix."""
        rows = self.lns.ip("route", "show", "protocol", "171") or []
        return {row["dst"]: row for row in rows}

    def home(self) -> Home:
        made = self.home_space.call(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        made.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
        made.bind((HOME, 0))
        return Home(made)

    def close(self) -> None:
        for program in reversed(self.programs):
            if program.process.poll() is None:
                program.process.kill()
            program.process.wait(PATIENCE)
        for space in self.spaces:
            space.close()


@contextmanager
def network(folder: Path, **settings: Any) -> Iterator[Net]:
    """A network with LAC and RADIUS, no router yet. Afterwards all of it is gone."""
    net = Net(folder, **settings)
    try:
        yield net
    finally:
        net.close()
    for program in net.programs:
        for wrong in ("defect", "Traceback"):
            assert wrong not in program.said(), program.said()


def no_capability(*names: str) -> tuple[str, ...]:
    """What starts a program without these capabilities, root or not."""
    if os.geteuid() != 0:
        raise PermissionError("only root may give capabilities up")
    left = ",".join(f"-{name}" for name in names)
    return ("setpriv", f"--bounding-set={left}", f"--inh-caps={left}")
