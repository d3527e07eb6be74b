"""Call records: why each call was made, what became of it, and what it cost (threats T11, T32).

One for every call asked of a LAC. The newest are kept in memory; a store keeps them all.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from control.dialout.failure import LastFailure

KEPT: Final = 4096
"""Ended calls kept in memory."""
_HASHED: Final = 12
"""Hexadecimal digits of a hashed number."""


@dataclass(slots=True)
class CallRecord:
    """Times are seconds since 1970 UTC, for people; durations are of the steady clock."""

    virtual_router: str
    target: str
    destination: str
    source: str
    """Who wanted to reach the destination: the trigger's addresses, protocol and ports."""
    protocol: int
    source_port: int
    destination_port: int
    radius_group: str
    radius_result: str
    radius_seconds: float
    """Until RADIUS had answered whom to call."""
    lac: str
    called_number: str
    placed: float
    answered: float | None = None
    ended: float | None = None
    seconds: float = 0.0
    """What it cost: connected time."""
    result: str = ""
    """Why it ended: the stage, and what was said."""
    result_code: int = 0
    """RFC 2661 Result and Error Code of the CDN or StopCCN, Q.931 cause, RFC 3145 cause."""
    error_code: int = 0
    q931_cause: int | None = None
    disconnect_cause: int | None = None
    answered_at: float = 0.0
    """Steady clock; not for people."""

    def connected(self, wall: float, now: float) -> None:
        self.answered, self.answered_at = wall, now

    def end(self, why: str, failure: LastFailure | None, wall: float, now: float) -> None:
        self.ended = wall
        if self.answered is not None:
            self.seconds = max(now - self.answered_at, 0.0)
        self.result = why
        if failure is not None:
            self.result_code, self.error_code = failure.result, failure.error
            self.q931_cause = failure.q931_cause
            self.disconnect_cause = failure.disconnect_cause

    def as_dict(self, private_key: bytes | None = None) -> dict[str, Any]:
        """For JSON; with a key the number is replaced by a keyed hash."""
        shown = (
            self
            if private_key is None
            else replace(self, called_number=hashed(self.called_number, private_key))
        )
        row = asdict(shown)
        del row["answered_at"]
        return row


def hashed(text: str, key: bytes) -> str:
    """Equal numbers stay equal, and nobody without the key learns which."""
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:_HASHED]


class CallRecords:
    """Those that have ended, newest last."""

    def __init__(self) -> None:
        self._ended: deque[CallRecord] = deque(maxlen=KEPT)

    def __len__(self) -> int:
        return len(self._ended)

    def __iter__(self) -> Iterator[CallRecord]:
        return iter(self._ended)

    def add(self, record: CallRecord) -> None:
        self._ended.append(record)
