"""A whole dial-out of a running LNS with FreeRADIUS: authorized, accounted, and changed and ended
by radclient (RFC 5176)."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from pathlib import Path

import freeradius
import tshark
from freeradius import FreeRadius, radclient
from sniffer import PREFERENCES, Sniffer

from control.config_file import read_config
from control.dialout.events import AuthorizationAsked, Event, TriggersFlushed
from control.runtime.process import Process
from control.sim.host import udp_packet
from control.sim.serve import Simulators

CONFIGURATION = """
[chassis]
name = "lns.example"
flush_delay = 0

[[virtual_router]]
name = "default"
radius = "home"
local_address = "{network}1"

[[port]]
name = "home"
url = "mem:"
side = "home"
virtual_router = "default"
networks = ["192.0.2.0/24"]

[[target]]
prefix = "198.51.100.0/24"
virtual_router = "default"
domain = "dialout.example"
profile = "modem"

[[profile]]
name = "modem"

[[radius]]
name = "home"
accounting = true
dynamic_authorization = true
dynamic_authorization_port = {authorization_port}
clients = [{{ address = "127.0.0.1", secret = "coa-secret" }}]
[[radius.servers]]
address = "{network}9"
port = {port}
accounting_port = {accounting_port}
secret = "testing123"

[[sim.lac]]
address = "{network}2"
host_name = "lac.example"
secret = "tunnel-secret"

[[sim.cpe]]
number = "5551234"
username = "branch"
password = "branch-secret"
authentication = ["chap"]
peer_username = "lns"
peer_password = "lns-secret"
address = "198.51.100.1"
delay = 0.0
echo = true
"""
REPEATED = ("Duplicate Request",)
"""radclient asks again where nobody answers it."""
LIVE_USERS = """
DEFAULT User-Name =~ "@dialout.example$", Auth-Type := Accept
	Tunnel-Type:1 = L2TP,
	Tunnel-Medium-Type:1 = IPv4,
	Tunnel-Server-Endpoint:1 = "{network}2",
	Tunnel-Password:1 = "tunnel-secret",
	ERX-Dial-Out-Number = "5551234",
	ERX-PPP-Username = "lns",
	ERX-PPP-Password = "lns-secret",
	ERX-PPP-Auth-Protocol = CHAP

branch Cleartext-Password := "branch-secret"
	Framed-IP-Address = 198.51.100.1,
	Framed-Route = "198.51.100.0/24 0.0.0.0 1",
	Class = 0x676f6c64
"""


def test_whole_dial_out_is_accounted_changed_and_disconnected(tmp_path: Path) -> None:
    drawn = random.SystemRandom()
    network = f"127.{drawn.randrange(1, 255)}.{drawn.randrange(256)}."
    with freeradius.running(LIVE_USERS.format(network=network), address=f"{network}9") as radius:
        file = tmp_path / "live.toml"
        authorization_port = freeradius.free_port(f"{network}1")
        file.write_text(
            CONFIGURATION.format(
                network=network,
                port=radius.port,
                accounting_port=radius.accounting_port,
                authorization_port=authorization_port,
            )
        )
        file.chmod(0o600)
        with Sniffer(f"{network}0/24") as sniffer:
            asyncio.run(_story(file, radius, (f"{network}1", authorization_port)))
        ports = (radius.port, radius.accounting_port, authorization_port)
        _check(sniffer.write(tmp_path / "lo.pcap"), ports)


def _check(capture: Path, ports: tuple[int, ...]) -> None:
    """tshark has nothing to remark on what was sent: RADIUS, CoA, L2TP and what is in it."""
    rules = tuple(f"udp.port=={port},radius" for port in ports)
    codes: set[int | None] = set()
    layers: set[str] = set()
    for frame in tshark.frames(capture, preferences=PREFERENCES, decode_as=rules):
        layers.update(frame.names)
        if "radius" in frame.names:
            codes.add(frame.layer("radius").number("radius.code"))
        remarks = [r for r in tshark.remarks(frame.layers) if r.text not in REPEATED]
        assert remarks == [], frame
    # Access, Accounting, Disconnect with ACK and NAK, CoA with ACK and NAK.
    assert codes == {1, 2, 4, 5, 40, 41, 42, 43, 44, 45}
    assert {"l2tp", "lcp", "chap", "ipcp"} <= layers


async def _story(file: Path, radius: FreeRadius, coa: tuple[str, int]) -> None:
    config = read_config(file)
    events: list[Event] = []
    peers = Simulators(config.sim, ("lac",))
    process = Process(config, on_event=events.append)

    async def until(holds: Callable[[], object]) -> None:
        async with asyncio.timeout(freeradius.PATIENCE):
            while not holds():
                await asyncio.sleep(0.01)

    async def ask(kind: str, attributes: str, secret: str = "coa-secret") -> str:
        return await asyncio.to_thread(radclient, kind, attributes, coa, secret)

    def stamped(*rows: str) -> str:
        rows = (*rows, f"Event-Timestamp = {int(time.time())}", "Message-Authenticator = 0x00")
        return "\n".join(rows) + "\n"

    try:
        await process.start()
        process.receive("home", udp_packet("192.0.2.10", 5000, "198.51.100.7", 9, b"hello"))
        await until(lambda: any(isinstance(event, TriggersFlushed) for event in events))
        await until(lambda: len(radius.records()) == 2)
        on, start = radius.records()
        assert on["Acct-Status-Type"] == ["Accounting-On"]
        assert start["Class"] == ["0x676f6c64"]
        session = f'Acct-Session-Id = "{start["Acct-Session-Id"][0]}"'
        assert "CoA-ACK" in await ask("coa", stamped(session, "Session-Timeout = 600"))
        said = await ask("coa", stamped(session, 'Framed-Route = "10.0.0.0/8"'))
        assert "CoA-NAK" in said
        assert "Unsupported-Attribute" in said
        said = await ask("disconnect", stamped('Acct-Session-Id = "nobody"'))
        assert "Session-Context-Not-Found" in said
        assert "Received" not in await ask("disconnect", stamped(session), "wrong")
        unsigned = f"{session}\nEvent-Timestamp = {int(time.time())}\n"
        assert "Received" not in await ask("disconnect", unsigned)
        assert [view.state for view in process.lns.sessions(process.now)] == ["inService"]
        assert "Disconnect-ACK" in await ask("disconnect", stamped(session))
        await until(lambda: len(radius.records()) == 3)
        assert radius.records()[2]["Acct-Terminate-Cause"] == ["Admin-Reset"]
        assert [view.state for view in process.lns.sessions(process.now)] == ["dormant"]
        asked = [event for event in events if isinstance(event, AuthorizationAsked)]
        assert [(event.what, event.result) for event in asked] == [
            ("change", "done"),
            ("disconnect", "session context not found"),
            ("disconnect", "done"),
        ]
        await process.stop(30)
        assert radius.records()[-1]["Acct-Status-Type"] == ["Accounting-Off"]
    finally:
        await process.stop(5)
        peers.close()
