"""An IPv6 dial-out through data plane, control plane and simulated peers: trigger, IPV6CP, Router
Advertisement, pings there and back."""

from __future__ import annotations

import ipaddress
import struct
from typing import Any

import pytest
from replay_run import demo_config, happened, packets_of, replayed, write_pcap

from control.sim import host6

HOME, SITE = "2001:db8:a::5", "2001:db8:1::77"
SITE_PREFIX = "2001:db8:1::/64"
ETHERNET = bytes.fromhex("02000000000102000000000286dd")
SESSION_HEADER = 40
"""Octets before the inner packet: IPv4, UDP, L2TP with Length, FF03 and protocol."""

CHANGES = (
    ('networks = ["192.0.2.0/24"]', 'networks = ["2001:db8:a::/64"]'),
    ('prefix = "198.51.100.0/24"', 'prefix = "2001:db8:1::/48"'),
    ('address = "198.51.100.1"\n', 'ipv6 = true\ninterface_identifier = "0:0:0:2"\n'),
    (
        '"Framed-IP-Address" = "198.51.100.1"\n"Framed-Route" = "198.51.100.0/24 0.0.0.0 1"',
        f'"Framed-IPv6-Prefix" = "{SITE_PREFIX}"\n"Delegated-IPv6-Prefix" = "2001:db8:1:100::/56"',
    ),
)


def frames(count: int) -> list[tuple[float, bytes]]:
    """A ping a second."""
    return [
        (number, ETHERNET + host6.ping_packet(HOME, SITE, sequence=number, data=b"x" * 40))
        for number in range(count)
    ]


@pytest.fixture
def replay(capsys, tmp_path) -> tuple[dict[str, Any], list]:
    config = demo_config(tmp_path, *CHANGES)
    capture = write_pcap(tmp_path / "home.pcap", frames(20))
    written = tmp_path / "out.pcapng"
    return replayed(capsys, config, capture, "--write", written), packets_of(written)


def test_an_ipv6_packet_places_the_call_and_is_forwarded_first(replay) -> None:
    told, written = replay
    (trigger,) = happened(told, "TriggerReceived")
    assert (trigger["source"], trigger["destination"]) == (HOME, SITE)
    (routes,) = happened(told, "AccessRouteInstalled")
    assert routes["prefixes"] == [SITE_PREFIX, "2001:db8:1:100::/56"]
    states = [row["new"] for row in happened(told, "SessionStateChanged")][:3]
    assert states == ["AUTHENTICATING", "CONNECTING", "IN_SERVICE"]
    first = next(packet for packet in written if packet.comment == "TRIGGER flushed")
    inner = first.ip[SESSION_HEADER:]
    assert inner[24:40] == ipaddress.IPv6Address(SITE).packed
    assert struct.unpack("!H", inner[46:48]) == (0,), "the first of the pings"
    assert told["errors"] == []


def test_pings_come_back_and_the_site_has_an_address(replay) -> None:
    told, _ = replay
    (site,) = told["simulated"]["cpe"]
    assert site["pings"] >= 17
    assert site["advertisements"] >= 1
    assert told["verdicts"]["DELIVER"] == site["pings"]
    assert told["accounted_for"]
