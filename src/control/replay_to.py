"""`dialout replay --to`: sends captures out of a real port.

What leaves depends on the port. `udp:` and `tun:` get the IP packet of each frame, and `udp:` sends
of it what is a UDP datagram, from our address to the captured destination; `packet:` sends frames
as they were captured, and `pcap:` writes them, with the times at which they were sent. Whatever
else is in a capture is skipped and counted.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from control.errors import ConfigurationError, ResourceError
from control.replay import open_captures
from control.replay_arguments import Speed
from control.runtime.ports import SCHEMES
from fastpath.player import Player
from fastpath.ports.pcap import PcapError
from fastpath.ports.pcapng_writer import PcapngWriter
from fastpath.ports.raw_frames import FramePort


@dataclass(slots=True)
class Sent:
    """What sending came to."""

    packets: int = 0
    octets: int = 0
    """Of what the port took: packets sent and failed."""
    failed: int = 0
    """That the port took and could not send; `port` tells why."""
    refused: int = 0
    """That the port had no room for."""
    skipped: int = 0
    """That the port cannot send: no whole IP packet, no whole Ethernet frame."""
    seconds: float = 0.0
    laps: int = 0
    port: dict[str, int] = field(default_factory=dict)
    """What the port itself counted."""
    errors: list[PcapError] = field(default_factory=list)
    """Damage in the inputs."""
    interrupted: bool = False

    def as_json(self) -> dict[str, Any]:
        """The same with rates, and errors as text."""
        seconds = self.seconds or 1e-9
        return {
            "packets": self.packets,
            "octets": self.octets,
            "failed": self.failed,
            "refused": self.refused,
            "skipped": self.skipped,
            "seconds": self.seconds,
            "packets_per_second": self.packets / seconds,
            "bits_per_second": 8 * self.octets / seconds,
            "laps": self.laps,
            "port": self.port,
            "errors": [str(error) for error in self.errors],
            "interrupted": self.interrupted,
        }


class Sending:
    """Captures on their way out of a port. Raises OSError and DialoutError for captures,
    ConfigurationError and ResourceError for a port that cannot be."""

    def __init__(
        self, captures: Sequence[str], url: str, speed: Speed, laps: int, limit: int | None
    ) -> None:
        self._captures = captures
        open_captures(captures).close()
        self._laps = laps
        self._limit = limit
        self._sink, self._open = _open(url)
        self._player = Player(
            self._sink,
            frames=isinstance(self._sink, FramePort),
            speed=speed.factor,
            rate=speed.rate,
        )
        self._stopped = False
        self.sent = Sent()

    def stop(self) -> None:
        """Ends run() within 50 ms."""
        self._stopped = True

    def run(self) -> Sent:
        """Sends everything and closes the port."""
        sent = self.sent
        start = time.monotonic()
        try:
            while sent.laps < self._laps and not self._stopped and not sent.errors:
                offered = sent.packets + sent.refused + sent.skipped
                if self._limit is not None and offered >= self._limit:
                    break
                self._lap(start, offered)
        finally:
            sent.interrupted = self._stopped
            sent.port = self._sink.counts() if hasattr(self._sink, "counts") else {}
            sent.failed = sent.packets - sent.port.get("tx_packets", sent.packets)
            sent.packets -= sent.failed
            for port in self._open:
                port.close()
        return sent

    def _lap(self, start: float, offered: int) -> None:
        sent = self.sent
        left = None if self._limit is None else self._limit - offered
        source = open_captures(self._captures)
        try:
            self._player.begin()
            more = True
            while more and not self._stopped:
                more = self._player.step(source, left)
                for name, value in self._player.counts().items():
                    setattr(sent, name, value)
                sent.seconds = time.monotonic() - start
            sent.laps += not more
            if not self._stopped:
                sent.errors += source.errors()
        finally:
            source.close()


def _open(url: str) -> tuple[Any, list[Any]]:
    """What takes the packets, and all that is to be closed."""
    scheme, _, rest = url.partition(":")
    try:
        if scheme == "pcap":
            writer = PcapngWriter(rest, base_ns=time.time_ns() - time.monotonic_ns())
            return writer, [writer]
        if scheme == "packet":
            port = FramePort(rest)
            return port, [port]
        if scheme not in SCHEMES:
            raise ConfigurationError(f"--to {url}: there is no {scheme}: port here")
        sender, parts = SCHEMES[scheme].open(rest, name=url, base_ns=0, queues=1)
    except OSError as error:
        raise ResourceError(f"--to {url}: {error.strerror or error}") from error
    except ValueError as error:
        raise ConfigurationError(f"--to {url}: {error}") from error
    return sender, [sender, *parts]


def summary(sent: Sent) -> list[str]:
    """The lines that tell a user what it came to."""
    told = sent.as_json()
    rate = (
        f"{told['packets_per_second']:,.0f} packets/s, {told['bits_per_second'] / 1e6:,.2f} Mbit/s"
    )
    rows = [
        ("sent", sent.packets, f"packets, {sent.octets:,} octets in {sent.seconds:.3f} s, {rate}"),
        ("failed", sent.failed, "packets that the port could not send" + _reasons(sent)),
        ("refused", sent.refused, "packets that the port had no room for"),
        ("skipped", sent.skipped, "frames that hold nothing this port sends"),
        ("laps", sent.laps, "times everything was sent"),
    ]
    return [f"{name:<10}{value:>14,} {what}" for name, value, what in rows]


def _reasons(sent: Sent) -> str:
    """Which counts of the port are not of what went well."""
    found = [
        f"{name.replace('_', ' ')} {value:,}"
        for name, value in sent.port.items()
        if value and not name.startswith(("tx_", "rx_"))
    ]
    return f": {', '.join(found)}" if sent.failed and found else ""
