"""What every backend of a port promises to who opens it by its URL (fastpath/ports/port.pxd)."""

from __future__ import annotations

import os
import random
import select
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from own_namespace import in_own_namespace

from control import config_ports
from control.runtime.ports import SCHEMES
from control.sim import host
from fastpath.ports.port import Port

PATIENCE = 30.0
PACKET = host.udp_packet("198.51.100.1", 2000, "192.0.2.1", 1701, b"octets")


def _capture(folder: Path) -> str:
    path = folder / "empty.pcap"
    path.write_bytes(bytes.fromhex("d4c3b2a1 0200 0400 00000000 00000000 ffff0000 01000000"))
    return str(path)


def _loopback(_folder: Path) -> str:
    drawn = random.SystemRandom()
    return f"127.{drawn.randrange(1, 255)}.{drawn.randrange(256)}.{drawn.randrange(1, 255)}:0"


REST: dict[str, Callable[[Path], str]] = {
    "mem": lambda _: "",
    "pcap": _capture,
    "udp": _loopback,
    "tun": lambda _: "home",
    "packet": lambda _: "lo",
    "xdp": lambda _: "ours",
}
"""What stands behind the scheme, for each that may be opened here."""
VETH = ("add ours numrxqueues 4 type veth peer name theirs", "set ours up", "set theirs up")
INTERFACES = {"packet", "tun", "xdp"}
"""Those that make an interface, or take one over, for which one has to be root."""
if os.geteuid() != 0:
    REST = {scheme: rest for scheme, rest in REST.items() if scheme not in INTERFACES}


@contextmanager
def opened(scheme: str, folder: Path, queues: int) -> Iterator[tuple[Port, list[Port]]]:
    def make() -> tuple[Port, list[Port]]:
        if scheme == "xdp":  # the loopback interface's MTU is too large for it
            for command in VETH:
                subprocess.run(["ip", "link", *command.split()], check=True)
        return SCHEMES[scheme].open(REST[scheme](folder), name="the name", base_ns=0, queues=queues)

    sender, parts = in_own_namespace(make) if scheme in INTERFACES else make()
    try:
        yield sender, parts
    finally:
        for port in (sender, *parts):
            port.close()


def test_every_scheme_of_a_configuration_can_be_opened_and_no_other():
    assert set(SCHEMES) == set(config_ports.SCHEMES)


@pytest.mark.parametrize("queues", [1, 3])
@pytest.mark.parametrize("scheme", REST)
def test_each_worker_gets_a_part_and_those_of_a_live_port_can_be_waited_for(
    scheme, queues, tmp_path
):
    with opened(scheme, tmp_path, queues) as (sender, parts):
        assert len(parts) in (0, queues)
        for port in (sender, *parts):
            assert scheme in INTERFACES or port.read() == []  # the kernel looks for neighbours
            assert all(isinstance(count, int) for count in port.counts().values())
        # Control messages come to control's part of udp:, where the kernel can tell them apart.
        assert scheme == "udp" or sender.fileno() == -1
        descriptors = {part.fileno() for part in parts}
        if SCHEMES[scheme].live:
            assert len(descriptors - {-1}) == len(parts)
        else:
            assert descriptors <= {-1}


@pytest.mark.parametrize("scheme", REST)
def test_a_closed_port_takes_nothing_and_has_nothing(scheme, tmp_path):
    with opened(scheme, tmp_path, 2) as (sender, parts):
        pass
    for port in (sender, *parts):
        assert port.fileno() == -1
        assert port.read() == []
        if scheme != "pcap":  # it takes everything, and it is gone
            assert not port.send(PACKET)


def test_the_parts_of_a_udp_port_are_of_one_address_and_control_sends_from_it(tmp_path):
    with opened("udp", tmp_path, 2) as (sender, parts):
        assert {part.address for part in parts} == {sender.address}
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.bind(("127.0.0.1", 0))
            peer.settimeout(PATIENCE)
            us, them = sender.address, peer.getsockname()
            assert sender.send(host.udp_packet(*us, *them, b"from control"))
            assert peer.recvfrom(100) == (b"from control", us)
            peer.sendto(b"to a worker", us)
            ready, _, _ = select.select(parts, [], [], PATIENCE)
            (packet,) = ready[0].read()
            assert packet[3].endswith(b"to a worker")
            assert sender.read() == []
