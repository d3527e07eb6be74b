"""IPv4 prefixes as text, told to be canonical without ipaddress, which takes twenty times as long:
a configuration has ten thousands of them, and a reload looks at all.
"""

from __future__ import annotations

from typing import Final

OCTETS: Final = frozenset(map(str, range(256)))
"""As they are written in an IPv4 address."""
HOST_BITS: Final = {str(length): (1 << 32 - length) - 1 for length in range(33)}
"""Of an IPv4 prefix, by its length as it is written."""


def is_canonical(prefix: str) -> bool:
    """Whether this is an IPv4 prefix, written as one writes it and without bits behind its length.
    False also for what is none, and for those of IPv6."""
    address, _, length = prefix.partition("/")
    parts = address.split(".")
    host = HOST_BITS.get(length)
    if host is None or len(parts) != 4 or not OCTETS.issuperset(parts):
        return False
    a, b, c, d = parts
    return not (int(a) << 24 | int(b) << 16 | int(c) << 8 | int(d)) & host
