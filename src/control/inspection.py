"""Looking on at the packets of a running engine: a capture as pcapng, and traces of single packets.

One capture and one trace at a time. What is looked at is copied by the workers and taken from them
here, on control's thread, a bounded part a turn; what nobody takes in time is missed and counted.
"""

from __future__ import annotations

import fcntl
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from control.capture_filter import compile_filter
from control.errors import ResourceError
from fastpath.ports.pcapng_writer import PcapngWriter
from fastpath.sampler import Sample
from fastpath.tap import Tap, drain, new_samplers, new_taps, sample_workers, tap_workers
from fastpath.trace import trace

PIPE: Final = 1 << 20
"""Octets of pcapng that are made before they are read."""
PART: Final = 1 << 18
"""Octets of packets that are taken in one turn; with headers and comments they fit into PIPE."""
MOST: Final = 2048
"""Packets taken in one turn."""
EXPLAINED: Final = 64
"""Samples explained in one turn."""


@dataclass(frozen=True, slots=True)
class Part:
    """What a capture has since the last look."""

    octets: bytes
    """Whole blocks."""
    packets: int


class Capture:
    """Packets of all workers as a pcapng section. Port p of the engine is interface 2 p for IP
    packets, 2 p + 1 for Ethernet frames."""

    def __init__(
        self,
        engine: Any,
        names: Sequence[str],
        *,
        expression: str = "",
        snaplen: int = 65535,
        ports: Sequence[int] | None = None,
        epoch_ns: int = 0,
        ended: Callable[[], object] = lambda: None,
    ) -> None:
        """`names`: of the ports, by index; `epoch_ns`: nanoseconds from 1970 to the engine's
        time 0. Raises ConfigurationError for a filter that is none, ResourceError."""
        filters = None
        if expression:
            filters = compile_filter(expression, "ethernet"), compile_filter(expression, "raw")
        self._engine = engine
        self._ended = ended
        self._taps: list[Tap] = new_taps(engine, filters=filters, ports=ports, snaplen=snaplen)
        self._read, into = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            fcntl.fcntl(into, fcntl.F_SETPIPE_SZ, PIPE)
            interfaces = [(name, link) for name in names for link in ("raw", "ethernet")]
            self._writer = PcapngWriter(f"/proc/self/fd/{into}", interfaces, base_ns=epoch_ns)
            self._writer.flush()
        except OSError as error:
            os.close(self._read)
            raise ResourceError(f"capture: {error.strerror}") from None
        finally:
            os.close(into)
        self.header = self._made()
        """Section and interfaces: what every file of the capture begins with."""
        tap_workers(engine, self._taps)

    def take(self, most: int = MOST) -> Part:
        """Up to `most` packets that passed since."""
        done = drain(self._taps, self._writer, min(most, MOST), PART)
        if not done:
            return Part(b"", 0)
        self._writer.flush()
        return Part(self._made(), done)

    def counts(self) -> dict[str, int]:
        """Packets seen, taken by the filter, and missed, of all workers."""
        total: Counter[str] = Counter()
        for tap in self._taps:
            total.update(tap.counts())
        return dict(total)

    def close(self) -> None:
        """Nothing is copied any more."""
        if self._read >= 0:
            tap_workers(self._engine, None)
            self._writer.close()
            os.close(self._read)
            self._read = -1
            self._ended()

    def _made(self) -> bytes:
        found: list[bytes] = []
        while True:
            try:
                part = os.read(self._read, PIPE)
            except BlockingIOError:
                return b"".join(found)
            if not part:
                return b"".join(found)
            found.append(part)


class Tracing:
    """The first packets that come by, from its making on."""

    def __init__(
        self,
        engine: Any,
        count: int,
        *,
        expression: str = "",
        ended: Callable[[], object] = lambda: None,
    ) -> None:
        """Raises ConfigurationError for a filter that is none."""
        filters = None
        if expression:
            filters = compile_filter(expression, "ethernet"), compile_filter(expression, "raw")
        self._engine = engine
        self._count = count
        self._ended = ended
        self._samplers = new_samplers(engine, count, filters=filters)
        sample_workers(engine, self._samplers)

    @property
    def full(self) -> bool:
        return bool(sum(sampler.used for sampler in self._samplers) >= self._count)

    def close(self) -> list[Sample]:
        """Ends it. The packets in the order in which they came."""
        sample_workers(self._engine, None)
        self._ended()
        found = [sample for sampler in self._samplers for sample in sampler.samples()]
        return sorted(found, key=lambda sample: sample.ts)[: self._count]


def explain(engine: Any, sample: Sample, ports: Sequence[str]) -> dict[str, Any]:
    """One packet: what became of it, and the steps that lead there by the tables as they are
    now."""
    happened = sample.verdict
    if happened == "DROP":
        happened = f"DROP {sample.reason}"
    found: dict[str, Any] = {
        "time": sample.ts / 1e9,
        "port": ports[sample.port] if sample.port < len(ports) else str(sample.port),
        "link": sample.link,
        "octets": sample.wire_len,
        "verdict": sample.verdict,
        "reason": sample.reason,
        "nh": sample.nh,
        "frame": sample.frame.hex(),
    }
    if len(sample.frame) < sample.wire_len:
        found |= {"route": None, "kind": "", "steps": ["too long to be kept whole", happened]}
        return found
    told = trace(engine, sample.port, sample.frame, sample.link, sample.ts)
    steps = [*told.lines[:-1], happened]
    if told.verdict != sample.verdict or told.reason != sample.reason:
        steps.append(f"now it would be {told.lines[-1]}: the tables have changed since")
    found |= {"route": told.prefix, "kind": told.kind, "steps": steps}
    return found


def paths(packets: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Packets that went the same way, counted, the most frequent way first."""
    keys = ("port", "route", "kind", "verdict", "reason")
    ways = Counter(tuple(packet[key] for key in keys) for packet in packets)
    return [
        {**dict(zip(keys, way, strict=True)), "packets": count} for way, count in ways.most_common()
    ]
