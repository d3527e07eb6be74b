"""Packets for pools, made in bulk: UDP between a home site and remote sites, plain or in L2TP/PPP.

All checksums are right, and no octet depends on anything but the arguments.
"""

from __future__ import annotations

import struct
from typing import Final

import numpy as np

from control.routes import Array

OUTER: Final = 40
"""Octets of IPv4, UDP, L2TP with a length, and PPP with address and control."""
IP: Final = 20
TTL: Final = 64
UDP: Final = 17
L2TP_PORT: Final = 1701
L2TP_FLAGS: Final = 0x4002
"""A length is there, version 2."""
PORTS: Final = (53, 99)


def octets(address: str) -> bytes:
    return bytes(map(int, address.split(".")))


def header(tunnel: int, session: int, source: str, destination: str) -> Array:
    """What stands before a packet in a session, its lengths and checksums 0."""
    made = struct.pack(">BBHHHBBH", 0x45, 0, 0, 0, 0x4000, TTL, UDP, 0)
    made += octets(source) + octets(destination)
    made += struct.pack(">HHHH", L2TP_PORT, L2TP_PORT, 0, 0)
    made += struct.pack(">HHHH", L2TP_FLAGS, 0, tunnel, session) + b"\xff\x03\x00\x21"
    return np.frombuffer(made, np.uint8)


def to_sites(sites: Array, home: str, length: int) -> Array:
    """Packets of `length` octets from the home site to each of these addresses, a row each."""
    return _packets(np.broadcast_to(np.frombuffer(octets(home), np.uint8), sites.shape), sites,
                    length)  # fmt: skip


def to_home(sites: Array, headers: Array, home: str, length: int, checksum: bool) -> Array:
    """The same the other way, each behind the header of its session."""
    home_side = np.broadcast_to(np.frombuffer(octets(home), np.uint8), sites.shape)
    made = np.concatenate([headers, _packets(sites, home_side, length)], axis=1)
    _number(made, 2, OUTER + length)
    _number(made, 24, OUTER - IP + length)
    _number(made, 30, OUTER - IP - 8 + length)
    _seal(made, 10, made[:, :IP])
    if checksum:
        _seal_udp(made)
    return made


def _packets(sources: Array, destinations: Array, length: int) -> Array:
    made = np.zeros((len(sources), length), np.uint8)
    made[:, 0], made[:, 8], made[:, 9] = 0x45, TTL, UDP
    _number(made, 2, length)
    made[:, 12:16], made[:, 16:20] = sources, destinations
    _number(made, 20, PORTS[0])
    _number(made, 22, PORTS[1])
    _number(made, 24, length - IP)
    made[:, 28:] = np.arange(length - 28) * 7 + destinations[:, 3:]
    _seal(made, 10, made[:, :IP])
    _seal_udp(made)
    return made


def _number(made: Array, at: int, value: int) -> None:
    made[:, at], made[:, at + 1] = value >> 8, value & 255


def _seal_udp(made: Array) -> None:
    """The checksum of the UDP datagram in each row of IPv4 packets (RFC 768)."""
    pseudo = np.concatenate([made[:, 12:], np.zeros_like(made[:, :4])], axis=1)
    pseudo[:, -4:-2] = made[:, 24:26]
    pseudo[:, -1] = UDP
    if pseudo.shape[1] % 2:
        pseudo = np.concatenate([pseudo[:, :-4], pseudo[:, :1] * 0, pseudo[:, -4:]], axis=1)
    _seal(made, 26, pseudo)


def _seal(made: Array, at: int, summed: Array) -> None:
    """The Internet checksum (RFC 1071) over `summed`, written to `made`."""
    words = np.ascontiguousarray(summed).view(">u2").astype(np.uint64).sum(axis=1)
    while (words >> np.uint64(16)).any():
        words = (words & np.uint64(0xFFFF)) + (words >> np.uint64(16))
    value = 0xFFFF - words
    made[:, at], made[:, at + 1] = value >> np.uint64(8), value & np.uint64(255)
