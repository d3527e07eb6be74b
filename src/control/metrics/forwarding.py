"""Metrics of the data plane: verdicts, drop reasons, its other counters, ports and workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from control.metrics.exposition import Kind, Metric, Sample
from control.metrics.facts import Facts
from fastpath.counters import COUNTERS
from fastpath.verdict import REASONS, VERDICTS
from fastpath.worker_state import WorkerState

COUNTED: Final = {
    "received": ("packets", "Packets taken from ports; the sum of all verdicts."),
    "received_octets": ("bytes", "Octets of packets taken from ports, as long as on the wire."),
    "sent": ("packets", "Packets handed to ports, fragments and answers included."),
    "sent_octets": ("bytes", "Octets of packets handed to ports."),
    "send_refused": ("packets", "Packets that a port did not take."),
    "decapsulated": ("packets", "Data messages whose inner packet was classified."),
    "encapsulated": ("packets", "Data messages built."),
    "fragments": ("", "Fragments made of packets that did not fit."),
    "triggers_admitted": ("", "Trigger packets that were the first of their key."),
    "triggers_buffered": ("", "Trigger packets kept behind the first."),
    "triggers_discarded": ("", "Trigger packets that control or the buffer's limits refuse."),
    "triggers_missed": ("", "Trigger packets for which there was no room."),
    "triggers_flushed": ("", "Buffered packets sent once the call was up."),
    "triggers_dropped": ("", "Buffered packets given up."),
    "icmp_sent": ("", "ICMP errors and echo replies sent."),
    "icmp_limited": ("", "ICMP errors and echo replies over the rate, not sent."),
    "icmp_unroutable": ("", "ICMP errors and echo replies with no way back, not sent."),
    "injected": ("", "Frames sent for the control plane."),
    "punted": ("", "Packets handed to the control plane."),
}
"""Every counter of the engine: its unit where its name says none, and what it counts."""


def counter_name(field: str) -> str:
    """`received_octets` is `dialout_dataplane_received_bytes_total`."""
    unit = COUNTED[field][0]
    stem = field.removesuffix("_octets")
    return "_".join(part for part in ("dialout_dataplane", stem, unit, "total") if part)


def _engine(field: str) -> Callable[[Facts], Iterator[Sample]]:
    return lambda facts: iter((((), int(facts.engine.counters()[field])),))


def _verdicts(facts: Facts) -> Iterator[Sample]:
    row = facts.engine.counters()["verdict"]
    return (((name,), int(row[name])) for name in VERDICTS)


def _reasons(facts: Facts) -> Iterator[Sample]:
    row = facts.engine.counters()["reason"]
    return (((name,), int(row[name])) for name in REASONS[1:])


def _ports(field: str) -> Callable[[Facts], Iterator[Sample]]:
    return lambda facts: (
        ((port.name, port.side), facts.engine.port_counters(port.index)[field])
        for port in facts.ports
    )


def _backend(facts: Facts) -> Iterator[Sample]:
    for port in facts.ports:
        for name, count in port.backend.items():
            yield (port.name, name), count


def _workers(value: Callable[[WorkerState], float]) -> Callable[[Facts], Iterator[Sample]]:
    return lambda facts: (
        ((str(worker.worker),), value(worker)) for worker in facts.engine.workers()
    )


def _buffered(field: str) -> Callable[[Facts], Iterator[Sample]]:
    return lambda facts: iter((((), facts.engine.triggers.counters()[field]),))


PORT: Final = ("port", "side")

METRICS: Final[tuple[Metric[Facts], ...]] = (
    Metric("dialout_packets_total", Kind.COUNTER, "Packets received, by verdict.", ("verdict",),
           _verdicts),
    Metric("dialout_packets_dropped_total", Kind.COUNTER, "Packets with verdict DROP, by reason.",
           ("reason",), _reasons),
    *(Metric(counter_name(field), Kind.COUNTER, COUNTED[field][1], (), _engine(field))
      for field in COUNTERS),
    Metric("dialout_triggers_buffered", Kind.GAUGE, "Trigger packets in buffers now.", (),
           _buffered("enqueued")),
    Metric("dialout_triggers_buffered_bytes", Kind.GAUGE, "Octets of trigger packets in buffers.",
           (), _buffered("octets")),
    Metric("dialout_port_up", Kind.GAUGE, "0 while the port's interface is down or gone.", PORT,
           lambda f: (((p.name, p.side), p.up) for p in f.ports)),
    Metric("dialout_port_receive_packets_total", Kind.COUNTER, "Packets received by a port.", PORT,
           _ports("rx_packets")),
    Metric("dialout_port_receive_bytes_total", Kind.COUNTER, "Octets received by a port.", PORT,
           _ports("rx_octets")),
    Metric("dialout_port_transmit_packets_total", Kind.COUNTER, "Packets sent by a port.", PORT,
           _ports("tx_packets")),
    Metric("dialout_port_transmit_bytes_total", Kind.COUNTER, "Octets sent by a port.", PORT,
           _ports("tx_octets")),
    Metric("dialout_port_transmit_refused_packets_total", Kind.COUNTER,
           "Packets that a port did not take.", PORT, _ports("tx_refused")),
    Metric("dialout_port_backend_total", Kind.COUNTER, "What the port's backend counts itself.",
           ("port", "counter"), _backend),
    Metric("dialout_worker_online", Kind.GAUGE, "1 while the worker may look at tables.",
           ("worker",), _workers(lambda w: w.online)),
    Metric("dialout_worker_bursts_total", Kind.COUNTER, "Bursts that the worker handled.",
           ("worker",), _workers(lambda w: w.bursts)),
    Metric("dialout_worker_versions_behind", Kind.GAUGE,
           "Versions of the tables that were published since the worker noted one.", ("worker",),
           _workers(lambda w: w.behind)),
    Metric("dialout_worker_stalled_seconds", Kind.GAUGE,
           "How long a stalled worker keeps memory from being used again, 0 for one that is not.",
           ("worker",), _workers(lambda w: w.stalled_ns / 1e9)),
    Metric("dialout_dataplane_retired_bytes", Kind.GAUGE,
           "Memory that waits until no worker looks at it, about.", (),
           lambda f: (((), f.engine.retired),)),
)  # fmt: skip
