"""A kernel's routing tables that speak netlink, slow and obvious, and as unreliable as wanted."""

from __future__ import annotations

import errno
import struct

from control.kernel.constants import INET, INET6, Flag, MessageType
from control.kernel.messages import HEADER, message, read_messages
from control.kernel.routes import KernelRoute, dump_routes, read_route, write_route

ROWS = 7
"""Of a datagram of a dump."""


class FakeKernel:
    """`routes`: by (table, address, length, metric). `room`: answers that are kept until they are
    read; what is more is lost, and `overrun` says so. `refuse`: errno by key, for new routes."""

    def __init__(self, room=1000):
        self.routes: dict[tuple[int, bytes, int, int], KernelRoute] = {}
        self.room = room
        self.overrun = False
        self.refuse: dict[tuple[int, bytes, int, int], int] = {}
        self.largest = 0
        self.requests = 0

    def send(self, data: bytes) -> list[bytes]:
        """A request's answers."""
        answers = []
        self.largest = max(self.largest, len(data))
        for got in read_messages(data):
            self.requests += 1
            if got.kind == MessageType.GETROUTE and got.flags & Flag.DUMP:
                return self._dump(got)
            error = self._change(got)
            if error or got.flags & Flag.ACK:
                answers.append(error_message(got.sequence, error))
        if len(answers) > self.room:
            self.overrun = True
            del answers[self.room :]
        return answers

    def _change(self, got) -> int:
        route = read_route(got.body)
        if got.kind == MessageType.NEWROUTE:
            assert got.flags & Flag.EXCLUSIVE
            assert got.flags & Flag.CREATE
            if route.key in self.routes:
                return errno.EEXIST
            if route.key in self.refuse:
                return self.refuse[route.key]
            self.routes[route.key] = route
            return 0
        there = self.routes.get(route.key)
        if there is None or there.protocol != route.protocol:
            return errno.ESRCH
        del self.routes[route.key]
        return 0

    def _dump(self, got) -> list[bytes]:
        octets = {INET: 4, INET6: 16}[got.body[0]]
        rows = [r for r in self.routes.values() if len(r.address) == octets]
        parts = [row(r, got.sequence) for r in rows]
        parts.append(message(MessageType.DONE, Flag.MULTI, got.sequence, bytes(4)))
        return [b"".join(parts[i : i + ROWS]) for i in range(0, len(parts), ROWS)]


def row(route: KernelRoute, sequence: int) -> bytes:
    return write_route(MessageType.NEWROUTE, Flag.MULTI, sequence, route)


def error_message(sequence: int, error: int) -> bytes:
    body = struct.pack("=i", -error) + HEADER.pack(16, 24, 0, sequence, 0)
    return message(MessageType.ERROR, 0, sequence, body)


def carry(mirror, kernel, now=0.0, *, lose=lambda: False):
    """All that a mirror has to say and is answered, until it waits for nothing. Returns the time at
    its end: answers that are lost cost patience."""
    for _ in range(10_000):
        request = mirror.next_request(now)
        if request is None:
            if mirror.settled:
                return now
            if mirror.behind:
                continue
            now = mirror.get_timer()
            mirror.handle_timer(now)
            continue
        for answer in kernel.send(request):
            if not lose():
                mirror.receive(answer, now)
        if kernel.overrun:
            kernel.overrun = False
            mirror.lost(now)
    raise AssertionError("the mirror does not come to an end")


def asks_for_a_dump(request: bytes) -> bool:
    return request[4:8] == dump_routes(0, INET)[4:8]
