"""Our dial-out and access routes in the kernel's tables: what is wanted there, what is known to be
there, and the requests that make the one the other.

Sans-IO: a shell sends what `next_request` returns, hands in what comes back, and says when
something was lost. One request is under way at a time: a batch of changes, of which the kernel
answers the last and those that fail, or a dump of our routes, from which everything is known again.
That is how it begins, so that routes of a process that was killed are kept or taken away.

A route is ours by its protocol number. Another program's of the same table, prefix and metric is
left alone, and told; ours follows when it is gone.
"""

from __future__ import annotations

import errno
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

from control.errors import DecodeError
from control.fib_observers import Kind, RouteChange
from control.kernel.constants import MessageType, Protocol
from control.kernel.lac_holes import LacHoles
from control.kernel.messages import Message, read_errno, read_messages
from control.kernel.mirror_events import LacCovered, MirrorEvent, RoutesBlocked, RoutesRefused
from control.kernel.prefix import covering, prefix_octets, prefix_text
from control.kernel.route_dump import RouteDump, Step
from control.kernel.routes import KernelRoute, RouteWriter

Key = tuple[int, bytes, int, int]
"""Table of the kernel, address, length, metric."""

METRICS: Final[Mapping[Kind, int]] = {"access": 2, "dial-out": 252}
"""As the distances of the RIB: an access route wins against what routing daemons learn (FRR 20,
BIRD 32), a dial-out route is what is left."""
BATCH: Final = 2048
"""Changes of one request: 2 ms to write it, and 20 of the kernel."""
CHANGES: Final = 1024
"""Changes of the FIB looked at in one turn, 2 ms."""
PATIENCE: Final = 10.0
"""Seconds for an answer, and before what the kernel refused is tried again."""
PAUSE: Final = 0.1
"""Seconds before a dump behind a loss or a refusal: what is still to be read would hinder it."""
_AGAIN: Final = frozenset({errno.ENOBUFS, errno.ENOMEM, errno.EAGAIN, errno.EBUSY, errno.EINTR})


@dataclass(slots=True)
class _Batch:
    first: int
    """Sequence number of its first message; the others follow it."""
    changes: list[tuple[Key, int | None]]
    """What is known if it succeeds: the interface, None for no route."""
    failed: dict[int, int]
    """Error by index."""


class Mirror:
    """`tables`: the kernel's table by our table number; others are not mirrored."""

    def __init__(self, tables: Mapping[int, int], protocol: int = Protocol.DIALOUT) -> None:
        self._tables = dict(tables)
        self._protocol = protocol
        self._writer = RouteWriter(protocol)
        self._exits: dict[int, int] = {}
        """Interface that a table's routes point at; without one they are unreachable routes."""
        self._told: deque[RouteChange] = deque()
        """By the FIB, and not looked at."""
        self._kinds: dict[tuple[int, bytes, int], Kind] = {}
        self._wanted: dict[Key, int] = {}
        """And for how many prefixes: pieces of one may be another."""
        self._known: dict[Key, int] = {}
        self._pending: dict[Key, None] = {}
        self._again: deque[Iterator[Key]] = deque()
        """Of many that may have changed, those that are not pending yet."""
        self._blocked: set[Key] = set()
        """Another program has a route of this key."""
        self._blocked_told: set[Key] = set()
        self._failed: dict[Key, int] = {}
        self._holes = LacHoles()
        self._sequence = 0
        self._most = BATCH
        self._resync = True
        self._batch: _Batch | None = None
        self._dump: RouteDump | None = None
        self._due: float | None = None
        """When patience with an answer ends; None: nothing was asked."""
        self._retry: float | None = None
        self._retry_dump: float | None = None
        """Before that no dump is asked for."""
        self._events: deque[MirrorEvent] = deque()
        self.counts: Counter[str] = Counter()
        """added, deleted, refused, blocked, dumps, losses."""

    # What is wanted --------------------------------------------------------------------------

    def change(self, changes: Iterable[RouteChange]) -> None:
        """An observer of the FIB."""
        self._told.extend(changes)

    def add_table(self, table: int, number: int) -> None:
        """Mirrors one of our tables from now on."""
        self._tables[table] = number

    def set_exit(self, table: int, interface: int) -> None:
        """Where the routes of one of our tables lead from now on; 0: they are unreachable."""
        number = self._tables[table]
        if self._exits.get(number, 0) != interface:
            self._exits[number] = interface
            self._again.append(iter([key for key in self._wanted if key[0] == number]))
            self._failed = {k: v for k, v in self._failed.items() if k[0] != number}

    def add_lac(self, address: bytes) -> None:
        """Of a LAC that tunnels may go to: no route to it may be ours."""
        if address in self._holes:
            return
        held = [
            key
            for table in set(self._tables.values())
            for prefix in covering(address)
            if (key := (table, *prefix)) in self._kinds
        ]
        before = [self._pieces(key) for key in held]
        self._holes.add(address)
        for key, pieces in zip(held, before, strict=True):
            self._want(self._pieces(key), METRICS[self._kinds[key]], 1)
            self._want(pieces, METRICS[self._kinds[key]], -1)
            self._tell_covered(key)

    def withdraw(self) -> None:
        """Nothing is wanted any more; `settled` says when all is gone."""
        self._told.clear()
        self._kinds.clear()
        self._again.append(iter(self._wanted))
        self._wanted = {}

    @property
    def settled(self) -> bool:
        """Nothing is to be said to the kernel, and nothing waited for."""
        left = self._told or self._pending or self._again
        return not (left or self._resync or self._batch or self._dump)

    @property
    def behind(self) -> bool:
        """`next_request` has more to look at, whatever it returned."""
        waits = self._due is not None or self._resync
        return bool(self._told or (not waits and (self._pending or self._again)))

    @property
    def mirrored(self) -> int:
        """Routes that the kernel has from us."""
        return len(self._known)

    # Requests and answers --------------------------------------------------------------------

    def next_request(self, now: float) -> bytes | None:
        """What to send now. None while an answer is awaited, when there is nothing to say, and
        before a dump while `behind`: what is not looked at yet would seem not to be wanted."""
        self._digest()
        if self._due is not None or (self._resync and self._told):
            return None
        if self._resync and self._retry_dump is None:
            self._resync = False
            self.counts["dumps"] += 1
            self._dump = RouteDump(self._protocol)
        if self._dump is not None:
            self._sequence += 1
            self._due = now + PATIENCE
            return self._dump.request(self._sequence)
        return None if self._resync else self._next_batch(now)

    def receive(self, data: bytes, now: float) -> None:
        """A datagram of the kernel's."""
        try:
            for message in read_messages(data):
                if self._dump is not None:
                    self._on_dump(message, now)
                elif self._batch is not None and message.kind == MessageType.ERROR:
                    self._on_answer(message.sequence, read_errno(message.body), now)
        except DecodeError:
            self.lost(now)

    def lost(self, now: float) -> None:
        """Answers were lost (ENOBUFS), or might have been: all that is known is asked for again."""
        self.counts["losses"] += 1
        if self._batch is not None:
            # Many refusals at once are more than a small buffer holds.
            self._most = max(1, len(self._batch.changes) // 2)
        self._batch = self._dump = self._due = None
        self._resync = True
        self._retry_dump = now + PAUSE

    def resync(self) -> None:
        """The kernel may have dropped routes without a word, as it does with an interface."""
        self._resync = True

    def get_timer(self) -> float | None:
        times = (self._due, self._retry, self._retry_dump)
        return min((time for time in times if time is not None), default=None)

    def handle_timer(self, now: float) -> None:
        if self._due is not None and self._due <= now:
            self.lost(now)
        if self._retry_dump is not None and self._retry_dump <= now:
            self._retry_dump = None
        if self._retry is not None and self._retry <= now:
            self._retry = None
            self._pending.update(dict.fromkeys(self._failed))
            self._failed.clear()

    def next_event(self) -> MirrorEvent | None:
        return self._events.popleft() if self._events else None

    # What others do to the kernel's tables -----------------------------------------------------

    def on_route(self, route: KernelRoute) -> None:
        """A route came that is not of this process."""
        if (
            route.protocol != self._protocol
            and route.key in self._known
            and len(route.address) == 4
        ):
            # It can only have replaced ours.
            del self._known[route.key]
            self._block(route.key)

    def on_route_gone(self, route: KernelRoute) -> None:
        key = route.key
        if route.protocol == self._protocol:
            if self._known.pop(key, None) is not None and key in self._wanted:
                self._pending[key] = None
        elif key in self._blocked:
            self._blocked.discard(key)
            self._pending[key] = None

    # ------------------------------------------------------------------------------------------

    def _digest(self) -> None:
        for _ in range(min(len(self._told), CHANGES)):
            table, prefix, kind = self._told.popleft()
            number = self._tables.get(table)
            if number is None:
                continue
            key = (number, *prefix_octets(prefix))
            before = self._kinds.pop(key, None)
            pieces = self._pieces(key)
            if kind is not None:
                self._kinds[key] = kind
                self._want(pieces, METRICS[kind], 1)
                if self._holes.in_prefix(key[1], key[2]) and before is None:
                    self._tell_covered(key)
            if before is not None:
                self._want(pieces, METRICS[before], -1)

    def _pieces(self, key: tuple[int, bytes, int]) -> list[tuple[int, bytes, int]]:
        table, octets, length = key
        if not self._holes.in_prefix(octets, length):
            return [key]
        return [(table, *piece) for piece in self._holes.pieces(octets, length)]

    def _want(self, pieces: list[tuple[int, bytes, int]], metric: int, change: int) -> None:
        for piece in pieces:
            key = (*piece, metric)
            count = self._wanted.get(key, 0) + change
            if count:
                self._wanted[key] = count
            else:
                del self._wanted[key]
            self._pending[key] = None

    def _tell_covered(self, key: tuple[int, bytes, int]) -> None:
        table, octets, length = key
        self._events.append(LacCovered(table, prefix_text(octets, length)))

    def _next_batch(self, now: float) -> bytes | None:
        changes: list[tuple[Key, int | None]] = []
        pending = self._pending
        if not pending and self._again:
            pending.update(dict.fromkeys(islice(self._again[0], BATCH)))
            if not pending:
                self._again.popleft()
        # Many at once: each look for the first of a dict passes all that were deleted there.
        for key in list(islice(pending, self._most)):
            del pending[key]
            changes += self._needed(key)
        if not changes:
            return None
        first, last = self._sequence + 1, len(changes) - 1
        self._sequence += len(changes)
        self._batch = _Batch(first, changes, {})
        self._due = now + PATIENCE
        add, delete = self._writer.add, self._writer.delete
        return b"".join(
            [
                delete(first + i, i == last, key)
                if interface is None
                else add(first + i, i == last, key, interface)
                for i, (key, interface) in enumerate(changes)
            ]
        )

    def _needed(self, key: Key) -> list[tuple[Key, int | None]]:
        """The changes that bring the kernel to what is wanted of a key."""
        have = self._known.get(key)
        wants = self._exits.get(key[0], 0) if key in self._wanted else None
        if wants is None:
            self._blocked.discard(key)
        if wants == have or key in self._blocked or key in self._failed:
            return []
        gone: list[tuple[Key, int | None]] = [] if have is None else [(key, None)]
        return gone if wants is None else [*gone, (key, wants)]

    def _on_answer(self, sequence: int, error: int, now: float) -> None:
        batch = self._batch
        assert batch is not None
        index = sequence - batch.first
        if not 0 <= index < len(batch.changes):
            return
        if error:
            batch.failed[index] = error
        if index < len(batch.changes) - 1:
            return
        self._batch = self._due = None
        self._most = min(BATCH, 2 * self._most)
        for i, (key, interface) in enumerate(batch.changes):
            if i in batch.failed:
                self._on_failure(key, interface, batch.failed[i])
            elif interface is None:
                self._known.pop(key, None)
                self.counts["deleted"] += 1
            else:
                self._known[key] = interface
                self._blocked_told.discard(key)
                self.counts["added"] += 1
        self._tell_refused(batch, now)

    def _on_failure(self, key: Key, interface: int | None, error: int) -> None:
        if interface is None and error == errno.ESRCH:
            self._known.pop(key, None)  # somebody was faster
        elif interface is not None and error == errno.EEXIST:
            self._block(key)
        elif error in _AGAIN:
            self._failed[key] = error
        else:
            self.counts["refused"] += 1
            self._failed[key] = error

    def _block(self, key: Key) -> None:
        if key not in self._wanted or key in self._blocked:
            return
        self._blocked.add(key)
        if key not in self._blocked_told:
            self._blocked_told.add(key)
            self.counts["blocked"] += 1
            self._events.append(RoutesBlocked(key[0], prefix_text(key[1], key[2]), key[3]))

    def _tell_refused(self, batch: _Batch, now: float) -> None:
        if self._failed and self._retry is None:
            self._retry = now + PATIENCE
        for error in dict.fromkeys(batch.failed.values()):
            of = [batch.changes[i][0] for i, e in batch.failed.items() if e == error]
            refused = [key for key in of if key in self._failed]
            if refused:
                table, octets, length, _ = refused[0]
                text = prefix_text(octets, length)
                self._events.append(RoutesRefused(table, text, len(refused), error))

    def _on_dump(self, message: Message, now: float) -> None:
        dump = self._dump
        assert dump is not None
        self._due = now + PATIENCE
        step = dump.receive(message.kind, message.flags, message.sequence, message.body)
        if step is Step.MORE:
            return
        self._due = None
        if step is Step.ASK:
            return
        self._dump = None
        if step is Step.FAILED:
            self._resync = True
            self._retry_dump = now + PAUSE
            return
        self._known = dump.found
        self._blocked.clear()
        self._failed.clear()
        self._pending = {}
        self._again = deque((iter(list(self._wanted)), iter(list(self._known))))
