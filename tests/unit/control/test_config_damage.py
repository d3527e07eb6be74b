"""Configuration files that are no TOML, not there or not to be read, and how errors show them
(threat T25)."""

from __future__ import annotations

import os

import pytest
from config_bench import WHOLE, one

from control.config_file import MAXIMUM_SIZE
from control.config_lines import LineIndex


@pytest.mark.parametrize(
    ("text", "line", "allowed"),
    [
        (b"[chassis]\nname = \n", 2, "is not valid TOML: Invalid value"),
        (b"[chassis\n", 1, "is not valid TOML"),
        (b"[chassis]\n[chassis]\n", 2, "is not valid TOML"),
        (b"a = 1\na = 2\n", 2, "is not valid TOML"),
        (b'a = """\n\n', 3, "is not valid TOML"),
        (b"a = " + b"[" * 3000, 1, "is not valid TOML: nested too deeply"),
        (b"[" + b"a." * 3000 + b"a]\n" + b"x" * 5000, 1, "line is longer than 4096 characters"),
        (b"#" + b"." * 201 + b"\n" + b"a." * 201 + b"a = 1\n", 2, "line has more than 200 dots"),
        (b"# \xe9\n", 1, "is not UTF-8"),
        (b"[chassis]\n\nname = '\xff'\n", 3, "is not UTF-8"),
        (b"\0", 1, "is not valid TOML"),
    ],
)
def test_file_that_is_no_toml_names_the_line(write, text, line, allowed):
    found = one(write(text))
    assert (found.line, found.key, found.value) == (line, "", "")
    assert found.allowed.startswith(allowed)


def test_huge_number_is_shown_short(write):
    assert one(write(b"[sim]\nseed = 0x" + b"f" * 4000)).value == "a number of more than 64 bits"


@pytest.mark.parametrize("name", ["none.toml", "", "a\0b"])
def test_file_that_is_not_there_is_an_error(tmp_path, name):
    found = one(tmp_path / name if name else tmp_path / "x" / "y")
    assert found.allowed.startswith("cannot be read: ")


def test_directory_and_fifo_are_no_files(tmp_path):
    assert one(tmp_path).allowed == "is not a regular file"
    os.mkfifo(tmp_path / "fifo")
    assert one(tmp_path / "fifo").allowed == "is not a regular file"


def test_file_that_is_too_large_is_not_read(tmp_path):
    path = tmp_path / "large.toml"
    with path.open("wb") as stream:
        stream.truncate(MAXIMUM_SIZE + 1)
    assert one(path).allowed == f"is larger than {MAXIMUM_SIZE} octets"


def test_value_in_an_error_is_cut_short_and_has_no_control_characters(write):
    found = one(write('[chassis]\nname = "\\u001b[2J' + 300 * "x" + '"\n'))
    assert len(found.value) == 60
    assert found.value.startswith('"\\u001b[2Jxxx')


def test_every_kind_of_value_is_shown(write):
    rows = ["1979-05-27", "1.5", "[1, [2, 3]]", "{ a = 1 }", "-3", "false"]
    shown = [one(write(f"[chassis]\nname = {row}\n")).value for row in rows]
    assert shown == ["1979-05-27", "1.5", "[1, [...]]", "{...}", "-3", "false"]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((), "[chassis]"),
        (("chassis", "name"), 'name = "lns.lab"'),
        (("chassis", "max_pending"), "[chassis]"),
        (("target", 0, "prefix"), 'prefix = "10.10.0.0/16"'),
        (("target", 1), "[[target]]"),
        (("target", 1, "prefix"), 'prefix = "10.10.0.0/24"'),
        (("radius", 0, "servers", 1, "port"), "servers = ["),
        (("sim", "radius", 0, "users", 1, "password"), 'password = "cpepw"'),
        (("sim", "radius", 1, "users", 0, "reject"), "reject = true"),
        (("nothing",), "[chassis]"),
    ],
)
def test_line_of_a_path(path, line):
    assert WHOLE.split("\n")[LineIndex(WHOLE).line(path) - 1] == line


def test_lines_of_quoted_dotted_and_enclosed_keys():
    text = "\n".join(
        ["# c", "a.'b'.c = 1", '["x"."y"] # c', "k = '''", "[z]", "q = 1", "'''", "n = 2"]
    )
    index = LineIndex(text)
    assert index.line(("a", "b", "c")) == 2
    assert index.line(("x", "y", "k")) == 4
    assert index.line(("x", "y", "n")) == 8
    assert index.line(("z", "q")) == 1
