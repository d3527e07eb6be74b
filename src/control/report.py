"""What a replay tells: the timeline as it happens, the summary, and the report as JSON.

No wall-clock figure is in the report: equal input makes an equal report.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from enum import Enum
from typing import TYPE_CHECKING, Any

from control.console import printable
from control.dialout import events
from control.version import __version__

if TYPE_CHECKING:
    from control.replay import Replay

PROTOCOLS = {1: "ICMP", 6: "TCP", 17: "UDP"}
STAGES = {
    "lcp": "LCP opened",
    "peer authenticated": "peer authenticated to us",
    "authenticated to peer": "we authenticated to the peer",
    "ipcp": "IPCP opened",
}


def timeline_row(event: events.Event) -> tuple[str, str]:
    """What happened and the particulars, in words."""
    match event:
        case events.TriggerReceived():
            protocol = PROTOCOLS.get(event.protocol, f"protocol {event.protocol}")
            return "trigger", f"{protocol} {event.source} -> {event.destination}, {event.target}"
        case events.SessionStateChanged():
            why = f"  ({event.why})" if event.why else ""
            return "session", f"{event.destination}: {event.old.name} -> {event.new.name}{why}"
        case events.RadiusAsked():
            return "RADIUS", f"Access-Request to {event.group}: {event.purpose}"
        case events.AnswerUnused():
            return "RADIUS", f"of no use in the answer of {event.group}: " + "; ".join(event.what)
        case events.CallPlaced():
            return "call", f"number {event.number} by LAC {event.lac}"
        case events.CallAnswered():
            ids = f"tunnel {event.tunnel} session {event.session}"
            return "call", f"answered: {ids}, {event.connect_speed} bps"
        case events.CallFailed():
            return "call failed", str(event.failure)
        case events.LinkProgress():
            return "PPP", STAGES.get(event.stage, event.stage) + _tail(event.detail)
        case events.AccessRouteInstalled():
            return "route", "access route " + ", ".join(event.prefixes) + " installed and verified"
        case events.AccessRouteRemoved():
            return "route", "access route " + ", ".join(event.prefixes) + " removed"
        case events.TriggersFlushed():
            return "triggers", f"{event.packets} buffered packets forwarded"
        case events.TriggersDropped():
            return "triggers", f"{event.packets} buffered packets dropped"
        case events.IncomingCallChanged():
            return "incoming", f"{event.destination}: {event.state}{_tail(event.why)}"
        case events.LineErrorsTold():
            return "line", f"{event.crc} CRC and {event.framing} framing errors"
        case events.TunnelUp():
            return "tunnel", f"up: {event.tunnel} <-> {event.peer_tunnel} at {event.host_name}"
        case events.TunnelDown():
            return "tunnel", f"{event.tunnel} to {event.lac} down: {event.why}"
        case events.TargetStateChanged():
            return "target", f"{event.target}: {event.state}{_tail(event.why)}"
        case _:
            return _of_the_router(event)


def _of_the_router(event: events.RouterFact) -> tuple[str, str]:
    """What concerns more than one call."""
    match event:
        case events.VirtualRouterStateChanged():
            return "router", f"{event.virtual_router}: {event.old} -> {event.new}{_tail(event.why)}"
        case events.ChassisStateChanged():
            return "chassis", f"{event.old} -> {event.new}{_tail(event.why)}"
        case events.PendingQueueChanged():
            what = "full, targets are inhibited" if event.full else "has room again"
            return "queue", f"{what}: {event.pending} pending"
        case events.FreezeChanged():
            return "freeze", f"{event.scope}: calls are {'stopped' if event.on else 'allowed'}"
        case events.LacStateChanged():
            return "LAC", f"{event.lac}: {event.state}{_tail(event.why)}"
        case events.BudgetAlarm():
            used = f"{event.used} of {event.limit} {event.what} of the day"
            return "budget", f"{event.scope}: {event.share} %, {used}"
        case events.SettingWarned():
            return "WARNING", event.text
        case events.KernelTold():
            return "kernel", event.text
        case events.AuthorizationAsked():
            return "RADIUS", f"{event.group} asks to {event.what} a call: {event.result}"
        case events.BudgetStoreChanged():
            what = "is written again" if event.works else "cannot be written, no call is placed"
            return "budget", f"the store {what}{_tail(event.why)}"


def _tail(text: str) -> str:
    return f": {text}" if text else ""


def timeline_line(event: events.Event) -> str:
    what, particulars = timeline_row(event)
    return f"{event.time:10.3f}  {what:<12}{printable(particulars)}"


def plain(value: Any) -> Any:
    """A value of dataclasses and enums as JSON takes it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, float):
        return round(value, 9)
    if isinstance(value, bytes):
        return value.hex()
    return value


def counters(replay: Replay) -> dict[str, Any]:
    """Verdicts, drop reasons that occurred, and the engine's other counters."""
    record = replay.engine.counters()
    reasons = {n: int(record["reason"][n]) for n in record.dtype["reason"].names}
    return {
        "verdicts": {n: int(record["verdict"][n]) for n in record.dtype["verdict"].names},
        "drop_reasons": {n: c for n, c in reasons.items() if c},
        "counters": {n: int(record[n]) for n in record.dtype.names[2:]},
    }


def report(replay: Replay, timeline: list[events.Event]) -> dict[str, Any]:
    """Everything a replay came to."""
    outcome = replay.outcome
    counts = counters(replay)
    return {
        "dialout": __version__,
        "seed": replay.seed,
        "started_at": replay.started_at.isoformat(),
        "packets": outcome.packets,
        "octets": outcome.octets,
        "limited": outcome.limited,
        "interrupted": outcome.interrupted,
        "virtual_seconds": round(outcome.seconds, 9),
        "errors": [
            {"file": os.path.basename(e.path), "offset": e.offset, "reason": e.reason}
            for e in outcome.errors
        ],
        "accounted_for": sum(counts["verdicts"].values()) == counts["counters"]["received"],
        **counts,
        **plain(outcome.show),
        "timeline": [{"event": type(e).__name__, **plain(e)} for e in timeline],
        "simulated": plain(replay.network.report()),
    }


def summary(data: dict[str, Any]) -> Iterator[str]:
    """The table at the end, line by line."""
    counts = data["counters"]
    yield f"{'packets read':<28}{data['packets']:>12,}"
    yield f"{'virtual time':<28}{data['virtual_seconds']:>12.3f} s"
    for name, value in data["verdicts"].items():
        yield f"  {name:<26}{value:>12,}"
    for name, value in data["drop_reasons"].items():
        yield f"    {name:<24}{value:>12,}"
    yield f"{'encapsulated':<28}{counts['encapsulated']:>12,}"
    yield f"{'decapsulated':<28}{counts['decapsulated']:>12,}"
    yield f"{'buffered triggers sent':<28}{counts['triggers_flushed']:>12,}"
    if not data["accounted_for"]:
        yield "received packets and verdicts do not add up: this is a defect, please report it"
