"""Slow, obvious twins of segmentation and of what it takes apart, in plain Python."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

from parse_packets import internet_checksum, ipv4, ipv6

NEEDS_CSUM, DATA_VALID = 1, 2
NONE, TCPV4, TCPV6, UDP_L4, ECN = 0, 1, 4, 5, 0x80
FIN, SYN, PSH, ACK, ECE, CWR = 0x01, 0x02, 0x08, 0x10, 0x40, 0x80
DF = 0x4000


def vnet(
    flags: int = 0,
    kind: int = NONE,
    hdr_len: int = 0,
    size: int = 0,
    start: int = 0,
    offset: int = 0,
) -> bytes:
    """A virtio-net header."""
    return struct.pack("<BBHHHH", flags, kind, hdr_len, size, start, offset)


@dataclass(frozen=True)
class Segment:
    """A TCP segment or UDP datagram, by what tells one from another."""

    payload: bytes = b"payload"
    six: bool = False
    tcp: bool = True
    ports: tuple[int, int] = (40000, 80)
    sequence: int = 1
    flags: int = ACK
    acknowledgment: int = 7
    window: int = 512
    options: bytes = b""
    identification: int = 100
    fragment: int = DF
    ip_options: bytes = b""
    extension: bytes = b""
    """Of IPv6: a whole header of destination options without its first octet."""
    ttl: int = 64
    tos: int = 0
    last: int = 9
    """Last octet of the destination."""

    @property
    def l4(self) -> int:
        """Octets of the IP header."""
        if self.six:
            return 40 + len(self.extension) + (1 if self.extension else 0)
        return 20 + len(self.ip_options)

    @property
    def headers(self) -> int:
        return self.l4 + (20 + len(self.options) if self.tcp else 8)

    @property
    def kind(self) -> int:
        if not self.tcp:
            return UDP_L4
        return TCPV6 if self.six else TCPV4

    def packet(self) -> bytes:
        """The packet, every checksum computed from its octets."""
        return self._packet(None)

    def partial(self) -> bytes:
        """The same with the pseudo header's sum for the transport checksum."""
        return self._packet(b"")

    def _packet(self, summed: bytes | None) -> bytes:
        proto = 6 if self.tcp else 17
        if self.tcp:
            words = (5 + len(self.options) // 4) << 12
            head = struct.pack(
                "!HHIIHHHH",
                *self.ports,
                self.sequence & 0xFFFFFFFF,
                self.acknowledgment,
                words | self.flags,
                self.window,
                0,
                0,
            )
            at, body = 16, head + self.options + self.payload
        else:
            head = struct.pack("!HHHH", *self.ports, 8 + len(self.payload), 0)
            at, body = 6, head + self.payload
        destination = f"2001:db8::{self.last:x}" if self.six else f"198.51.100.{self.last}"
        if self.six:
            whole = bytes([proto]) + self.extension + body if self.extension else body
            make = ipv6(
                whole,
                proto=60 if self.extension else proto,
                dst=destination,
                hops=self.ttl,
                tclass=self.tos,
            )
            pseudo = make[8:40] + struct.pack("!II", len(body), proto)
        else:
            make = ipv4(
                body,
                proto=proto,
                dst=destination,
                options=self.ip_options,
                fragment=self.fragment,
                ident=self.identification & 0xFFFF,
                ttl=self.ttl,
                tos=self.tos,
            )
            pseudo = make[12:20] + struct.pack("!HH", proto, len(body))
        checksum = internet_checksum(pseudo + body)
        if summed is not None:
            checksum = internet_checksum(pseudo) ^ 0xFFFF
        elif not self.tcp:
            checksum = checksum or 0xFFFF
        at += self.l4
        return make[:at] + struct.pack("!H", checksum) + make[at + 2 :]

    def superpacket(self, size: int) -> tuple[bytes, bytes]:
        """The virtio-net header and the packet that stand for segments of `size` octets."""
        kind = self.kind | (ECN if self.tcp and self.flags & CWR else 0)
        offset = 16 if self.tcp else 6
        return vnet(NEEDS_CSUM, kind, self.headers, size, self.l4, offset), self.partial()


def segments(whole: Segment, size: int) -> list[Segment]:
    """What a card makes of a superpacket."""
    cut = [whole.payload[at : at + size] for at in range(0, len(whole.payload), size)]
    made = []
    for number, payload in enumerate(cut):
        flags = whole.flags
        if number:
            flags &= ~CWR
        if number < len(cut) - 1:
            flags &= ~(FIN | PSH)
        made.append(
            replace(
                whole,
                payload=payload,
                sequence=whole.sequence + number * size,
                identification=whole.identification + number,
                flags=flags,
            )
        )
    return made
