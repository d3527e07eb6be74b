"""One row of `show records`: a call that has ended."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RecordView:
    """A call that has ended. Times are seconds since 1970 UTC."""

    virtual_router: str
    target: str
    destination: str
    source: str
    """Who wanted to reach the destination: of the packet that placed the call, as the three
    below."""
    protocol: int
    source_port: int
    destination_port: int
    radius_group: str
    radius_result: str
    """What RADIUS said to it."""
    radius_seconds: float
    """Until it had said that."""
    lac: str
    number: str | None
    """Dialed; null for who may only read."""
    placed: float
    answered: float | None
    closed: float
    seconds: float
    """What it cost: connected time."""
    result: str
    """Why it ended: the stage, and what was said."""
    result_code: int
    """RFC 2661 Result and Error Code of the peer, Q.931 cause, RFC 3145 cause."""
    error_code: int
    q931_cause: int | None
    disconnect_cause: int | None
