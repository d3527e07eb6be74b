"""The packet path from memory to memory, beside a C program that does the least possible.

    python benchmarks/packet_path.py [--pairs 15] [--batch 64] [--sessions 1000 100000] [--json]

Both run in one process, in turns, on the same packets: 64-octet frames (46 octets of IP) of a pool
whose slots are 2,240 octets apart, to access routes in a table of the Internet's size. The peer
(peers/packet_path.c) is compiled for this machine when it is not there. A ratio above 1 means that
the engine is the faster one. `hot`: 512 slots, which stay in the cache; `l3`: 65,536 slots.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import mmap
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Barrier, Thread
from time import perf_counter_ns

import numpy as np
from tables import internet_like

from fastpath import Engine, PoolPort

PEERS = Path(__file__).parent / "peers"
ROUTES = 845_000
STRIDE, HEADROOM = 2240, 128
SLOTS = {"hot": 512, "l3": 65_536}
LAPS = {"hot": 40, "l3": 1}  # passes of one measurement, with fresh destinations for each
IP_LENGTH = 46
OUTER = 40  # octets of IPv4, UDP, L2TP with a length, PPP with FF 03
HOME = 0xC6120001  # 198.18.0.1
LOCAL, PEER = 0x0A000001, 0x0A000002
FIRST_SESSION = 1000  # next hop of the first session in the peer's table
HUGE = 2 << 20


class Pool(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p)] + [
        (name, ctypes.c_uint64) for name in ("slots", "stride", "headroom", "length")
    ]


@cache
def peer() -> ctypes.CDLL:
    """The C program, compiled for this machine."""
    built = Path(tempfile.mkdtemp()) / "packet_path.so"
    source = PEERS / "packet_path.c"
    subprocess.run(
        ["cc", "-O3", "-march=native", "-shared", "-fPIC", "-o", built, source], check=True
    )
    lib = ctypes.CDLL(str(built))
    lib.path_run.restype = lib.engine_run.restype = ctypes.c_double
    lib.path_packets.restype = ctypes.c_uint64
    return lib


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def dotted(address: int) -> str:
    return ".".join(str(octet) for octet in int(address).to_bytes(4, "big"))


@dataclass
class Routes:
    """BGP-like routes, shortest first, and one /32 for each session."""

    addresses: np.ndarray
    lengths: np.ndarray
    nhs: np.ndarray
    access: np.ndarray


@cache
def routes(sessions: int, size: int = ROUTES) -> Routes:
    table = internet_like(4, size, 1)
    rng = np.random.default_rng(2)
    addresses = table.addresses.view(">u4").ravel().astype(np.uint32)
    long = addresses[(table.lengths == 24) & (addresses < 0xE0000000)]
    blocks = rng.choice(long, min(len(long), 6_000), replace=False)
    access = np.unique(rng.choice(blocks, 2 * sessions) | rng.integers(0, 256, 2 * sessions))
    access = rng.permutation(access)[:sessions].astype(np.uint32)
    taken = np.isin(addresses, access) & (table.lengths == 32)
    order = np.argsort(table.lengths[~taken], kind="stable")
    return Routes(
        addresses[~taken][order],
        table.lengths[~taken][order].astype(np.uint8),
        table.nhs[~taken][order].astype(np.uint32),
        access,
    )


def rewrite(number: int, incoming: bool) -> bytes:
    """The header of a session without lengths and checksums, as it leaves or as it arrives."""
    local, remote = (PEER, LOCAL) if incoming else (LOCAL, PEER)
    tunnel, session = 1 + number // 50_000, 1 + number % 50_000
    return b"".join((
        b"\x45\0\0\0\0\0\x40\0\x40\x11\0\0", local.to_bytes(4, "big"), remote.to_bytes(4, "big"),
        b"\x06\xa5\x06\xa5\0\0\0\0\x40\x02\0\0", tunnel.to_bytes(2, "big"),
        session.to_bytes(2, "big"), b"\xff\x03\0\x21",
    ))  # fmt: skip


class Path_:
    """An engine and the peer with the same routes and sessions, on one pool."""

    def __init__(
        self,
        sessions: int,
        slots: int,
        checksum: bool,
        *,
        incoming=False,
        trusted=False,
        length: int = IP_LENGTH,
        size: int = ROUTES,
    ) -> None:
        self.routes = routes(sessions, size)
        self.sessions, self.checksum, self.incoming = sessions, checksum, incoming
        self.rewrites = np.frombuffer(
            b"".join(rewrite(i, incoming) for i in range(sessions)), np.uint8
        )
        self._memory(slots, length + OUTER * incoming)
        self._engine(trusted)
        self.seed = 0

    def _memory(self, slots: int, length: int) -> None:
        octets = slots * STRIDE + 2 * HUGE
        self._map = mmap.mmap(-1, octets)
        self._map.madvise(mmap.MADV_HUGEPAGE)
        memory = np.frombuffer(self._map, np.uint8)
        memory = memory[-memory.ctypes.data % HUGE :]
        self.pool = Pool(memory.ctypes.data, slots, STRIDE, HEADROOM, length)
        self.memory = memory

    def _engine(self, trusted: bool) -> None:
        self.engine = Engine(adjacencies=1 << 18, sessions=1 << 17)
        table = self.engine.add_table("red", "10.0.0.3")
        self.port = PoolPort(
            self.memory,
            slots=self.pool.slots,
            stride=STRIDE,
            headroom=HEADROOM,
            length=self.pool.length,
            trusted=trusted,
        )
        index = self.engine.attach(self.port, table)
        r = self.routes
        with self.engine.transaction() as t:
            hops = int(r.nhs.max()) + 1
            plain = np.array([t.add_adjacency("ip", port=index) for _ in range(hops)], np.uint32)
            ours = t.add_adjacency("local", tunnel=True)
            nhs = np.array([
                t.add_session(
                    table=table, local=(dotted(LOCAL), 1701), peer=(dotted(PEER), 1701),
                    tunnel=1 + i // 50_000, session=1 + i % 50_000, peer_tunnel=1 + i // 50_000,
                    peer_session=1 + i % 50_000, port=index, tos=0, udp_checksum=self.checksum,
                )
                for i in range(self.sessions)
            ], np.uint32)  # fmt: skip
            t.add_routes(table, r.addresses, r.lengths, plain[r.nhs])
            t.add_routes(table, r.access, np.full(len(r.access), 32), nhs)
            t.add_route(table, f"{dotted(LOCAL)}/32", ours)
            t.add_route(table, f"{dotted(HOME)}/32", int(plain[0]))

    def fill(self) -> None:
        """Fresh destinations; what the pass before left in the cache of the packets goes too."""
        self.seed += 1
        seed = ctypes.c_uint64(self.seed * 0x9E3779B97F4A7C15 % 2**64 | 1)
        r = self.routes
        if self.incoming:
            peer().pool_fill_tunnel(
                ctypes.byref(self.pool), pointer(r.access), pointer(self.rewrites), self.sessions,
                HOME, int(self.checksum), seed)  # fmt: skip
        else:
            peer().pool_fill(ctypes.byref(self.pool), pointer(r.access), self.sessions, HOME, seed)

    def engine_ns(self, batch: int) -> float:
        """The engine called from C."""
        self.fill()
        self.port.offer(self.pool.slots)
        poll, worker = self.engine.entry()
        return peer().engine_run(
            ctypes.c_void_p(poll),
            ctypes.c_void_p(worker),
            0,
            batch,
            ctypes.c_uint64(self.pool.slots),
        )

    def python_ns(self, batch: int) -> float:
        """The engine called from Python."""
        self.fill()
        self.port.offer(self.pool.slots)
        poll = self.engine.poll
        start = perf_counter_ns()
        for _ in range(self.pool.slots // batch):
            poll(0, batch)
        return (perf_counter_ns() - start) / self.pool.slots

    def peer_ns(self, batch: int) -> float:
        self.fill()
        return peer().path_run(ctypes.byref(self.pool), batch, int(self.checksum))


def load_peer(sessions: int) -> None:
    r = routes(sessions)
    addresses = np.concatenate([r.addresses, r.access])
    lengths = np.concatenate([r.lengths, np.full(len(r.access), 32, np.uint8)])
    access = FIRST_SESSION + np.arange(len(r.access), dtype=np.uint32)
    nhs = np.concatenate([r.nhs, access])
    rewrites = np.frombuffer(b"".join(rewrite(i, False) for i in range(sessions)), np.uint8)
    assert peer().path_routes(
        pointer(addresses),
        pointer(lengths),
        pointer(nhs),
        ctypes.c_uint64(len(nhs)),
        FIRST_SESSION,
        60_000,
    )
    assert peer().path_sessions(pointer(rewrites), ctypes.c_uint64(sessions))


def summary(name: str, ours: list[float], theirs: list[float], peer_name: str) -> dict:
    ratios = sorted(t / o for o, t in zip(ours, theirs, strict=True))
    return {
        "name": name, "unit": "ns/packet", "value": statistics.median(ours), "peer": peer_name,
        "peer_value": statistics.median(theirs), "ratio": statistics.median(ratios),
        "spread": ratios[-len(ratios) // 10 or -1] - ratios[len(ratios) // 10],
        "runs": len(ratios),
    }  # fmt: skip


def interleaved(first, second, pairs: int, laps: int) -> tuple[list[float], list[float]]:
    """`pairs` measurements of each, in turns, and one of each before that does not count."""
    ours, theirs = [], []
    for pair in range(pairs + 1):
        mine = statistics.fmean(first() for _ in range(laps))
        other = statistics.fmean(second() for _ in range(laps))
        if pair:
            ours.append(mine)
            theirs.append(other)
    return ours, theirs


def rows(sessions: list[int], batch: int, pairs: int, states: list[str]) -> list[dict]:
    out = []
    for count in sessions:
        load_peer(count)
        for checksum in (False, True):
            for state in states:
                path = Path_(count, SLOTS[state], checksum)
                name = f"encap {state} {count} sessions, checksum {'computed' if checksum else 0}"
                pair = interleaved(
                    lambda p=path: p.engine_ns(batch),
                    lambda p=path: p.peer_ns(batch),
                    pairs,
                    LAPS[state],
                )
                out.append(summary(name, *pair, "C program"))
                print(_line(out[-1]), file=sys.stderr, flush=True)
    return out


def python_rows(sessions: int, pairs: int) -> list[dict]:
    """Called from Python, batch 256, beside the same called from C."""
    path = Path_(sessions, SLOTS["l3"], False)
    pair = interleaved(lambda: path.python_ns(256), lambda: path.engine_ns(256), pairs, 1)
    return [summary("encap l3, batch 256, called from Python", *pair, "from C")]


def decap_rows(sessions: int, batch: int, pairs: int) -> list[dict]:
    """The way back beside the way there, without checksums in either."""
    back = Path_(sessions, SLOTS["l3"], False, incoming=True)
    there = Path_(sessions, SLOTS["l3"], False)
    pair = interleaved(
        lambda: back.engine_ns(batch), lambda: there.engine_ns(batch), pairs, LAPS["l3"]
    )
    return [summary("decap l3", *pair, "encap")]


class Pair:
    """Two threads that forward: workers of one engine, or engines of their own."""

    def __init__(self, sessions: int, *, shared: bool) -> None:
        self.paths = [Path_(sessions, SLOTS["l3"], False) for _ in range(2)]
        self.entries = [path.engine.entry() for path in self.paths]
        if shared:
            self.worker = self.paths[0].engine.add_worker()
            self.worker.attach(0, self.paths[1].port)
            self.entries[1] = self.worker.entry()

    def _run(self, number: int, barrier: Barrier, found: list[float]) -> None:
        path, (poll, worker) = self.paths[number], self.entries[number]
        os.sched_setaffinity(0, {number})
        barrier.wait()
        found[number] = peer().engine_run(
            ctypes.c_void_p(poll), ctypes.c_void_p(worker), 0, 64,
            ctypes.c_uint64(path.pool.slots * 8))  # fmt: skip

    def ns(self) -> float:
        """Nanoseconds a packet of both together, while both run."""
        barrier, found = Barrier(2), [0.0, 0.0]
        threads = []
        for number, path in enumerate(self.paths):
            path.fill()
            path.port.offer(path.pool.slots * 8)
            threads.append(Thread(target=self._run, args=(number, barrier, found)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return 1 / sum(1 / ns for ns in found)


def worker_rows(sessions: int, pairs: int) -> list[dict]:
    """Two workers of one engine beside two engines, on CPUs 0 and 1."""
    together, apart = Pair(sessions, shared=True), Pair(sessions, shared=False)
    pair = interleaved(together.ns, apart.ns, pairs, 1)
    return [summary("two workers, encap l3", *pair, "two engines")]


def _line(row: dict) -> str:
    return (
        f"{row['name']:<50} {row['value']:7.2f} {row['unit']}  {row['peer']}"
        f" {row['peer_value']:7.2f}  ratio {row['ratio']:.2f} +- {row['spread'] / 2:.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--sessions", type=int, nargs="+", default=[1000, 100_000])
    parser.add_argument("--states", nargs="+", choices=SLOTS, default=list(SLOTS))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--what", choices=("peer", "python", "decap", "workers"), default="peer")
    options = parser.parse_args()
    most = max(options.sessions)
    if options.what == "python":
        found = python_rows(most, options.pairs)
    elif options.what == "decap":
        found = decap_rows(most, options.batch, options.pairs)
    elif options.what == "workers":
        found = worker_rows(most, options.pairs)
    else:
        found = rows(options.sessions, options.batch, options.pairs, options.states)
    if options.what != "peer":
        print(*map(_line, found), sep="\n", file=sys.stderr)
    if options.json:
        print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
