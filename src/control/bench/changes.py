"""Loading tables, what they occupy, and changing them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import numpy as np

from control.bench.context import SEED, Context
from control.bench.lookups import PEER_ROOM, our_table
from control.bench.peers import Peer, groups_needed, groups_used
from control.bench.rows import Row, interleaved, row
from control.bench.tables import ACCESS_NEXT_HOP, with_access_routes
from control.routes import Routes
from fastpath.measure_changes import time_changes

AGAINST: Final = {4: "rte_fib 4-byte", 6: "rte_fib6 4-byte"}
"""The peer that can be changed a route at a time in a full table: rte_lpm's changes take longer by
a hundred times, the more prefixes the longer."""

FEWER6: Final = 10
"""So many times fewer changes of IPv6: rte_fib6 does not take back all groups of what is removed,
and has to have them for all repetitions."""
GROUP: Final = 1024
"""Octets of a group of 256 cells of a peer."""
GROUPS_BESIDE: Final = 512
"""Groups that a peer wants to have left while it changes others."""


def load(context: Context) -> Iterator[Row]:
    """A whole table at once, and what it occupies."""
    for family in (4, 6):
        label, table = context.table(family)
        name = f"load ipv{family} {label}"
        candidates: dict[str, Callable[[], float]] = {"ours": partial(_load_ours, table)}
        peer = peer_against(context, family)
        if peer is not None:
            candidates[peer.name] = partial(_load_peer, peer, table)
        values = interleaved(candidates, context.sizes.runs)
        if peer is None:
            yield row(name, "ms", values["ours"])
        else:
            yield row(name, "ms", values["ours"], peer.name, values[peer.name])
        yield _memory(f"memory ipv{family} {label}", peer, table)


def _load_ours(table: Routes) -> float:
    start = time.perf_counter()
    ours = our_table(table)
    took = (time.perf_counter() - start) * 1e3
    del ours
    return took


def _load_peer(peer: Peer, table: Routes) -> float:
    opened = peer.open(*room(table))
    try:
        return opened.load(table.addresses, table.lengths, table.nhs) / 1e6
    finally:
        opened.close()


def _memory(name: str, peer: Peer | None, table: Routes) -> Row:
    """What lookups and changes need, the exact prefixes included: without room for more."""
    ours = our_table(table).memory / 1e6
    if peer is None:
        return row(name, "MB", [ours])
    reserved = groups_needed(table.addresses, table.lengths) + GROUPS_BESIDE
    opened = peer.open(len(table) + GROUPS_BESIDE, reserved)
    try:
        opened.load(table.addresses, table.lengths, table.nhs)
        theirs = opened.memory - GROUP * (reserved - groups_used(table.addresses, table.lengths))
    finally:
        opened.close()
    return row(name, "MB", [ours], peer.name, [theirs / 1e6])


def update(context: Context) -> Iterator[Row]:
    """Access routes that come and go, one and a thousand a transaction; next hops that change."""
    for family in (4, 6):
        label, table = context.table(family)
        count = context.sizes.updates if family == 4 else max(1, context.sizes.updates // FEWER6)
        changed = _access(with_access_routes(table, count, SEED))
        yield from _updated(context, f"update ipv{family} {label}", table, changed)


def _access(table: Routes) -> Routes:
    """The access routes of a table in any order: IPv4 hosts, and /64 of IPv6."""
    own = np.flatnonzero(table.nhs >= ACCESS_NEXT_HOP)
    octets, length = table.addresses[own].copy(), 32
    if table.family == 6:
        octets[:, 8:], length = 0, 64
        known = table.addresses[table.lengths == length].view("V16").ravel()
        first = np.unique(octets.view("V16").ravel(), return_index=True)[1]
        kept = first[~np.isin(octets[first].view("V16").ravel(), known)]
        octets, own = octets[kept], own[kept]
    order = np.random.default_rng(SEED).permutation(len(own))
    lengths = np.full(len(own), length)
    return Routes(table.family, octets[order], lengths, table.nhs[own][order])


def _updated(context: Context, name: str, table: Routes, changed: Routes) -> Iterator[Row]:
    ours = our_table(table)
    peer = peer_against(context, table.family)
    opened = (
        None if peer is None else peer.open(*room(table, len(changed) * (1 + context.sizes.runs)))
    )
    if opened is not None:
        opened.load(table.addresses, table.lengths, table.nhs)
    count = len(changed)

    def timed(nhs: Any, size: int) -> float:
        took: int = time_changes(ours, changed.addresses, changed.lengths, nhs, size)
        return took / count / 1e3

    candidates: dict[str, Callable[[], float]] = {}
    for size in (1, 1000):
        candidates[f"add, {size} a transaction"] = partial(timed, changed.nhs, size)
        candidates[f"swap, {size} a transaction"] = partial(timed, changed.nhs + 1, size)
        candidates[f"delete, {size} a transaction"] = partial(timed, None, size)
    if opened is not None:
        items = changed.addresses, changed.lengths
        candidates["add"] = lambda: opened.load(*items, changed.nhs) / count / 1e3
        candidates["swap"] = lambda: opened.load(*items, changed.nhs + 1) / count / 1e3
        candidates["delete"] = lambda: opened.remove(*items) / count / 1e3
    values = interleaved(candidates, context.sizes.runs)
    for measured in [each for each in candidates if "transaction" in each]:
        theirs = values.get(measured.partition(",")[0])
        label = f"{name} {measured}"
        yield row(label, "us", values[measured], peer.name if peer and theirs else None, theirs)
    if opened is not None:
        opened.close()


def peer_against(context: Context, family: int) -> Peer | None:
    if context.peers is None:
        return None
    return next(peer for peer in context.peers.peers if peer.name == AGAINST[family])


def room(table: Routes, more: int = 0) -> tuple[int, int]:
    """Prefixes and groups that a peer needs for a table and `more` access routes."""
    groups = groups_needed(table.addresses, table.lengths)
    each = 1 if table.family == 4 else 5
    return len(table) + more + PEER_ROOM, groups + each * more + PEER_ROOM
