"""IPv4, UDP and ICMP as an end host needs them, in plain Python with checksums (RFC 791, 768, 792).

For simulators that live behind an IP port, and as an oracle for the fast path. No fragments are put
together, no options are written, and nothing is routed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address
from struct import Struct

from control.errors import DecodeError, LocalProtocolError
from control.l2tp.events import SocketAddress

ICMP = 1
TCP = 6
UDP = 17

ICMP_ECHO_REPLY = 0
ICMP_ECHO_REQUEST = 8

DONT_FRAGMENT = 0x4000
FRAGMENT_MASK = 0x3FFF
"""More Fragments and the fragment offset."""

IP_HEADER = Struct("!BBHHHBBH4s4s")
UDP_HEADER = Struct("!HHHH")
MAX_PACKET = 0xFFFF


@dataclass(frozen=True, slots=True)
class UdpPacket:
    source: SocketAddress
    destination: SocketAddress
    payload: bytes
    ttl: int
    tos: int


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of `data`: 0 over data that contains its own valid checksum.

    The sum of 16-bit words with end-around carry is the number they form modulo 65,535, because
    65,536 = 1 there. An odd octet at the end is padded with zero. The two forms of zero are told
    apart as the addition does it: only all-zero data has the sum 0, else 65,535 stands for it.
    """
    number = int.from_bytes(data, "big")
    if len(data) & 1:
        number <<= 8
    if number == 0:
        return MAX_PACKET
    return MAX_PACKET - (number % MAX_PACKET or MAX_PACKET)


@lru_cache(maxsize=4096)
def pack_address(address: str) -> bytes:
    """Four octets of an address in text form. Raises LocalProtocolError."""
    try:
        return IPv4Address(address).packed
    except AddressValueError as error:
        raise LocalProtocolError(f"{address!r} is no IPv4 address") from error


@lru_cache(maxsize=4096)
def format_address(packed: bytes) -> str:
    return f"{packed[0]}.{packed[1]}.{packed[2]}.{packed[3]}"


def ip_packet(
    source: bytes,
    destination: bytes,
    protocol: int,
    payload: bytes,
    *,
    ttl: int = 64,
    identification: int = 0,
    tos: int = 0,
    dont_fragment: bool = False,
) -> bytes:
    """An IPv4 packet without options; addresses are packed. Raises LocalProtocolError beyond 65,535
    octets."""
    length = 20 + len(payload)
    if length > MAX_PACKET:
        raise LocalProtocolError(f"an IPv4 packet cannot have {length} octets")
    flags = DONT_FRAGMENT if dont_fragment else 0
    fields = (0x45, tos, length, identification & 0xFFFF, flags, ttl, protocol)
    header = IP_HEADER.pack(
        *fields, checksum(IP_HEADER.pack(*fields, 0, source, destination)), source, destination
    )
    return header + payload


def udp_packet(
    source: str,
    source_port: int,
    destination: str,
    destination_port: int,
    payload: bytes,
    *,
    ttl: int = 64,
    identification: int = 0,
    tos: int = 0,
    dont_fragment: bool = False,
) -> bytes:
    """An IPv4 packet with one UDP datagram, both checksums filled in."""
    packed = pack_address(source), pack_address(destination)
    length = 8 + len(payload)
    if length > MAX_PACKET:
        raise LocalProtocolError(f"a UDP datagram cannot have {length} octets")
    bare = UDP_HEADER.pack(source_port, destination_port, length, 0) + payload
    # RFC 768: a computed zero is sent as all ones, since zero means "no checksum".
    value = checksum(_pseudo_header(*packed, UDP, length) + bare) or MAX_PACKET
    datagram = UDP_HEADER.pack(source_port, destination_port, length, value) + payload
    return ip_packet(
        *packed,
        UDP,
        datagram,
        ttl=ttl,
        identification=identification,
        tos=tos,
        dont_fragment=dont_fragment,
    )


def read_ip(packet: bytes) -> tuple[int, int, int]:
    """Protocol, and where the payload of an IPv4 packet starts and ends. Raises DecodeError."""
    size = len(packet)
    if size < 20:
        raise DecodeError("IPv4 header is cut off", size)
    if packet[0] >> 4 != 4:
        raise DecodeError(f"IP version {packet[0] >> 4}", 0)
    start = (packet[0] & 0x0F) * 4
    end = packet[2] << 8 | packet[3]
    if start < 20 or start > end:
        raise DecodeError("IPv4 header length is wrong", 0)
    if end > size:
        raise DecodeError(f"IPv4 total length {end} is beyond the packet's {size}", 2)
    if int.from_bytes(packet[:start], "big") % MAX_PACKET:
        raise DecodeError("IPv4 header checksum is wrong", 10)
    return packet[9], start, end


def is_fragment(packet: bytes) -> bool:
    """Whether a packet that `read_ip` accepts is only a part of one."""
    return bool((packet[6] << 8 | packet[7]) & FRAGMENT_MASK)


def source_of(packet: bytes) -> str:
    return format_address(packet[12:16])


def is_unicast(packet: bytes) -> bool:
    """Whether a packet that `read_ip` accepts goes from one host to one host, as an answer needs
    it: no multicast, broadcast, unspecified or loopback address."""
    source, destination = packet[12], packet[16]
    return 0 < source < 224 and source != 127 and 0 < destination < 224 and destination != 127


def is_ping(packet: bytes) -> bool:
    """Whether an ICMP packet that `read_ip` accepts is an Echo Request."""
    start = (packet[0] & 0x0F) * 4
    return packet[start : start + 1] == bytes((ICMP_ECHO_REQUEST,))


def read_udp(packet: bytes) -> tuple[int, int]:
    """Where the payload of a UDP packet starts and ends; its ports are the eight octets before, its
    addresses octets 12 to 19. Raises DecodeError, also for a fragment and a wrong checksum."""
    protocol, start, end = read_ip(packet)
    if protocol != UDP:
        raise DecodeError(f"IP protocol {protocol} where UDP was expected", 9)
    if is_fragment(packet):
        raise DecodeError("fragment where a whole packet was expected", 6)
    if start + 8 > end:
        raise DecodeError("UDP header is cut off", end)
    length = packet[start + 4] << 8 | packet[start + 5]
    if length < 8 or start + length > end:
        raise DecodeError(f"UDP length {length} does not fit", start + 4)
    end = start + length
    if (packet[start + 6] or packet[start + 7]) and not _udp_sum_is_valid(packet, start, end):
        raise DecodeError("UDP checksum is wrong", start + 6)
    return start + 8, end


def parse_udp(packet: bytes) -> UdpPacket:
    """The UDP datagram in an IPv4 packet, everything checked. Raises DecodeError."""
    start, end = read_udp(packet)
    return UdpPacket(
        source=(format_address(packet[12:16]), packet[start - 8] << 8 | packet[start - 7]),
        destination=(format_address(packet[16:20]), packet[start - 6] << 8 | packet[start - 5]),
        payload=packet[start:end],
        ttl=packet[8],
        tos=packet[1],
    )


def ping_packet(
    source: str,
    destination: str,
    *,
    identifier: int = 1,
    sequence: int = 1,
    data: bytes = b"",
    ttl: int = 64,
) -> bytes:
    """An ICMP Echo Request."""
    rest = UDP_HEADER.pack(ICMP_ECHO_REQUEST << 8, 0, identifier, sequence) + data
    message = rest[:2] + checksum(rest).to_bytes(2, "big") + rest[4:]
    return ip_packet(pack_address(source), pack_address(destination), ICMP, message, ttl=ttl)


def ping_reply(packet: bytes, *, identification: int = 0) -> bytes:
    """The ICMP Echo Reply to an Echo Request. Raises DecodeError if the packet is anything else, or
    wrong."""
    protocol, start, end = read_ip(packet)
    whole = protocol == ICMP and end - start >= 8 and not is_fragment(packet)
    if not whole or packet[start] != ICMP_ECHO_REQUEST:
        raise DecodeError("no ICMP Echo Request", start)
    if packet[start + 1] or checksum(packet[start:end]):
        raise DecodeError("ICMP code or checksum is wrong", start + 1)
    rest = bytes(4) + packet[start + 4 : end]
    message = rest[:2] + checksum(rest).to_bytes(2, "big") + rest[4:]
    return ip_packet(
        packet[16:20], packet[12:16], ICMP, message, identification=identification, tos=packet[1]
    )


def udp_echo(packet: bytes) -> bytes:
    """The same payload sent back: addresses and ports change places, nothing else of UDP does.
    Raises DecodeError."""
    start, end = read_udp(packet)
    ports = packet[start - 6 : start - 4] + packet[start - 8 : start - 6]
    # The checksum is a sum, and a sum does not mind the order: it stays as it was.
    datagram = ports + packet[start - 4 : end]
    source, destination = packet[16:20], packet[12:16]
    return ip_packet(
        source,
        destination,
        UDP,
        datagram,
        identification=echo_mark(source, destination, ports),
        tos=packet[1],
        dont_fragment=True,
    )


def is_udp_echo(packet: bytes) -> bool:
    """Whether a packet that `read_udp` accepts came from `udp_echo`, as far as its mark tells: one
    other packet in 65,536 carries the same mark by chance."""
    start = (packet[0] & 0x0F) * 4
    mark = echo_mark(packet[12:16], packet[16:20], packet[start : start + 4])
    return mark == packet[4] << 8 | packet[5]


def echo_mark(source: bytes, destination: bytes, ports: bytes) -> int:
    """IP identification of an echo. Two sites that echo would throw one packet to and fro for ever;
    by this mark, which no router changes, an echo is not answered. It may repeat because Don't
    Fragment is set (RFC 6864 4.1)."""
    return int.from_bytes(source + ports[:2] + destination + ports[2:], "big") % 65521 or 1


def _pseudo_header(source: bytes, destination: bytes, protocol: int, length: int) -> bytes:
    return source + destination + bytes((0, protocol)) + length.to_bytes(2, "big")


def _udp_sum_is_valid(packet: bytes, start: int, end: int) -> bool:
    """The pseudo header is added without building it: its words commute like all others."""
    number = int.from_bytes(packet[start:end], "big")
    if (end - start) & 1:
        number <<= 8
    number += int.from_bytes(packet[12:20], "big") + UDP + end - start
    return number % MAX_PACKET == 0
