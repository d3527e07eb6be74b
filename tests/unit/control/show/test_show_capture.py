"""Files of `dialout capture`: whole ones, begun anew when it is time."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from control.show import capture
from control.show.capture import Files, Rotation, save
from control.show.views import lines

HEADER = b"HEADER"


def test_without_rotation_everything_is_in_the_file_that_was_named(tmp_path: Path) -> None:
    files = Files(str(tmp_path / "c.pcapng"), Rotation())
    files.begin(HEADER)
    for _ in range(100):
        files.add(bytes(1000))
    files.close()
    assert (tmp_path / "c.pcapng").read_bytes() == HEADER + bytes(100_000)
    assert stat.S_IMODE((tmp_path / "c.pcapng").stat().st_mode) == 0o600


def test_each_file_has_the_header_and_is_no_larger_than_wanted(tmp_path: Path) -> None:
    files = Files(str(tmp_path / "c.pcapng"), Rotation(octets=26))
    files.begin(HEADER)
    for n in range(5):
        files.add(bytes((n,)) * 10)
    files.add(bytes(50))
    files.close()
    found = {p.name: p.read_bytes() for p in sorted(tmp_path.iterdir())}
    assert found == {
        "c_00001.pcapng": HEADER + b"\0" * 10 + b"\1" * 10,
        "c_00002.pcapng": HEADER + b"\2" * 10 + b"\3" * 10,
        "c_00003.pcapng": HEADER + b"\4" * 10,
        # What is larger than a file alone has one of its own.
        "c_00004.pcapng": HEADER + bytes(50),
    }


def test_files_begin_by_time_and_only_the_latest_are_kept(tmp_path: Path) -> None:
    now = [0.0]
    rotation = Rotation(seconds=10.0, files=2)
    files = Files(str(tmp_path / "c.pcapng"), rotation, lambda: now[0])
    files.begin(HEADER)
    for n in range(4):
        now[0] = 10.0 * n
        files.add(bytes((n,)))
    files.close()
    found = {p.name: p.read_bytes() for p in sorted(tmp_path.iterdir())}
    assert found == {"c_00003.pcapng": HEADER + b"\2", "c_00004.pcapng": HEADER + b"\3"}


def test_a_file_that_cannot_be_made_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        save("/no/socket", {}, str(tmp_path / "nowhere" / "c.pcapng"), Rotation())


def part(**more: object) -> dict[str, object]:
    empty = {"header": "", "blocks": "", "packets": 0, "seen": 0, "taken": 0, "missed": 0}
    return empty | more


def test_at_its_end_it_says_how_much_it_has_and_has_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ask(*_: object):
        yield part(header="SEVBREVS")
        yield part(blocks="QUJD", packets=3, seen=9, taken=4, missed=1)
        raise KeyboardInterrupt

    monkeypatch.setattr(capture, "ask", ask)
    assert save("socket", {}, str(tmp_path / "c.pcapng"), Rotation()) == 0
    assert (tmp_path / "c.pcapng").read_bytes() == b"HEADERABC"
    assert capsys.readouterr().err == "3 packets captured of 9 that passed, 1 missed\n"


def test_a_trace_reads_step_by_step_with_its_ways_below() -> None:
    packet = {
        "time": 1.5, "port": "home", "link": "raw", "octets": 84, "verdict": "DROP",
        "reason": "no-route", "route": None, "kind": "drop", "nh": 0, "frame": "45",
        "steps": ["port 0, table 0: raw, 84 octets", "DROP no-route"],
    }  # fmt: skip
    way = {
        "port": "home", "route": None, "kind": "drop", "verdict": "DROP", "reason": "no-route",
        "packets": 1,
    }  # fmt: skip
    assert lines("trace", {"packets": [packet], "paths": [way]}, detail=False) == [
        "packet 1 at 1.500000 s, port home, 84 octets",
        "  port 0, table 0: raw, 84 octets",
        "  DROP no-route",
        "",
        "PACKETS  FROM  ROUTE  LEADS TO  VERDICT  REASON",
        "      1  home  -      drop      DROP     no-route",
    ]
    assert lines("trace", {"packets": [], "paths": []}, detail=False) == ["no packet came by"]
