"""A socket to the kernel's routing (rtnetlink), as the event loop reads it."""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
from collections.abc import Callable, Iterable
from typing import Final

from control.errors import ResourceError

_SOL_NETLINK: Final = 270
_ADD_MEMBERSHIP: Final = 1
_CAP_ACK: Final = 10
_GET_STRICT_CHECK: Final = 12
_SO_RCVBUFFORCE: Final = 33
_SO_ATTACH_FILTER: Final = 26
BUFFER: Final = 1 << 26
"""Octets that the kernel may keep for us, where it lets us ask for so many: some 80,000 notices."""
DATAGRAM: Final = 1 << 18
"""Octets of an answer at the most; the kernel makes them of 32 KiB."""
_INSTRUCTION: Final = struct.Struct("=HBBI")


class NetlinkSocket:
    """Owned by who makes it, and closed. Reading waits for nothing."""

    def __init__(self, groups: Iterable[int] = (), buffer: int = BUFFER) -> None:
        """`groups`: multicast groups to listen to. Raises ResourceError."""
        try:
            self._socket = socket.socket(
                socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
            )
        except OSError as error:
            raise ResourceError(f"netlink: {error.strerror}") from error
        for option in (_CAP_ACK, _GET_STRICT_CHECK):
            with contextlib.suppress(OSError):  # an old kernel says more than we need
                self._socket.setsockopt(_SOL_NETLINK, option, 1)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, buffer)
        except OSError:  # not ours to force
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self._socket.bind((0, 0))
        for group in groups:
            with contextlib.suppress(OSError):  # a kernel without IPv6
                self._socket.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)

    @property
    def port(self) -> int:
        """By which the kernel names this socket."""
        found: int = self._socket.getsockname()[0]
        return found

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, data: bytes) -> None:
        """The kernel carries requests out before this returns. Raises OSError."""
        self._socket.send(data)

    def receive(self, take: Callable[[bytes], None], most: int) -> bool:
        """Hands up to `most` datagrams to `take`. False: some were lost."""
        for _ in range(most):
            try:
                take(self._socket.recv(DATAGRAM, socket.MSG_DONTWAIT))
            except BlockingIOError:
                return True
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                return False
        return True

    def ignore_sender(self, port: int) -> None:
        """Leaves out of the notices what a socket of ours has caused: of 100,000 routes that we
        make the kernel needs not tell us. Not for a socket that also asks."""
        program = (
            (0x20, 0, 0, 12),  # load the word at 12, in network order: nlmsg_pid
            (0x15, 0, 1, socket.htonl(port)),  # equal: the next, otherwise the one behind it
            (0x06, 0, 0, 0),  # drop
            (0x06, 0, 0, 0xFFFFFFFF),  # take all of it
        )
        code = b"".join(_INSTRUCTION.pack(*row) for row in program)
        memory = bytearray(code)
        address = _address_of(memory)
        filter = struct.pack("HxxxxxxQ", len(program), address)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, filter)

    def close(self) -> None:
        self._socket.close()


def _address_of(memory: bytearray) -> int:
    import ctypes  # 5 ms that most commands do not need

    return ctypes.addressof(ctypes.c_char.from_buffer(memory))
