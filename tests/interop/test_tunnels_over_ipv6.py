"""A whole dial-out through a tunnel over IPv6, on real sockets in a namespace of its own: set up,
traffic both ways, and the end. tshark has nothing to remark on what was sent."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import tshark
from namespace import Namespace
from sniffer import PREFERENCES, Sniffer

from control.config_file import read_config

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests/protocol"))
from live import HOME, SITE, Live, datagram  # noqa: E402

from control.sim.host import parse_udp  # noqa: E402
from control.sim.serve import Simulators  # noqa: E402

US, LAC = "2001:db8:88::1", "2001:db8:88::2"
RADIUS_ENDS = ("10.88.0.1", "10.88.0.9")


def configuration(folder: Path) -> Path:
    text = (ROOT / "examples/ipv6-tunnel.toml").read_text()
    for old, new in (
        ('url = "pcap:"\nside = "home"', 'url = "mem:"\nside = "home"'),
        ("flush_delay = 100", "flush_delay = 0"),
        ("dial_delay = 1.5", "dial_delay = 0.0\ndelay = 0.0"),
        ("new_port = true", "new_port = false"),
        ('address = "198.51.100.1"', 'address = "198.51.100.1"\ndelay = 0.0\necho = true'),
    ):
        assert old in text, old
        text = text.replace(old, new)
    file = folder / "live.toml"
    file.write_text(text)
    file.chmod(0o600)
    return file


async def _story(file: Path) -> None:
    config = read_config(file)
    peers, live = Simulators(config.sim), Live(config)
    try:
        await live.process.start()
        try:
            await live.dial()
            back: list[bytes] = []
            await live.until(lambda: back.extend(live.delivered()) or back)
            answer = parse_udp(back[0])
            assert (answer.source[0], answer.destination) == (SITE, (HOME, 5000))
            assert answer.payload == b"hello"
            live.process.receive("home", datagram(b"x" * 1412))
            await live.until(lambda: back.extend(live.delivered()) or len(back) == 2)
            assert parse_udp(back[1]).payload == b"x" * 1412
        finally:
            await live.process.stop(30)
        assert live.process.lns.stopped
        assert peers.lacs[0].lac.bank.in_use == 0
    finally:
        peers.close()


def test_whole_dial_out_over_an_ipv6_tunnel_that_tshark_can_read(tmp_path: Path) -> None:
    file = configuration(tmp_path)
    namespace = Namespace("tunnels6")
    try:
        for address in (US, LAC):
            namespace.ip("address", "add", f"{address}/128", "dev", "lo", "nodad")
        for address in RADIUS_ENDS:
            namespace.ip("address", "add", f"{address}/32", "dev", "lo")

        def run() -> Path:
            with Sniffer("2001:db8:88::/64", "10.88.0.0/24") as sniffer:
                asyncio.run(_story(file))
            return sniffer.write(tmp_path / "lo.pcap")

        capture = namespace.call(run)
    finally:
        namespace.close()
    found = list(tshark.frames(capture, preferences=PREFERENCES))
    seen = {name for frame in found for name in frame.names}
    assert {"ipv6", "l2tp", "lcp", "chap", "ipcp", "radius"} <= seen
    remarks = {remark for frame in found for remark in tshark.remarks(frame.layers)}
    assert remarks == set()
