"""Answers as text: lists as tables in brief and as blocks in detail, everything else as it reads
best. Takes what JSON says and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from control.show.columns import COLUMNS
from control.show.text import Column, clock, count, duration, listing, number, table, word

Result = Any
_DURATIONS: Final = frozenset(
    {
        *("age", "timer", "waiting", "ended", "locked_out", "uptime"),
        *("connecting_timer", "dormant_timer", "latency_sum"),
        *("seconds", "radius_seconds"),
    }
)
"""Fields whose values are seconds."""


_TIMES: Final = frozenset(("placed", "answered", "closed"))
"""Those that are times of day."""


def lines(request: str, result: Result, *, detail: bool) -> list[str]:
    """The answer to a request of the table of commands."""
    view = request.removeprefix("show ")
    if view in COLUMNS and isinstance(result, list):
        return _blocks(view, result) if detail else _list(view, result)
    return _VIEWS.get(view, _changed)(result, detail)


def _list(view: str, rows: Sequence[Any]) -> list[str]:
    return table(COLUMNS[view], rows) if rows else [f"no {view.replace('-', ' ')}"]


def _blocks(view: str, rows: Sequence[Any]) -> list[str]:
    found: list[str] = []
    for row in rows:
        found += [*([""] if found else []), *_fields(row)]
    return found or [f"no {view.replace('-', ' ')}"]


def _fields(row: Mapping[str, Any], indent: str = "") -> list[str]:
    """Every field; what is inside one is indented."""
    plain, inside = [], []
    for name, value in row.items():
        title = name.replace("_", " ")
        if isinstance(value, dict) and value:
            inside.append((title, value))
        else:
            plain.append((title, _value(name, value)))
    found = listing(plain, indent)
    for title, value in inside:
        found += [f"{indent}{title}", *_fields(value, indent + "  ")]
    return found


def _value(name: str, value: Any) -> str:
    if name in _TIMES:
        return clock(value)
    if name in _DURATIONS:
        return duration(value)
    if isinstance(value, list):
        return ", ".join(word(item) for item in value) or word(None)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 10000:
        return count(value) if name not in _IDS else str(value)
    return word(None if value == {} else value)


_IDS: Final = frozenset(
    {
        *("tunnel", "peer_tunnel", "call_session", "peer_session", "nh", "number", "port"),
        *("source_port", "destination_port", "table"),
    }
)
"""Fields that are names, not amounts."""


def _chassis(one: Result, detail: bool) -> list[str]:
    if detail:
        return _fields(one)
    gauges = [
        (
            what.replace("_", " "),
            f"{count(one[what])} of {count(one['max_' + what])}, at most "
            f"{count(one[what + '_seen'])} at once",
        )
        for what in ("sessions", "connecting", "pending")
    ]
    states = [
        (what.replace("_", " "), ", ".join(f"{n:,} {name}" for name, n in of.items() if n) or "-")
        for what in ("session_states", "virtual_router_states", "target_states")
        for of in (one[what],)
    ]
    budget = one["budget"]
    used = f"{count(budget['calls_today'])} calls, {budget['minutes_today']:.0f} minutes today"
    used += ", frozen" if budget["frozen"] else ""
    used += "" if budget["saved"] else ", not kept over a restart"
    attempts = sum(one["latency"].values())
    latency = f"{one['latency_sum'] / attempts:.3f} s mean of {attempts:,}" if attempts else "-"
    return listing(
        [
            ("state", word(one["state"])),
            *gauges,
            *states,
            ("inhibited targets", count(one["inhibited_targets"])),
            ("locked out LACs", count(one["locked_out_lacs"])),
            ("budget", used),
            ("trigger to service", latency),
            ("connecting timer", duration(one["connecting_timer"])),
            ("dormant timer", duration(one["dormant_timer"])),
        ]
    )


def _counters(one: Result, detail: bool) -> list[str]:
    """In brief without what is 0."""
    found = [f"after {duration(one['time'])}"]
    for title, group in _groups(one):
        rows = [(name, count(n)) for name, n in group.items() if n or detail]
        if rows:
            width = max(len(value) for _, value in rows)
            found += ["", title, *listing([(n, f"{v:>{width}}") for n, v in rows], "  ")]
    return found


def _groups(one: Mapping[str, Any]) -> list[tuple[str, Mapping[str, int]]]:
    found: list[tuple[str, Mapping[str, int]]] = []
    for name, group in one.items():
        title = name.replace("_", " ")
        if name in ("radius", "accounting"):
            found += [(f"{title} {whose}", counts) for whose, counts in group.items()]
        elif isinstance(group, dict):
            found.append((title, group))
    return found


def rates(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What was counted between two looks, and how much that is a second."""
    seconds = max(now["time"] - before["time"], 1e-9)
    old = {(t, n): value for t, group in _groups(before) for n, value in group.items()}
    rows = []
    for title, group in _groups(now):
        for name, value in group.items():
            gone = value - old.get((title, name), 0)
            if gone:
                rate = f"{gone / seconds:,.1f}"
                rows.append({"what": f"{title} {name}", "n": gone, "rate": rate, "all": value})
    columns = (
        Column("COUNTER", "what"),
        number("CHANGE", "n"),
        Column("A SECOND", "rate", right=True),
        number("TOTAL", "all"),
    )
    head = f"after {duration(now['time'])}, {seconds:.1f} s since the look before"
    return [head, *(table(columns, rows) if rows else ["nothing was counted"])]


def _health(one: Result, detail: bool) -> list[str]:
    head = f"{one['status']}, up for {duration(one['uptime'])}"
    columns = (Column("SEVERITY", "severity"), Column("NAME", "name"), Column("FINDING", "text"))
    return [head, *(["", *table(columns, one["findings"])] if one["findings"] else [])]


def _explanation(one: Result, detail: bool) -> list[str]:
    found = [f"{one['verdict']}: {word(one['text'])}", ""]
    route, session = one["route"], one["session"]
    rows = [("destination", f"{one['destination']} in virtual router {one['virtual_router']}")]
    if route is not None:
        rows.append(("route", f"{route['prefix']}, {route['kind']}, of {route['owner']}"))
    if one["target"]:
        rows.append(("target", one["target"]))
    if session is not None:
        text = f"{session['state']} for {duration(session['age'])}"
        text += f", timer {duration(session['timer'])}" if session["timer"] is not None else ""
        text += f", LAC {session['lac']}" if session["lac"] else ""
        rows.append(("session", text))
    if one["mtu"] is not None:
        rows.append(("MTU", f"{one['mtu']} octets"))
    found += listing(rows)
    if one["headers"]:
        heads = (Column("HEADER", "layer"), number("OCTETS", "octets"), Column("", "text"))
        found += ["", *table(heads, one["headers"])]
    if one["guards"]:
        columns = (
            Column("A CALL DEPENDS ON", "what"),
            Column("PASSES", "passes", lambda passes: "yes" if passes else "NO"),
            Column("", "text"),
        )
        found += ["", *table(columns, one["guards"])]
    return found


def _trace(one: Result, detail: bool) -> list[str]:
    found: list[str] = []
    for number_of, packet in enumerate(one["packets"], 1):
        head = f"packet {number_of} at {packet['time']:.6f} s, port {word(packet['port'])}"
        found += [f"{head}, {packet['octets']} octets", *(f"  {word(s)}" for s in packet["steps"])]
        found.append("")
    columns = (
        number("PACKETS", "packets"),
        Column("FROM", "port"),
        Column("ROUTE", "route"),
        Column("LEADS TO", "kind"),
        Column("VERDICT", "verdict"),
        Column("REASON", "reason", lambda reason: "" if reason == "none" else word(reason)),
    )
    return [*found, *(table(columns, one["paths"]) if one["paths"] else ["no packet came by"])]


def _reload(one: Result, detail: bool) -> list[str]:
    number_of = len(one["lines"])
    told = f"{number_of} difference" + ("" if number_of == 1 else "s")
    told += ": loaded" if one["applied"] else ": not loaded, this was a dry run"
    return [*map(word, one["lines"]), told]


def _changed(one: Result, detail: bool) -> list[str]:
    return [word(one["text"])]


def _hello(one: Result, detail: bool) -> list[str]:
    return _fields(one)


_VIEWS: Final[Mapping[str, Callable[[Result, bool], list[str]]]] = {
    "chassis": _chassis,
    "counters": _counters,
    "health": _health,
    "explain": _explanation,
    "trace": _trace,
    "reload": _reload,
    "hello": _hello,
}
