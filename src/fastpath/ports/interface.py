"""A network interface by its name, and what all parts of a port on it share. No netlink."""

from __future__ import annotations

import errno
import fcntl
import re
import socket
import struct
from dataclasses import dataclass
from typing import Final

from fastpath.ebpf.steering import Steering
from fastpath.ebpf.syscall import address_of
from fastpath.ports.neighbours import Neighbours

ETHERNET, LOOPBACK = 1, 772
"""ARPHRD_*: frames begin with an Ethernet header."""

_GET_ADDRESS: Final = 0x8927  # SIOC*, ETHTOOL_* of <linux/sockios.h> and <linux/ethtool.h>
_GET_MTU: Final = 0x8921
_ETHTOOL: Final = 0x8946
_GET_CHANNELS: Final = 0x3C
_GET_DRIVER: Final = 3
_NAME: Final = re.compile(r"[^\s/:\x00-\x1f]{1,15}")


@dataclass(frozen=True, slots=True)
class Interface:
    """As it was when it was looked at."""

    name: str
    index: int
    address: bytes
    mtu: int
    queues: int
    """Receive queues, 1 where the driver does not tell."""
    driver: str


def interface_name(rest: str) -> str:
    """What stands behind `packet:` or `xdp:`. Raises ValueError for what is no interface's name."""
    if not _NAME.fullmatch(rest) or rest in (".", ".."):
        raise ValueError(f"{rest!r} is no name of an interface: 1 to 15 characters")
    return rest


def find_interface(name: str) -> Interface:
    """Raises OSError (ENODEV) if there is none, or it has no Ethernet header (EAFNOSUPPORT)."""
    try:
        index = socket.if_nametoindex(name)
    except OSError:
        raise OSError(errno.ENODEV, f"no interface {name}") from None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:

        def ask(request: int, data: bytes = b"") -> bytes:
            return fcntl.ioctl(asker, request, struct.pack("16s24s", name.encode(), data))

        found = ask(_GET_ADDRESS)
        kind = struct.unpack_from("=H", found, 16)[0]
        if kind not in (ETHERNET, LOOPBACK):
            raise OSError(errno.EAFNOSUPPORT, f"{name} is no Ethernet interface (type {kind})")
        mtu = struct.unpack_from("=i", ask(_GET_MTU), 16)[0]
        return Interface(name, index, found[18:24], mtu, _queues(asker, name), _driver(asker, name))


def _ethtool(asker: socket.socket, name: str, command: bytearray) -> bytes:
    request = struct.pack("=16sQ16s", name.encode(), address_of(command), b"")
    fcntl.ioctl(asker, _ETHTOOL, request)
    return bytes(command)


def _queues(asker: socket.socket, name: str) -> int:
    try:
        answer = _ethtool(asker, name, bytearray(struct.pack("=I32x", _GET_CHANNELS)))
    except OSError:
        return 1
    rx, combined = struct.unpack_from("=I", answer, 20)[0], struct.unpack_from("=I", answer, 32)[0]
    return max(1, rx + combined)


def _driver(asker: socket.socket, name: str) -> str:
    try:
        answer = _ethtool(asker, name, bytearray(struct.pack("=I252x", _GET_DRIVER)))
    except OSError:
        return ""
    return answer[4:36].split(b"\0")[0].decode(errors="replace")


class Attachment:
    """Neighbours and steering of one interface, closed with the last part of the port."""

    def __init__(self, name: str) -> None:
        self.interface = find_interface(name)
        self.neighbours = Neighbours()
        if any(self.interface.address):
            self.neighbours.set_own(self.interface.address)
        self.steering = Steering()
        self._parts = 0

    def join(self) -> None:
        self._parts += 1

    def leave(self) -> None:
        self._parts -= 1
        if self._parts == 0:
            self.steering.close()
