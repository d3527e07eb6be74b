"""Longest-prefix-match tables of DPDK in this process, for comparison.

Builds and loads the library in benchmarks/peers, which belongs to a source tree and not to what is
installed. It drives rte_lpm, rte_fib, rte_lpm6 and rte_fib6 of Debian's libdpdk-dev. Keys and
timing are elsewhere; here a peer is opened, filled and asked where its lookup function is.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from control.errors import ResourceError

SOURCES: Final = Path(__file__).parents[3] / "benchmarks" / "peers"
PACKET_PROGRAM: Final = "packet_path.c"
XDP_FORWARDER: Final = "xdp_forward.c"
ALONE: Final = (PACKET_PROGRAM, XDP_FORWARDER)
"""Sources that need no DPDK."""
HEADERS: Final = Path("/usr/include/dpdk")
COMPILER: Final = ("gcc", "-O3", "-march=native", "-w")
"""Without the flags of pkg-config, whose -march=corei7 takes the vector functions away."""
SHARED: Final = ("-shared", "-fPIC")
LIBRARIES: Final = ("-lrte_eal", "-lrte_lpm", "-lrte_fib", "-lrte_rib", "-lrte_acl")
PAGE: Final = 2 << 20

Array = npt.NDArray[Any]


class _Record(ctypes.Structure):
    """struct peer of peers.h; functions are addresses."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("family", ctypes.c_int),
        ("big_endian", ctypes.c_int),
        ("answer", ctypes.c_int),
        ("blocks_limit", ctypes.c_uint32),
        ("nh_limit", ctypes.c_uint32),
        ("open", ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32)),
        ("close", ctypes.CFUNCTYPE(None, ctypes.c_void_p)),
        ("add", ctypes.c_void_p),
        ("remove", ctypes.c_void_p),
        ("load", ctypes.c_void_p),
        ("lookup", ctypes.c_void_p),
    )


@dataclass(frozen=True, slots=True)
class Peer:
    """One kind of table of the library."""

    library: Library
    name: str
    """rte_fib 4-byte, for example."""
    family: int
    big_endian: bool
    """Keys as in a packet; else IPv4 addresses as integers of this machine."""
    answer: int
    """Octets of an answer."""
    blocks_limit: int
    nh_limit: int
    record: Any

    def open(self, routes: int, blocks: int) -> PeerTable:
        """An empty table with room for `routes` prefixes and `blocks` groups of 256 cells behind
        the first 24 bits. ResourceError: DPDK has not as much memory."""
        before = self.library.memory()
        at = self.record.contents.open(max(routes, 1), min(max(blocks, 1), self.blocks_limit))
        if not at:
            raise ResourceError(
                f"{self.name}: no memory for {routes} routes and {blocks} groups in DPDK's "
                f"{self.library.megabytes} MB"
            )
        return PeerTable(self, at, before)

    def keys(self, addresses: Array) -> Array:
        """Addresses, octets as in a packet, in the form this peer reads; shape (n, octets)."""
        if self.big_endian:
            return addresses
        swapped = np.ascontiguousarray(addresses).view(">u4").astype("=u4")
        return swapped.view(np.uint8).reshape(-1, 4)

    def next_hops(self, answers: Array) -> Array:
        """Next hops of lookup_all's answers, 0 for no route."""
        if self.name == "rte_lpm bulk":
            return np.where(answers & 1 << 24, answers & (1 << 24) - 1, 0)
        if self.name == "rte_lpm6 bulk":
            return np.where(answers >> 31, 0, answers)
        return answers


class PeerTable:
    """A table of a peer. `close` it."""

    def __init__(self, peer: Peer, at: int, before: int) -> None:
        self.peer = peer
        self._at = at
        self._before = before

    def load(self, addresses: Array, lengths: Array, nhs: Array) -> int:
        """Adds prefixes (octets as in a packet), in this order; nanoseconds that it took.

        rte_lpm wants the shorter ones first. ResourceError: one of them was refused."""
        return self._change("peer_load", addresses, lengths, nhs)

    def remove(self, addresses: Array, lengths: Array) -> int:
        """Removes prefixes; nanoseconds that it took."""
        return self._change("peer_remove", addresses, lengths)

    def _change(self, name: str, addresses: Array, lengths: Array, *nhs: Array) -> int:
        octets = np.ascontiguousarray(addresses, np.uint8)
        bits = np.ascontiguousarray(lengths, np.uint8)
        hops = [np.ascontiguousarray(each, np.uint32) for each in nhs]
        if len(octets) != len(bits) or any(len(each) != len(bits) for each in hops):
            raise ValueError("as many lengths and next hops as addresses are needed")
        pointers = [octets.ctypes.data, bits.ctypes.data, *(each.ctypes.data for each in hops)]
        record = ctypes.cast(self.peer.record, ctypes.c_void_p)
        took = int(self.peer.library.call(name, record, self._at, *pointers, len(bits)))
        if took < 0:
            raise ResourceError(f"{self.peer.name}: {os.strerror(-took)} in a change of prefixes")
        return took

    def lookup_address(self) -> tuple[int, int]:
        """As fastpath.measure.lookup_address."""
        return self.peer.record.contents.lookup, self._at

    @property
    def memory(self) -> int:
        """Octets of DPDK's heaps that came with this table, if no other one came meanwhile."""
        return self.peer.library.memory() - self._before

    def close(self) -> None:
        if self._at:
            self.peer.record.contents.close(self._at)
        self._at = 0


class Library:
    """The built library, with DPDK's environment up: one in a process."""

    def __init__(self, path: Path, megabytes: int) -> None:
        self._dll = ctypes.CDLL(str(path))
        self.megabytes = megabytes
        self.huge_pages = _free_huge_pages() * PAGE >= megabytes << 20
        pages = ("--in-memory",) if self.huge_pages else ("--no-huge", "--no-shconf")
        arguments = (
            *("dialout-bench", "--no-pci", "--no-telemetry", "--log-level=3"),
            *("-l", str(min(os.sched_getaffinity(0)))),
            *("--force-max-simd-bitwidth=512", "-m", str(megabytes), *pages),
        )
        argv = (ctypes.c_char_p * len(arguments))(*map(str.encode, arguments))
        # DPDK pins the calling thread to its core; that is for our caller to do.
        affinity = os.sched_getaffinity(0)
        result = self._dll.peers_init(len(arguments), argv)
        os.sched_setaffinity(0, affinity)
        if result < 0:
            raise ResourceError(f"DPDK did not start with {megabytes} MB: {os.strerror(-result)}")
        self._dll.peer_at.restype = ctypes.POINTER(_Record)
        self._dll.peers_memory.restype = ctypes.c_uint64
        for name in ("peer_load", "peer_remove"):
            getattr(self._dll, name).restype = ctypes.c_int64
        self._dll.acl_open.restype = ctypes.c_void_p
        self.classify = ctypes.cast(self._dll.acl_classify, ctypes.c_void_p).value or 0
        """Where acl_classify is."""
        self.peers = tuple(self._peers())

    def _peers(self) -> list[Peer]:
        found: list[Peer] = []
        while record := self._dll.peer_at(len(found)):
            row = record.contents
            found.append(
                Peer(
                    library=self,
                    name=row.name.decode(),
                    family=row.family,
                    big_endian=bool(row.big_endian),
                    answer=row.answer,
                    blocks_limit=row.blocks_limit,
                    nh_limit=row.nh_limit,
                    record=record,
                )
            )
        return found

    def call(self, name: str, record: Any, *values: int) -> Any:
        return getattr(self._dll, name)(record, *(ctypes.c_void_p(value) for value in values))

    def open_acl(self, rows: int, count: int) -> int:
        """A classifier of rte_acl; 0 if it does not take the rules."""
        return self._dll.acl_open(ctypes.c_void_p(rows), count) or 0

    def close_acl(self, acl: int) -> None:
        self._dll.acl_close(ctypes.c_void_p(acl))

    def memory(self) -> int:
        """Octets of DPDK's heaps that are in use."""
        return int(self._dll.peers_memory())


_opened: dict[str, Library] = {}


def open_peers(megabytes: int = 3072) -> Library:
    """Builds the library if it is not built yet, and starts DPDK with so much memory.

    2 MiB pages are used if as many are free, else transparent ones where the kernel gives them.
    ResourceError says what to install, or what the compiler did not like.
    """
    if "peers" not in _opened:
        _opened["peers"] = Library(_dpdk(), megabytes)
    return _opened["peers"]


def packet_program() -> ctypes.CDLL:
    """The packet path in C that does the least possible, compiled for this machine."""
    library = ctypes.CDLL(str(_built([SOURCES / PACKET_PROGRAM], *SHARED)))
    library.path_run.restype = ctypes.c_double
    return library


def xdp_forwarder() -> Path:
    """A program, `xdp_forward.c`. Raises ResourceError without its source or a compiler."""
    return _built([SOURCES / XDP_FORWARDER])


def _dpdk() -> Path:
    if not (HEADERS / "rte_fib.h").exists():
        raise ResourceError(
            f"{HEADERS}: no DPDK to compare with: install it (Debian: apt-get install libdpdk-dev)"
        )
    machine = sysconfig.get_config_var("MULTIARCH") or f"{os.uname().machine}-linux-gnu"
    flags = (
        *(f"-I{HEADERS}", f"-I/usr/include/{machine}/dpdk", "-include", "rte_config.h"),
        *("-DALLOW_EXPERIMENTAL_API", *LIBRARIES),
    )
    sources = sorted(path for path in SOURCES.glob("*.c") if path.name not in ALONE)
    return _built(sources, *SHARED, *flags)


def _built(sources: list[Path], *flags: str) -> Path:
    """A library or program of these sources, from the last time if they are as they were."""
    if not (SOURCES / "peers.h").exists():
        raise ResourceError(
            "--peers builds comparisons from benchmarks/peers of a source tree, and this program "
            "was installed without one: run it from a checkout"
        )
    digest = hashlib.sha256(" ".join(flags).encode())
    for path in (*sources, *sorted(SOURCES.glob("*.h"))):
        digest.update(path.read_bytes())
    folder = Path(tempfile.gettempdir()) / f"dialout-peers-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise ResourceError(f"{folder} belongs to somebody else")
    library = folder / f"peers-{digest.hexdigest()[:16]}.so"
    if not library.exists():
        _build(sources, flags, library)
    return library


def _build(sources: list[Path], flags: tuple[str, ...], library: Path) -> None:
    unfinished = library.with_suffix(f".{os.getpid()}")
    command = [*COMPILER, "-o", str(unfinished), *map(str, sources), *flags]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise ResourceError("no gcc to build the comparisons: apt-get install gcc") from None
    if done.returncode != 0:
        raise ResourceError(f"the comparisons do not compile:\n{done.stderr.strip()}")
    unfinished.rename(library)


def _free_huge_pages() -> int:
    try:
        with open("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 0


def groups_needed(addresses: Array, lengths: Array) -> int:
    """How many groups of 256 cells behind the first 24 bits DPDK's tables want room for.

    IPv4: one for each /24 with a longer prefix. rte_fib6 reserves some for each prefix, shared or
    not, and refuses prefixes when none is left."""
    if addresses.shape[1] == 4:
        return len(np.unique(np.ascontiguousarray(addresses[lengths > 24][:, :3]), axis=0))
    return int(np.maximum((np.asarray(lengths) + 7) // 8 - 3, 0).sum())


def groups_used(addresses: Array, lengths: Array) -> int:
    """How many of these groups the prefixes fill: one for each value of 24, 32 ... bits that a
    longer prefix has."""
    total = 0
    for octets in range(3, addresses.shape[1]):
        longer = np.ascontiguousarray(addresses[lengths > 8 * octets][:, :octets])
        total += len(np.unique(longer.view(f"V{octets}"))) if len(longer) else 0
    return total
