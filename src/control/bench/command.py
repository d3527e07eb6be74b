"""`dialout bench`: runs the groups that are asked for, prints, draws, and returns the rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final, TextIO

from control.bench import (
    beside,
    calls,
    changes,
    classifying,
    endurance,
    freeradius,
    kernel_routes,
    lookups,
    operation,
    packets,
    replays,
    signalling,
    tun_path,
)
from control.bench.context import QUICK, SEED, Context, Sizes, one_processor
from control.bench.drawing import svg
from control.bench.live import carried, ethernet
from control.bench.machine import lines, machine
from control.bench.peers import open_peers
from control.bench.rows import HEADING, Row, line
from control.html_report.bench_page import bench_page
from control.route_file import read_routes

Group = Callable[[Context], Iterator[Row]]

GROUPS: Final[dict[str, Group]] = {
    "ipv4": lookups.ipv4,
    "ipv6": lookups.ipv6,
    "load": changes.load,
    "update": changes.update,
    "beside": beside.beside,
    "classify": classifying.classify,
    "packets": packets.packets,
    "calls": calls.calls,
    "replay": replays.replay,
}
"""What can be measured of the data plane, in the order of the table."""

LONG: Final[dict[str, Group]] = {
    "soak": endurance.soak,
    "storm": endurance.storm,
    "signalling": signalling.signalling,
    "freeradius": freeradius.freeradius,
    "tun": tun_path.tun,
    "io": carried.io,
    "ethernet": ethernet.ethernet,
    "kernel": kernel_routes.kernel,
    "operation": operation.operation,
}
"""What takes minutes, of the control plane, or root: only if it is named."""


def bench(
    groups: Sequence[str],
    *,
    peers: bool,
    table: str | None,
    trace: str | None,
    rules: str | None,
    quick: bool,
    as_json: bool,
    plot: TextIO | None,
    page: TextIO | None = None,
    seed: int | None = None,
    days: float | None = None,
    placed: int | None = None,
) -> list[Row]:
    """Measures the groups (none: all of the data plane) and tells what it came to.

    ResourceError: no peers, and what to install. DialoutError: the user's table, trace or rules
    are no such thing; nothing was measured then.
    """
    given = read_routes(table).routes if table is not None else {}
    sizes = QUICK if quick else Sizes()
    if days is not None:
        sizes = replace(sizes, days=days)
    if placed is not None:
        sizes = replace(sizes, calls=placed)
    context = Context(
        sizes,
        open_peers() if peers else None,
        given=given,
        trace=trace,
        rules=rules,
        seed=SEED if seed is None else seed,
    )
    if rules is not None:
        classifying.rules_of(rules)
    if trace is not None:
        replays.opened(trace).close()
    told = machine()
    if not as_json:
        print("\n".join([*lines(told), "", HEADING]), flush=True)
    rows: list[Row] = []
    with one_processor(context):
        for name in groups or GROUPS:
            for each in (GROUPS | LONG)[name](context):
                rows.append(each)
                if not as_json:
                    print(line(each), flush=True)
    if as_json:
        print(json.dumps([each.as_json() for each in rows], indent=1))
    if plot is not None:
        plot.write(svg(rows, told))
    if page is not None:
        page.write(bench_page(rows, told))
    return rows
