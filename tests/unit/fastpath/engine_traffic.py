"""Traffic for the rig from a seed: sound packets of all forms, and the same ones damaged."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from random import Random

from packets import (
    DF,
    HOME,
    LAC,
    LOCAL,
    MF,
    OTHER_SITE,
    SITE,
    US,
    control_message,
    datagram,
    from_lac,
)
from packets6 import (
    HOME6,
    LAC6,
    LOCAL6,
    OTHER6,
    SITE6,
    US6,
    datagram6,
    fragment6,
    from_lac6,
    options,
    ping6,
)
from parse_packets import echo_request, ipv4, ipv6, sealed

from control.sim.data_header import DataHeader, encode

DESTINATIONS = [*[SITE] * 4, *[OTHER_SITE] * 2, *[HOME] * 3, US, LOCAL, LAC, "10.44.0.9",
                "10.66.0.9", "10.77.0.9", "9.9.9.9", "224.0.0.1", "127.0.0.1",
                "255.255.255.255"]  # fmt: skip
SOURCES = [HOME] * 9 + [SITE, OTHER_SITE, LAC, US, "9.8.7.6", "0.0.0.0", "172.16.0.9"]
INNER_SOURCES = [SITE] * 6 + [OTHER_SITE] * 6 + [HOME, LOCAL, "172.16.0.9", "127.0.0.1"]
SIZES = [0, 1, 7, 8, 9, 20, 64, 100, 547, 549, 900, 1431, 1432, 1433, 1500, 3000]
DESTINATIONS6 = [*[SITE6] * 4, *[OTHER6] * 3, *[HOME6] * 3, US6, LOCAL6, LAC6, "2001:db8:5::9",
                 "2001:db8:6::9", "2001:db8:7::9", "2001:db9::9", "ff02::1", "::1",
                 "fe80::9"]  # fmt: skip
SOURCES6 = [HOME6] * 9 + [SITE6, OTHER6, LAC6, US6, "2001:db9::8", "::", "fe80::8", "2001:db8:4::9"]
INNER_SOURCES6 = [SITE6] * 4 + [OTHER6] * 4 + [HOME6, LOCAL6, "fe80::2", "::"]
PROTOCOLS = [b"\xc0\x21", b"\xc2\x23", b"\x80\x21", b"\x00\x57", b"\x57", b"\x00", b""]
POOL = 3000


class Traffic:
    """`frames` makes (side, frame, wire length): side is home or tunnel."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)

    def frames(self, count: int, *, ethernet: bool = False) -> Iterator[tuple[str, bytes, int]]:
        pool = [self.packet() for _ in range(POOL)]
        for _ in range(count):
            side, packet = self.rng.choice(pool)
            if self.rng.random() < 0.5:
                packet = self.damaged(packet)
            if ethernet:
                packet = self.link() + packet + bytes(self.rng.choice([0, 0, 4, 18]))
            wire = len(packet)
            if self.rng.random() < 0.02:
                packet = packet[: self.rng.randrange(wire + 1)]
            yield side, packet, wire

    def packet(self) -> tuple[str, bytes]:
        """A sound packet and the side it comes from."""
        kind = self.rng.random()
        if kind < 0.3:
            return "home", self.ip(SOURCES)
        if kind < 0.45:
            return "home", self.ip6(SOURCES6)
        if kind < 0.85:
            return "tunnel", self.message(self.ppp())
        if kind < 0.95:
            body = control_message(body=self.rng.randbytes(self.rng.choice([0, 8, 100])))
            if kind < 0.92:
                return "tunnel", from_lac(body, src=self.peer())
            return "tunnel", from_lac6(body, src=self.peer6())
        return "tunnel", self.rng.randbytes(60)

    def ip6(self, sources: list[str]) -> bytes:
        rng = self.rng
        destination = rng.choice(DESTINATIONS6)
        if rng.random() < 0.1:
            destination = f"2001:db8:4::{rng.randrange(40):x}"
        fields = {
            "src": rng.choice(sources),
            "dst": destination,
            "hops": rng.choice([0, 1, 2, 64, 64, 64, 255]),
            "tclass": rng.choice([0, 0, 0xB8, 0xFF]),
            "label": rng.choice([0, rng.randrange(1 << 20)]),
        }
        size = rng.choice(SIZES)
        kind = rng.random()
        if kind < 0.7:
            ports = rng.choice([53, 1701, 5060]), rng.choice([53, 1701, 5060])
            packet = datagram6(rng.randbytes(size), sport=ports[0], dport=ports[1], **fields)
        elif kind < 0.9:
            packet = ping6(destination, rng.choice(sources), size, ttl=fields["hops"])
        else:
            packet = ipv6(rng.randbytes(size), proto=rng.choice([6, 47, 58, 59, 60]), **fields)
        if rng.random() < 0.2:
            packet = options(packet, proto=rng.choice([0, 43, 60, 135]), words=rng.choice([1, 2]))
        if rng.random() < 0.1:
            packet = fragment6(packet, rng.choice([0, 0, 8, 800]), more=rng.random() < 0.5)
        return packet

    def ip(self, sources: list[str]) -> bytes:
        rng = self.rng
        destination = rng.choice(DESTINATIONS)
        if rng.random() < 0.1:
            destination = f"172.16.0.{rng.randrange(40)}"
        fields = {
            "src": rng.choice(sources),
            "dst": destination,
            "ttl": rng.choice([0, 1, 2, 64, 64, 64, 255]),
            "tos": rng.choice([0, 0, 0xB8, 0xFF]),
            "ident": rng.randrange(65536),
            "fragment": rng.choice([0, 0, 0, DF, MF, MF | 7, 0x1FFF]),
            "options": rng.choice([b"", b"", b"", b"\x01" * 4, b"\x83\x07\x04\xc0\0\2\1\0"]),
        }
        size = rng.choice(SIZES) if rng.random() < 0.998 else rng.randrange(65000)
        kind = rng.random()
        if kind < 0.7:
            ports = rng.choice([53, 1701, 5060]), rng.choice([53, 1701, 5060])
            return datagram(
                rng.randbytes(size),
                sport=ports[0],
                dport=ports[1],
                checksum=rng.random() < 0.5,
                **fields,
            )
        payload = echo_request(rng.randbytes(size)) if kind < 0.9 else rng.randbytes(size)
        return ipv4(payload, proto=1 if kind < 0.95 else 47, **fields)

    def ppp(self) -> bytes:
        address = self.rng.choice([b"\xff\x03", b""])
        kind = self.rng.random()
        if kind < 0.5:
            return address + self.rng.choice([b"\0\x21", b"\x21"]) + self.ip(INNER_SOURCES)
        if kind < 0.8:
            return address + self.rng.choice([b"\0\x57", b"\x57"]) + self.ip6(INNER_SOURCES6)
        return address + self.rng.choice(PROTOCOLS) + self.rng.randbytes(self.rng.randrange(40))

    def message(self, frame: bytes) -> bytes:
        rng = self.rng
        header = DataHeader(
            rng.choice([1] * 30 + [0, 2]),
            rng.choice([2] * 20 + [5] * 10 + [0, 3]),
            ns=rng.choice([None, rng.randrange(65536)]),
            has_length=rng.random() < 0.7 and len(frame) < 65000,
            offset=rng.choice([None, None, 0, 2, 17]),
            priority=rng.random() < 0.2,
        )
        body = encode(header, frame)[:65487]
        if rng.random() < 0.3:
            return from_lac6(body, src=self.peer6())
        return from_lac(body, src=self.peer(), checksum=rng.random() < 0.5)

    def peer6(self) -> str:
        return self.rng.choice([LAC6] * 12 + ["2001:db8:88::3"])

    def peer(self) -> str:
        return self.rng.choice([LAC] * 12 + ["10.88.0.3"])

    def damaged(self, packet: bytes) -> bytes:
        """Some octets are others, the end may be cut or longer; often the IP header is sound again,
        and the UDP checksum gone, so that what is behind them is looked at."""
        rng = self.rng
        octets = bytearray(packet)
        for _ in range(rng.choice([0, 1, 1, 2, 8])):
            if octets:
                # Most headers are at the beginning.
                at = rng.randrange(min(len(octets), rng.choice([20, 60, 100, 65535])))
                octets[at] = rng.choice([0, 1, 0xFF, octets[at] ^ 1 << rng.randrange(8)])
        if rng.random() < 0.2:
            del octets[rng.randrange(len(octets) + 1) :]
        if rng.random() < 0.1:
            octets += rng.randbytes(rng.randrange(20))
        if len(octets) >= 28 and rng.random() < 0.8:
            if octets[0] >> 4 != 6:
                octets[26:28] = bytes(2)
            self.seal(octets)
        return bytes(octets)

    def seal(self, octets: bytearray) -> None:
        if octets[0] >> 4 == 6:
            octets[4:6] = struct.pack("!H", min(max(len(octets) - 40, 0), 65535))
            return
        if self.rng.random() < 0.7:
            octets[0] = 0x45
            octets[2:4] = struct.pack("!H", min(len(octets), 65535))
        size = (octets[0] & 15) * 4
        if 20 <= size <= len(octets):
            octets[:size] = sealed(bytes(octets[:size]))

    def link(self) -> bytes:
        tags = self.rng.choice([b""] * 6 + [b"\x81\0\0\5", b"\x88\xa8\0\1\x81\0\0\2",
                                            b"\x81\0\0\1" * 3])  # fmt: skip
        return bytes(12) + tags + self.rng.choice([b"\x08\x00"] * 20 + [b"\x86\xdd", b"\x08\x06"])
