"""What control sees of triggers: the first packet of a key, and the names of the counters."""

from __future__ import annotations

from typing import NamedTuple

COUNTERS = (
    "admitted",
    "buffered",
    "discarded",
    "missed",
    "admitted_unbuffered",
    "flushed",
    "dropped",
)
"""Counter names by number; the first four are the outcomes of an offered packet."""
OUTCOMES = COUNTERS[:4]
"""Names of what `TriggerTable.offer_packet` returns."""


class TriggerRecord(NamedTuple):
    """First packet of a key: somebody wants to be connected."""

    key: int
    """Names the entry in orders; never reused for another destination."""
    table: int
    glean: int
    """Adjacency of the dial-out route it hit."""
    destination: str
    source: str
    protocol: int
    source_port: int
    """0 if the protocol has no ports or this fragment does not hold them."""
    destination_port: int
    ts: int
    """Arrival, nanoseconds of the engine's clock."""
