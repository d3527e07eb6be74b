"""A table of the Internet's size from the kernel into the FIB, in a namespace of its own: how long
until all of it is there, what that costs, and how long control is kept from other things."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from typing import Final

from control.address_text import address_text
from control.bench.context import Context
from control.bench.lateness import Lateness
from control.bench.namespace import in_namespace
from control.bench.rows import Row, once
from control.bench.tables import internet_like
from control.config import Config, VirtualRouter
from control.errors import ResourceError
from control.fastpath_dataplane import FastpathDataplane, build_tables
from control.fib_observers import RouteChange
from control.kernel.constants import Protocol
from control.kernel.fib_import import FibImport, PortUse
from control.kernel.importer import Importer
from control.kernel.lac_holes import LacHoles
from control.kernel.mirror import Mirror
from control.rib import Rib
from control.runtime.collector import calm
from control.runtime.kernel import KernelMirror, interface_index
from control.runtime.kernel_import import KernelImport
from fastpath import Engine, MemPort

TABLE: Final = 1000
DEVICE: Final = "bench0"
SEED: Final = 1
PAUSE: Final = 0.01
"""Seconds between two looks whether all is there."""


def imports(context: Context) -> Iterator[Row]:
    """Seconds of the clock and of the CPU. Raises ResourceError without the rights or the
    device."""
    count = context.sizes.routes4
    for some in dict.fromkeys((min(count, context.sizes.access[0]), count)):
        try:
            yield from in_namespace(partial(_run, some))
        except (OSError, subprocess.CalledProcessError) as error:
            raise ResourceError(f"bench kernel: {error}") from error


def _run(count: int) -> list[Row]:
    return asyncio.run(_measure(count))


async def _measure(count: int) -> list[Row]:
    # The kernel works beside the control plane, as in a running router.
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    for command in (f"tuntap add {DEVICE} mode tun", f"link set {DEVICE} up"):
        subprocess.run(["ip", *command.split()], check=True)
    table = internet_like(4, count, SEED)
    rows = zip(table.addresses, table.lengths, strict=True)
    given: list[RouteChange] = [
        (0, f"{address_text(bytes(octets))}/{length}", "access") for octets, length in rows
    ]
    await _give_kernel(given)
    calm()
    name = f"kernel {len(given)} routes imported"
    first, fib = _importer()
    lateness = Lateness()
    start, cpu = time.perf_counter(), time.process_time()
    while not (len(fib) == len(given) and first.settled):
        await asyncio.sleep(PAUSE)
    took, cpu = time.perf_counter() - start, time.process_time() - cpu
    late, work = lateness.end(), lateness.work
    lateness = Lateness()
    first.resync()
    start = time.perf_counter()
    while not first.settled:
        await asyncio.sleep(PAUSE)
    again, late_again = time.perf_counter() - start, lateness.end()
    work_again = lateness.work
    first.close()
    return [
        once(name, "s", took),
        once(f"{name}: CPU of a route", "us", cpu / len(given) * 1e6),
        once(f"{name}: control waited at the most", "s", late),
        once(f"{name}: of that its own work", "ms", work * 1e3),
        once(f"{name}: all asked for again", "s", again),
        once(f"{name}: control waited meanwhile at the most", "s", late_again),
        once(f"{name}: of that its own work meanwhile", "ms", work_again * 1e3),
    ]


async def _give_kernel(routes: list[RouteChange]) -> None:
    """As a routing daemon would."""
    mirror = Mirror({0: TABLE}, Protocol.BGP)
    mirror.set_exit(0, interface_index(DEVICE))
    mirror.change(routes)
    loop = asyncio.get_running_loop()
    daemon = KernelMirror(loop, mirror, time.monotonic, lambda text: None)
    await daemon.settled()
    daemon.close()


def _importer() -> tuple[KernelImport, FibImport]:
    router = VirtualRouter(name="bench", table=0, local_address="10.70.0.1")
    engine = Engine(adjacencies=64, sessions=8, trigger_keys=8)
    tables = build_tables(engine, Config(virtual_router=(router,)))
    port = engine.attach(MemPort("home"), tables[0])
    dataplane = FastpathDataplane(engine, port, tables, time.monotonic)
    interface = interface_index(DEVICE)
    ports = {interface: PortUse(port, 1500)}
    found = KernelImport(
        asyncio.get_running_loop(),
        Protocol.DIALOUT,
        0,
        time.monotonic,
        lambda came, route: None,
        lambda before, after, fell: None,
    )
    importer = Importer(found.view, TABLE)
    importer.set_interfaces(0, frozenset(ports))
    fib = FibImport(
        Rib(0),
        dataplane,
        ports,
        ports[interface],
        (),
        LacHoles(),
        lambda text: None,
        lambda interface, address: None,
    )
    found.add(TABLE, importer, fib, ports)
    return found, fib
