"""Packets and outcomes that the tests of triggers share."""

from __future__ import annotations

import ipaddress
import struct

ADMITTED, BUFFERED, DISCARDED, MISSED = range(4)
UDP, ICMP = 17, 1


def ip4(destination: str, payload: bytes = b"", *, proto: int = UDP, fragment: int = 0) -> bytes:
    addresses = (ipaddress.IPv4Address(a).packed for a in ("192.0.2.1", destination))
    size = 20 + len(payload)
    return (
        struct.pack(">BBHHHBBH4s4s", 0x45, 0, size, 0, fragment, 64, proto, 0, *addresses) + payload
    )


def ip6(destination: str, payload: bytes = b"", *, proto: int = UDP) -> bytes:
    addresses = (ipaddress.IPv6Address(a).packed for a in ("2001:db8::1", destination))
    return struct.pack(">IHBB16s16s", 6 << 28, len(payload), proto, 64, *addresses) + payload
