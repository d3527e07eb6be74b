"""IP addresses as octets and as text, by the C library: ipaddress takes twenty times as long, and
a full table has a million of them. Functions only; nothing is opened."""

from __future__ import annotations

import ipaddress
from socket import AF_INET, AF_INET6, inet_ntoa, inet_ntop, inet_pton

Octets = bytes
"""Of an address: 4 or 16."""


def address_octets(text: str) -> Octets:
    """Of an address that is known to be one; OSError or ValueError for many that are not."""
    return inet_pton(AF_INET6 if ":" in text else AF_INET, text)


def address_text(octets: Octets) -> str:
    """In canonical form."""
    if len(octets) == 4:
        return inet_ntoa(octets)
    text = inet_ntop(AF_INET6, octets)
    # The C library ends addresses that hold one of IPv4 in that.
    return text if "." not in text else str(ipaddress.IPv6Address(octets))
