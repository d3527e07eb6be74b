"""Address messages: those of interfaces (rtnetlink(7), RTM_NEWADDR)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from control.errors import DecodeError
from control.kernel.constants import Flag, MessageType
from control.kernel.messages import attribute, body_of, message, read_attributes
from control.kernel.routes import FAMILY, OCTETS
from control.unlocked import unlocked

LAYOUT: Final = struct.Struct("=BBBBI")
"""ifaddrmsg: family, prefix length, flags, scope, interface."""
ADDRESS: Final = 1
LOCAL: Final = 2


@unlocked
@dataclass(frozen=True, slots=True)
class InterfaceAddress:
    interface: int
    address: bytes
    """Our own; of a link to one peer that is another than the peer's."""
    length: int


def read_address(body: bytes) -> InterfaceAddress:
    """Raises DecodeError."""
    family, length, _, _, interface = body_of(body, LAYOUT)
    octets = OCTETS.get(family)
    if octets is None or length > 8 * octets:
        raise DecodeError(f"an address of family {family} and length {length}", 0)
    attributes = read_attributes(body, LAYOUT.size)
    address = attributes.get(LOCAL, attributes.get(ADDRESS, b""))
    if len(address) != octets:
        raise DecodeError(f"an address of {len(address)} octets", 0)
    return InterfaceAddress(interface, address, length)


def write_address(address: InterfaceAddress) -> bytes:
    """The body of a message."""
    family = FAMILY[len(address.address)]
    body = LAYOUT.pack(family, address.length, 0, 0, address.interface)
    return body + attribute(LOCAL, address.address)


def dump_addresses(sequence: int) -> bytes:
    body = LAYOUT.pack(0, 0, 0, 0, 0)
    return message(MessageType.GETADDR, Flag.REQUEST | Flag.DUMP, sequence, body)
