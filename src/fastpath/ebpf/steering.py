"""Steering: which packets of an interface are ours, kept up to date while they flow.

One object for each interface: its tables, its programs, and the links that hold them. Raises
OSError where the kernel refuses: PermissionError without CAP_BPF and CAP_NET_ADMIN.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable
from typing import Final

from fastpath.ebpf.assembler import assemble
from fastpath.ebpf.classifier import FILTER, KERNELS, OURS, TCX, Ending, Maps, program, xdp
from fastpath.ebpf.objects import (
    ATTACH_TCX_INGRESS,
    ATTACH_XDP,
    MAP_HASH,
    MAP_LPM_TRIE,
    MAP_XSKMAP,
    PROGRAM_SCHED_CLS,
    PROGRAM_SOCKET_FILTER,
    PROGRAM_XDP,
    XDP_GENERIC,
    XDP_NATIVE,
    Link,
    Map,
    Program,
)

PREFIXES: Final = 1 << 20
"""Prefixes of each family that may be covered; memory is taken as they come."""
ADDRESSES: Final = 1 << 16
SOCKETS: Final = 256
"""Queues of an interface."""

_SO_ATTACH_BPF: Final = 50


class Steering:
    """All packets are the kernel's until something is covered."""

    def __init__(self) -> None:
        self.addresses = Map(MAP_HASH, "addresses", 16, 1, ADDRESSES)
        self.covered4 = Map(MAP_LPM_TRIE, "covered4", 8, 1, PREFIXES)
        self.covered6 = Map(MAP_LPM_TRIE, "covered6", 20, 1, PREFIXES)
        self.sockets: Map | None = None
        self._links: list[Link] = []

    # What is ours -----------------------------------------------------------------------------

    def cover(self, prefix: str) -> None:
        """Packets to a prefix are ours from now on. Raises ValueError for what is none."""
        self.cover_all((prefix,))

    def uncover(self, prefix: str) -> None:
        """Forgets a prefix, covered or excepted. Raises KeyError if it is neither."""
        family, key = key_of(prefix)
        try:
            del self._trie(family)[key]
        except KeyError:
            raise KeyError(prefix) from None

    def cover_all(self, prefixes: Iterable[str]) -> None:
        """The same of many at once, some million a second; one that is covered already stays so."""
        keys: dict[int, list[bytes]] = {socket.AF_INET: [], socket.AF_INET6: []}
        for prefix in prefixes:
            family, key = key_of(prefix)
            keys[family].append(key)
        for family, found in keys.items():
            self._trie(family).update(b"".join(found), OURS * len(found))

    def leave(self, prefix: str) -> None:
        """Packets to a prefix are the kernel's although a shorter one is covered."""
        family, key = key_of(prefix)
        self._trie(family)[key] = KERNELS

    def address(self, address: str, *, tunnel: bool = True) -> None:
        """One of the host's addresses: L2TP data messages to a tunnel address are ours, everything
        else to any of them is the kernel's, covered or not. Raises ValueError."""
        self.addresses[_mapped(address)] = OURS if tunnel else KERNELS

    def forget_address(self, address: str) -> None:
        """Raises KeyError for one that is not known."""
        try:
            del self.addresses[_mapped(address)]
        except KeyError:
            raise KeyError(address) from None

    def _trie(self, family: int) -> Map:
        return self.covered6 if family == socket.AF_INET6 else self.covered4

    # Where it holds ---------------------------------------------------------------------------

    def instructions(self, ending: Ending) -> bytes:
        """The classification over these tables."""
        maps = Maps(self.addresses.descriptor, self.covered4.descriptor, self.covered6.descriptor)
        return assemble(program(maps, ending))

    def filter(self, descriptor: int) -> None:
        """Lets a packet socket receive nothing but ours."""
        made = Program(PROGRAM_SOCKET_FILTER, "ours", self.instructions(FILTER))
        with made, socket.socket(fileno=os.dup(descriptor)) as held:
            held.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_BPF, made.descriptor)

    def drop(self, interface: int) -> None:
        """Lets the kernel's stack have nothing of ours, after packet sockets had it."""
        code = self.instructions(TCX)
        with Program(PROGRAM_SCHED_CLS, "drop_ours", code, ATTACH_TCX_INGRESS) as made:
            self._links.append(Link(made, interface, ATTACH_TCX_INGRESS))

    def redirect(self, interface: int, station: bytes = b"") -> str:
        """Hands ours, of frames to the MAC address `station`, to the sockets of their queues
        (`self.sockets`). Tells how: `native`, in the driver, or `generic`. Raises OSError (EBUSY)
        where another XDP program is."""
        self.sockets = Map(MAP_XSKMAP, "sockets", 4, 4, SOCKETS)
        code = self.instructions(xdp(self.sockets.descriptor, station))
        with Program(PROGRAM_XDP, "ours_to_us", code, ATTACH_XDP) as made:
            try:
                self._links.append(Link(made, interface, ATTACH_XDP, XDP_NATIVE))
            except OSError as error:
                if isinstance(error, PermissionError):
                    raise
                self._links.append(Link(made, interface, ATTACH_XDP, XDP_GENERIC))
                return "generic"
        return "native"

    def close(self) -> None:
        """Detaches everything; all packets are the kernel's again."""
        for link in self._links:
            link.close()
        self._links.clear()
        for table in (self.addresses, self.covered4, self.covered6, self.sockets):
            if table is not None:
                table.close()


def key_of(prefix: str) -> tuple[int, bytes]:
    """Family and key of a trie. Raises ValueError for what is no prefix, or has host bits."""
    text, _, bits = prefix.partition("/")
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    try:
        octets = socket.inet_pton(family, text)
        length = int(bits)
        spare = 8 * len(octets) - length
    except (OSError, ValueError):
        raise ValueError(f"{prefix} is no prefix") from None
    if spare < 0 or length < 0 or int.from_bytes(octets, "big") & (1 << spare) - 1:
        raise ValueError(f"{prefix} is no prefix of that length")
    return family, struct.pack("=I", length) + octets


def _mapped(address: str) -> bytes:
    try:
        if ":" in address:
            return socket.inet_pton(socket.AF_INET6, address)
        return bytes(10) + b"\xff\xff" + socket.inet_pton(socket.AF_INET, address)
    except OSError:
        raise ValueError(f"{address} is no address") from None
