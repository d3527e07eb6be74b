"""What a replay came to, as a page: key figures, sessions and packets over time, latency, tables.

Made of the report and the timeline, and so of nothing but the inputs: equal input makes equal
octets. Numbers dialed and names of users are left out, for a page to be handed on (threat T32).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from control.dialout.counters import LATENCY_BOUNDS, ROWS
from control.dialout.events import Event
from control.html_report.axis import duration
from control.html_report.charts import histogram, lanes, legend, stacked
from control.html_report.markup import Content, Markup, document, element, join, section, table
from control.html_report.markup import tiles as tile_row
from control.html_report.sessions import LANES, STATES, session_lanes
from control.log import private_fields
from control.report import timeline_row
from control.series import Series

LINES: Final = 400
"""Facts of the timeline that are written down; the first of them."""
CALLS: Final = 200
HIDDEN: Final = "(not shown)"

_LAYERS: Final = (
    ("forward", "encapsulated", ("FORWARD",)),
    ("deliver", "delivered", ("DELIVER",)),
    ("trigger", "triggers", ("TRIGGER",)),
    ("punt", "for control", ("PUNT_L2TP", "PUNT_PPP", "PUNT_LOCAL")),
    ("drop", "dropped", ("DROP",)),
)
"""Colour, name, and the verdicts that count."""


def replay_page(
    data: Mapping[str, Any], events: Sequence[Event], series: Series, inputs: Sequence[str]
) -> str:
    """`data`: as report.report makes it; `inputs`: names of the captures, for the heading."""
    end = _end(events, series)
    return document(
        "dialout replay",
        f"{', '.join(inputs)}, from {data['started_at']}; dialout {data['dialout']}, "
        f"seed {data['seed']}",
        *_problems(data),
        tile_row(list(_tiles(data))),
        _sessions(events, end),
        _packets(series, end),
        _latency(data["chassis"]),
        _verdicts(data),
        _calls(data),
        _counters(data),
        _timeline(events),
    )


def _end(events: Sequence[Event], series: Series) -> float:
    """When the last thing happened: the goodbyes behind it are long, and empty."""
    busy = [i for i, row in enumerate(series.rows) if any(row)]
    return max(
        [event.time for event in events] + [series.span * (i + 1) for i in busy[-1:]] + [0.0]
    )


def _problems(data: Mapping[str, Any]) -> Iterator[Markup]:
    found = [f"{e['file']}, octet {e['offset']}: {e['reason']}" for e in data["errors"]]
    if data["interrupted"]:
        found.append("The run was interrupted.")
    if not data["accounted_for"]:
        found.append("Received packets and verdicts do not add up: this is a defect.")
    if found:
        items = element("ul", *(element("li", text) for text in found))
        yield element("section", element("h2", "Problems"), items, id="problems", class_="bad")


def _tiles(data: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    counts, verdicts = data["chassis"]["counters"], data["verdicts"]
    received = max(data["counters"]["received"], 1)
    yield "packets read", f"{data['packets']:,}", f"{data['octets']:,} octets"
    yield "virtual time", duration(data["virtual_seconds"]), "first packet to the last goodbye"
    up, asked = counts["dialouts_established"], counts["dialouts_requested"]
    yield "dial-outs in service", f"{up:,}", f"of {asked:,} requested"
    seen = sum(data["chassis"]["latency"].values())
    mean = duration(data["chassis"]["latency_sum"] / seen) if seen else "none"
    yield "trigger to in service", mean, "mean"
    carried = data["counters"]["encapsulated"] + data["counters"]["decapsulated"]
    yield "through tunnels", f"{carried:,}", "data messages, both ways"
    dropped = verdicts["DROP"]
    yield "dropped", f"{dropped:,}", f"{dropped / received:.1%} of {received:,} handled"


def _sessions(events: Sequence[Event], end: float) -> Markup:
    rows, count = session_lanes(events, end)
    if not rows:
        return section("sessions", "Dial-out sessions", note="No packet was a trigger.")
    note = "A line for each session, by the destination of its trigger."
    if count > len(rows):
        note += f" The first {LANES} of {count:,}."
    used = {bar.colour for row in rows for bar in row.bars}
    names = [row for row in STATES if row[0] in used]
    return section("sessions", "Dial-out sessions", legend(names), lanes(rows, end), note=note)


def _packets(series: Series, end: float) -> Markup:
    rows = series.rows
    layers: list[tuple[str, str, Sequence[int]]] = []
    for colour, name, verdicts in _LAYERS:
        at = [series.names.index(verdict) for verdict in verdicts]
        layers.append((colour, name, [sum(row[i] for i in at) for row in rows]))
    used = [layer for layer in layers if any(layer[2])]
    drops = [layer for layer in used if layer[0] == "drop"]
    content: list[Content] = [
        legend([(colour, name) for colour, name, _ in used]),
        stacked(layers, series.span, end),
    ]
    if drops:
        content += [element("h3", "Drops alone"), stacked(drops, series.span, end, height=120)]
    note = f"Packets a second by verdict, in spans of {duration(series.span)}; both directions."
    return section("packets", "Packets over time", *content, note=note)


def _latency(chassis: Mapping[str, Any]) -> Markup:
    names = [f"≤ {duration(bound)}" for bound in LATENCY_BOUNDS] + ["more"]
    counts = list(chassis["latency"].values())
    title = "From trigger to in service"
    if not any(counts):
        return section("latency", title, note="No attempt came in service.")
    plot = histogram(list(zip(names, counts, strict=True)), "accent")
    return section("latency", title, plot, note="Attempts that came in service, by time it took.")


def _verdicts(data: Mapping[str, Any]) -> Markup:
    received = max(data["counters"]["received"], 1)
    verdicts = table(
        ("verdict", "packets", "share"),
        [(name, f"{n:,}", f"{n / received:.1%}") for name, n in data["verdicts"].items()],
        numbers=1,
    )
    reasons = sorted(data["drop_reasons"].items(), key=lambda row: (-row[1], row[0]))
    told: Content = table(
        ("drop reason", "packets"), [(name, f"{n:,}") for name, n in reasons], numbers=1
    )
    if not reasons:
        told = element("p", "No packet was dropped.", class_="note")
    columns = element("div", element("div", verdicts), element("div", told), class_="columns")
    return section("verdicts", "What became of packets", columns)


def _calls(data: Mapping[str, Any]) -> Markup:
    rows = data["sessions"][:CALLS]
    lacs = {(c["virtual_router"], c["destination"]): c for c in data["calls"]}
    told = []
    for row in rows:
        call = lacs.get((row["virtual_router"], row["destination"]))
        failure = row["last_failure"]
        why = str(failure["reason"]) if failure else row["why"]
        told.append(
            (
                row["destination"],
                row["target"],
                row["state"],
                call["lac"] if call else "",
                ", ".join(row["access_routes"]),
                why,
            )
        )
    note = "As they were when the inputs had ended, before all calls were closed."
    if len(data["sessions"]) > CALLS:
        note += f" The first {CALLS} of {len(data['sessions']):,}."
    heads = ("destination", "target", "state", "LAC", "access routes", "last told")
    body = table(heads, told) if told else element("p", "There was none.", class_="note")
    return section("calls", "Sessions at the end", body, note=note)


def _counters(data: Mapping[str, Any]) -> Markup:
    of_session = data["chassis"]["counters"]
    control = [(row.text, f"{of_session[row.name]:,}") for row in ROWS]
    plane = [(name.replace("_", " "), f"{n:,}") for name, n in data["counters"].items()]
    columns = element(
        "div",
        element("div", element("h3", "Dial-out"), table(("counter", "value"), control, numbers=1)),
        element("div", element("h3", "Data plane"), table(("counter", "value"), plane, numbers=1)),
        class_="columns",
    )
    return section("counters", "Counters", columns)


def _timeline(events: Sequence[Event]) -> Markup:
    rows = []
    for event in events[:LINES]:
        what, particulars = timeline_row(without_names(event))
        rows.append((f"{event.time:.3f}", what, particulars))
    more = f", the first {LINES:,} of them" if len(events) > LINES else ""
    heading = element("summary", f"{len(events):,} facts{more}")
    body = element("details", heading, table(("seconds", "what", "particulars"), rows))
    note = "Numbers dialed and names of users are left out."
    return section("timeline", "Timeline", join([body]), note=note)


def without_names(event: Event) -> Event:
    """The fact without what must not be handed on."""
    hidden: dict[str, Any] = dict.fromkeys(private_fields(event), HIDDEN)
    return dataclasses.replace(event, **hidden) if hidden else event
