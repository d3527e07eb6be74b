"""Access routes into the FIB and the kernel's table, in a namespace of its own: how long until both
have all of them, after a crash, and until they are gone. Needs root and a TUN device.

All at once is the worst that can happen: a router that starts again into its sessions.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Iterator
from typing import Final

from control.bench.context import Context
from control.bench.kernel_import import imports
from control.bench.lateness import Lateness
from control.bench.namespace import in_namespace
from control.bench.rows import Row, once
from control.config import Config, VirtualRouter
from control.dataplane import NextHop, SessionSpec
from control.errors import ResourceError
from control.fastpath_dataplane import FastpathDataplane, build_tables
from control.kernel.mirror import Mirror
from control.runtime.collector import calm
from control.runtime.kernel import KernelMirror, interface_index
from fastpath import Engine, MemPort

TABLE: Final = 1000
PORTION: Final = 1000
"""Routes of a transaction: what so many sessions that come up together would make."""
ADDRESSES: Final = ("10.70.0.1", "10.70.0.9")


def kernel(context: Context) -> Iterator[Row]:
    """Seconds and routes a second. Raises ResourceError without the rights or the device."""
    count = context.sizes.access[0]
    try:
        yield from in_namespace(lambda: asyncio.run(_measure(count)))
    except (OSError, subprocess.CalledProcessError) as error:
        raise ResourceError(f"bench kernel: {error}") from error
    yield from imports(context)


class _Router:
    """A data plane and the mirror of its routes."""

    def __init__(self) -> None:
        router = VirtualRouter(name="bench", table=0, local_address=ADDRESSES[0])
        engine = Engine(adjacencies=64, sessions=8, trigger_keys=8)
        tables = build_tables(engine, Config(virtual_router=(router,)))
        port = engine.attach(MemPort("tunnel"), tables[0])
        self.dataplane = FastpathDataplane(engine, port, tables, time.monotonic)
        self.mirror = Mirror({0: TABLE})
        self.mirror.set_exit(0, interface_index("bench0"))
        loop = asyncio.get_running_loop()
        self.kernel = KernelMirror(loop, self.mirror, time.monotonic, lambda text: None)
        self.dataplane.observe(self.mirror.change)

    def session(self) -> NextHop:
        local, peer = ((address, 1701) for address in ADDRESSES)
        with self.dataplane.transaction() as t:
            return t.add_session(SessionSpec(0, local, peer, 1, 1, 2, 1))

    async def install(self, prefixes: list[str], portion: int) -> float:
        """Returns the seconds of the FIB alone; other things have their turn between portions."""
        nh = self.session()
        spent = 0.0
        for first in range(0, len(prefixes), portion):
            start = time.perf_counter()
            with self.dataplane.transaction() as t:
                for prefix in prefixes[first : first + portion]:
                    t.add_route(0, prefix, nh)
            spent += time.perf_counter() - start
            self.kernel.wake()
            await asyncio.sleep(0)
        return spent


async def _measure(count: int) -> list[Row]:
    # The kernel works beside the control plane, as in a running router.
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    for command in ("tuntap add bench0 mode tun", "link set bench0 up"):
        subprocess.run(["ip", *command.split()], check=True)
    prefixes = [f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}/32" for i in range(count)]
    calm()
    name = f"kernel {count} access routes"
    lateness = Lateness()
    router = _Router()
    start = time.perf_counter()
    fib = await router.install(prefixes, PORTION)
    await router.kernel.settled()
    both = time.perf_counter() - start
    late, work = lateness.end(), lateness.work
    router.kernel.close()
    again = _Router()
    start = time.perf_counter()
    await again.install(prefixes, count)  # what is wanted later would be taken away first
    await again.kernel.settled()
    reconciled = time.perf_counter() - start
    assert again.mirror.counts["added"] == 0
    start = time.perf_counter()
    await again.kernel.stop(60)
    gone = time.perf_counter() - start
    return [
        once(f"{name}: in FIB and kernel", "s", both),
        once(f"{name}: of that the FIB", "s", fib),
        once(f"{name}: in FIB and kernel, a second", "routes/s", count / both),
        once(f"{name}: control waited at the most", "s", late),
        once(f"{name}: of that its own work", "ms", work * 1e3),
        once(f"{name}: reconciled after a crash", "s", reconciled),
        once(f"{name}: taken away", "s", gone),
    ]
