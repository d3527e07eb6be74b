"""Configuration options of LCP and the NCPs: one row an option, and the list they travel in.

RFC 1661 6, RFC 1332 3, RFC 1877 1, RFC 5072 4, RFC 1570 2, RFC 1990 5.1. Says what an option looks
like and whether we ever negotiate it; which values are acceptable is lcp_policy.py, ipcp.py and
ipv6cp.py.

    option   type (1) length (1, whole option) value (length - 2)
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from control.errors import DecodeError
from control.unlocked import unlocked

V = TypeVar("V")

ANY: Final = -1
"""Value length of an option that we only ever refuse, whatever its length is."""

AUTHENTICATION: Final[dict[str, bytes]] = {
    "pap": b"\xc0\x23",
    "chap": b"\xc2\x23\x05",
    "mschapv2": b"\xc2\x23\x81",
}
"""Value of the Authentication-Protocol option of each method we have (RFC 1334 2.1, RFC 1994 3, RFC
2759 2; `chap` is CHAP with MD5)."""

_HEADER_SIZE: Final = 2
_OCTETS: Final = frozenset(map(str, range(256)))


@unlocked
@dataclass(frozen=True, slots=True)
class Option:
    """One option as it was on the wire."""

    kind: int
    value: bytes = b""


@dataclass(frozen=True, slots=True)
class OptionRow(Generic[V]):
    """What is known of one option type."""

    kind: int
    name: str
    size: int
    """Octets of the value, or ANY."""
    read: Callable[[bytes], V]
    """Value of octets that have the right size. Raises DecodeError if they mean nothing."""
    write: Callable[[V], bytes]
    negotiable: bool = True
    """False: always Configure-Rejected."""

    def option(self, value: V) -> Option:
        return Option(self.kind, self.write(value))

    def value(self, option: Option) -> V:
        """The option's value. Raises DecodeError if its length is not that of this row."""
        if self.size not in (ANY, len(option.value)):
            raise DecodeError(f"{self.name} of {len(option.value)} octets", _HEADER_SIZE)
        return self.read(option.value)


def decode_options(data: bytes) -> tuple[Option, ...]:
    """The options of a packet in their order. Raises DecodeError for a length below 2 or beyond the
    packet: the whole packet is then discarded (RFC 1661 6)."""
    options: list[Option] = []
    at = 0
    while at < len(data):
        if at + _HEADER_SIZE > len(data):
            raise DecodeError("option cut short", at)
        kind, length = data[at], data[at + 1]
        if length < _HEADER_SIZE or at + length > len(data):
            raise DecodeError(f"option {kind} with length {length}", at + 1)
        options.append(Option(kind, data[at + _HEADER_SIZE : at + length]))
        at += length
    return tuple(options)


def encode_options(options: Iterable[Option]) -> bytes:
    return b"".join(
        bytes((option.kind, _HEADER_SIZE + len(option.value))) + option.value for option in options
    )


def _read_number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _write_u16(value: int) -> bytes:
    return value.to_bytes(2, "big")


def _write_u32(value: int) -> bytes:
    return value.to_bytes(4, "big")


def _write_u64(value: int) -> bytes:
    return value.to_bytes(8, "big")


def _read_address(data: bytes) -> str:
    return ".".join(map(str, data))


def _write_address(value: str) -> bytes:
    parts = value.split(".")
    if len(parts) == 4 and _OCTETS.issuperset(parts):
        return bytes(map(int, parts))
    return ipaddress.IPv4Address(value).packed


def _read_authentication(data: bytes) -> str:
    for name, value in AUTHENTICATION.items():
        if data == value:
            return name
    raise DecodeError("authentication protocol that we do not have", _HEADER_SIZE)


def _write_authentication(value: str) -> bytes:
    return AUTHENTICATION[value]


def _read_flag(data: bytes) -> bool:
    return True


def _write_flag(value: bool) -> bytes:
    return b""


def _flag(kind: int, name: str) -> OptionRow[bool]:
    return OptionRow(kind, name, 0, _read_flag, _write_flag)


def _address(kind: int, name: str) -> OptionRow[str]:
    return OptionRow(kind, name, 4, _read_address, _write_address)


def _refused(kind: int, name: str) -> OptionRow[bytes]:
    return OptionRow(kind, name, ANY, bytes, bytes, negotiable=False)


MRU: Final = OptionRow(1, "Maximum-Receive-Unit", 2, _read_number, _write_u16)
ACCM: Final = OptionRow(2, "Async-Control-Character-Map", 4, _read_number, _write_u32)
AUTH: Final = OptionRow(
    3, "Authentication-Protocol", ANY, _read_authentication, _write_authentication
)
MAGIC: Final = OptionRow(5, "Magic-Number", 4, _read_number, _write_u32)
PFC: Final = _flag(7, "Protocol-Field-Compression")
ACFC: Final = _flag(8, "Address-and-Control-Field-Compression")

ADDRESS: Final = _address(3, "IP-Address")
PRIMARY_DNS: Final = _address(129, "Primary-DNS-Server-Address")
PRIMARY_NBNS: Final = _address(130, "Primary-NBNS-Server-Address")
SECONDARY_DNS: Final = _address(131, "Secondary-DNS-Server-Address")
SECONDARY_NBNS: Final = _address(132, "Secondary-NBNS-Server-Address")

INTERFACE_IDENTIFIER: Final = OptionRow(1, "Interface-Identifier", 8, _read_number, _write_u64)


def _table(*rows: OptionRow[Any]) -> dict[int, OptionRow[Any]]:
    return {row.kind: row for row in rows}


LCP_OPTIONS: Final = _table(
    MRU,
    ACCM,
    AUTH,
    _refused(4, "Quality-Protocol"),
    MAGIC,
    PFC,
    ACFC,
    _refused(13, "Callback"),
    _refused(17, "Multilink-MRRU"),
    _refused(18, "Short-Sequence-Number-Header-Format"),
    _refused(19, "Endpoint-Discriminator"),
)
"""A type without a row is refused like one whose row says so."""

IPCP_OPTIONS: Final = _table(
    _refused(1, "IP-Addresses"),
    _refused(2, "IP-Compression-Protocol"),
    ADDRESS,
    PRIMARY_DNS,
    PRIMARY_NBNS,
    SECONDARY_DNS,
    SECONDARY_NBNS,
)

IPV6CP_OPTIONS: Final = _table(
    INTERFACE_IDENTIFIER,
    _refused(2, "IPv6-Compression-Protocol"),
)
