"""Classification of packets by rules, beside rte_acl: generated rules, or the user's.

rte_acl gets the five fields that ClassBench's programs look at, and so do we. A generated rule is
about prefixes of the routing table; packets are drawn from the rules, each rule as often.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from functools import partial
from time import perf_counter_ns
from typing import Any, Final

import numpy as np

from control.bench.context import SEED, Context
from control.bench.peers import Library
from control.bench.rows import Row, interleaved, row
from control.errors import DialoutError
from control.routes import Array
from fastpath.acl import NONE, Classifier
from fastpath.measure import lookup_all, time_lookups
from fastpath.rule_text import RuleError
from fastpath.rules import KEY4, RuleSet

PEER: Final = "rte_acl"
TCP, UDP = 6, 17
SERVICES: Final = (22, 25, 53, 80, 110, 123, 143, 179, 443, 500, 1701, 1812, 5060, 8080)
RANGES: Final = ("0 : 65535", "1024 : 65535", "0 : 1023")
ROW: Final = np.dtype([
    *((name, "u4") for name in ("source", "destination")),
    *((name, "u2") for name in (
        "source_low", "source_high", "destination_low", "destination_high")),
    *((name, "u1") for name in (
        "source_length", "destination_length", "protocol", "protocol_mask")),
])  # fmt: skip
RECORD: Final = np.dtype([
    *(("protocol", "u1"), ("zero", "u1", 3), ("source", ">u4"), ("destination", ">u4")),
    *(("source_port", ">u2"), ("destination_port", ">u2")),
])  # fmt: skip


def classify(context: Context) -> Iterator[Row]:
    """Packets by a hundred rules and by a thousand, or by the user's."""
    if context.rules is not None:
        yield from _measured(context, "rules", rules_of(context.rules))
        return
    for count in context.sizes.rules:
        lines = generated(context, count)
        rules = RuleSet.classbench(lines, name="generated", flags=False)
        yield from _measured(context, f"generated {count}", rules)


def rules_of(path: str) -> RuleSet:
    """A file of rules. DialoutError: it is none, or has a rule that cannot be taken."""
    try:
        return RuleSet.load(path, flags=False)
    except RuleError as error:
        raise DialoutError(str(error)) from None


def _measured(context: Context, name: str, rules: RuleSet) -> Iterator[Row]:
    try:
        ours = Classifier(rules)
    except RuleError as error:
        raise DialoutError(str(error)) from None
    table = rules.table()
    keys = keys_of(table, context.sizes.packets * 4)
    out = np.empty(len(keys), np.uint32)
    candidates = {"ours": partial(_time_ours, ours, keys, out)}
    peer = None
    if context.peers is not None:
        peer = _Peer(context.peers, table, keys)
        found, expected = peer.rules(), ours.lookup_array(4, keys)
        if not np.array_equal(found, np.where(expected == NONE, 0, expected + 1)):
            raise DialoutError(f"{PEER} finds other rules than we do in {name}")
        candidates[PEER] = partial(peer.time, context.sizes.batch)
    values = interleaved(candidates, context.sizes.runs)
    yield row(f"classify {name}", "ns", values["ours"], PEER if peer else None, values.get(PEER))
    memory = row(f"classify {name}, memory", "MB", [ours.memory / 1e6])
    if peer is not None:
        yield row(memory.name, "MB", [memory.value], PEER, [peer.memory / 1e6])
        peer.close()
    else:
        yield memory


def _time_ours(ours: Classifier, keys: Array, out: Array) -> float:
    start = perf_counter_ns()
    ours.lookup_array(4, keys, out)
    return (perf_counter_ns() - start) / len(keys)


class _Peer:
    """The rules in rte_acl, and the packets as it reads them."""

    def __init__(self, library: Library, table: Any, keys: Array) -> None:
        self._library = library
        rows = np.zeros(len(table), ROW)
        for name in ROW.names or ():
            rows[name] = table[name]
        before = library.memory()
        self._at = library.open_acl(rows.ctypes.data, len(rows))
        self.memory = library.memory() - before
        if not self._at:
            raise DialoutError(f"{PEER} does not take {len(rows)} rules")
        self._records = np.zeros(len(keys), RECORD)
        for name in ("protocol", "source", "destination", "source_port", "destination_port"):
            self._records[name] = keys[name]
        first = np.uint64(self._records.ctypes.data)
        each = np.arange(len(keys), dtype=np.uint64) * np.uint64(RECORD.itemsize)
        self._keys = (first + each).view(np.uint8).reshape(-1, ctypes.sizeof(ctypes.c_void_p))

    def rules(self) -> Array:
        return np.asarray(lookup_all(self._library.classify, self._at, self._keys))

    def time(self, batch: int) -> float:
        took: int = time_lookups(self._library.classify, self._at, self._keys, batch)
        return took / len(self._keys)

    def close(self) -> None:
        self._library.close_acl(self._at)


def generated(context: Context, count: int) -> list[str]:
    """Lines of ClassBench for `count` rules."""
    _, table = context.table(4)
    rng = np.random.default_rng(SEED)
    made = []
    for source, destination, kind in zip(
        *rng.integers(0, len(table), (2, count)), rng.random(count), strict=True
    ):
        sides = [
            f"{'.'.join(map(str, table.addresses[at]))}/{table.lengths[at]}"
            for at in (source, destination)
        ]
        port = f"{rng.choice(SERVICES)}"
        ports = f"{port} : {port}" if kind < 0.7 else RANGES[int(rng.integers(len(RANGES)))]
        protocol = f"{TCP if kind < 0.5 else UDP:#04x}/0xFF" if kind < 0.9 else "0x00/0x00"
        ports = ports if kind < 0.9 else RANGES[0]
        made.append(f"@{sides[0]}\t{sides[1]}\t0 : 65535\t{ports}\t{protocol}")
    return made


def keys_of(table: Any, count: int) -> Array:
    """Packets, each of which fits a rule, perhaps one before it first."""
    rng = np.random.default_rng(SEED)
    chosen = table[rng.integers(0, len(table), count)]
    made = np.zeros(count, KEY4)
    for name in ("source", "destination"):
        bits = chosen[f"{name}_length"].astype(np.uint64)
        hosts = (np.uint64(0xFFFFFFFF) >> bits).astype(np.uint32)
        made[name] = chosen[name] | rng.integers(0, 1 << 32, count).astype(np.uint32) & hosts
        low = chosen[f"{name}_low"].astype(np.int64)
        room = chosen[f"{name}_high"].astype(np.int64) - low + 1
        made[f"{name}_port"] = low + rng.integers(0, 1 << 30, count) % room
    made["protocol"] = np.where(chosen["protocol_mask"] == 0, TCP, chosen["protocol"])
    return made
