"""The one table of metrics, and the page that a scrape gets.

docs/metrics.md is made from it.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable
from typing import Final

from control.metrics import chassis, forwarding, signalling
from control.metrics.chassis import counter, gauge
from control.metrics.exposition import Kind, Metric, Sample, exposition
from control.metrics.facts import Facts, ProcessFacts
from control.version import __version__


def _process(value: Callable[[ProcessFacts], float | None]) -> Callable[[Facts], Iterable[Sample]]:
    def read(facts: Facts) -> Iterable[Sample]:
        found = None if facts.process is None else value(facts.process)
        return () if found is None else (((), found),)

    return read


_BUILD: Final = (__version__, platform.python_version())

# The names that every Prometheus client library uses for its process.
_PROCESS: Final[tuple[Metric[Facts], ...]] = (
    Metric("dialout_build_info", Kind.GAUGE, "1; which program runs.", ("version", "python"),
           lambda facts: ((_BUILD, 1),)),
    gauge("dialout_loop_delay_seconds", "How late the control plane's thread was at its latest "
          "regular look.", lambda facts: facts.loop_delay),
    counter("dialout_log_lines_suppressed_total", "Lines of the log left out: too many a second.",
            lambda facts: facts.log.suppressed),
    counter("dialout_log_lines_lost_total", "Lines of the log that found no reader or no disk.",
            lambda facts: facts.log.lost),
    Metric("process_cpu_seconds_total", Kind.COUNTER, "User and system CPU time of all threads.",
           (), _process(lambda p: p.cpu_seconds)),
    Metric("process_start_time_seconds", Kind.GAUGE, "When the process started, since 1970 UTC.",
           (), _process(lambda p: p.started)),
    Metric("process_resident_memory_bytes", Kind.GAUGE, "Memory that is there.", (),
           _process(lambda p: p.resident)),
    Metric("process_virtual_memory_bytes", Kind.GAUGE, "Memory that is mapped.", (),
           _process(lambda p: p.virtual)),
    Metric("process_open_fds", Kind.GAUGE, "Open file descriptors.", (),
           _process(lambda p: p.descriptors)),
    Metric("process_max_fds", Kind.GAUGE, "Most file descriptors that may be open.", (),
           _process(lambda p: p.most_descriptors)),
)  # fmt: skip

METRICS: Final[tuple[Metric[Facts], ...]] = (
    *chassis.METRICS,
    *signalling.METRICS,
    *forwarding.METRICS,
    *_PROCESS,
)


def page(facts: Facts) -> bytes:
    """What GET /metrics answers."""
    return exposition(METRICS, facts).encode()
