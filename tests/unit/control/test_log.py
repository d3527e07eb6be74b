"""The log of a running router: one line a fact, never too many, never a name that is not wanted."""

from __future__ import annotations

import json

import pytest

from control.dialout import events
from control.dialout.failure import LastFailure
from control.dialout.session_table import SessionState
from control.log import CLASS_LINES_A_SECOND, LEVELS, LINES_A_SECOND, Level, Log

FACT = (12.5, "home", "10.1.0.0/16", "10.1.2.3")
CHANGED = events.SessionStateChanged(
    *FACT, SessionState.AUTHENTICATING, SessionState.CONNECTING, "RADIUS grants"
)
PLACED = events.CallPlaced(*FACT, "5551234", "192.0.2.2")
NAMED = events.LinkProgress(*FACT, "peer authenticated", "branch-office")


class Lines(list):
    def __init__(self, **options) -> None:
        self.log = Log(self.append, lambda: 1_700_000_000.25, **options)


def test_a_state_change_is_one_line_of_text():
    lines = Lines()
    lines.log.event(CHANGED, 12.5)
    assert lines == [
        "2023-11-14T22:13:20.250+00:00 info    session     "
        "10.1.2.3: AUTHENTICATING -> CONNECTING  (RADIUS grants)"
    ]


def test_a_long_kind_of_fact_does_not_run_into_what_is_told():
    lines = Lines()
    lines.log.note(Level.ERROR, "not reloaded", "all stays", 12.5)
    assert lines[0].endswith(" error   not reloaded all stays")


def test_a_state_change_is_one_line_of_json_with_its_fields():
    lines = Lines(as_json=True)
    lines.log.event(CHANGED, 12.5)
    (line,) = map(json.loads, lines)
    assert line["timestamp"] == "2023-11-14T22:13:20.250+00:00"
    assert (line["level"], line["event"], line["time"]) == ("info", "SessionStateChanged", 12.5)
    assert (line["virtual_router"], line["target"]) == ("home", "10.1.0.0/16")
    assert (line["old"], line["new"]) == ("AUTHENTICATING", "CONNECTING")


def test_what_peers_say_makes_neither_lines_nor_control_sequences():
    lines = Lines()
    failure = LastFailure(1.0, "cdn", "busy\nforged line \x1b[2J")
    lines.log.event(events.CallFailed(*FACT, failure), 1.0)
    assert len(lines) == 1
    assert lines[0].isprintable()


@pytest.mark.parametrize("level", list(Level))
def test_facts_below_the_level_are_left_out(level):
    lines = Lines(level=level)
    lines.log.event(NAMED, 1.0)
    assert len(lines) == (level >= LEVELS[events.LinkProgress])


def test_a_flood_of_one_class_is_cut_counted_and_leaves_room_for_others():
    lines = Lines()
    for n in range(100_000):
        lines.log.event(CHANGED, 5 + n / 100_000)
    lines.log.event(PLACED, 5.99)
    assert len(lines) == CLASS_LINES_A_SECOND + 1
    lines.log.event(PLACED, 6.5)
    told = "lines left out: 99980 SessionStateChanged"
    assert [told in line for line in lines[-2:]] == [True, False]


def test_a_flood_of_many_classes_stays_below_a_hundred_lines_a_second():
    lines = Lines()
    for n in range(100_000):
        lines.log.note(Level.ERROR, f"class {n % 1000}", "text", n / 20_000)
    lines.log.close()
    assert len(lines) <= 6 * (LINES_A_SECOND + 1) < 6 * 100


def test_a_clock_that_goes_back_does_not_silence_the_log():
    lines = Lines()
    for now in (100.0, 3.0, 4.5):
        lines.log.event(CHANGED, now)
    assert len(lines) == 3


def test_numbers_and_users_are_hashed_if_wanted():
    for as_json in (False, True):
        lines = Lines(as_json=as_json, private_key=b"key", level=Level.DEBUG)
        lines.log.event(PLACED, 1.0)
        lines.log.event(NAMED, 1.0)
        lines.log.event(PLACED, 1.0)
        assert "5551234" not in "".join(lines)
        assert "branch-office" not in "".join(lines)
        assert lines[0] == lines[2], "equal numbers have equal hashes"
    other = Lines(private_key=b"another key")
    other.log.event(PLACED, 1.0)
    mine = Lines(private_key=b"key")
    mine.log.event(PLACED, 1.0)
    assert other[0] != mine[0]
