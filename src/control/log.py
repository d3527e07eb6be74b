"""The log of a running router: one line for every fact of the timeline, as text or as JSON.

Bounded whatever happens: a class of lines has its share of each second, and all of them together
have theirs; what is left out is counted and told (threat T31). Secrets are in no fact. Numbers and
names of users can be replaced by keyed hashes, so that a log may be handed on (threat T32).
"""

from __future__ import annotations

import dataclasses
import hmac
import json
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, Final

from control.console import printable
from control.dialout import events
from control.report import plain, timeline_row

LINES_A_SECOND: Final = 80
"""All lines together, those about lines left out not counted."""
CLASS_LINES_A_SECOND: Final = 20
"""Lines of one class."""
LONGEST: Final = 2000
"""Characters of a line of text; what peers say in messages is bounded by their protocols."""
_HASH_DIGITS: Final = 12


class Level(IntEnum):
    """As syslog has them (RFC 5424 6.2.1)."""

    ERROR = 3
    WARNING = 4
    NOTICE = 5
    INFO = 6
    DEBUG = 7


LEVELS: Final[Mapping[type, Level]] = {
    events.TriggerReceived: Level.INFO,
    events.SessionStateChanged: Level.INFO,
    events.RadiusAsked: Level.DEBUG,
    events.CallFailed: Level.WARNING,
    events.LinkProgress: Level.DEBUG,
    events.TriggersFlushed: Level.DEBUG,
    events.TriggersDropped: Level.DEBUG,
    events.TunnelDown: Level.NOTICE,
    events.TunnelUp: Level.NOTICE,
    events.TargetStateChanged: Level.NOTICE,
    events.VirtualRouterStateChanged: Level.NOTICE,
    events.ChassisStateChanged: Level.NOTICE,
    events.PendingQueueChanged: Level.WARNING,
    events.FreezeChanged: Level.NOTICE,
    events.LacStateChanged: Level.NOTICE,
    events.BudgetAlarm: Level.WARNING,
    events.BudgetStoreChanged: Level.ERROR,
    events.SettingWarned: Level.WARNING,
    events.AuthorizationAsked: Level.NOTICE,
    events.KernelTold: Level.WARNING,
}
"""What is not here is INFO."""
_PRIVATE: Final = frozenset({"number", "called_number", "calling_number", "user", "username"})
_NAMES_A_USER: Final = "peer authenticated"

Structured = Callable[[Level, str, str, Mapping[str, Any]], None]


class Log:
    """`write` takes a line without its end; `wall` tells seconds since 1970 UTC. Lines are limited
    by the time that facts carry, so that a clock that jumps changes nothing."""

    def __init__(
        self,
        write: Callable[[str], None],
        wall: Callable[[], float],
        *,
        as_json: bool = False,
        structured: Structured | None = None,
        level: Level = Level.INFO,
        private_key: bytes | None = None,
        lines_a_second: int = LINES_A_SECOND,
        class_lines_a_second: int = CLASS_LINES_A_SECOND,
    ) -> None:
        """`structured`: takes level, class, text and fields instead of lines; `private_key`: hash
        numbers and names of users with it."""
        self._structured = structured
        self._write = write
        self._wall = wall
        self._json = as_json
        self._level = level
        self._key = private_key
        self._most = lines_a_second
        self._most_of_class = class_lines_a_second
        self._window = float("-inf")
        self._lines: Counter[str] = Counter()
        self._suppressed: Counter[str] = Counter()
        self.suppressed = 0
        """Lines left out so far."""

    def event(self, event: Any, now: float) -> None:
        """A fact of the timeline."""
        level = LEVELS.get(type(event), Level.INFO)
        if level > self._level or not self._admit(type(event).__name__, now):
            return
        if self._key is not None:
            event = self._without_names(event, self._key)
        what, particulars = timeline_row(event)
        self._line(level, type(event).__name__, what, particulars, plain(event))

    def note(self, level: Level, what: str, text: str, now: float, **fields: Any) -> None:
        """Something that is no fact of a session: `what` is its class. No secrets, please."""
        if level <= self._level and self._admit(what, now):
            self._line(level, what, what, text, fields)

    def close(self) -> None:
        """Tells what was left out in the last second."""
        self._tell_suppressed()

    def _admit(self, kind: str, now: float) -> bool:
        if not self._window <= now < self._window + 1:
            self._tell_suppressed()
            self._window = now
            self._lines.clear()
        if self._lines[kind] >= self._most_of_class or self._lines.total() >= self._most:
            self._suppressed[kind] += 1
            self.suppressed += 1
            return False
        self._lines[kind] += 1
        return True

    def _tell_suppressed(self) -> None:
        if self._suppressed:
            parts = (f"{count} {kind}" for kind, count in sorted(self._suppressed.items()))
            text = "lines left out: " + ", ".join(parts)
            self._line(Level.WARNING, "suppressed", "log", text, {"lines": dict(self._suppressed)})
            self._suppressed.clear()

    def _line(
        self, level: Level, event: str, what: str, particulars: str, fields: Mapping[str, Any]
    ) -> None:
        if self._structured is not None:
            self._structured(level, event, f"{what}: {printable(particulars)}", fields)
            return
        stamp = datetime.fromtimestamp(self._wall(), UTC).isoformat(timespec="milliseconds")
        name = level.name.lower()
        if self._json:
            # `time` of a fact is the router's own clock; the stamp is the world's.
            told = {
                "timestamp": stamp,
                "level": name,
                "event": event,
                "text": particulars,
                **fields,
            }
            self._write(json.dumps(told))
        else:
            self._write(f"{stamp} {name:<7} {what:<11} {printable(particulars)}"[:LONGEST])

    def _without_names(self, event: Any, key: bytes) -> Any:
        hashed = {name: _hashed(getattr(event, name), key) for name in private_fields(event)}
        return dataclasses.replace(event, **hashed) if hashed else event


def private_fields(event: events.Event) -> frozenset[str]:
    """Fields of a fact that hold numbers or names of users (threat T32)."""
    if isinstance(event, events.LinkProgress) and event.stage == _NAMES_A_USER:
        return frozenset({"detail"})
    return _PRIVATE & {field.name for field in dataclasses.fields(event)}


def _hashed(text: str, key: bytes) -> str:
    if not text:
        return text
    return "#" + hmac.digest(key, text.encode(), "sha256").hex()[:_HASH_DIGITS]
