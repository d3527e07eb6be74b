"""Captures through an engine on one processor: the user's, or a generated one in the page cache.

`walk` is reading alone, `no route` parses and looks up in an empty table, `delivered` looks up in a
full one and copies each packet to the port it goes out by.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import perf_counter_ns
from typing import Final

import numpy as np

from control.bench.context import SEED, Context
from control.bench.rows import Row, interleaved, row
from control.errors import DialoutError
from control.routes import Array, Routes
from control.sim.traffic import flood_capture
from fastpath.engine import Engine
from fastpath.measure_trace import destinations
from fastpath.ports.pcap import PcapError, PcapPort
from fastpath.ports.pool import PoolPort

SIZE: Final = 60
SPREAD: Final = 20_000
"""Prefixes that the destinations of the generated capture lie in."""
NEXT_HOPS: Final = 500


def replay(context: Context) -> Iterator[Row]:
    """The capture through reader and engine."""
    label, table = context.table(4)
    with tempfile.TemporaryDirectory() as folder:
        if context.trace is not None:
            path, name = context.trace, "replay trace"
        else:
            path, name = str(Path(folder) / "flood.pcap"), "replay generated"
            _flood(path, table, context.sizes.captured)
        routed, empty = _engine(table), _engine(None)
        candidates: dict[str, Callable[[], float]] = {
            "walk": partial(_walk, path),
            "no route": partial(_run, path, *empty),
            f"delivered, {label}": partial(_run, path, *routed),
        }
        for measured, values in interleaved(candidates, context.sizes.runs).items():
            yield row(f"{name} {measured}", "Mpps", values)


def opened(path: str) -> PcapPort:
    """The capture as a port. DialoutError: it is none."""
    try:
        return PcapPort(path, rebase=True)
    except PcapError as error:
        raise DialoutError(str(error)) from None


def traced(path: str, family: int, count: int) -> Array | None:
    """`count` destinations of a capture's packets, from the beginning again behind the last; None
    if there are none of this family. DialoutError: it is damaged, or no capture."""
    port = opened(path)
    try:
        found = destinations(port, family, count)
        if port.error() is not None:
            raise DialoutError(str(port.error()))
    finally:
        port.close()
    if not len(found):
        return None
    repeated = found[np.arange(count) % len(found)]
    return np.ascontiguousarray(repeated)


def _walk(path: str) -> float:
    port = opened(path)
    start = perf_counter_ns()
    packets: int = port.drain()
    took = perf_counter_ns() - start
    _whole(port)
    return packets * 1e3 / took


def _run(path: str, engine: Engine, table: int) -> float:
    port = opened(path)
    index = engine.attach(port, table)
    start = perf_counter_ns()
    packets: int = engine.run(index)
    took = perf_counter_ns() - start
    _whole(port)
    return packets * 1e3 / took


def _whole(port: PcapPort) -> None:
    error = port.error()
    port.close()
    if error is not None:
        raise DialoutError(str(error))


def _engine(table: Routes | None) -> tuple[Engine, int]:
    """An engine whose routes lead to a port that counts; without a table it has none."""
    engine = Engine()
    index = engine.add_table("bench", "10.0.0.3")
    sink = engine.attach(
        PoolPort(np.zeros(4096, np.uint8), slots=1, stride=4096, headroom=128, length=20), index
    )
    if table is not None:
        addresses = table.addresses.view(">u4").ravel().astype(np.uint32)
        with engine.transaction() as t:
            plain = np.array([t.add_adjacency("ip", port=sink) for _ in range(NEXT_HOPS)])
            t.add_routes(index, addresses, table.lengths, plain[table.nhs % NEXT_HOPS])
    return engine, index


def _flood(path: str, table: Routes, packets: int) -> None:
    rng = np.random.default_rng(SEED)
    first = table.addresses[:, 0]
    able = np.flatnonzero((table.lengths >= 8) & (first != 0) & (first != 127) & (first < 224))
    chosen = rng.choice(able, min(SPREAD, len(able)), replace=False)
    flood_capture(path, packets=packets, size=SIZE, seed=SEED, destinations=[
        f"{'.'.join(map(str, table.addresses[i]))}/{table.lengths[i]}" for i in chosen
    ])  # fmt: skip
