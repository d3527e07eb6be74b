"""Lookups in full tables: ours in each variant, and the peers, on every stream of destinations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from control.bench.context import SEED, Context
from control.bench.peers import Peer, PeerTable, groups_needed
from control.bench.replays import traced
from control.bench.rows import Row, geometric_mean, interleaved, row
from control.bench.streams import STREAMS, keys
from control.bench.tables import with_access_routes
from control.errors import DialoutError
from control.routes import Routes
from fastpath.lpm import Lpm
from fastpath.lpm_burst import BurstTrie
from fastpath.lpm_chunk import Chunked
from fastpath.measure import lookup_address, lookup_all, time_lookups

Array = npt.NDArray[Any]

OURS: Final = {4: Chunked, 6: BurstTrie}
"""The algorithm of each family."""

PEER_ROOM: Final = 1 << 16
"""Prefixes and groups that peers get room for beside the table's."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A table to look up in."""

    name: str
    address: tuple[int, int]
    answer: int = 4
    peer: Peer | None = None
    table: PeerTable | None = None

    def read(self, destinations: Array) -> Array:
        return destinations if self.peer is None else self.peer.keys(destinations)

    def next_hops(self, read: Array) -> Array:
        answers = lookup_all(*self.address, read, self.answer)
        return answers if self.peer is None else self.peer.next_hops(answers)


def ipv4(context: Context) -> Iterator[Row]:
    """The Internet's table, and with access routes."""
    name, table = context.table(4)
    yield from _compared(context, name, table)
    for count in context.sizes.access:
        label = f"{count // 1000}k" if count < 1_000_000 else f"{count / 1e6:g}m"
        yield from _compared(context, f"{name}+{label}", with_access_routes(table, count, SEED))


def ipv6(context: Context) -> Iterator[Row]:
    yield from _compared(context, *context.table(6))


def our_table(table: Routes) -> Lpm:
    """The table as an engine would have it."""
    ours: Lpm = OURS[table.family](table.family)
    ours.load(table.addresses, table.lengths, table.nhs)
    return ours


def _compared(context: Context, label: str, table: Routes) -> Iterator[Row]:
    ours = our_table(table)
    candidates = [Candidate("", lookup_address(ours)), *_peers(context, table)]
    slower = ours.variants[1:]
    for variant in slower:
        ours.select(variant)
        candidates.append(Candidate(variant, lookup_address(ours)))
    if slower:
        ours.select(ours.variants[0])
    name = f"ipv{table.family} lookup {label}"
    found: dict[str, list[Row]] = {}
    try:
        for stream, destinations in _streams(context, table):
            values = _measured(context, destinations, candidates)
            for each in _rows(f"{name} {stream}", candidates, values):
                found.setdefault(each.peer or "", []).append(each)
                yield each
    finally:
        for other in candidates:
            if other.table is not None:
                other.table.close()
    for rows in found.values():
        yield geometric_mean(f"{name} mean", rows)


def _rows(name: str, candidates: list[Candidate], values: dict[str, list[float]]) -> Iterator[Row]:
    """Ours beside each peer, or alone; then beside our other variants."""
    others = [each for each in candidates[1:] if each.peer is not None]
    if not others:
        yield row(name, "ns", values[""])
    for each in (*others, *(each for each in candidates[1:] if each.peer is None)):
        peer = each.name if each.peer is not None else f"our {each.name}"
        yield row(name, "ns", values[""], peer, values[each.name])


def _streams(context: Context, table: Routes) -> Iterator[tuple[str, Array]]:
    """Each stream's name and destinations, the user's last."""
    for name in STREAMS:
        yield name, keys(name, table, context.sizes.keys, SEED)
    if context.trace is not None:
        theirs = traced(context.trace, table.family, context.sizes.keys)
        if theirs is not None:
            yield "trace", theirs


def _measured(
    context: Context, destinations: Array, candidates: list[Candidate]
) -> dict[str, list[float]]:
    """Nanoseconds a lookup of each candidate, all answers equal."""
    read = {each.name: each.read(destinations) for each in candidates}
    expected = candidates[0].next_hops(read[candidates[0].name])
    for each in candidates[1:]:
        wrong = np.flatnonzero(each.next_hops(read[each.name]) != expected)
        if len(wrong):
            octets = bytes(destinations[wrong[0]]).hex()
            raise DialoutError(f"{each.name} answers otherwise than we do for {octets}")

    def measure(each: Candidate) -> float:
        took: int = time_lookups(*each.address, read[each.name], context.sizes.batch)
        return took / len(destinations)

    return interleaved(
        {each.name: partial(measure, each) for each in candidates}, context.sizes.runs
    )


def _peers(context: Context, table: Routes) -> Iterator[Candidate]:
    for peer in context.peers.peers if context.peers is not None else ():
        if peer.family == table.family and (opened := filled(peer, table)) is not None:
            yield Candidate(peer.name, opened.lookup_address(), peer.answer, peer, opened)


def filled(peer: Peer, table: Routes) -> PeerTable | None:
    """The table in a peer; None if it has more next hops or groups than the peer can have."""
    groups = groups_needed(table.addresses, table.lengths)
    if int(table.nhs.max(initial=0)) >= peer.nh_limit or groups > peer.blocks_limit:
        return None
    opened = peer.open(len(table.lengths) + PEER_ROOM, groups + PEER_ROOM)
    order = np.argsort(table.lengths, kind="stable") if peer.name == "rte_lpm bulk" else ...
    try:
        opened.load(table.addresses[order], table.lengths[order], table.nhs[order])
    except BaseException:
        opened.close()
        raise
    return opened
