"""Reading and writing sequences of AVPs (RFC 2661 4.1 to 4.3).

Decoding keeps order, M and H bits and the octets of AVPs it does not know, so encoding gives the
same octets back. Which AVPs a message must have is message.py.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final, NamedTuple, Protocol

from control.errors import DecodeError, LocalProtocolError
from control.l2tp.avp_table import AVPS, Attribute, AvpRow
from control.l2tp.avp_value import MAX_VALUE, AvpValue
from control.l2tp.hiding import hide, reveal

HEADER: Final = 6
MANDATORY: Final = 0x8000
HIDDEN: Final = 0x4000
RESERVED: Final = 0x3C00
LENGTH: Final = 0x03FF
RANDOM_VECTOR_OCTETS: Final = 16
_VECTOR: Final = (0, int(Attribute.RANDOM_VECTOR))
_HEADER: Final = struct.Struct(">HHH")
"""Flags and length, vendor, attribute."""


class Rng(Protocol):
    """The part of random.Random that is used; in production random.SystemRandom."""

    def randrange(self, start: int, stop: int, /) -> int: ...
    def randbytes(self, n: int, /) -> bytes: ...


class Avp(NamedTuple):
    """One AVP of a message. A tuple, for there are ten to a call."""

    attribute: int
    value: AvpValue
    """Decoded by the codec of its row; the octets themselves if `known` is false."""
    vendor: int = 0
    mandatory: bool = True
    hidden: bool = False
    known: bool = True
    """False: no row for it, reserved bits set, or a malformed value without the M bit; to be
    treated as not recognised (RFC 2661 4.1, 7.1)."""
    reserved: int = 0
    """The reserved bits of the flags word, as received."""
    wire: bytes | None = None
    """Value octets of a hidden AVP, as received."""

    def __repr__(self) -> str:
        row = AVPS.get((self.vendor, self.attribute))
        name = row.name if row else f"{self.vendor}/{self.attribute}"
        concealed = self.hidden or (row is not None and row.secret)
        return f"<{name}: {'(hidden)' if concealed else repr(self.value)}>"


class RawAvp(NamedTuple):
    """An AVP whose header has been read and whose value has not."""

    flags: int
    vendor: int
    attribute: int
    octets: bytes
    offset: int


def make(attribute: Attribute, value: AvpValue) -> Avp:
    """An AVP to send, with the M bit of its row."""
    return Avp(attribute, value, 0, AVPS[0, attribute].mandatory)


def walk(body: bytes) -> list[RawAvp]:
    """The AVPs of a message body, values unread. Raises DecodeError for a length below the header
    or beyond the body; every step advances by at least a header."""
    avps = []
    offset, end = 0, len(body)
    while offset < end:
        if end - offset < HEADER:
            raise DecodeError("truncated AVP header", offset)
        word, vendor, attribute = _HEADER.unpack_from(body, offset)
        length = word & LENGTH
        if not HEADER <= length <= end - offset:
            raise DecodeError(f"AVP length {length}", offset)
        octets = body[offset + HEADER : offset + length]
        avps.append(RawAvp(word & ~LENGTH, vendor, attribute, octets, offset))
        offset += length
    return avps


def decode_avps(body: bytes, secret: bytes = b"") -> tuple[Avp, ...]:
    """The AVPs of a message body. Raises DecodeError for a bad length, a duplicate, a malformed
    value with the M bit, and a hidden value that cannot be revealed."""
    avps: list[Avp] = []
    seen: set[tuple[int, int]] = set()
    random_vector: bytes | None = None
    for raw in walk(body):
        key = (raw.vendor, raw.attribute)
        is_vector = key == _VECTOR and not raw.flags & RESERVED
        if key in seen and not is_vector:
            raise DecodeError(f"second AVP {raw.vendor}/{raw.attribute}", raw.offset, error=3)
        seen.add(key)
        avp = _interpret(raw, AVPS.get(key), secret, random_vector)
        if is_vector and avp.known:
            random_vector = raw.octets
        avps.append(avp)
    return tuple(avps)


def encode_avps(avps: Iterable[Avp]) -> bytes:
    """The octets of a message body. Raises LocalProtocolError for a value its row does not
    allow."""
    return b"".join(_encode(avp) for avp in avps)


def hide_avps(avps: Iterable[Avp], secret: bytes, rng: Rng) -> list[Avp]:
    """The same AVPs with all hidden that may be, behind a Random Vector (RFC 2661 4.3). The
    Message Type stays first. Raises LocalProtocolError if a value has no room to be hidden."""
    vector = rng.randbytes(RANDOM_VECTOR_OCTETS)
    result: list[Avp] = []
    for avp in avps:
        row = AVPS.get((avp.vendor, avp.attribute))
        if row is not None and row.hideable:
            value = row.codec.encode(avp.value)
            # Padding to 16 octets and a random amount beyond conceals how long a number is.
            short = -(len(value) + 2) % 16
            room = MAX_VALUE - len(value) - 2
            padding = rng.randbytes(max(0, min(short + 16 * rng.randrange(0, 2), room)))
            wire = hide(avp.attribute, value, secret, vector, padding)
            avp = Avp(avp.attribute, avp.value, mandatory=avp.mandatory, hidden=True, wire=wire)
        result.append(avp)
    result.insert(1, make(Attribute.RANDOM_VECTOR, vector))
    return result


def _interpret(raw: RawAvp, row: AvpRow | None, secret: bytes, vector: bytes | None) -> Avp:
    flags, vendor, attribute, octets, offset = raw
    mandatory = bool(flags & MANDATORY)
    hidden = bool(flags & HIDDEN)
    if row is None or flags & RESERVED:
        return Avp(attribute, octets, vendor, mandatory, hidden, False, flags & RESERVED)
    try:
        if not hidden:
            return Avp(attribute, row.codec.decode(octets), vendor, mandatory)
        if not row.hideable:
            raise DecodeError(f"{row.name} may not be hidden", 0, error=3)
        value = row.codec.decode(_reveal(raw, secret, vector))
    except DecodeError as error:
        if mandatory:
            raise DecodeError(f"{row.name}: {error.reason}", offset, error=error.error) from None
        return Avp(attribute, octets, vendor, mandatory, hidden, False)
    return Avp(attribute, value, vendor, mandatory, hidden, wire=octets)


def _reveal(raw: RawAvp, secret: bytes, vector: bytes | None) -> bytes:
    if vector is None:
        raise DecodeError("hidden without a Random Vector before it", 0, error=3)
    if not secret:
        raise DecodeError("hidden, and there is no secret", 0, error=3)
    return reveal(raw.attribute, raw.octets, secret, vector)


def _encode(avp: Avp) -> bytes:
    attribute, value, vendor, mandatory, hidden, known, reserved, wire = avp
    row = AVPS.get((vendor, attribute))
    if wire is not None:
        octets = wire
    elif known and row is not None:
        octets = row.codec.encode(value)
    elif isinstance(value, bytes):
        octets = value
    else:
        raise LocalProtocolError(f"AVP {vendor}/{attribute} needs octets")
    length = len(octets)
    if length > MAX_VALUE:
        raise LocalProtocolError(f"{length} octets do not fit an AVP")
    word = reserved | length + HEADER
    if mandatory:
        word |= MANDATORY
    if hidden:
        word |= HIDDEN
    return _HEADER.pack(word, vendor, attribute) + octets
