"""IPv6, UDP and ICMPv6 as an end host needs them, in plain Python (RFC 8200, 768, 4443).

As host.py, whose names these are. Extension headers are refused: no simulator writes any.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from struct import Struct

from control.errors import DecodeError, LocalProtocolError
from control.sim.host import MAX_PACKET, UDP, UDP_HEADER, UdpPacket, checksum

ICMP = 58
FRAGMENT = 44
ICMP_ECHO_REQUEST = 128
ICMP_ECHO_REPLY = 129

IP_HEADER = Struct("!IHBB")
HEADER = 40


@lru_cache(maxsize=4096)
def pack_address(address: str) -> bytes:
    """16 octets of an address in text form. Raises LocalProtocolError."""
    try:
        return IPv6Address(address).packed
    except AddressValueError as error:
        raise LocalProtocolError(f"{address!r} is no IPv6 address") from error


@lru_cache(maxsize=4096)
def format_address(packed: bytes) -> str:
    return str(IPv6Address(packed))


def ip_packet(
    source: bytes,
    destination: bytes,
    protocol: int,
    payload: bytes,
    *,
    ttl: int = 64,
    tos: int = 0,
    label: int = 0,
) -> bytes:
    """An IPv6 packet; addresses are packed. Raises LocalProtocolError beyond 65,535 octets of
    payload."""
    if len(payload) > MAX_PACKET:
        raise LocalProtocolError(f"an IPv6 packet cannot carry {len(payload)} octets")
    first = 6 << 28 | tos << 20 | label
    return IP_HEADER.pack(first, len(payload), protocol, ttl) + source + destination + payload


def udp_packet(
    source: str,
    source_port: int,
    destination: str,
    destination_port: int,
    payload: bytes,
    *,
    ttl: int = 64,
    tos: int = 0,
    label: int = 0,
    identification: int = 0,
) -> bytes:
    """An IPv6 packet with one UDP datagram, its checksum filled in. Nothing is cut, so that nothing
    needs an identification."""
    packed = pack_address(source), pack_address(destination)
    length = 8 + len(payload)
    if length > MAX_PACKET:
        raise LocalProtocolError(f"a UDP datagram cannot have {length} octets")
    bare = UDP_HEADER.pack(source_port, destination_port, length, 0) + payload
    value = _sum(b"".join(packed), UDP, bare) or MAX_PACKET
    datagram = bare[:6] + value.to_bytes(2, "big") + payload
    return ip_packet(*packed, UDP, datagram, ttl=ttl, tos=tos, label=label)


def read_ip(packet: bytes) -> tuple[int, int, int]:
    """Next header, and where the payload of an IPv6 packet starts and ends. Raises DecodeError."""
    size = len(packet)
    if size < HEADER:
        raise DecodeError("IPv6 header is cut off", size)
    if packet[0] >> 4 != 6:
        raise DecodeError(f"IP version {packet[0] >> 4}", 0)
    end = HEADER + (packet[4] << 8 | packet[5])
    if end > size:
        raise DecodeError(f"IPv6 payload ends at {end}, beyond the packet's {size}", 4)
    return packet[6], HEADER, end


def source_of(packet: bytes) -> str:
    return format_address(packet[8:24])


def is_fragment(packet: bytes) -> bool:
    """As far as `read_ip` looks: a fragment header is the first one (RFC 8200 4.5)."""
    return packet[6] == FRAGMENT


def is_unicast(packet: bytes) -> bool:
    """Whether a packet that `read_ip` accepts goes from one host to one host."""
    return 0xFF not in (packet[8], packet[24]) and any(packet[8:24]) and any(packet[24:40])


def is_ping(packet: bytes) -> bool:
    """Whether an ICMPv6 packet that `read_ip` accepts is an Echo Request."""
    return packet[HEADER : HEADER + 1] == bytes((ICMP_ECHO_REQUEST,))


def read_udp(packet: bytes) -> tuple[int, int]:
    """Where the payload of a UDP packet starts and ends; its ports are the eight octets before, its
    addresses octets 8 to 39. Raises DecodeError, also for a checksum that is wrong or not there."""
    protocol, start, end = read_ip(packet)
    if protocol != UDP:
        raise DecodeError(f"IPv6 next header {protocol} where UDP was expected", 6)
    if start + 8 > end:
        raise DecodeError("UDP header is cut off", end)
    length = packet[start + 4] << 8 | packet[start + 5]
    if length < 8 or start + length > end:
        raise DecodeError(f"UDP length {length} does not fit", start + 4)
    end = start + length
    if not (packet[start + 6] or packet[start + 7]):
        raise DecodeError("UDP checksum is not there", start + 6)
    if _sum(packet[8:40], UDP, packet[start:end]):
        raise DecodeError("UDP checksum is wrong", start + 6)
    return start + 8, end


def parse_udp(packet: bytes) -> UdpPacket:
    """The UDP datagram in an IPv6 packet, everything checked. Raises DecodeError."""
    start, end = read_udp(packet)
    return UdpPacket(
        source=(format_address(packet[8:24]), packet[start - 8] << 8 | packet[start - 7]),
        destination=(format_address(packet[24:40]), packet[start - 6] << 8 | packet[start - 5]),
        payload=packet[start:end],
        ttl=packet[7],
        tos=(packet[0] << 4 | packet[1] >> 4) & 0xFF,
    )


def icmp_packet(
    source: bytes, destination: bytes, kind: int, code: int, rest: bytes, **header: int
) -> bytes:
    """An ICMPv6 message, its checksum filled in; `rest` is what follows it."""
    bare = bytes((kind, code, 0, 0)) + rest
    value = _sum(source + destination, ICMP, bare)
    message = bare[:2] + value.to_bytes(2, "big") + rest
    return ip_packet(source, destination, ICMP, message, **header)


def ping_packet(
    source: str,
    destination: str,
    *,
    identifier: int = 1,
    sequence: int = 1,
    data: bytes = b"",
    ttl: int = 64,
) -> bytes:
    """An ICMPv6 Echo Request."""
    rest = identifier.to_bytes(2, "big") + sequence.to_bytes(2, "big") + data
    return icmp_packet(
        pack_address(source), pack_address(destination), ICMP_ECHO_REQUEST, 0, rest, ttl=ttl
    )


def ping_reply(packet: bytes) -> bytes:
    """The Echo Reply to an Echo Request. Raises DecodeError if the packet is anything else, or
    wrong."""
    protocol, start, end = read_ip(packet)
    if protocol != ICMP or end - start < 8 or packet[start] != ICMP_ECHO_REQUEST:
        raise DecodeError("no ICMPv6 Echo Request", start)
    if packet[start + 1] or _sum(packet[8:40], ICMP, packet[start:end]):
        raise DecodeError("ICMPv6 code or checksum is wrong", start + 1)
    tos = (packet[0] << 4 | packet[1] >> 4) & 0xFF
    rest = packet[start + 4 : end]
    return icmp_packet(packet[24:40], packet[8:24], ICMP_ECHO_REPLY, 0, rest, tos=tos)


def udp_echo(packet: bytes) -> bytes:
    """The same payload sent back: addresses and ports change places, nothing else of UDP does.
    Raises DecodeError."""
    start, end = read_udp(packet)
    ports = packet[start - 6 : start - 4] + packet[start - 8 : start - 6]
    datagram = ports + packet[start - 4 : end]
    source, destination = packet[24:40], packet[8:24]
    tos = (packet[0] << 4 | packet[1] >> 4) & 0xFF
    label = echo_mark(source, destination, ports)
    return ip_packet(source, destination, UDP, datagram, tos=tos, label=label)


def is_udp_echo(packet: bytes) -> bool:
    """Whether a packet that `read_udp` accepts came from `udp_echo`, as far as its mark tells."""
    mark = echo_mark(packet[8:24], packet[24:40], packet[HEADER : HEADER + 4])
    return mark == int.from_bytes(packet[:4], "big") & 0xFFFFF


def echo_mark(source: bytes, destination: bytes, ports: bytes) -> int:
    """Flow label of an echo, by which an echo is not answered (see host.echo_mark)."""
    return int.from_bytes(source + ports[:2] + destination + ports[2:], "big") % 1048573 or 1


def _sum(addresses: bytes, protocol: int, message: bytes) -> int:
    """Checksum over the pseudo header (RFC 8200 8.1) and a message; 0 if it contains its own."""
    pseudo = addresses + len(message).to_bytes(4, "big") + protocol.to_bytes(4, "big")
    return checksum(pseudo + message)
