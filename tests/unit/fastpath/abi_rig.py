"""The C ABI from outside Cython: fp_abi.h parsed by cffi, and an engine driven by nothing else."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path
from typing import Any

import cffi

import fastpath.abi

FOLDER = Path(fastpath.get_include())
HEADERS = ("fp_verdict.h", "fp_types.h", "fp_abi.h")
MARKED = re.compile(r"/\* declarations: .*?\*/\n(.*?)/\* end of the declarations \*/", re.DOTALL)


def declarations(name: str) -> str:
    """The part of a header that is plain declarations."""
    (text,) = MARKED.findall((FOLDER / name).read_text())
    return text


ffi = cffi.FFI()
for _header in HEADERS:
    ffi.cdef(declarations(_header))
NUMBERS: Any = ffi.dlopen(None)
"""Enums and constants of the headers, as attributes."""


def table() -> Any:
    """`const fp_abi_t *`, out of the capsule."""
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype = ctypes.c_void_p
    pointer.argtypes = (ctypes.py_object, ctypes.c_char_p)
    return ffi.cast("const fp_abi_t *", pointer(fastpath.abi._C_API, b"fastpath.abi._C_API"))


FP = table()


class AbiError(Exception):
    """What a call refused."""

    def __init__(self, code: int, item: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.item = item


def call(name: str, *arguments: Any) -> int:
    """A call of the table with its error, which becomes an exception."""
    error = ffi.new("fp_error_t *")
    result: int = getattr(FP, name)(*arguments, error)
    if result < 0:
        assert error.code == result
        raise AbiError(result, error.item, ffi.string(error.text).decode())
    return result


def prefix(text: str) -> Any:
    """`fp_prefix_t *` of an address or prefix; its host bits stay."""
    import ipaddress

    address, _, length = text.partition("/")
    packed = ipaddress.ip_address(address)
    made = ffi.new("fp_prefix_t *")
    made.octet[0 : len(packed.packed)] = packed.packed
    made.family = packed.version
    made.length = int(length) if length else packed.max_prefixlen
    return made


def route(text: str, nh: int) -> Any:
    return ffi.new("fp_route_t *", {"prefix": prefix(text)[0], "nh": nh})


class Burst:
    """Frames in the caller's memory: `fp_packet_t` and slots of octets."""

    STRIDE = 2240
    HEADROOM = 128

    def __init__(self, frames: list[bytes], link: str = "RAW", ts: int = 1) -> None:
        self.n = len(frames)
        self.packets = ffi.new("fp_packet_t[]", max(self.n, 1))
        self.octets = ffi.new("uint8_t[]", self.STRIDE * max(self.n, 1))
        for i, frame in enumerate(frames):
            p, at = self.packets[i], i * self.STRIDE + self.HEADROOM
            ffi.buffer(self.octets)[at : at + len(frame)] = frame
            p.data = p.frame = self.octets + at
            p.len = p.frame_len = p.wire_len = len(frame)
            p.headroom = self.HEADROOM
            p.link = getattr(NUMBERS, f"FP_LINK_{link}")
            p.ts = ts

    def verdicts(self) -> list[str]:
        return [ffi.string(FP.verdict_name(p.verdict)).decode() for p in self.packets[0 : self.n]]

    def reasons(self) -> list[str]:
        return [ffi.string(FP.reason_name(p.reason)).decode() for p in self.packets[0 : self.n]]


def octets(packet: Any) -> bytes:
    return bytes(ffi.buffer(packet.data, packet.len))


class Router:
    """An engine with one table, a home and a tunnel port, and this thread as its worker."""

    def __init__(self, *, register: bool = True, **config: int) -> None:
        size = ffi.sizeof("fp_config_t")
        out = ffi.new("fp_engine_t *")
        call("engine_create", ffi.new("fp_config_t *", {"size": size, **config}), out)
        self.engine = out[0]
        self.table = call("add_table", self.engine, b"default", bytes([10, 88, 0, 1]), ffi.NULL)
        self.home = call("add_port", self.engine, b"home", self.table)
        self.tunnel = call("add_port", self.engine, b"tunnel", self.table)
        self.worker = self.register() if register else 0

    def register(self) -> int:
        out = ffi.new("fp_worker_t *")
        call("worker_register", self.engine, out)
        worker: int = out[0]
        return worker

    def close(self) -> None:
        if self.worker:
            call("worker_unregister", self.worker)
        call("engine_destroy", self.engine)

    def begin(self) -> int:
        out = ffi.new("fp_transaction_t *")
        call("begin", self.engine, out)
        transaction: int = out[0]
        return transaction

    def adjacency(self, transaction: int, kind: str, **fields: int) -> int:
        out = ffi.new("uint32_t *")
        fields = {"port": NUMBERS.FP_PORT_INVALID, **fields}
        number = getattr(NUMBERS, f"FP_ADJACENCY_{kind}")
        made = ffi.new("fp_adjacency_t *", {"kind": number, **fields})
        call("add_adjacency", transaction, made, out)
        nh: int = out[0]
        return nh

    def session(self, transaction: int, **fields: Any) -> int:
        out = ffi.new("uint32_t *")
        call("add_session", transaction, session(**{"port": self.tunnel, **fields}), out)
        nh: int = out[0]
        return nh

    def configure(self) -> dict[str, int]:
        """A dial-out route, the home network, our own address."""
        t = self.begin()
        nhs = {
            "glean": self.adjacency(t, "GLEAN"),
            "home": self.adjacency(t, "IP", port=self.home),
            "local": self.adjacency(t, "LOCAL", tunnel=1),
            "tunnel": self.adjacency(t, "IP", port=self.tunnel),
        }
        call("add_route", t, self.table, route("198.51.100.0/24", nhs["glean"]))
        call("add_route", t, self.table, route("192.0.2.0/24", nhs["home"]))
        call("add_route", t, self.table, route("10.88.0.1/32", nhs["local"]))
        call("commit", t)
        return nhs

    def connect(self, destination: str = "198.51.100.0/24", **fields: Any) -> int:
        """A session, and a route into it."""
        t = self.begin()
        nh = self.session(t, **fields)
        call("add_route", t, self.table, route(destination, nh))
        call("commit", t)
        return nh

    def process(self, port: int, *frames: bytes, ts: int = 1) -> tuple[Burst, list[list[Any]]]:
        """One burst. Returns it and the packets that left, by port."""
        burst = Burst(list(frames), ts=ts)
        out = ffi.new("const fp_transmit_t **")
        assert call("process", self.worker, port, burst.packets, burst.n, out) == burst.n
        return burst, [[out[0][i].packets[k] for k in range(out[0][i].count)] for i in range(2)]

    def next_hop(self, address: str) -> int:
        out = ffi.new("uint32_t *")
        call("resolve", self.engine, self.table, prefix(address), out)
        nh: int = out[0]
        return nh

    def counters(self) -> Any:
        out = ffi.new("fp_counters_t *")
        call("counters", self.engine, out)
        return out


def session(**fields: Any) -> Any:
    """`fp_session_t *` of a session to the LAC 10.88.0.2."""
    values: dict[str, Any] = {
        "local": [10, 88, 0, 1],
        "peer": [10, 88, 0, 2],
        "local_port": 1701,
        "peer_port": 1701,
        "tunnel": 1,
        "session": 2,
        "peer_tunnel": 3,
        "peer_session": 4,
        "flags": NUMBERS.FP_SESSION_DF | NUMBERS.FP_SESSION_COPY_TOS,
    }
    return ffi.new("fp_session_t *", {**values, **fields})
