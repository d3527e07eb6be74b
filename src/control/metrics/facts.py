"""What metrics and health are read from: the parts of a running router, at one moment.

Making it looks at no session: what a scrape costs does not grow with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from control.lns import Lns
from fastpath.engine import Engine


@dataclass(frozen=True, slots=True)
class PortFacts:
    """A port of the engine."""

    name: str
    side: str
    """`home` or `tunnel`."""
    index: int
    backend: Mapping[str, int] = field(default_factory=dict)
    """What the backend itself counts."""
    up: bool = True
    """False: its interface is down or gone."""


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """What the kernel says of the process; None: it does not say."""

    cpu_seconds: float
    started: float
    """Seconds since 1970 UTC."""
    resident: int | None = None
    """Octets, as the next."""
    virtual: int | None = None
    descriptors: int | None = None
    most_descriptors: int | None = None


@dataclass(frozen=True, slots=True)
class LogFacts:
    suppressed: int = 0
    """Lines left out because there were too many."""
    lost: int = 0
    """Lines that their reader was too slow for."""


@dataclass(frozen=True, slots=True)
class Facts:
    lns: Lns
    engine: Engine
    now: float
    """Seconds of the router's steady clock."""
    wall: float
    """Seconds since 1970 UTC."""
    ports: tuple[PortFacts, ...] = ()
    process: ProcessFacts | None = None
    log: LogFacts = LogFacts()
    state_kept: bool = True
    """There is a state directory."""
    loop_delay: float = 0.0
    """Seconds by which control's thread was late at the latest look."""
    entries: int = 100
    """Virtual routers, targets, LACs and RADIUS groups, each, that have metrics of their own."""
