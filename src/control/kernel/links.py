"""Link messages: network interfaces (rtnetlink(7), RTM_NEWLINK)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from control.kernel.constants import Flag, LinkFlag, MessageType
from control.kernel.messages import (
    attribute,
    body_of,
    message,
    number_attribute,
    number_in,
    read_attributes,
)
from control.unlocked import unlocked

LAYOUT: Final = struct.Struct("=BxHiII")
"""ifinfomsg: family, device type, index, flags, mask of changed flags."""
ADDRESS: Final = 1
NAME: Final = 3
MTU: Final = 4
MASTER: Final = 10


@unlocked
@dataclass(frozen=True, slots=True)
class Link:
    index: int
    name: str
    flags: int
    mtu: int
    address: bytes = b""
    """Its own link-layer address."""
    master: int = 0
    """Index of the bridge or VRF that it belongs to."""

    @property
    def up(self) -> bool:
        return bool(self.flags & LinkFlag.UP)

    @property
    def carrier(self) -> bool:
        return bool(self.flags & LinkFlag.LOWER_UP)


def read_link(body: bytes) -> Link:
    """Raises DecodeError."""
    _, _, index, flags, _ = body_of(body, LAYOUT)
    attributes = read_attributes(body, LAYOUT.size)
    name = attributes.get(NAME, b"").rstrip(b"\0").decode("ascii", "replace")
    mtu, master = number_in(attributes, MTU), number_in(attributes, MASTER)
    return Link(index, name, flags, mtu, attributes.get(ADDRESS, b""), master)


def write_link(link: Link) -> bytes:
    """The body of a message."""
    return (
        LAYOUT.pack(0, 1, link.index, link.flags, 0)
        + attribute(NAME, link.name.encode() + b"\0")
        + number_attribute(MTU, link.mtu)
        + attribute(ADDRESS, link.address)
        + number_attribute(MASTER, link.master)
    )


def dump_links(sequence: int) -> bytes:
    body = LAYOUT.pack(0, 0, 0, 0, 0)
    return message(MessageType.GETLINK, Flag.REQUEST | Flag.DUMP, sequence, body)
