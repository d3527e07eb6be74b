"""The L2TPv2 data message header in plain Python (RFC 2661 3.1): all forms of L, S, O and P.

Written from the RFC alone, so that it can check the fast path. It reads no control messages (T bit
set) and no other protocol version.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import pack

from control.errors import DecodeError, LocalProtocolError

T_BIT = 0x8000
L_BIT = 0x4000
S_BIT = 0x0800
O_BIT = 0x0200
P_BIT = 0x0100
VERSION_MASK = 0x000F
VERSION = 2

MAX_16 = 0xFFFF


@dataclass(frozen=True, slots=True)
class DataHeader:
    """A header without its padding and Length value, which follow from the message."""

    tunnel: int
    """Tunnel ID of the receiver."""
    session: int
    """Session ID of the receiver."""
    ns: int | None = None
    """Sequence number; None: S bit clear."""
    nr: int = 0
    """Reserved in data messages and to be ignored (RFC 2661 5.4); written only with Ns."""
    has_length: bool = False
    offset: int | None = None
    """Octets of padding before the payload; None: O bit clear."""
    priority: bool = False


def encode(header: DataHeader, payload: bytes) -> bytes:
    """A whole data message. Raises LocalProtocolError if a field or the message is too large."""
    fields = (header.tunnel, header.session, header.ns or 0, header.nr, header.offset or 0)
    if not all(0 <= value <= MAX_16 for value in fields):
        raise LocalProtocolError("a field of an L2TP data header has more than 16 bits")
    flags = VERSION | (P_BIT if header.priority else 0)
    rest = pack("!HH", header.tunnel, header.session)
    if header.ns is not None:
        flags |= S_BIT
        rest += pack("!HH", header.ns, header.nr)
    if header.offset is not None:
        flags |= O_BIT
        rest += pack("!H", header.offset) + bytes(header.offset)
    if not header.has_length:
        return pack("!H", flags) + rest + payload
    length = 4 + len(rest) + len(payload)
    if length > MAX_16:
        raise LocalProtocolError(f"an L2TP message of {length} octets has no room for its Length")
    return pack("!HH", flags | L_BIT, length) + rest + payload


def decode(message: bytes) -> tuple[DataHeader, bytes]:
    """Header and payload of a data message, without what lies beyond Length. Raises DecodeError."""
    tunnel, session, ns, start, end = locate(message)
    flags = message[0] << 8 | message[1]
    at = 8 if flags & L_BIT else 6
    nr = 0
    if ns is not None:
        nr = message[at + 2] << 8 | message[at + 3]
        at += 4
    header = DataHeader(
        tunnel=tunnel,
        session=session,
        ns=ns,
        nr=nr,
        has_length=bool(flags & L_BIT),
        offset=start - at - 2 if flags & O_BIT else None,
        priority=bool(flags & P_BIT),
    )
    return header, message[start:end]


def locate(message: bytes) -> tuple[int, int, int | None, int, int]:
    """Tunnel ID, Session ID, Ns or None, and where the payload starts and ends. Raises DecodeError.

    The reading half of `decode` without its objects: it runs for every packet of a replay.
    """
    end = len(message)
    if end < 6:
        raise DecodeError("L2TP header is cut off", end)
    flags = message[0] << 8 | message[1]
    if flags & T_BIT:
        raise DecodeError("L2TP control message where data was expected", 0)
    if flags & VERSION_MASK != VERSION:
        raise DecodeError(f"L2TP version {flags & VERSION_MASK}", 1)
    at = 2
    if flags & L_BIT:
        length = message[2] << 8 | message[3]
        if length > end:
            raise DecodeError(f"L2TP Length {length} is beyond the datagram's {end}", 2)
        end = length
        at = 4
    # One comparison covers all fields: they are read only after it.
    needed = at + 4 + (4 if flags & S_BIT else 0) + (2 if flags & O_BIT else 0)
    if needed > end:
        raise DecodeError("L2TP header is cut off", end)
    tunnel = message[at] << 8 | message[at + 1]
    session = message[at + 2] << 8 | message[at + 3]
    ns = message[at + 4] << 8 | message[at + 5] if flags & S_BIT else None
    start = needed
    if flags & O_BIT:
        start += message[needed - 2] << 8 | message[needed - 1]
        if start > end:
            raise DecodeError("L2TP offset padding is cut off", needed - 2)
    return tunnel, session, ns, start, end
