"""Lookups while another processor changes the table: what that costs them.

Beside the same changes of a table that nobody reads, not beside an idle processor: a neighbour that
works takes clock and cache, whatever it works at.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from control.bench.changes import peer_against, room
from control.bench.context import SEED, Context
from control.bench.lookups import our_table
from control.bench.peers import Peer, PeerTable
from control.bench.rows import Row, interleaved, row
from control.bench.streams import keys
from control.bench.tables import ACCESS_NEXT_HOP, with_access_routes
from control.routes import Array, Routes
from fastpath.lpm import Lpm
from fastpath.measure import time_lookups
from fastpath.measure_changes import Reader, time_changes

RATE: Final = 100_000
"""Changes a second: in each tick half of them are added and removed again."""
TICK: Final = 0.001
HALF: Final = int(RATE * TICK / 2)
STREAMS: Final = ("routed", "zipf")


def beside(context: Context) -> Iterator[Row]:
    """How many times slower lookups are; nothing with one processor alone."""
    if len(context.processors) < 2:
        return
    label, table = context.table(4)
    more = with_access_routes(table, HALF, SEED)
    own = more.nhs >= ACCESS_NEXT_HOP
    sides = [_Ours(table, Routes(4, more.addresses[own], more.lengths[own], more.nhs[own]))]
    peer = peer_against(context, 4)
    if peer is not None:
        sides.append(_Peers(sides[0], peer, table))
    with _Changer(context.processors[0]) as changer:
        for stream in STREAMS:
            destinations = keys(stream, table, context.sizes.keys, SEED)
            candidates = {
                side.name: partial(_slower, changer, side, destinations, context.sizes.batch)
                for side in sides
            }
            values = list(interleaved(candidates, context.sizes.runs).values())
            name = f"beside updates ipv4 {label} {stream}"
            if peer is None:
                yield row(name, "x slower", values[0])
            else:
                yield row(name, "x slower", values[0], peer.name, values[1])
    for side in sides:
        side.close()


def _slower(changer: _Changer, side: _Ours, destinations: Array, batch: int) -> float:
    changer.does(side.change_unread)
    alone = side.look_up(destinations, batch)
    changer.does(side.change)
    together = side.look_up(destinations, batch)
    changer.does(None)
    return together / alone


class _Ours:
    """Our table, which is read and changed, and another one that nobody reads."""

    name = "ours"

    def __init__(self, table: Routes, changed: Routes) -> None:
        self._changed = changed
        self._read, self._unread = our_table(table), our_table(table)
        self._reader = Reader()

    def look_up(self, destinations: Array, batch: int) -> float:
        return float(self._reader.time_lookups(self._read, destinations, batch))

    def change(self) -> None:
        self._turn(self._read, self._reader)

    def change_unread(self) -> None:
        self._turn(self._unread, None)

    def _turn(self, table: Lpm, reader: Reader | None) -> None:
        items = self._changed.addresses, self._changed.lengths
        time_changes(table, *items, self._changed.nhs, HALF, reader)
        time_changes(table, *items, None, HALF, reader)

    def close(self) -> None:
        pass


class _Peers(_Ours):
    """The same with a peer's table. What changes unread is ours, as beside ours."""

    def __init__(self, ours: _Ours, peer: Peer, table: Routes) -> None:
        self._changed, self._unread, self._peer = ours._changed, ours._unread, peer
        self.name = peer.name
        self._opened: PeerTable = peer.open(*room(table, HALF))
        self._opened.load(table.addresses, table.lengths, table.nhs)

    def look_up(self, destinations: Array, batch: int) -> float:
        read = self._peer.keys(destinations)
        return float(time_lookups(*self._opened.lookup_address(), read, batch))

    def change(self) -> None:
        items = self._changed.addresses, self._changed.lengths
        self._opened.load(*items, self._changed.nhs)
        self._opened.remove(*items)

    def close(self) -> None:
        self._opened.close()


class _Changer:
    """A thread on another processor that does something at each tick."""

    def __init__(self, processor: int) -> None:
        self._processor = processor
        self._work: Callable[[], Any] | None = None
        self._ended = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> _Changer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self._thread.join()

    def does(self, work: Callable[[], Any] | None) -> None:
        """From now on; what it did before has ended."""
        with self._lock:
            self._work = work

    def _run(self) -> None:
        os.sched_setaffinity(0, {self._processor})
        due = time.perf_counter()
        while not self._ended:
            with self._lock:
                if self._work is not None:
                    self._work()
            due = max(due + TICK, time.perf_counter() - TICK)
            time.sleep(max(0.0, due - time.perf_counter()))
