"""Numbers of rtnetlink that we use: linux/netlink.h, rtnetlink.h, neighbour.h, if.h."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Final

INET: Final = 2
INET6: Final = 10
FAMILIES: Final = (INET, INET6)


class MessageType(IntEnum):
    NOOP = 1
    ERROR = 2
    DONE = 3
    OVERRUN = 4
    NEWLINK = 16
    DELLINK = 17
    GETLINK = 18
    NEWADDR = 20
    DELADDR = 21
    GETADDR = 22
    NEWROUTE = 24
    DELROUTE = 25
    GETROUTE = 26
    NEWNEIGH = 28
    DELNEIGH = 29
    GETNEIGH = 30
    NEWRULE = 32
    DELRULE = 33
    GETRULE = 34


class Flag(IntFlag):
    """nlmsg_flags; those of one kind of request share their bits with those of another. There is no
    REPLACE: what it replaces may be another program's."""

    REQUEST = 0x1
    MULTI = 0x2
    ACK = 0x4
    DUMP_INTERRUPTED = 0x10
    DUMP = 0x300
    EXCLUSIVE = 0x200
    CREATE = 0x400


class Group(IntEnum):
    """Multicast groups of NETLINK_ROUTE, as NETLINK_ADD_MEMBERSHIP takes them."""

    LINK = 1
    NEIGHBOUR = 3
    IPV4_ADDRESS = 5
    IPV4_ROUTE = 7
    IPV6_ADDRESS = 9
    IPV6_ROUTE = 11


class RouteType(IntEnum):
    UNICAST = 1
    LOCAL = 2
    BROADCAST = 3
    ANYCAST = 4
    MULTICAST = 5
    BLACKHOLE = 6
    UNREACHABLE = 7
    PROHIBIT = 8
    THROW = 9


class Scope(IntEnum):
    UNIVERSE = 0
    LINK = 253
    HOST = 254


class Protocol(IntEnum):
    """Who made a route (rtm_protocol)."""

    REDIRECT = 1
    KERNEL = 2
    BOOT = 3
    STATIC = 4
    RA = 9
    ZEBRA = 11
    BIRD = 12
    DHCP = 16
    BABEL = 42
    DIALOUT = 171
    """Ours: neither in iproute2's list nor in FRR's, which takes 186 to 199 for its own."""
    BGP = 186
    ISIS = 187
    OSPF = 188
    RIP = 189
    EIGRP = 192


class Table(IntEnum):
    COMPATIBLE = 252
    """What rtm_table says of a number above 255, which stands in an attribute."""
    DEFAULT = 253
    MAIN = 254
    LOCAL = 255


class NeighbourState(IntFlag):
    INCOMPLETE = 0x01
    REACHABLE = 0x02
    STALE = 0x04
    DELAY = 0x08
    PROBE = 0x10
    FAILED = 0x20
    NOARP = 0x40
    PERMANENT = 0x80


USABLE: Final = ~(NeighbourState.INCOMPLETE | NeighbourState.FAILED)
"""States of a neighbour whose link-layer address may be sent to."""


class LinkFlag(IntFlag):
    UP = 0x1
    LOOPBACK = 0x8
    RUNNING = 0x40
    LOWER_UP = 0x10000
