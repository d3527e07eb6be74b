"""A worker that has more data than it can follow: HELLO and calls go on beside it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fault_net import PATIENCE, SITE, Net, network, until

pytestmark = pytest.mark.interop

SENDERS = 3
TRAINS = """
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.88.0.2", 0))
s.setsockopt(socket.IPPROTO_UDP, 103, 51)  # UDP_SEGMENT
data = (b"\\x00\\x02\\x12\\x34\\x56\\x78\\xff\\x03\\x00\\x21E" + bytes(40)) * 64
end = time.monotonic() + 60
while time.monotonic() < end:
    try:
        s.sendto(data, ("10.88.0.1", 1701))
    except OSError:
        pass
"""


@contextmanager
def flood(net: Net, sender: str = TRAINS) -> Iterator[None]:
    """Data messages in trains, more of them than a worker can take, or what `sender` sends."""
    command = ("ip", "netns", "exec", net.far.name, sys.executable, "-c", sender)
    senders = [subprocess.Popen(command) for _ in range(SENDERS)]
    try:
        yield
    finally:
        for sender in senders:
            sender.kill()
            sender.wait(PATIENCE)


def dropped(net: Net) -> int:
    """Datagrams that found no room in a socket of the router."""
    head, counts = (line.split() for line in net.lns.run("cat", "/proc/net/snmp").splitlines()
                    if line.startswith("Udp:"))  # fmt: skip
    return int(counts[head.index("RcvbufErrors")])


@pytest.mark.parametrize("workers", [1, 2])
def test_flood_of_data_loses_no_control_message_and_no_ppp_frame(
    tmp_path: Path, workers: int
) -> None:
    with network(tmp_path, hello=1, workers=workers) as net:
        net.lac(), net.radius()
        router, home = net.router(), net.home()
        home.dial()
        before = net.ask("show counters")["l2tp"]
        with flood(net):
            until(lambda: dropped(net) > 1000)
            begun = time.monotonic()
            for _ in range(5):
                net.drop_sessions()
                home.send()
                until(lambda: net.sessions() == ["inService"], router.said)
            seconds = time.monotonic() - begun
            sent = net.ask("show counters")["l2tp"]["hello_sent"]
            until(lambda: net.ask("show counters")["l2tp"]["hello_sent"] >= sent + 2, router.said)
        counted = net.ask("show counters")["l2tp"]
        assert counted["tunnels_opened"] == before["tunnels_opened"]
        # A slow machine may send one again; what a flood pushed out was two of three.
        assert counted["retransmitted"] - before["retransmitted"] <= 3
        assert SITE in router.said()
        print(f"{workers} workers: five dial-outs in {seconds:.2f} s beside the flood")
        home.missing.clear()
        home.reach()


JUNK = TRAINS.replace('(b"\\x00\\x02\\x12', '(b"\\xc8\\x02\\x12')
"""Control messages of a tunnel that is not there."""


def test_flood_of_junk_control_messages_ends_no_tunnel(tmp_path: Path) -> None:
    """They share control's socket with those of the LAC, which are sent again if need be."""
    with network(tmp_path, hello=1) as net:
        net.lac(), net.radius()
        router, home = net.router(), net.home()
        home.dial()
        with flood(net, JUNK):
            until(lambda: net.backend("tunnel 10.88.0.1")["rx_packets"] > 100_000)
            sent = net.ask("show counters")["l2tp"]["hello_sent"]
            until(lambda: net.ask("show counters")["l2tp"]["hello_sent"] >= sent + 2, router.said)
            home.exchange(64)
        assert net.sessions() == ["inService"]
        assert router.said().count("answered:") == 1


MORE = """
[[target]]
prefix = "203.0.113.0/24"
virtual_router = "default"
domain = "dialout.example"
profile = "modem"
"""


def test_scan_of_sites_fills_the_trigger_buffers_and_hurts_no_call(tmp_path: Path) -> None:
    """RADIUS says nothing, so that all of them wait."""
    with network(tmp_path, chassis="max_connecting = 2\nmax_pending = 4", more=MORE) as net:
        net.lac()
        radius = net.radius()
        router, home = net.router(), net.home()
        home.dial()
        radius.tell(signal.SIGSTOP)
        for number in range(2000):
            home.send(site=f"203.0.113.{number % 250 + 1}")
        home.missing.clear()
        home.exchange(256)
        assert net.ask("show chassis")["triggers_discarded"] > 0
        assert router.said().count("answered:") == 1
        radius.tell(signal.SIGCONT)
        assert router.end() == 0
        assert net.routes() == {}
