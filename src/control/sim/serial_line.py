"""Sites at the end of a serial line: PPP in async HDLC (hdlc.py) on a wire.

SerialSite is such a site for a LAC's modem bank: whoever is at the other end of the wire answers
the call, be it pppd or an emulated machine. Answering is that other end for a simulated site.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Final

from control import config as settings
from control.sim.cpe import SimCpe
from control.sim.hdlc import Decoder, HdlcCounters, encode
from control.sim.real_time import RealTime
from control.sim.wire import ProgramWire, TcpWire, open_wire, tcp_place

IPCP_ACK: Final = (b"\xff\x03\x80\x21\x02", b"\x80\x21\x02")
"""How an IPCP Configure-Ack begins (RFC 1661 5.2): one each way opens the network."""
LARGEST: Final = 65507 - 12
"""Octets of a PPP frame that a UDP datagram has room for, behind the longest header we write."""
LISTEN: Final = 64
PAUSE: Final = 0.5
"""Seconds without new calls when no descriptor is free."""


@dataclass(slots=True)
class SerialCounters:
    """All calls of one line together."""

    calls: int = 0
    opened: int = 0
    """Times IPCP was seen to open."""
    failures: int = 0
    """Calls for which there was no line."""
    frames_in: int = 0
    """From the caller."""
    frames_out: int = 0
    too_long: int = 0
    """Frames that no datagram has room for."""
    overruns: int = 0
    """Frames that the line was too slow for."""


class SerialLine:
    """One call of a SerialSite."""

    def __init__(
        self,
        site: SerialSite,
        send: Callable[[bytes], object],
        hang_up: Callable[[str], object],
        on_open: Callable[[], object] | None,
    ) -> None:
        self._site = site
        self._send = send
        self._hang_up = hang_up
        self._on_open = on_open
        self._decoder = Decoder()
        self._wire: ProgramWire | TcpWire | None = None
        self._acks = [False, False]
        """Configure-Acks of IPCP that were seen: to the site, to the caller."""
        self._over = False

    def start(self) -> None:
        site = self._site
        try:
            self._wire = open_wire(site.config.line, site.time, self._received, self._ended)
        except OSError as error:
            self._ended(f"no line: {error.strerror}")
        else:
            site.wires.append(self._wire)

    def drop(self) -> None:
        if self._over:
            return
        self._over = True
        _add(self._site.line_counters, self._decoder.counters)
        if self._wire is not None:
            self._site.counters.overruns += self._wire.overruns
            self._wire.close()

    def receive_frame(self, frame: bytes) -> None:
        if self._over or self._wire is None:
            return
        self._site.counters.frames_in += 1
        self._look(frame, 0)
        # Nobody here knows which characters the site lets pass, so all are escaped (RFC 1662 7.1).
        self._wire.write(encode(frame))

    def receive_quiet(self, count: int) -> None:
        """Never called: packets of a replay are not for a real line."""

    def _received(self, octets: bytes) -> None:
        for frame in self._decoder.feed(octets):
            if len(frame) > LARGEST:
                self._site.counters.too_long += 1
            elif not self._over:
                self._site.counters.frames_out += 1
                self._look(frame, 1)
                self._send(frame)

    def _ended(self, reason: str) -> None:
        if self._over:
            return
        if self._wire is None or not self._decoder.counters.octets:
            self._site.counters.failures += 1
        self.drop()
        self._hang_up(reason)

    def _look(self, frame: bytes, way: int) -> None:
        if frame.startswith(IPCP_ACK) and not all(self._acks):
            self._acks[way] = True
            if all(self._acks):
                self._site.counters.opened += 1
                if self._on_open is not None:
                    self._on_open()


class SerialSite:
    """A site whose calls leave this process."""

    def __init__(self, config: settings.SimCpe, time: RealTime) -> None:
        self.config = config
        self.time = time
        self.counters = SerialCounters()
        self.line_counters = HdlcCounters()
        self.wires: list[ProgramWire | TcpWire] = []

    @property
    def number(self) -> str:
        return self.config.number

    @property
    def delay(self) -> float:
        return 0.0

    def answer(
        self,
        *,
        send: Callable[[bytes], object],
        hang_up: Callable[[str], object],
        on_open: Callable[[], object] | None = None,
    ) -> SerialLine:
        """As lac_call.Site has it."""
        self.counters.calls += 1
        self.wires = [wire for wire in self.wires if not wire.done]
        return SerialLine(self, send, hang_up, on_open)

    def close(self) -> None:
        """Ends all lines, and programs that outlived theirs."""
        for wire in self.wires:
            wire.close()
            wire.reap()
        self.wires.clear()

    def report(self) -> dict[str, object]:
        return {
            "number": self.config.number,
            **asdict(self.counters),
            "line": asdict(self.line_counters),
        }


class Answering:
    """A simulated site at its `tcp:` line: each connection is a call, as of a LAC's modem."""

    def __init__(self, site: SimCpe, time: RealTime) -> None:
        """Opens the port. Raises OSError, ConfigurationError if the line is none to wait at."""
        self.site = site
        self.line_counters = HdlcCounters()
        self._time = time
        self._calls: set[TcpWire] = set()
        address, port = tcp_place(site.config.line)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((address, port))
        except OSError as error:
            self._socket.close()
            raise OSError(error.errno, error.strerror, f"{address}:{port}") from None
        self._socket.listen(LISTEN)
        self.port: int = self._socket.getsockname()[1]
        self._listen()

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            self._time.loop.remove_reader(self._socket.fileno())
            self._socket.close()
        for wire in self._calls:
            wire.close()
        self._calls.clear()

    def report(self) -> dict[str, object]:
        return {**self.site.report(), "line": asdict(self.line_counters)}

    def _acceptable(self) -> None:
        try:
            connection, _ = self._socket.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError:
            # No descriptor is free: the caller waits until one is, and so does the loop.
            self._time.loop.remove_reader(self._socket.fileno())
            self._time.loop.call_later(PAUSE, self._listen)
            return
        with self._time.input():
            self._answer(connection)

    def _listen(self) -> None:
        if self._socket.fileno() >= 0:
            self._time.loop.add_reader(self._socket.fileno(), self._acceptable)

    def _answer(self, connection: socket.socket) -> None:
        decoder = Decoder()
        wire: TcpWire

        def received(octets: bytes) -> None:
            for frame in decoder.feed(octets):
                line.receive_frame(frame)

        def over(reason: str) -> None:
            if wire in self._calls:
                self._calls.discard(wire)
                _add(self.line_counters, decoder.counters)
                line.drop()
                wire.close()

        line = self.site.answer(send=lambda frame: wire.write(encode(frame)), hang_up=over)
        wire = TcpWire(connection, self._time, received, over)
        self._calls.add(wire)
        line.start()


def _add(total: HdlcCounters, one: HdlcCounters) -> None:
    for name, count in asdict(one).items():
        setattr(total, name, getattr(total, name) + count)
