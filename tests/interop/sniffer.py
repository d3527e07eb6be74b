"""Every packet of the loopback interface, as the other end received it, while a test talks there.

Checksums of UDP are the kernel's there, and left undone; trains of datagrams that it carries as one
packet are not taken apart.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import captures

ALL = 0x0003
"""ETH_P_ALL."""
OUTGOING = 4
"""PACKET_OUTGOING: loopback shows each packet twice."""
WAIT = 0.1
"""Seconds after which a silent interface is looked at again."""
PREFERENCES = {"udp.check_checksum": "FALSE", "tcp.check_checksum": "FALSE"}
"""For tshark.frames."""


class Sniffer:
    """A context manager, for addresses of these networks only. Root only."""

    def __init__(self, *networks: str) -> None:
        self.packets: list[tuple[int, bytes]] = []
        """Nanoseconds and the IP packet."""
        self._networks = [ipaddress.ip_network(network) for network in networks]
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ALL))
        self._socket.bind(("lo", ALL))
        self._socket.settimeout(WAIT)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Sniffer:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end.set()
        self._thread.join()
        self._socket.close()

    def write(self, path: Path) -> Path:
        captures.write(path, captures.RAW, self.packets)
        return path

    def _run(self) -> None:
        quiet = False
        while not (quiet and self._end.is_set()):
            try:
                packet, where = self._socket.recvfrom(65536)
            except TimeoutError:
                quiet = True
                continue
            if where[2] != OUTGOING and self._is_ours(packet):
                self.packets.append((time.time_ns(), packet))

    def _is_ours(self, packet: bytes) -> bool:
        return any(end in network for end in _ends(packet) for network in self._networks)


def _ends(packet: bytes) -> Iterable[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    if packet[0] >> 4 == 4:
        return map(ipaddress.ip_address, (packet[12:16], packet[16:20]))
    return map(ipaddress.ip_address, (packet[8:24], packet[24:40]))
