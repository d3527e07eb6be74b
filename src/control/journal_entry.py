"""Lines of the log for the systemd journal, in its own form, with fields to search by.

https://systemd.io/JOURNAL_NATIVE_PROTOCOL/: one datagram a line, a field `NAME=value` or, if the
value has more than one line, NAME, its length in 64 bits little-endian, and the value. Fields are
bounded, so that a datagram always fits. Sending it is runtime/journal.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

IDENTIFIER: Final = "dialout"
LONGEST: Final = 2000
"""Octets of a value."""

NAMES: Final[Mapping[str, str]] = {
    "virtual_router": "DIALOUT_VIRTUAL_ROUTER",
    "target": "DIALOUT_TARGET",
    "destination": "DIALOUT_DESTINATION",
    "lac": "DIALOUT_LAC",
    "tunnel": "DIALOUT_TUNNEL",
    "session": "DIALOUT_SESSION",
    "old": "DIALOUT_OLD_STATE",
    "new": "DIALOUT_NEW_STATE",
    "state": "DIALOUT_STATE",
    "why": "DIALOUT_REASON",
    "group": "DIALOUT_RADIUS_GROUP",
    "purpose": "DIALOUT_PURPOSE",
    "stage": "DIALOUT_STAGE",
    "scope": "DIALOUT_SCOPE",
    "packets": "DIALOUT_PACKETS",
}
"""Fields of facts that become fields of the journal. What is not here is in the message alone; a
number dialed and the name of a user are not (threat T32)."""


def entry(priority: int, message: str, event: str, fields: Mapping[str, Any]) -> bytes:
    """One line as a datagram. `event` is the class of the line."""
    told: list[tuple[str, str]] = [
        ("PRIORITY", str(priority)),
        ("SYSLOG_IDENTIFIER", IDENTIFIER),
        ("DIALOUT_EVENT", event),
        ("MESSAGE", message),
    ]
    for name, value in fields.items():
        known = NAMES.get(name)
        if known is not None and value not in (None, ""):
            told.append((known, str(value)))
    return b"".join(_field(name, value) for name, value in told)


def _field(name: str, value: str) -> bytes:
    octets = value.encode(errors="replace")[:LONGEST]
    if b"\n" in octets:
        return name.encode() + b"\n" + len(octets).to_bytes(8, "little") + octets + b"\n"
    return name.encode() + b"=" + octets + b"\n"
