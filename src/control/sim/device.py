"""A TUN device behind a simulated site: its hosts are those of this machine, or of the network
namespace that the device is moved to, with real TCP and whatever they run.

Packets go through as they are; addresses and routes of the device are its user's business.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Callable
from typing import Final

from control.sim.real_time import RealTime

_TUNSETIFF: Final = 0x400454CA
_IFF_TUN_NO_PI: Final = 0x1001
BURST: Final = 64
"""Packets taken before others get their turn."""
_LARGEST: Final = 65535
NAME_OCTETS: Final = 15
"""Longest name of a network interface."""


class TunDevice:
    """Owned by one site. It is there until it is closed."""

    def __init__(self, name: str, time: RealTime, receive: Callable[[bytes], object]) -> None:
        """Makes the device; `receive` gets each packet that its hosts send. Raises OSError."""
        self.refused = 0
        """Packets that the kernel did not take, as while the device is down."""
        self._time = time
        self._receive = receive
        self._file = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            request = struct.pack("16sH22x", name.encode(), _IFF_TUN_NO_PI)
            fcntl.ioctl(self._file, _TUNSETIFF, request)
        except OSError as error:
            os.close(self._file)
            raise OSError(error.errno, error.strerror, name) from None
        time.loop.add_reader(self._file, self._readable)

    def write(self, packet: bytes) -> None:
        try:
            os.write(self._file, packet)
        except OSError:
            self.refused += 1

    def close(self) -> None:
        if self._file >= 0:
            self._time.loop.remove_reader(self._file)
            os.close(self._file)
            self._file = -1

    def _readable(self) -> None:
        with self._time.input():
            for _ in range(BURST):
                try:
                    packet = os.read(self._file, _LARGEST)
                except OSError:
                    # Nothing more, or the device is down.
                    return
                self._receive(packet)
