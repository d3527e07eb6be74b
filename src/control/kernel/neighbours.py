"""Neighbour messages: link-layer addresses of hosts and routers (rtnetlink(7), RTM_NEWNEIGH)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from control.errors import DecodeError
from control.kernel.constants import USABLE, Flag, MessageType, NeighbourState
from control.kernel.messages import attribute, body_of, message, read_attributes
from control.kernel.routes import FAMILY, OCTETS
from control.unlocked import unlocked

LAYOUT: Final = struct.Struct("=BxxxiHBB")
"""ndmsg: family, interface, state, flags, type."""
DST: Final = 1
LLADDR: Final = 2
_USE: Final = 0x01
"""NTF_USE: as if a packet had to be sent to it."""
_MAC: Final = 6
_NOBODY: Final = bytes(_MAC)
"""What a loopback has."""


@unlocked
@dataclass(frozen=True, slots=True)
class Neighbour:
    interface: int
    address: bytes
    state: int
    link_layer: bytes = b""

    @property
    def mac(self) -> bytes | None:
        """Where to send to; None: not known, not believed, or no station's: a group's, or none."""
        known = self.state & USABLE and not self.state & ~USABLE
        mac = self.link_layer
        if not known or len(mac) != _MAC or mac[0] & 1 or mac == _NOBODY:
            return None
        return mac

    @property
    def stale(self) -> bool:
        """It was not heard of for a while."""
        return bool(self.state & NeighbourState.STALE)


def read_neighbour(body: bytes) -> Neighbour | None:
    """None for an entry that is of no IP address, as those of bridges. Raises DecodeError."""
    family, interface, state, _, _ = body_of(body, LAYOUT)
    octets = OCTETS.get(family)
    attributes = read_attributes(body, LAYOUT.size)
    if octets is None or DST not in attributes:
        return None
    address = attributes[DST]
    if len(address) != octets:
        raise DecodeError(f"a neighbour's address of {len(address)} octets", 0)
    return Neighbour(interface, address, state, attributes.get(LLADDR, b""))


def write_neighbour(neighbour: Neighbour) -> bytes:
    """The body of a message."""
    body = LAYOUT.pack(FAMILY[len(neighbour.address)], neighbour.interface, neighbour.state, 0, 0)
    body += attribute(DST, neighbour.address)
    return body + (attribute(LLADDR, neighbour.link_layer) if neighbour.link_layer else b"")


def dump_neighbours(sequence: int) -> bytes:
    body = LAYOUT.pack(0, 0, 0, 0, 0)
    return message(MessageType.GETNEIGH, Flag.REQUEST | Flag.DUMP, sequence, body)


def ask_neighbour(sequence: int, interface: int, address: bytes) -> bytes:
    """Has the kernel find out, by ARP or Neighbour Discovery, where a neighbour is, or whether it
    still is there. What it learns comes as a notice."""
    body = LAYOUT.pack(FAMILY[len(address)], interface, 0, _USE, 0) + attribute(DST, address)
    flags = Flag.REQUEST | Flag.CREATE
    return message(MessageType.NEWNEIGH, flags, sequence, body)
