"""Packets for the tests of parsers, put together octet by octet in plain Python."""

from __future__ import annotations

import ipaddress
import struct


def internet_checksum(data: bytes) -> int:
    """RFC 1071, the obvious way."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def sealed(header: bytes) -> bytes:
    """An IPv4 header with its checksum put in."""
    blank = header[:10] + b"\0\0" + header[12:]
    return header[:10] + struct.pack("!H", internet_checksum(blank)) + header[12:]


def ipv4(
    payload: bytes = b"",
    *,
    src: str = "192.0.2.1",
    dst: str = "198.51.100.2",
    proto: int = 17,
    options: bytes = b"",
    fragment: int = 0,
    ident: int = 0x1234,
    ttl: int = 64,
    tos: int = 0,
) -> bytes:
    """A sound IPv4 packet. fragment is the flags and offset word; options fill whole words."""
    words = 5 + len(options) // 4
    header = struct.pack(
        "!BBHHHBBH4s4s",
        0x40 | words,
        tos,
        words * 4 + len(payload),
        ident,
        fragment,
        ttl,
        proto,
        0,
        ipaddress.IPv4Address(src).packed,
        ipaddress.IPv4Address(dst).packed,
    )
    return sealed(header + options) + payload


def ipv6(
    payload: bytes = b"",
    *,
    proto: int = 17,
    src: str = "2001:db8::1",
    dst: str = "2001:db8::2",
    hops: int = 64,
    tclass: int = 0,
    label: int = 0,
) -> bytes:
    """A sound IPv6 packet, by default between two documentation addresses."""
    ends = b"".join(ipaddress.IPv6Address(address).packed for address in (src, dst))
    first = 6 << 28 | tclass << 20 | label
    return struct.pack("!IHBB", first, len(payload), proto, hops) + ends + payload


def pseudo_header(packet: bytes, length: int) -> bytes:
    """What a UDP checksum covers besides the message."""
    if packet[0] >> 4 == 4:
        return packet[12:20] + struct.pack("!HH", 17, length)
    return packet[8:40] + struct.pack("!II", length, 17)


def udp(payload: bytes = b"", *, sport: int = 1701, dport: int = 1701) -> bytes:
    """A UDP message without a checksum."""
    return struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload


def udp_in(ip: bytes, header: int) -> bytes:
    """The IP packet `ip` with the checksum of its UDP message put in."""
    message = ip[header:]
    blank = message[:6] + b"\0\0" + message[8:]
    checksum = internet_checksum(pseudo_header(ip, len(message)) + blank) or 0xFFFF
    return ip[:header] + message[:6] + struct.pack("!H", checksum) + message[8:]


def echo_request(data: bytes = b"ping data", *, ident: int = 7, sequence: int = 1) -> bytes:
    """An ICMP echo request (RFC 792)."""
    message = struct.pack("!BBHHH", 8, 0, 0, ident, sequence) + data
    return message[:2] + struct.pack("!H", internet_checksum(message)) + message[4:]
