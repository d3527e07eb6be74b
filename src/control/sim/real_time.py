"""Real time for the simulators: a VirtualClock that keeps up with an asyncio loop, and UDP sockets
whose datagrams come in step with it.

The simulators themselves know the VirtualClock only, so that what runs in a replay is what runs
here. All of it belongs to the one thread of the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from control.l2tp.events import SocketAddress
from control.sim.clock import VirtualClock

BURST: Final = 64
"""Datagrams of one socket that are taken before others get their turn."""
BUFFER: Final = 4 << 20
"""Octets asked for each socket's buffers; the kernel may give less."""
_LARGEST: Final = 65535

Receive = Callable[[bytes, SocketAddress], object]


class RealTime:
    """Moves a VirtualClock along with the loop's time: at its deadlines and before each input."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.clock = VirtualClock(loop.time())
        self._wake: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Before anything that comes from outside: the clock is brought to the present."""
        self.clock.run_until(self.loop.time())

    def end(self) -> None:
        """After it: what is due at once is done, and the loop called for the next deadline."""
        clock = self.clock
        clock.run_until(clock.now)
        deadline = clock.next_deadline()
        if deadline is None:
            return
        # A wake-up that comes too early only looks again.
        if self._wake is None or deadline < self._wake.when():
            if self._wake is not None:
                self._wake.cancel()
            self._wake = self.loop.call_at(deadline, self._ring)

    @contextlib.contextmanager
    def input(self) -> Iterator[None]:
        """`begin` and `end` around what it encloses."""
        self.begin()
        try:
            yield
        finally:
            self.end()

    def stop(self) -> None:
        """Wakes no more; what is scheduled is never done."""
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None

    def _ring(self) -> None:
        self._wake = None
        self.begin()
        self.end()


@dataclass(slots=True)
class SocketCounters:
    received: int = 0
    sent: int = 0
    refused: int = 0
    """The kernel did not take them: its buffer was full, or the peer's port is closed."""


class UdpSocket:
    """A non-blocking UDP socket bound to an address of this machine."""

    def __init__(self, time: RealTime, address: str, port: int, receive: Receive) -> None:
        """Port 0: any that is free. Raises OSError, with address and port as its file name."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.counters = SocketCounters()
        self._time = time
        self._receive = receive
        self._socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            self._socket.setsockopt(socket.SOL_SOCKET, option, BUFFER)
        try:
            self._socket.bind((address, port))
        except OSError as error:
            self._socket.close()
            where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
            raise OSError(error.errno, error.strerror, where) from None
        self.port: int = self._socket.getsockname()[1]
        time.loop.add_reader(self._socket.fileno(), self._readable)

    @property
    def descriptor(self) -> int:
        return self._socket.fileno()

    def send(self, data: bytes, peer: SocketAddress) -> None:
        try:
            self._socket.sendto(data, peer)
        except OSError:
            self.counters.refused += 1
        else:
            self.counters.sent += 1

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            self._time.loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def _readable(self) -> None:
        self._time.begin()
        try:
            for _ in range(BURST):
                try:
                    data, peer = self._socket.recvfrom(_LARGEST)
                except (BlockingIOError, InterruptedError):
                    break
                except OSError:
                    # What was sent before has met a closed port (ICMP).
                    self.counters.refused += 1
                    continue
                self.counters.received += 1
                self._receive(data, peer[:2])
        finally:
            self._time.end()
