"""A dump of our routes in all tables of the kernel, one family after the other."""

from __future__ import annotations

import errno
from enum import Enum, auto
from typing import Final

from control.kernel.constants import FAMILIES, Flag, MessageType, RouteType
from control.kernel.messages import read_errno
from control.kernel.routes import KernelRoute, dump_routes, read_route

INTERRUPTIONS: Final = 3
"""Dumps that the kernel calls inconsistent, because its tables changed, before one is believed: the
changes were hardly ours, for we wait."""
_ABSENT: Final = frozenset({errno.EOPNOTSUPP, errno.EAFNOSUPPORT, errno.ENOENT})
"""The kernel has no such family or table."""
STRANGE: Final = -1
"""In place of an interface: a route with our protocol that we did not make like that."""


class Step(Enum):
    MORE = auto()
    ASK = auto()
    """`request` is to be sent."""
    DONE = auto()
    FAILED = auto()


class RouteDump:
    """What of it is known is in `found`: the interface by (table, address, length, metric), 0 for
    an unreachable route."""

    def __init__(self, protocol: int) -> None:
        self._protocol = protocol
        self._family = 0
        self._sequence = 0
        self._interrupted = False
        self._interruptions = 0
        self._before: dict[tuple[int, bytes, int, int], int] = {}
        self.found: dict[tuple[int, bytes, int, int], int] = {}

    def request(self, sequence: int) -> bytes:
        self._sequence = sequence
        self._interrupted = False
        return dump_routes(sequence, FAMILIES[self._family], self._protocol)

    def receive(self, kind: int, flags: int, sequence: int, body: bytes) -> Step:
        """Raises DecodeError."""
        if sequence != self._sequence:
            return Step.MORE
        self._interrupted |= bool(flags & Flag.DUMP_INTERRUPTED)
        if kind == MessageType.NEWROUTE:
            route = read_route(body)
            if route.protocol == self._protocol:
                self.found[route.key] = _interface(route)
            return Step.MORE
        if kind not in (MessageType.DONE, MessageType.ERROR):
            return Step.MORE
        error = read_errno(body)
        if error == errno.ENOBUFS:
            return Step.MORE  # answers are still to be read: it goes on when they are
        if error and error not in _ABSENT:
            return Step.FAILED
        if self._interrupted and self._interruptions < INTERRUPTIONS:
            self._interruptions += 1
            self.found = dict(self._before)
            return Step.ASK
        self._family += 1
        self._before = dict(self.found)
        return Step.ASK if self._family < len(FAMILIES) else Step.DONE


def _interface(route: KernelRoute) -> int:
    if route.kind == RouteType.UNREACHABLE:
        return 0
    if route.kind == RouteType.UNICAST and len(route.exits) == 1 and not route.exits[0].gateway:
        return route.exits[0].interface
    return STRANGE
