"""Packets around an L2TP tunnel, and what the engine should make of them, in plain Python.

Headers come from the builders that simulators and parser tests use; nothing here is shared with
the data plane that it checks.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address

from parse_packets import internet_checksum, ipv4, sealed, udp, udp_in

from control.sim import data_header, host
from control.sim.data_header import DataHeader

HOME, SITE, OTHER_SITE = "192.0.2.10", "198.51.100.10", "203.0.113.10"
US, LOCAL, LAC = "10.0.0.1", "10.88.0.1", "10.88.0.2"
PPP_IP = b"\xff\x03\x00\x21"
LCP_ECHO = b"\xff\x03\xc0\x21\x09\x01\x00\x08\x00\x00\x00\x00"
DF, MF = 0x4000, 0x2000


def datagram(
    payload: bytes = b"data",
    *,
    src: str = HOME,
    dst: str = SITE,
    sport: int = 5060,
    dport: int = 5060,
    checksum: bool = True,
    **ip,
) -> bytes:
    """An IPv4 packet with a whole UDP datagram; `ip` as in parse_packets.ipv4."""
    packet = ipv4(udp(payload, sport=sport, dport=dport), src=src, dst=dst, **ip)
    return udp_in(packet, (packet[0] & 15) * 4) if checksum else packet


def from_lac(message: bytes, *, src: str = LAC, sport: int = 1701, **rest) -> bytes:
    """An L2TP message from the LAC to our tunnel address."""
    return datagram(message, src=src, dst=LOCAL, sport=sport, dport=1701, **rest)


DATA_HEADER = DataHeader(1, 2)


def data_message(frame: bytes, header: DataHeader = DATA_HEADER, **rest) -> bytes:
    """A PPP frame from the LAC inside a session, by default the rig's first."""
    return from_lac(data_header.encode(header, frame), **rest)


def control_message(tunnel: int = 1, length: int | None = None, body: bytes = b"") -> bytes:
    """A control message (RFC 2661 3.1), without a body a ZLB."""
    size = 12 + len(body) if length is None else length
    return struct.pack("!HHHHHH", 0xC802, size, tunnel, 0, 1, 1) + body


def forwarded(packet: bytes) -> bytes:
    """An IPv4 packet one hop on: TTL and header checksum change, nothing else."""
    size = (packet[0] & 15) * 4
    return sealed(packet[:8] + bytes((packet[8] - 1,)) + packet[9:size]) + packet[size:]


@dataclass(frozen=True, slots=True)
class Outer:
    """How a session encapsulates: the arguments of add_session that show in the packet."""

    local: tuple[str, int] = (LOCAL, 1701)
    peer: tuple[str, int] = (LAC, 1701)
    peer_tunnel: int = 3
    peer_session: int = 4
    acfc: bool = False
    pfc: bool = False
    sequencing: bool = False
    udp_checksum: bool = True
    tos: int | None = None
    df: bool = True

    def around(self, packet: bytes, *, ident: int = 0, ns: int = 0) -> bytes:
        """What carries an inner IP packet, as it leaves, to the LAC; `ident` without DF only."""
        ppp = (b"" if self.acfc else b"\xff\x03") + (b"\x21" if self.pfc else b"\x00\x21")
        tos = packet[1] if self.tos is None else self.tos
        return self.carry(ppp + packet, ident=ident, ns=ns, tos=tos)

    def carry(self, frame: bytes, *, ident: int = 0, ns: int = 0, tos: int = 0) -> bytes:
        """What carries a PPP frame to the LAC."""
        header = DataHeader(
            self.peer_tunnel,
            self.peer_session,
            ns=ns if self.sequencing else None,
            has_length=True,
        )
        outer = host.udp_packet(
            *self.local,
            *self.peer,
            data_header.encode(header, frame),
            identification=0 if self.df else ident,  # RFC 6864 4.1
            tos=tos,
            dont_fragment=self.df,
        )
        return outer if self.udp_checksum else outer[:26] + b"\0\0" + outer[28:]


def icmp_error(about: bytes, kind: int, code: int, *, mtu: int = 0, source: str = US) -> bytes:
    """The ICMP error of RFC 792 about a packet, as much of it quoted as 576 octets hold."""
    message = struct.pack("!BBHHH", kind, code, 0, 0, mtu) + about[:548]
    message = message[:2] + struct.pack("!H", internet_checksum(message)) + message[4:]
    to = str(IPv4Address(about[12:16]))
    ident = int.from_bytes(about[4:6], "big")
    return ipv4(message, src=source, dst=to, proto=1, tos=0xC0, ident=ident)


def assert_sound(packet: bytes) -> None:
    """Header, length and UDP or ICMP checksum of an IPv4 packet are right."""
    protocol, start, end = host.read_ip(packet)
    assert end == len(packet)
    if protocol == host.UDP and not host.is_fragment(packet):
        host.read_udp(packet)
    elif protocol == host.ICMP and not host.is_fragment(packet):
        assert host.checksum(packet[start:end]) == 0
