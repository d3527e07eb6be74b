"""Packets and frames for tests of Ethernet ports."""

from __future__ import annotations

import ipaddress
import struct

from namespace import Namespace


def mac_of(namespace: Namespace, interface: str) -> bytes:
    (link,) = namespace.ip("link", "show", interface)
    return bytes.fromhex(link["address"].replace(":", ""))


def checksum(octets: bytes, total: int = 0) -> int:
    octets += bytes(len(octets) % 2)
    total += sum(struct.unpack(f">{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def ipv4(destination: str, payload: bytes, *, source: str = "192.0.2.9", protocol: int = 17):
    """An IPv4 packet; with UDP, ports are the first octets of the payload."""
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, protocol, 0)
    head += ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload


def ipv6(destination: str, payload: bytes, *, source: str = "2001:db8::9", protocol: int = 17):
    ends = ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
    return struct.pack(">IHBB", 6 << 28, len(payload), protocol, 64) + ends + payload


def tcp_with_partial_checksum(destination: str, payload: bytes = b"octets") -> tuple[bytes, bytes]:
    """A segment as a local sender leaves it to the card, and as the card sends it."""
    segment = struct.pack(">HHIIHHHH", 1000, 80, 1, 1, 5 << 12 | 0x18, 500, 0, 0) + payload
    ends = ipaddress.ip_address("192.0.2.9").packed + ipaddress.ip_address(destination).packed
    pseudo = ends + struct.pack(">HH", 6, len(segment))

    def packet(value: int) -> bytes:
        filled = segment[:16] + struct.pack(">H", value) + segment[18:]
        return ipv4(destination, filled, protocol=6)

    return packet(checksum(pseudo) ^ 0xFFFF), packet(checksum(pseudo + segment))
