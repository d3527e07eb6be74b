"""Whole packets through an engine: encapsulation, decapsulation, calls from C and from Python.

Packets lie in a pool whose slots are 2,240 octets apart: at 2,048 all first lines would share few
sets of the cache. `hot`: 512 slots, whose packets stay in the cache; `far`: 65,536, which come from
the last level of it. Each pass gets fresh packets to random sessions. The peer is a C program that
does the least possible (benchmarks/peers/packet_path.c): no verdicts, counters of octets, MTU,
ports, or choice of instructions.
"""

from __future__ import annotations

import ctypes
import mmap
import statistics
from collections.abc import Callable, Iterator
from functools import partial
from time import perf_counter_ns
from typing import Any, Final

import numpy as np

from control.bench.context import SEED, Context
from control.bench.frames import OUTER, header, to_home, to_sites
from control.bench.peers import packet_program
from control.bench.rows import Row, interleaved, row
from control.bench.tables import ACCESS_NEXT_HOP, with_access_routes
from control.errors import DialoutError
from control.routes import Array, Routes
from fastpath.engine import Engine
from fastpath.measure_packets import time_bursts
from fastpath.ports.pool import PoolPort

STRIDE: Final = 2240
HEADROOM: Final = 128
HOT: Final = 512
HOT_PASSES: Final = 40
"""Passes over a pool that is small: one alone would be a matter of microseconds."""
INNER: Final = 46
"""Octets of IP in an Ethernet frame of 64."""
BATCH: Final = 64
NEXT_HOPS: Final = 500
HUGE: Final = 2 << 20
HOME: Final = "198.18.0.1"
LOCAL: Final = "10.0.0.1"
REMOTE: Final = "10.0.0.2"
TUNNEL_SESSIONS: Final = 50_000
FIRST_SESSION: Final = 1000
"""Next hop of the first session in the C program's table."""


class _Pool(ctypes.Structure):
    _fields_ = (
        ("base", ctypes.c_void_p),
        *((name, ctypes.c_uint64) for name in ("slots", "stride", "headroom", "length")),
    )


class Path:
    """An engine with routes and sessions, and a pool of packets for it."""

    def __init__(
        self, table: Routes, slots: int, *, checksum: bool, trusted: bool = False,
        incoming: bool = False,
    ) -> None:  # fmt: skip
        self.checksum, self.incoming = checksum, incoming
        own = table.nhs >= ACCESS_NEXT_HOP
        self.sites = table.addresses[own]
        self.headers = np.stack([
            header(i // TUNNEL_SESSIONS + 1, i % TUNNEL_SESSIONS + 1,
                   *((REMOTE, LOCAL) if incoming else (LOCAL, REMOTE)))
            for i in range(len(self.sites))
        ])  # fmt: skip
        length = INNER + OUTER * incoming
        self._map = mmap.mmap(-1, slots * STRIDE + 2 * HUGE)
        self._map.madvise(mmap.MADV_HUGEPAGE)
        memory = np.frombuffer(self._map, np.uint8)
        self.memory = memory[-memory.ctypes.data % HUGE :][: slots * STRIDE]
        self.pool = _Pool(self.memory.ctypes.data, slots, STRIDE, HEADROOM, length)
        self.slots = self.memory.reshape(slots, STRIDE)[:, HEADROOM : HEADROOM + length]
        self.port = PoolPort(
            self.memory, slots=slots, stride=STRIDE, headroom=HEADROOM, length=length,
            trusted=trusted,
        )  # fmt: skip
        self.rng = np.random.default_rng(SEED)
        self.engine = Engine(adjacencies=1 << 18, sessions=1 << 17)
        self._install(table, own)

    def _install(self, table: Routes, own: Array) -> None:
        index = self.engine.add_table("bench", "10.0.0.3")
        port = self.engine.attach(self.port, index)
        addresses = table.addresses.view(">u4").ravel().astype(np.uint32)
        with self.engine.transaction() as t:
            plain = np.array([t.add_adjacency("ip", port=port) for _ in range(NEXT_HOPS)])
            ours = t.add_adjacency("local", tunnel=True)
            sessions = [self._session(t, i, index, port) for i in range(len(self.sites))]
            nhs = plain[table.nhs % NEXT_HOPS]
            nhs[own] = sessions
            t.add_routes(index, addresses, table.lengths, nhs)
            taken = set(addresses[table.lengths == 32].tolist())
            for address, nh in ((LOCAL, ours), (HOME, int(plain[0]))):
                if int.from_bytes(map(int, address.split(".")), "big") not in taken:
                    t.add_route(index, f"{address}/32", nh)

    def _session(self, t: Any, number: int, table: int, port: int) -> int:
        tunnel, session = number // TUNNEL_SESSIONS + 1, number % TUNNEL_SESSIONS + 1
        return int(t.add_session(
            table=table, local=(LOCAL, 1701), peer=(REMOTE, 1701), tunnel=tunnel, session=session,
            peer_tunnel=tunnel, peer_session=session, port=port, tos=0,
            udp_checksum=self.checksum,
        ))  # fmt: skip

    def fill(self) -> None:
        """Fresh packets; what the last pass left in the cache of others goes, too."""
        chosen = self.rng.integers(0, len(self.sites), len(self.slots))
        if self.incoming:
            made = to_home(self.sites[chosen], self.headers[chosen], HOME, INNER, self.checksum)
        else:
            made = to_sites(self.sites[chosen], HOME, INNER)
        self.slots[:] = made
        self.port.offer(len(self.slots))

    def from_c(self, batch: int) -> float:
        self.fill()
        sent = self.port.tx_packets
        took: int = time_bursts(self.engine.entry(), 0, batch, len(self.slots))
        self._check(sent)
        return took / len(self.slots)

    def from_python(self, batch: int) -> float:
        self.fill()
        poll, sent = self.engine.poll, self.port.tx_packets
        start = perf_counter_ns()
        for _ in range(len(self.slots) // batch):
            poll(0, batch)
        took = perf_counter_ns() - start
        self._check(sent)
        return took / len(self.slots)

    def _check(self, sent: int) -> None:
        """Nothing is measured that loses packets."""
        came = self.port.tx_packets - sent
        if came != len(self.slots):
            raise DialoutError(f"{len(self.slots)} packets were received and {came} sent")

    def by_program(self, program: Any, batch: int) -> float:
        self.fill()
        took: float = program.path_run(ctypes.byref(self.pool), batch, int(self.checksum))
        return took


def packets(context: Context) -> Iterator[Row]:
    """Packets to sessions and back, 64 octets on the wire, called from C."""
    label, table = context.table(4)
    program = packet_program() if context.peers is not None else None
    for sessions in sorted({min(1000, context.sizes.sessions), context.sizes.sessions}):
        full = with_access_routes(table, sessions, SEED)
        if program is not None:
            _load_program(program, full)
        for state, slots in (("hot", min(HOT, context.sizes.packets)),
                             ("far", context.sizes.packets)):  # fmt: skip
            name = f"packets {label}+{sessions} {state}"
            yield from _encap_and_decap(context, name, full, slots, program)


def _encap_and_decap(
    context: Context, name: str, table: Routes, slots: int, program: Any
) -> Iterator[Row]:
    passes = HOT_PASSES if slots == HOT else 1
    for checksum, trusted in ((False, False), (True, False), (True, True)):
        path = Path(table, slots, checksum=checksum, trusted=trusted)
        kind = f"encap, checksum {'trusted' if trusted else 'computed' if checksum else '0'}"
        candidates = {"ours": mean_of(passes, partial(path.from_c, BATCH))}
        if program is not None:
            candidates["peer"] = mean_of(passes, partial(path.by_program, program, BATCH))
        values = interleaved(candidates, context.sizes.runs)
        peer = "C program" if program is not None else None
        yield row(f"{name} {kind}", "ns", values["ours"], peer, values.get("peer"))
    out = Path(table, slots, checksum=False)
    back = Path(table, slots, checksum=False, incoming=True)
    values = interleaved(
        {
            "decap": mean_of(passes, partial(back.from_c, BATCH)),
            "encap": mean_of(passes, partial(out.from_c, BATCH)),
        },
        context.sizes.runs,
    )
    yield row(f"{name} decap, checksum 0", "ns", values["decap"], "our encap", values["encap"])


def mean_of(passes: int, measure: Callable[[], float]) -> Callable[[], float]:
    """The mean of several passes as one measurement."""
    return lambda: statistics.fmean(measure() for _ in range(passes))


def _load_program(program: Any, table: Routes) -> None:
    own = table.nhs >= ACCESS_NEXT_HOP
    nhs = (table.nhs % NEXT_HOPS).astype(np.uint32)
    nhs[own] = FIRST_SESSION + np.arange(np.count_nonzero(own))
    order = np.argsort(table.lengths, kind="stable")
    addresses = table.addresses.view(">u4").ravel().astype(np.uint32)[order]
    lengths, nhs = table.lengths.astype(np.uint8)[order], nhs[order]
    blocks = len(np.unique(addresses[lengths > 24] >> 8)) + (1 << 16)
    headers = np.stack([
        header(i // TUNNEL_SESSIONS + 1, i % TUNNEL_SESSIONS + 1, LOCAL, REMOTE)
        for i in range(np.count_nonzero(own))
    ])  # fmt: skip
    if not program.path_routes(
        *(ctypes.c_void_p(each.ctypes.data) for each in (addresses, lengths, nhs)),
        ctypes.c_uint64(len(nhs)), FIRST_SESSION, blocks,
    ) or not program.path_sessions(
        ctypes.c_void_p(headers.ctypes.data), ctypes.c_uint64(len(headers))
    ):  # fmt: skip
        raise MemoryError("no memory for the C program's tables")
