"""Lines for the systemd journal: their form, and a socket that takes or refuses them."""

from __future__ import annotations

import os
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.dialout.events import CallPlaced, SessionStateChanged
from control.dialout.session_table import SessionState
from control.journal_entry import LONGEST, NAMES, entry
from control.log import Level, Log
from control.runtime.journal import Journal, is_journal


def decoded(data: bytes) -> list[tuple[str, str]]:
    """As journald reads it."""
    found = []
    while data:
        line, _, rest = data.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            size = int.from_bytes(rest[:8], "little")
            value, rest = rest[8 : 8 + size], rest[8 + size :]
            assert rest[:1] == b"\n"
            rest = rest[1:]
        found.append((name.decode(), value.decode()))
        data = rest
    return found


@pytest.fixture
def journald(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as taken:
        taken.bind(str(tmp_path / "socket"))
        yield taken


def test_a_line_is_its_message_with_fields():
    fields = {"target": "192.0.2.0/24", "why": "", "lac": None, "packets": 3, "else": "x"}
    assert decoded(entry(4, "call failed: busy", "CallFailed", fields)) == [
        ("PRIORITY", "4"),
        ("SYSLOG_IDENTIFIER", "dialout"),
        ("DIALOUT_EVENT", "CallFailed"),
        ("MESSAGE", "call failed: busy"),
        ("DIALOUT_TARGET", "192.0.2.0/24"),
        ("DIALOUT_PACKETS", "3"),
    ]


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_text_comes_back(message, target):
    told = dict(decoded(entry(6, message, "X", {"target": target})))
    assert told["MESSAGE"] == message
    assert told.get("DIALOUT_TARGET", "") == target


def test_a_value_is_cut_where_a_datagram_would_not_fit():
    assert len(dict(decoded(entry(6, "a" * 10**6, "X", {})))["MESSAGE"]) == LONGEST


def test_no_field_is_for_a_number_or_a_user():
    assert not set(NAMES) & {"number", "called_number", "calling_number", "user", "username"}
    assert "detail" not in NAMES


def test_facts_reach_the_journal_with_their_fields(journald, tmp_path):
    journal = Journal(str(tmp_path / "socket"))
    about = (1.0, "main", "192.0.2.0/24", "192.0.2.7")
    log = Log(
        pytest.fail,
        lambda: 0.0,
        structured=lambda level, event, text, fields: journal.write(
            entry(level, text, event, fields)
        ),
    )
    log.event(SessionStateChanged(*about, SessionState.NONE, SessionState.PENDING, "full"), 1.0)
    log.event(CallPlaced(*about, "5551234", "192.0.2.50"), 1.0)
    log.note(Level.ERROR, "reload", "wrong", 1.0)
    changed, placed, note = (dict(decoded(journald.recv(65536))) for _ in range(3))
    assert changed["DIALOUT_OLD_STATE"] == "NONE"
    assert changed["DIALOUT_NEW_STATE"] == "PENDING"
    assert changed["DIALOUT_DESTINATION"] == "192.0.2.7"
    assert changed["MESSAGE"] == "session: 192.0.2.7: NONE -> PENDING  (full)"
    assert placed["DIALOUT_LAC"] == "192.0.2.50"
    assert (note["PRIORITY"], note["MESSAGE"]) == ("3", "reload: wrong")
    journal.close()


def test_a_full_journal_is_not_waited_for(journald, tmp_path):
    journal = Journal(str(tmp_path / "socket"))
    for _ in range(10000):
        journal.write(b"MESSAGE=x\n" * 100)
    assert journal.lost > 0
    journal.close()


def test_a_journal_that_was_started_anew_is_found_again(journald, tmp_path):
    path = tmp_path / "socket"
    journal = Journal(str(path))
    journald.close()
    path.unlink()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as anew:
        anew.bind(str(path))
        journal.write(b"MESSAGE=lost\n")
        journal.write(b"MESSAGE=found\n")
        assert anew.recv(100) == b"MESSAGE=found\n"
    assert journal.lost == 1
    journal.close()


def test_without_a_journal_there_is_an_error_that_names_it(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        Journal(str(tmp_path / "nowhere"))
    assert caught.value.filename == str(tmp_path / "nowhere")


def test_a_descriptor_is_the_journal_if_systemd_says_so(tmp_path):
    with open(tmp_path / "file", "w") as file:
        told = os.fstat(file.fileno())
        here = f"{told.st_dev}:{told.st_ino}"
        assert is_journal({"JOURNAL_STREAM": here}, file.fileno())
        assert not is_journal({"JOURNAL_STREAM": "1:2"}, file.fileno())
        assert not is_journal({"JOURNAL_STREAM": "x"}, file.fileno())
        assert not is_journal({}, file.fileno())
