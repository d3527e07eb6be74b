"""netlink messages: headers, attributes and the kernel's answers (linux/netlink.h).

All numbers are in the host's order. Readers return a value or raise DecodeError, whatever the
octets are, and each step through them goes forward. What messages mean is in the other files.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from control.errors import DecodeError
from control.unlocked import unlocked

HEADER: Final = struct.Struct("=IHHII")
"""nlmsghdr: length, type, flags, sequence, port id."""
ATTRIBUTE: Final = struct.Struct("=HH")
"""nlattr: length, type."""
_TYPE_BITS: Final = 0x3FFF
"""Of an attribute's type; the two above say that it is nested or in network order."""
_NUMBER: Final = struct.Struct("=I")
_ERRNO: Final = struct.Struct("=i")


@unlocked
@dataclass(frozen=True, slots=True)
class Message:
    kind: int
    flags: int
    sequence: int
    port: int
    """Who caused it: the port id of a socket; the kernel itself is 0."""
    body: bytes


def read_messages(data: bytes) -> Iterator[Message]:
    """The messages of one datagram. Raises DecodeError behind the last whole one."""
    at, end = 0, len(data)
    while end - at >= HEADER.size:
        length, kind, flags, sequence, port = HEADER.unpack_from(data, at)
        if not HEADER.size <= length <= end - at:
            raise DecodeError(f"a message of {length} octets", at)
        yield Message(kind, flags, sequence, port, data[at + HEADER.size : at + length])
        at += length + 3 & ~3
    if at < end:
        raise DecodeError("octets behind the last message", at)


def message(kind: int, flags: int, sequence: int, body: bytes) -> bytes:
    """A message of ours, padded so that another may follow."""
    length = HEADER.size + len(body)
    return HEADER.pack(length, kind, flags, sequence, 0) + body + bytes(-length & 3)


def read_attributes(data: bytes, at: int) -> dict[int, bytes]:
    """The attributes from octet `at` to the end, by type; of two of a type the later."""
    found: dict[int, bytes] = {}
    end = len(data)
    while end - at >= ATTRIBUTE.size:
        length, kind = ATTRIBUTE.unpack_from(data, at)
        if not ATTRIBUTE.size <= length <= end - at:
            raise DecodeError(f"an attribute of {length} octets", at)
        found[kind & _TYPE_BITS] = data[at + ATTRIBUTE.size : at + length]
        at += length + 3 & ~3
    if at < end:
        raise DecodeError("octets behind the last attribute", at)
    return found


def attribute(kind: int, value: bytes) -> bytes:
    """An attribute of ours, padded."""
    return ATTRIBUTE.pack(ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) & 3)


def number_attribute(kind: int, value: int) -> bytes:
    """One that holds 32 bits."""
    return attribute(kind, _NUMBER.pack(value))


def number_in(attributes: dict[int, bytes], kind: int, otherwise: int = 0) -> int:
    """A number of 32 bits. Raises DecodeError for one of another length."""
    value = attributes.get(kind)
    if value is None:
        return otherwise
    if len(value) != _NUMBER.size:
        raise DecodeError(f"attribute {kind} of {len(value)} octets holds no number", 0)
    found: int = _NUMBER.unpack(value)[0]
    return found


def body_of(data: bytes, layout: struct.Struct) -> tuple[int, ...]:
    """The fixed part that a message's body begins with. Raises DecodeError if it is cut."""
    if len(data) < layout.size:
        raise DecodeError(f"a body of {len(data)} octets, of {layout.size} at least", 0)
    return layout.unpack_from(data)


def read_errno(body: bytes) -> int:
    """What an ERROR or DONE message says: 0, or a positive errno. A DONE may say nothing."""
    if not body:
        return 0
    if len(body) < _ERRNO.size:
        raise DecodeError(f"an error of {len(body)} octets", 0)
    return -int(_ERRNO.unpack_from(body)[0])
