"""What a call from Python costs: bursts beside those from C, lookups beside pytricia's."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from functools import partial
from time import perf_counter_ns
from typing import Any, Final

import pytricia

from control.bench import packets
from control.bench.context import SEED, Context
from control.bench.lookups import our_table
from control.bench.rows import Row, interleaved, row
from control.bench.streams import keys
from control.bench.tables import with_access_routes
from control.errors import DialoutError
from control.routes import Array

CALLER_BATCH: Final = 256
PYTRICIA_KEYS: Final = 20_000


def calls(context: Context) -> Iterator[Row]:
    """Bursts called for from Python and from C; lookups by arrays and one by one."""
    label, table = context.table(4)
    full = with_access_routes(table, min(1000, context.sizes.sessions), SEED)
    slots = min(packets.HOT, context.sizes.packets)
    path = packets.Path(full, slots, checksum=False)
    batch = min(CALLER_BATCH, slots)
    values = interleaved(
        {
            "python": packets.mean_of(packets.HOT_PASSES, partial(path.from_python, batch)),
            "c": packets.mean_of(packets.HOT_PASSES, partial(path.from_c, batch)),
        },
        context.sizes.runs,
    )
    name = f"call from python, {batch} a burst, {label} hot"
    yield row(name, "ns", values["python"], "from C", values["c"])
    for family in (4, 6):
        yield _lookups(context, family)


def _lookups(context: Context, family: int) -> Row:
    """An array of destinations in one call, and one call of pytricia for each."""
    label, table = context.table(family)
    ours = our_table(table)
    kind = socket.AF_INET if family == 4 else socket.AF_INET6
    tree = pytricia.PyTricia(8 * table.addresses.shape[1], kind, True)
    for address, length, nh in zip(
        map(bytes, table.addresses), table.lengths.tolist(), table.nhs.tolist(), strict=True
    ):
        tree.insert((address, length), nh)
    destinations = keys("prefix", table, context.sizes.keys, SEED)
    few = [bytes(key) for key in destinations[:PYTRICIA_KEYS]]
    if [tree.get(key, 0) for key in few] != ours.lookup_array(destinations[: len(few)]).tolist():
        raise DialoutError("pytricia answers otherwise than we do")
    values = interleaved(
        {
            "ours": partial(_array, ours, destinations),
            "pytricia": partial(_each, tree, few),
        },
        context.sizes.runs,
    )
    name = f"call lookup_array ipv{family} {label} prefix"
    return row(name, "ns", values["ours"], "pytricia get", values["pytricia"])


def _array(ours: Any, destinations: Array) -> float:
    start = perf_counter_ns()
    ours.lookup_array(destinations)
    return (perf_counter_ns() - start) / len(destinations)


def _each(tree: Any, few: list[bytes]) -> float:
    get = tree.get
    start = perf_counter_ns()
    for key in few:
        get(key, 0)
    return (perf_counter_ns() - start) / len(few)
