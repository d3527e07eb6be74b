"""PPP frames as L2TP carries them, and the packet form that LCP, the NCPs, PAP and CHAP share.

RFC 1661 2 and 5, RFC 2661 5.3. No HDLC flags, FCS or escaping: L2TP has none.

    frame    [FF 03] protocol (1 or 2 octets) information
    packet   code (1) identifier (1) length (2) data (length - 4) [padding]
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from control.errors import DecodeError
from control.unlocked import unlocked


class Protocol(IntEnum):
    """PPP protocol numbers that have a meaning here."""

    IP = 0x0021
    IPV6 = 0x0057
    IPCP = 0x8021
    IPV6CP = 0x8057
    LCP = 0xC021
    PAP = 0xC023
    CHAP = 0xC223


ADDRESS_CONTROL: Final = b"\xff\x03"
"""All-Stations address and UI control field of every frame that is not compressed."""

_HEADER: Final = struct.Struct("!BBH")


@unlocked
@dataclass(frozen=True, slots=True)
class Frame:
    protocol: int
    information: bytes


@unlocked
@dataclass(frozen=True, slots=True)
class Packet:
    """One packet of a control or authentication protocol; `data` may hold a password."""

    code: int
    identifier: int
    data: bytes = b""

    def __repr__(self) -> str:
        size = len(self.data)
        return f"Packet(code={self.code}, identifier={self.identifier}, data=<{size} octets>)"

    def encode(self) -> bytes:
        """The octets of the packet; `data` must fit the 16-bit length."""
        return _HEADER.pack(self.code, self.identifier, _HEADER.size + len(self.data)) + self.data


def decode_frame(data: bytes) -> Frame:
    """Split a frame. Every compressed form is taken, negotiated or not (RFC 1661 6.5, 6.6).

    A protocol number whose last octet is even is no error here: RFC 1661 2 wants it treated as an
    unknown protocol. Raises DecodeError if there is no whole protocol field.
    """
    start = len(ADDRESS_CONTROL) if data.startswith(ADDRESS_CONTROL) else 0
    if start >= len(data):
        raise DecodeError("frame without protocol field", start)
    first = data[start]
    # The low bit of an octet ends the protocol field (ISO 3309 extension, RFC 1661 6.5).
    if first & 1:
        return Frame(first, data[start + 1 :])
    if start + 2 > len(data):
        raise DecodeError("protocol field cut short", start)
    return Frame(first << 8 | data[start + 1], data[start + 2 :])


def encode_frame(protocol: int, information: bytes, *, acfc: bool = False) -> bytes:
    """A frame with a two-octet protocol field; `acfc` leaves FF 03 out, but never of LCP (RFC 1661
    6.6)."""
    head = b"" if acfc and protocol != Protocol.LCP else ADDRESS_CONTROL
    return head + protocol.to_bytes(2, "big") + information


def decode_packet(data: bytes) -> Packet:
    """Read code, identifier and length; what lies beyond the length is padding (RFC 1661 5).

    Raises DecodeError for a length below 4 or beyond the frame.
    """
    if len(data) < _HEADER.size:
        raise DecodeError("packet cut short", len(data))
    code, identifier, length = _HEADER.unpack_from(data)
    if not _HEADER.size <= length <= len(data):
        raise DecodeError(f"packet length {length} of {len(data)} octets", 2)
    return Packet(code, identifier, data[_HEADER.size : length])
