"""Reading and writing sequences of AVPs (RFC 2661 4.1 to 4.3).

Decoding keeps order, M and H bits and the octets of AVPs it does not know, so encoding gives the
same octets back. Which AVPs a message must have is message.py.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from control.errors import DecodeError, LocalProtocolError
from control.l2tp.avp_table import AVPS, Attribute, AvpRow
from control.l2tp.avp_value import MAX_VALUE, AvpValue
from control.l2tp.hiding import hide, reveal
from control.unlocked import unlocked

HEADER: Final = 6
_HEAD: Final = struct.Struct(">HHH")
"""Flags and length, vendor, attribute."""
MANDATORY: Final = 0x8000
HIDDEN: Final = 0x4000
RESERVED: Final = 0x3C00
LENGTH: Final = 0x03FF
RANDOM_VECTOR_OCTETS: Final = 16


class Rng(Protocol):
    """The part of random.Random that is used; in production random.SystemRandom."""

    def randrange(self, start: int, stop: int, /) -> int: ...
    def randbytes(self, n: int, /) -> bytes: ...


@unlocked
@dataclass(frozen=True, slots=True, repr=False)
class Avp:
    """One AVP of a message."""

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


@unlocked
@dataclass(frozen=True, slots=True)
class RawAvp:
    """An AVP whose header has been read and whose value has not."""

    flags: int
    vendor: int
    attribute: int
    octets: bytes
    offset: int


def make(attribute: Attribute, value: AvpValue) -> Avp:
    """An AVP to send, with the M bit of its row."""
    return Avp(int(attribute), value, mandatory=AVPS[0, attribute].mandatory)


def walk(body: bytes) -> list[RawAvp]:
    """The AVPs of a message body, values unread. Raises DecodeError for a length below the header
    or beyond the body; every step advances by at least a header."""
    avps = []
    offset, size = 0, len(body)
    while offset < size:
        if size - offset < HEADER:
            raise DecodeError("truncated AVP header", offset)
        flags, vendor, attribute = _HEAD.unpack_from(body, offset)
        length = flags & LENGTH
        if not HEADER <= length <= size - offset:
            raise DecodeError(f"AVP length {length}", offset)
        octets = body[offset + HEADER : offset + length]
        avps.append(RawAvp(flags & ~LENGTH, vendor, attribute, octets, offset))
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
        row = AVPS.get(key)
        is_vector = key == (0, Attribute.RANDOM_VECTOR) and not raw.flags & RESERVED
        if key in seen and not is_vector:
            raise DecodeError(f"second AVP {raw.vendor}/{raw.attribute}", raw.offset, error=3)
        seen.add(key)
        avp = _interpret(raw, row, secret, random_vector)
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
    mandatory = bool(raw.flags & MANDATORY)
    hidden = bool(raw.flags & HIDDEN)
    reserved = raw.flags & RESERVED
    if row is None or reserved:
        return _unknown(raw, mandatory, hidden, reserved)
    try:
        if hidden and not row.hideable:
            raise DecodeError(f"{row.name} may not be hidden", 0, error=3)
        octets = _reveal(raw, secret, vector) if hidden else raw.octets
        value = row.codec.decode(octets)
    except DecodeError as error:
        if mandatory:
            raise DecodeError(
                f"{row.name}: {error.reason}", raw.offset, error=error.error
            ) from None
        return _unknown(raw, mandatory, hidden, reserved)
    wire = raw.octets if hidden else None
    return Avp(raw.attribute, value, raw.vendor, mandatory, hidden, wire=wire)


def _unknown(raw: RawAvp, mandatory: bool, hidden: bool, reserved: int) -> Avp:
    return Avp(
        raw.attribute, raw.octets, raw.vendor, mandatory, hidden, known=False, reserved=reserved
    )


def _reveal(raw: RawAvp, secret: bytes, vector: bytes | None) -> bytes:
    if vector is None:
        raise DecodeError("hidden without a Random Vector before it", 0, error=3)
    if not secret:
        raise DecodeError("hidden, and there is no secret", 0, error=3)
    return reveal(raw.attribute, raw.octets, secret, vector)


def _encode(avp: Avp) -> bytes:
    row = AVPS.get((avp.vendor, avp.attribute))
    if avp.wire is not None:
        octets = avp.wire
    elif not avp.known or row is None:
        if not isinstance(avp.value, bytes):
            raise LocalProtocolError(f"AVP {avp.vendor}/{avp.attribute} needs octets")
        octets = avp.value
    else:
        octets = row.codec.encode(avp.value)
    if len(octets) > MAX_VALUE:
        raise LocalProtocolError(f"{len(octets)} octets do not fit an AVP")
    flags = avp.mandatory * MANDATORY | avp.hidden * HIDDEN | avp.reserved | len(octets) + HEADER
    return _HEAD.pack(flags, avp.vendor, avp.attribute) + octets
