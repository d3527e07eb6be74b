"""Filters by address: a prefix that was asked for, and what is inside it or covers it.

Lists of 65,000 addresses pass through here: an address is looked at once, as a number.
"""

from __future__ import annotations

from ipaddress import IPv6Address


class Within:
    """Of None everything is inside, and it is covered by everything."""

    def __init__(self, prefix: str | None) -> None:
        """`prefix`: canonical."""
        self._prefix = prefix
        if prefix is not None:
            self._version, self._bits, self._length = _split(prefix)

    def has(self, address: str) -> bool:
        """Whether an address, or all of a prefix, is inside."""
        if self._prefix is None:
            return True
        version, bits, length = _split(address)
        return (
            version == self._version
            and length >= self._length
            and _head(version, bits, self._length) == _head(version, self._bits, self._length)
        )

    def is_covered_by(self, prefix: str) -> bool:
        """Whether all of it is inside another prefix."""
        if self._prefix is None:
            return True
        version, bits, length = _split(prefix)
        return (
            version == self._version
            and length <= self._length
            and _head(version, bits, length) == _head(version, self._bits, length)
        )


def _split(prefix: str) -> tuple[int, int, int]:
    """Version, address as a number, length."""
    address, _, length = prefix.partition("/")
    if ":" in address:
        return 6, int(IPv6Address(address)), int(length) if length else 128
    # A quarter of the time that ipaddress takes, of which these lists are full.
    a, b, c, d = address.split(".")
    bits = int(a) << 24 | int(b) << 16 | int(c) << 8 | int(d)
    return 4, bits, int(length) if length else 32


def _head(version: int, bits: int, length: int) -> int:
    return bits >> ((32 if version == 4 else 128) - length)
