"""Router Advertisements of one link: what a site hears of its prefixes, and when (RFC 4861 6.2).

There is no DHCPv6: a site takes its address from Framed-IPv6-Prefix by itself (RFC 4862), and
delegated prefixes are routed to it without a word (specification 2.10).

    PPP    FF 03 00 57
    IPv6   hop limit 255, from fe80:: and our identifier to ff02::1
    ICMPv6 type 134, then options: prefixes, MTU, DNS servers (RFC 8106)
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable
from typing import Final

from control.ppp.config import read_identifier

INTERVAL: Final = 600.0
"""Seconds between two advertisements (MaxRtrAdvInterval of RFC 4861 6.2.1)."""
FIRST: Final = 3
FIRST_INTERVAL: Final = 16.0
"""The first advertisements come faster: a site's interface may not be up yet (RFC 4861 10)."""
SOLICITED_INTERVAL: Final = 3.0
"""Seconds between answers to solicitations (MIN_DELAY_BETWEEN_RAS of RFC 4861 10)."""

_LIFETIME: Final = 1800
_VALID: Final = 86400
"""Seconds a site may use an address for. No longer than the call, which it knows to have ended."""
_IPV6: Final = b"\x00\x57"
_ALL_NODES: Final = ipaddress.IPv6Address("ff02::1").packed
_ICMPV6: Final = 58
_SOLICITATION: Final = 133
_ADVERTISEMENT: Final = 134
_HEADER: Final = 40
_SLAAC_LENGTH: Final = 64
"""A site makes an address of a prefix of this length only (RFC 4862 5.5.3, RFC 5072 5)."""
_LEAST_MTU: Final = 1280
"""A site ignores less (RFC 8200 5)."""
_AUTONOMOUS: Final = 0x40
_LINK_LOCAL: Final = 0xFE80 << 112


class RouterAdvertisement:
    """Begins when IPV6CP opens; whoever owns it sends what it gives."""

    __slots__ = ("_due", "_last", "_left", "_packet")

    def __init__(
        self,
        identifier: str,
        prefixes: Iterable[str],
        dns: Iterable[str],
        mtu: int,
        now: float,
    ) -> None:
        """`identifier` is ours. `prefixes` are those of the link; without any we are only the
        default router."""
        self._packet = encode(identifier, prefixes, dns, mtu)
        self._left = FIRST
        self._due = now
        self._last: float | None = None

    def get_timer(self) -> float:
        return self._due

    def take_due(self, now: float) -> bytes | None:
        """The frame to send at `now`; None: it is too early."""
        if now < self._due:
            return None
        self._left -= self._left > 0
        self._due = now + (FIRST_INTERVAL if self._left else INTERVAL)
        self._last = now
        return self._packet

    def solicited(self, now: float) -> bytes | None:
        """The frame that answers a solicitation; None: the last one was just now."""
        if self._last is not None and now < self._last + SOLICITED_INTERVAL:
            return None
        self._last = now
        return self._packet


def is_solicitation(frame: bytes) -> bool:
    """Whether a PPP frame is a Router Solicitation that RFC 4861 6.1.1 lets pass."""
    packet = frame[2:] if frame.startswith(b"\xff\x03") else frame
    packet = (
        packet[2:] if packet.startswith(_IPV6) else packet[1:] if packet[:1] == b"\x57" else b""
    )
    if len(packet) < _HEADER + 8 or packet[0] >> 4 != 6:
        return False
    length = int.from_bytes(packet[4:6], "big")
    message = packet[_HEADER : _HEADER + length]
    return (
        packet[6] == _ICMPV6
        and packet[7] == 255
        and len(message) == length >= 8
        and message[0] == _SOLICITATION
        and message[1] == 0
        and _checksum(packet[8:24], packet[24:40], message) == 0
        and _sound_options(message[8:])
    )


def encode(identifier: str, prefixes: Iterable[str], dns: Iterable[str], mtu: int) -> bytes:
    """The whole PPP frame, uncompressed, which every peer takes."""
    # Hop limit 64 for the site's packets; no M and no O flag: nobody answers DHCPv6.
    body = struct.pack("!BBHII", 64, 0, _LIFETIME, 0, 0)
    if mtu >= _LEAST_MTU:
        body += struct.pack("!BBHI", 5, 1, 0, mtu)
    for text in prefixes:
        network = ipaddress.IPv6Network(text)
        flags = _AUTONOMOUS if network.prefixlen == _SLAAC_LENGTH else 0
        # Not on-link: nobody but the site is there, and its packets to others come to us.
        lifetimes = (_VALID, _VALID)
        body += struct.pack("!BBBBIII", 3, 4, network.prefixlen, flags, *lifetimes, 0)
        body += network.network_address.packed
    servers = b"".join(ipaddress.IPv6Address(text).packed for text in dns)
    if servers:
        body += struct.pack("!BBHI", 25, 1 + len(servers) // 8, 0, _LIFETIME) + servers
    source = ipaddress.IPv6Address(_LINK_LOCAL | read_identifier(identifier)).packed
    message = struct.pack("!BBH", _ADVERTISEMENT, 0, 0) + body
    checksum = _checksum(source, _ALL_NODES, message)
    message = message[:2] + checksum.to_bytes(2, "big") + message[4:]
    header = struct.pack("!IHBB", 6 << 28, len(message), _ICMPV6, 255)
    return b"\xff\x03" + _IPV6 + header + source + _ALL_NODES + message


def _sound_options(options: bytes) -> bool:
    """Every option has a length, and all end where the message does (RFC 4861 6.1.1)."""
    at = 0
    while at + 2 <= len(options) and options[at + 1]:
        at += 8 * options[at + 1]
    return at == len(options)


def _checksum(source: bytes, destination: bytes, message: bytes) -> int:
    """ICMPv6 checksum (RFC 4443 2.3); 0 if the message has the right one in place."""
    octets = source + destination + struct.pack("!II", len(message), _ICMPV6) + message
    octets += b"\x00" * (len(octets) % 2)
    total: int = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
