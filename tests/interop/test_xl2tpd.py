"""xl2tpd as a LAC that places no calls: it opens a tunnel, and answers OCRQ with StopCCN.

It cannot bring calls either: for a call of its own it wants PPP of the kernel and a line. What the
LNS does is seen over real sockets; every datagram of both is read by tshark.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import captures
import tshark

from control.config_file import read_config
from control.dialout.events import CallFailed, CallPlaced, Event, TunnelDown, TunnelUp
from control.runtime.process import Process
from control.sim.host import udp_packet
from control.sim.serve import Simulators

PATIENCE = 30.0
"""Seconds after which what should happen soon is taken for lost; only failed tests wait so long."""
SITE = "198.51.100.7"

PEER = """
[global]
listen-addr = {address}
port = 1701
auth file = {folder}/secrets
[lns default]
ip range = 192.0.2.66-192.0.2.69
local ip = 192.0.2.65
require authentication = no
"""

# Peers that offer no tunnel challenge are called with require_tunnel_auth = false, explicitly.
CONFIGURATION = """
[chassis]
flush_delay = 0
tunnel_idle = 1

[[virtual_router]]
name = "default"
radius = "sim"
local_address = "{network}1"

[[port]]
name = "home"
url = "mem:"
side = "home"
virtual_router = "default"
networks = ["192.0.2.0/25"]

[[target]]
prefix = "198.51.100.0/24"
virtual_router = "default"
domain = "example"
profile = "modem"

[[profile]]
name = "modem"
authentication = ["chap"]

[[lac]]
address = "{network}5"
require_tunnel_auth = false
ignore_bearer_caps = true

[[radius]]
name = "sim"
servers = [{{ address = "{network}9" }}]

[[sim.lac]]
address = "{network}2"
secret = "tunnel-secret"
dial_delay = 0.1

[[sim.cpe]]
number = "5551234"
username = "branch"
authentication = []
password = "branch-secret"
address = "198.51.100.1"

[[sim.radius]]
address = "{network}9"
secret = "radius-secret"

[[sim.radius.users]]
name = "*@example"
[sim.radius.users.reply]
"Tunnel-Type:1" = "L2TP"
"Tunnel-Medium-Type:1" = "IPv4"
"Tunnel-Server-Endpoint:1" = "{network}5"
"Tunnel-Preference:1" = "1"
{second}
"ERX-Dial-Out-Number" = "5551234"

[[sim.radius.users]]
name = "branch"
password = "branch-secret"
[sim.radius.users.reply]
"Framed-IP-Address" = "198.51.100.1"
"Framed-Route" = "198.51.100.0/24 0.0.0.0 1"
"""

SECOND = """
"Tunnel-Type:2" = "L2TP"
"Tunnel-Medium-Type:2" = "IPv4"
"Tunnel-Server-Endpoint:2" = "{network}2"
"Tunnel-Password:2" = "tunnel-secret"
"Tunnel-Preference:2" = "2"
"""


@dataclass
class Live:
    """A running LNS whose preferred LAC is xl2tpd."""

    process: Process
    peer: str
    events: list[Event] = field(default_factory=list)

    def dial(self) -> None:
        self.process.receive("home", udp_packet("192.0.2.10", 5000, SITE, 9, b"hello"))

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not holds():
                await self.process.changed()

    def of(self, kind: type) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

    def states(self) -> list[str]:
        return [view.state for view in self.process.lns.sessions(self.process.now)]


@asynccontextmanager
async def running(folder: Path, *, second: bool = False) -> AsyncIterator[Live]:
    """Is over with everything that it started, however it ends; tshark has read all of it then."""
    drawn = random.SystemRandom()
    network = f"127.{drawn.randrange(1, 255)}.{drawn.randrange(256)}."
    text = SECOND.format(network=network) if second else ""
    file = folder / "xl2tpd.toml"
    file.write_text(CONFIGURATION.format(network=network, second=text))
    file.chmod(0o600)
    config = read_config(file)
    with recorded(folder / "all.pcap", network), xl2tpd(folder, f"{network}5"):
        peers = Simulators(config.sim)
        live = Live(Process(config), f"{network}5")
        live.process._on_event = live.events.append
        try:
            await live.process.start()
            try:
                yield live
            finally:
                await live.process.stop(PATIENCE)
        finally:
            peers.close()
    assert remarks(folder / "all.pcap") == []


@contextmanager
def xl2tpd(folder: Path, address: str) -> Iterator[None]:
    found = shutil.which("xl2tpd")
    assert found, "xl2tpd is not installed: run `make deps` as root first"
    config = folder / "xl2tpd.conf"
    config.write_text(PEER.format(address=address, folder=folder))
    (folder / "secrets").touch(0o600)
    files = ["-c", config, "-p", folder / "pid", "-C", folder / "control", "-s", folder / "secrets"]
    with (
        (folder / "xl2tpd.log").open("wb") as log,
        subprocess.Popen([found, "-D", *map(str, files)], stdout=log, stderr=log) as process,
    ):
        try:
            until = time.monotonic() + PATIENCE
            while b"Listening on" not in (folder / "xl2tpd.log").read_bytes():
                assert process.poll() is None, (folder / "xl2tpd.log").read_text()
                assert time.monotonic() < until
                time.sleep(0.02)
            yield
        finally:
            process.terminate()


@contextmanager
def recorded(file: Path, network: str) -> Iterator[None]:
    """Everything between addresses of this network, as the loopback interface has it."""
    ours = socket.inet_aton(f"{network}0")[:3]
    frames: list[tuple[int, bytes]] = []
    stop = threading.Event()
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800)) as tap:
        tap.bind(("lo", 0x0800))
        tap.settimeout(0.1)

        def listen() -> None:
            while not stop.is_set():
                try:
                    packet, origin = tap.recvfrom(65535)
                except TimeoutError:
                    continue
                # The loopback interface shows each packet twice: as it leaves, and as it arrives.
                if packet[16:19] == ours and origin[2] != socket.PACKET_OUTGOING:
                    frames.append((time.time_ns(), packet))

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield
        finally:
            time.sleep(0.2)
            stop.set()
            thread.join()
    captures.write(file, 101, frames)


def remarks(file: Path) -> list[tuple[int, list[tshark.Remark]]]:
    """What tshark has to say of messages to and from us, on any layer of them. Checksums are left
    to the loopback interface, which has none."""
    free = {"ip.check_checksum": "FALSE", "udp.check_checksum": "FALSE"}
    read = list(tshark.frames(file, preferences=free))
    assert any("l2tp" in frame.names for frame in read)
    found = [(frame.number or 0, tshark.remarks(frame.layers)) for frame in read]
    return [(number, remark) for number, remark in found if remark]


def test_stopccn_in_answer_to_ocrq_ends_in_inhibited_and_the_tunnel_opens_again(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with running(tmp_path) as live:
            live.dial()
            await live.until(lambda: live.states() == ["inhibited"])
            (failed,) = live.of(CallFailed)
            assert isinstance(failed, CallFailed)
            assert failed.failure.stage == "stopccn"
            assert failed.failure.result in (1, 2)
            assert len(live.of(TunnelUp)) == len(live.of(TunnelDown)) == 1
            assert live.process.lns.dead_calls(live.process.now)[0].failure.stage == "stopccn"
            assert await live.process.reset("default", SITE) == 1
            live.dial()
            await live.until(lambda: live.states() == ["inhibited"] and len(live.of(TunnelUp)) == 2)
            assert len(live.of(CallPlaced)) == 2

    asyncio.run(story())


def test_the_next_lac_is_tried_and_brings_the_session_into_service(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path, second=True) as live:
            live.dial()
            await live.until(lambda: live.states() == ["inService"])
            placed = [event.lac for event in live.of(CallPlaced) if isinstance(event, CallPlaced)]
            assert placed[0] == live.peer
            assert len(placed) == 2
            (failed,) = live.of(CallFailed)
            assert isinstance(failed, CallFailed)
            assert (failed.failure.stage, failed.failure.lac) == ("stopccn", live.peer)

    asyncio.run(story())


def test_a_tunnel_that_nobody_uses_is_answered_and_closed_in_good_order(tmp_path: Path) -> None:
    """Opened twice at once, for two sites: one tunnel, and its end is acknowledged."""

    async def story() -> None:
        async with running(tmp_path) as live:
            for site in (SITE, "198.51.100.8"):
                packet = udp_packet("192.0.2.10", 5000, site, 9, b"hello")
                live.process.receive("home", packet)
            await live.until(lambda: live.states() == ["inhibited"] * 2)
            tunnels = live.process.lns.dead_tunnels(live.process.now)
            assert all(each.tunnel.peer[0] == live.peer for each in tunnels)
            endpoint = next(iter(live.process.lns.endpoints.values()))
            await live.until(lambda: endpoint.acknowledged)

    asyncio.run(story())
