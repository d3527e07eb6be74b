"""IPv6 packets around an L2TP tunnel, as packets.py has them for IPv4: plain Python throughout."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address

from parse_packets import ipv6, udp, udp_in

from control.sim import data_header, host, host6
from control.sim.data_header import DataHeader

HOME6, SITE6, OTHER6 = "2001:db8:1::10", "2001:db8:2::10", "2001:db8:3::10"
US6, LOCAL6, LAC6 = "2001:db8::1", "2001:db8:88::1", "2001:db8:88::2"
PPP_IP6 = b"\xff\x03\x00\x57"
DATA_HEADER = DataHeader(1, 2)


def datagram6(
    payload: bytes = b"data",
    *,
    src: str = HOME6,
    dst: str = SITE6,
    sport: int = 5060,
    dport: int = 5060,
    **ip,
) -> bytes:
    """An IPv6 packet with a whole UDP datagram; `ip` as in parse_packets.ipv6."""
    return udp_in(ipv6(udp(payload, sport=sport, dport=dport), src=src, dst=dst, **ip), 40)


def behind(header: bytes, packet: bytes, *, proto: int) -> bytes:
    """The packet with an extension header of type `proto` before its transport: `header` is what
    follows the Next Header octet."""
    length = int.from_bytes(packet[4:6], "big") + 1 + len(header)
    head = packet[:4] + length.to_bytes(2, "big") + bytes((proto,)) + packet[7:40]
    return head + packet[6:7] + header + packet[40:]


def options(packet: bytes, *, proto: int = 60, words: int = 1) -> bytes:
    """Behind an options header of 8 octets or more, which holds padding."""
    size = 8 * words - 4
    return behind(bytes((words - 1, 1, size)) + bytes(size), packet, proto=proto)


def fragment6(packet: bytes, offset: int = 0, *, more: bool = True) -> bytes:
    """Behind a fragment header; `offset` is in octets."""
    word = (offset | more).to_bytes(2, "big")
    return behind(b"\0" + word + b"\0\0\0\x07", packet, proto=44)


def forwarded6(packet: bytes) -> bytes:
    """An IPv6 packet one hop on."""
    return packet[:7] + bytes((packet[7] - 1,)) + packet[8:]


def ping6(dst: str = US6, src: str = HOME6, size: int = 56, **rest) -> bytes:
    return host6.ping_packet(src, dst, data=bytes(size), **rest)


def icmp6_error(about: bytes, kind: int, code: int, *, mtu: int = 0, source: str = US6) -> bytes:
    """The ICMPv6 error of RFC 4443 about a packet, as much of it quoted as 1,280 octets hold."""
    rest = mtu.to_bytes(4, "big") + about[:1232]
    return host6.icmp_packet(IPv6Address(source).packed, about[8:24], kind, code, rest)


def inner_class(packet: bytes) -> int:
    return packet[1] if packet[0] >> 4 == 4 else int.from_bytes(packet[:2], "big") >> 4 & 0xFF


def ppp_of(packet: bytes, *, acfc: bool = False, pfc: bool = False) -> bytes:
    number = b"\x57" if packet[0] >> 4 == 6 else b"\x21"
    return (b"" if acfc else b"\xff\x03") + (b"" if pfc else b"\0") + number + packet


@dataclass(frozen=True, slots=True)
class Outer6:
    """How a session over IPv6 encapsulates; `label` is what the engine chose for it."""

    local: tuple[str, int] = (LOCAL6, 1701)
    peer: tuple[str, int] = (LAC6, 1701)
    peer_tunnel: int = 3
    peer_session: int = 4
    acfc: bool = False
    pfc: bool = False
    sequencing: bool = False
    udp_checksum: bool = True
    tos: int | None = None
    df: bool = True

    def around(self, packet: bytes, *, label: int, ns: int = 0) -> bytes:
        """What carries an inner IP packet, as it leaves, to the LAC."""
        tos = inner_class(packet) if self.tos is None else self.tos
        frame = ppp_of(packet, acfc=self.acfc, pfc=self.pfc)
        return self.carry(frame, label=label, ns=ns, tos=tos)

    def carry(self, frame: bytes, *, label: int, ns: int = 0, tos: int | None = None) -> bytes:
        """What carries a PPP frame to the LAC."""
        header = DataHeader(
            self.peer_tunnel,
            self.peer_session,
            ns=ns if self.sequencing else None,
            has_length=True,
        )
        outer = host6.udp_packet(
            *self.local,
            *self.peer,
            data_header.encode(header, frame),
            tos=(self.tos or 0) if tos is None else tos,
            label=label,
        )
        return outer if self.udp_checksum else outer[:46] + b"\0\0" + outer[48:]


def label_of(packet: bytes) -> int:
    return int.from_bytes(packet[:4], "big") & 0xFFFFF


def from_lac6(message: bytes, *, src: str = LAC6, sport: int = 1701, dst: str = LOCAL6) -> bytes:
    """An L2TP message from the LAC to our tunnel address."""
    return host6.udp_packet(src, sport, dst, 1701, message)


def data_message6(frame: bytes, header: DataHeader = DATA_HEADER, **rest) -> bytes:
    """A PPP frame from the LAC inside a session over IPv6."""
    return from_lac6(data_header.encode(header, frame), **rest)


def assert_sound6(packet: bytes) -> None:
    """Length and UDP or ICMPv6 checksum of an IPv6 packet are right."""
    protocol, start, end = host6.read_ip(packet)
    assert end == len(packet)
    if protocol == host6.ICMP:
        pseudo = packet[8:40] + (end - start).to_bytes(4, "big") + bytes((0, 0, 0, 58))
        assert host.checksum(pseudo + packet[start:end]) == 0
    elif protocol == host.UDP:
        host6.read_udp(packet)
