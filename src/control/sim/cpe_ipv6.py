"""IPv6 at a simulated site: the addresses it makes of Router Advertisements, and what it answers
(RFC 4861 6.3, RFC 4862 5.5)."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

from control.errors import DecodeError
from control.ppp.config import read_identifier
from control.sim import host6
from control.sim.host import UDP

if TYPE_CHECKING:
    from control.sim.cpe import CpeCounters

PREFIXES: Final = (b"\xff\x03\x00\x57", b"\x00\x57", b"\x57", b"\xff\x03\x57")
"""How an IPv6 frame may begin (RFC 1661 6.5, 6.6), most frequent first."""

_ADVERTISEMENT: Final = 134
_PREFIX_INFORMATION: Final = 3
_AUTONOMOUS: Final = 0x40


def frame_prefix(*, acfc: bool, pfc: bool) -> bytes:
    """What stands before an IPv6 packet in a frame."""
    return (b"" if acfc else b"\xff\x03") + (b"\x57" if pfc else b"\x00\x57")


class SiteIpv6:
    """One line's."""

    __slots__ = ("addresses", "identifier", "open")

    def __init__(self) -> None:
        self.open = False
        """IPV6CP is Opened."""
        self.identifier = ""
        self.addresses: tuple[str, ...] = ()
        """Made of advertised prefixes and the identifier."""

    def receive(
        self, packet: bytes, counters: CpeCounters, *, echo: bool, mru: int
    ) -> bytes | None:
        """The answer to a packet, None if there is none. Every packet is counted once."""
        counters.packets += 1
        if not self.open:
            counters.not_open += 1
            return None
        try:
            protocol, start, end = host6.read_ip(packet)
        except DecodeError:
            counters.bad_header += 1
            return None
        is_icmp = protocol == host6.ICMP
        if is_icmp and packet[start : start + 1] == bytes((_ADVERTISEMENT,)):
            self._hear(packet, start, end, counters)
        elif echo and _wants_answer(packet, protocol):
            return _answer(packet, counters, is_ping=is_icmp, mru=mru)
        else:
            counters.ignored += 1
        return None

    def _hear(self, packet: bytes, start: int, end: int, counters: CpeCounters) -> None:
        link_local = packet[8] == 0xFE and packet[9] & 0xC0 == 0x80
        prefixes = read_prefixes(packet[start:end])
        if packet[7] != 255 or not link_local or prefixes is None:
            counters.bad_payload += 1
            return
        counters.advertisements += 1
        identifier = read_identifier(self.identifier)
        self.addresses = tuple(
            str(network[identifier]) for network in prefixes if network.prefixlen == 64
        )


def read_prefixes(message: bytes) -> list[ipaddress.IPv6Network] | None:
    """The prefixes of a Router Advertisement to make addresses of; None if it is malformed."""
    found: list[ipaddress.IPv6Network] = []
    at = 16
    while at + 2 <= len(message):
        kind, size = message[at], 8 * message[at + 1]
        option = message[at : at + size]
        if not size or len(option) != size:
            return None
        if kind == _PREFIX_INFORMATION and size == 32 and option[3] & _AUTONOMOUS:
            try:
                found.append(ipaddress.IPv6Network((option[16:32], option[2])))
            except ValueError:
                return None
        at += size
    return found if at == len(message) else None


def _wants_answer(packet: bytes, protocol: int) -> bool:
    if not host6.is_unicast(packet):
        return False
    if protocol == host6.ICMP:
        return host6.is_ping(packet)
    return protocol == UDP and not host6.is_udp_echo(packet)


def _answer(packet: bytes, counters: CpeCounters, *, is_ping: bool, mru: int) -> bytes | None:
    try:
        answer = host6.ping_reply(packet) if is_ping else host6.udp_echo(packet)
    except DecodeError:
        counters.bad_payload += 1
        return None
    if len(answer) > mru:
        counters.too_big += 1
        return None
    if is_ping:
        counters.pings += 1
    else:
        counters.echoes += 1
    return answer
