"""What a serial line of a simulator is to this machine: a program on a pseudo-terminal, or a TCP
connection such as an emulated machine's serial port. Octets in order, both ways, until one side
ends it; what they mean is not known here.
"""

from __future__ import annotations

import contextlib
import os
import pty
import shlex
import signal
import socket
import subprocess
import tty
from collections.abc import Callable
from typing import Final

from control.errors import ConfigurationError
from control.sim.real_time import RealTime

PTY: Final = "pty:"
TCP: Final = "tcp:"
CHUNK: Final = 65536
BACKLOG: Final = 256 * 1024
"""Octets that wait for a slow reader; what comes then is lost, as in a modem that is overrun."""
GRACE: Final = 2.0
"""Seconds for a program to end after its line was hung up."""


class Wire:
    """One open line. `received` gets what comes, `ended` is called once when the far end is gone,
    with the reason; neither after `close`."""

    def __init__(
        self, time: RealTime, received: Callable[[bytes], object], ended: Callable[[str], object]
    ) -> None:
        self.overruns = 0
        """Writes that were lost because too much was waiting."""
        self._time = time
        self._received = received
        self._ended = ended
        self._descriptor = -1
        self._waiting = bytearray()

    def write(self, octets: bytes) -> None:
        if self._descriptor < 0 or self._waiting:
            if len(self._waiting) + len(octets) > BACKLOG:
                self.overruns += 1
            else:
                self._waiting += octets
            return
        written = self._write(octets)
        if written < len(octets):
            self._waiting += octets[written:]
            self._time.loop.add_writer(self._descriptor, self._writable)

    def close(self) -> None:
        """Hangs up."""
        if self._descriptor >= 0:
            self._time.loop.remove_reader(self._descriptor)
            self._time.loop.remove_writer(self._descriptor)
            self._descriptor = -1
        self._waiting.clear()

    def _opened(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._time.loop.add_reader(descriptor, self._readable)
        if self._waiting:
            self._time.loop.add_writer(descriptor, self._writable)

    def _write(self, octets: bytes | bytearray) -> int:
        try:
            return os.write(self._descriptor, octets)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            return len(octets)  # the reader will tell that the line is gone

    def _writable(self) -> None:
        del self._waiting[: self._write(self._waiting)]
        if not self._waiting:
            self._time.loop.remove_writer(self._descriptor)

    def _readable(self) -> None:
        try:
            octets = os.read(self._descriptor, CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            octets = b""  # EIO: nobody has the terminal open any more
        with self._time.input():
            if octets:
                self._received(octets)
            else:
                self._end("the far end of the line is gone")

    def _end(self, reason: str) -> None:
        self.close()
        self._ended(reason)


class ProgramWire(Wire):
    """A program whose standard input and output are a terminal in raw mode; no shell."""

    def __init__(
        self,
        command: str,
        time: RealTime,
        received: Callable[[bytes], object],
        ended: Callable[[str], object],
    ) -> None:
        """Raises OSError if the program cannot be run."""
        super().__init__(time, received, ended)
        self._terminal, far = pty.openpty()
        try:
            tty.setraw(far)
            self._process = subprocess.Popen(
                shlex.split(command), stdin=far, stdout=far, start_new_session=True
            )
        except BaseException:
            os.close(self._terminal)
            raise
        finally:
            os.close(far)
        self._opened(self._terminal)

    def close(self) -> None:
        super().close()
        if self._terminal >= 0:
            os.close(self._terminal)
            self._terminal = -1
            self._signal(signal.SIGHUP)
            self._time.clock.call_later(GRACE, self.reap)

    @property
    def done(self) -> bool:
        return self._terminal < 0 and self._process.poll() is not None

    def reap(self) -> None:
        """The program's time is over."""
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _signal(self, number: int) -> None:
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)


class TcpWire(Wire):
    """A TCP connection, ours to make or made already."""

    def __init__(
        self,
        place: tuple[str, int] | socket.socket,
        time: RealTime,
        received: Callable[[bytes], object],
        ended: Callable[[str], object],
    ) -> None:
        """Raises OSError if no connection can even be tried."""
        super().__init__(time, received, ended)
        if isinstance(place, socket.socket):
            self._socket = place
            self._connected()
            return
        family = socket.AF_INET6 if ":" in place[0] else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        with contextlib.suppress(BlockingIOError):
            self._socket.connect(place)
        time.loop.add_writer(self._socket.fileno(), self._connecting)

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            self._time.loop.remove_writer(self._socket.fileno())
        super().close()
        self._socket.close()

    @property
    def done(self) -> bool:
        return self._socket.fileno() < 0

    def reap(self) -> None:
        """Nothing is left of a connection."""

    def _connecting(self) -> None:
        self._time.loop.remove_writer(self._socket.fileno())
        error = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            with self._time.input():
                self._end(f"no connection: {os.strerror(error)}")
        else:
            self._connected()

    def _connected(self) -> None:
        # A frame is a write, and the next one must not wait for its acknowledgment.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._opened(self._socket.fileno())


def open_wire(
    line: str,
    time: RealTime,
    received: Callable[[bytes], object],
    ended: Callable[[str], object],
) -> ProgramWire | TcpWire:
    """The line that a configuration names. Raises OSError if it cannot be had."""
    if line.startswith(PTY):
        return ProgramWire(line.removeprefix(PTY), time, received, ended)
    return TcpWire(tcp_place(line), time, received, ended)


def tcp_place(line: str) -> tuple[str, int]:
    """Address and port of a `tcp:` line. Raises ConfigurationError for another kind of line."""
    if not line.startswith(TCP):
        raise ConfigurationError(f"{line}: only a tcp: line can be waited at")
    address, _, port = line.removeprefix(TCP).rpartition(":")
    return address.strip("[]"), int(port)
