"""Values and tables as text."""

from __future__ import annotations

import pytest

from control.show import views
from control.show.columns import COLUMNS
from control.show.text import Column, clock, count, duration, number, octets, table, word


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"), (0, "0s"), (0.0004, "0ms"), (0.85, "850ms"), (1, "1.0s"), (12.34, "12.3s"),
        (60, "1m00s"), (245.9, "4m05s"), (3599, "59m59s"), (3600, "1h00m"), (11520, "3h12m"),
        (86400, "1d00h"), (187200, "2d04h"), (100 * 86400, "100d00h"),
    ],
)  # fmt: skip
def test_durations_are_said_in_two_units(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (1_530_000, "1.53 MB"), (2 * 10**12, "2 TB")],
)
def test_octets_are_counted_by_thousands(size, text):
    assert octets(size) == text


def test_times_of_day_are_said_in_universal_time():
    assert (clock(None), clock(0.0), clock(1_714_566_659.9)) == (
        "-", "1970-01-01 00:00:00Z", "2024-05-01 12:30:59Z",
    )  # fmt: skip


def test_what_peers_say_cannot_command_a_terminal():
    assert word("a\x1b[2Jb\n") == "a\\x1b[2Jb\\n"
    assert (word(""), word(None), word(True), word(1.50), count(1234567)) == (
        "-", "-", "yes", "1.5", "1,234,567",
    )  # fmt: skip


def test_columns_are_as_wide_as_what_is_in_them():
    columns = (Column("NAME", "name"), number("N", "n"), Column("END", "end"))
    rows = [{"name": "a", "n": 1000, "end": ""}, {"name": "longer", "n": 7, "end": "x"}]
    assert table(columns, rows) == [
        "NAME        N  END",
        "a       1,000  -",
        "longer      7  x",
    ]


TARGET = {
    "virtual_router": "default", "prefix": "198.51.100.0/24", "state": "inService",
    "domain": "dialout.example", "profile": "modem", "sessions": 12, "calls_today": 1234,
    "minutes_today": 61.7, "frozen": True,
}  # fmt: skip
SESSION = {
    "virtual_router": "default", "target": "198.51.100.0/24", "destination": "198.51.100.7",
    "state": "inhibited", "age": 3.25, "timer": 26.75, "lac": "", "why": "all LACs failed",
}  # fmt: skip
SNAPSHOTS = [
    (
        "show targets",
        [TARGET],
        """\
VIRTUAL ROUTER  PREFIX           STATE      DOMAIN           PROFILE  SESSIONS  CALLS TODAY  \
MINUTES  FROZEN
default         198.51.100.0/24  inService  dialout.example  modem          12        1,234  \
     62  yes""",
    ),
    (
        "show sessions",
        [SESSION],
        """\
VIRTUAL ROUTER  DESTINATION   TARGET           STATE       FOR  TIMER  LAC  WHY
default         198.51.100.7  198.51.100.0/24  inhibited  3.2s  26.8s  -    all LACs failed""",
    ),
    ("show lacs", [], "no lacs"),
    (
        "show health",
        {"status": "ok", "uptime": 4000.0, "findings": []},
        "ok, up for 1h06m",
    ),
    (
        "show health",
        {
            "status": "warning", "uptime": 5.0,
            "findings": [{"severity": "warning", "name": "frozen", "text": "an administrator"}],
        },
        """\
warning, up for 5.0s

SEVERITY  NAME    FINDING
warning   frozen  an administrator""",
    ),
    (
        "show counters",
        {"time": 65.0, "verdicts": {"FORWARD": 12345, "DROP": 0}, "radius": {"home": {"sent": 2}}},
        """\
after 1m05s

verdicts
  FORWARD  12,345

radius home
  sent  2""",
    ),
    ("session reset", {"changed": 1, "text": "1 session reset"}, "1 session reset"),
    (
        "reload",
        {"applied": False, "lines": ["+ target a 192.0.2.0/24"], "changes": [{}]},
        "+ target a 192.0.2.0/24\n1 difference: not loaded, this was a dry run",
    ),
    (
        "explain",
        {
            "virtual_router": "a", "destination": "192.0.2.1", "verdict": "discard",
            "text": "dialling is frozen", "route": None, "target": "192.0.2.0/24", "session": None,
            "headers": [], "mtu": None,
            "guards": [{"what": "freeze", "passes": False, "text": "dialling is frozen"}],
        },
        """\
discard: dialling is frozen

destination  192.0.2.1 in virtual router a
target       192.0.2.0/24

A CALL DEPENDS ON  PASSES
freeze             NO      dialling is frozen""",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "result", "text"), SNAPSHOTS, ids=lambda v: None)
def test_a_view_reads_as_it_always_did(request_, result, text):
    assert "\n".join(views.lines(request_, result, detail=False)) == text


def test_detail_shows_every_field_and_what_is_inside_it():
    text = views.lines(
        "show sessions",
        [{"number": 70000, "age": 90.0, "access_routes": ["a", "b"], "counters": {"x": 70000}}],
        detail=True,
    )
    assert text == [
        "number         70000",
        "age            1m30s",
        "access routes  a, b",
        "counters",
        "  x  70,000",
    ]


def test_rates_are_what_was_counted_over_the_time_between_two_looks():
    before = {"time": 10.0, "verdicts": {"FORWARD": 5, "DROP": 1}}
    now = {"time": 12.0, "verdicts": {"FORWARD": 2005, "DROP": 1}}
    assert views.rates(before, now) == [
        "after 12.0s, 2.0 s since the look before",
        "COUNTER           CHANGE  A SECOND  TOTAL",
        "verdicts FORWARD   2,000   1,000.0  2,005",
    ]
    assert views.rates(now, now | {"time": 13.0})[1:] == ["nothing was counted"]


def test_each_list_has_columns_of_fields_that_there_are():
    from control.operation.schema import schema
    from control.operation.table import COMMANDS

    assert set(COLUMNS) == {n.removeprefix("show ") for n, row in COMMANDS.items() if row.rows}
    for view, columns in COLUMNS.items():
        told = schema(COMMANDS[f"show {view}"].result)
        line = told.get("anyOf", [told])[0]["properties"]
        assert {column.key for column in columns} <= set(line), view
