"""Secrets in the configuration: only from files that others cannot read, and never shown (threat
T22)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from config_bench import one, secret

from control.config_file import read_config

LAC = "[[lac]]\naddress = '10.0.0.1'\n"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o601])
def test_inline_secret_needs_a_private_file(write, mode):
    found = one(write(LAC + "secret = 'hunter22'\n", mode))
    assert (found.line, found.key, found.value) == (3, "lac.secret", "***")
    assert f"file of mode {mode:04o}" in found.allowed
    assert "secret_file" in found.allowed


def test_inline_secret_of_the_simulation_may_stand_in_any_file(write):
    text = "[[sim.lac]]\naddress = '10.0.0.1'\nsecret = 'x'\n"
    assert read_config(write(text, 0o644)).sim.lac[0].secret == b"x"


def test_radius_server_that_is_simulated_has_the_secret_of_its_simulation(write):
    server = "[[radius]]\nname = 'a'\n[[radius.servers]]\naddress = '10.0.0.1'\n"
    sim = "[[sim.radius]]\naddress = '10.0.0.1'\nsecret = 'x'\n"
    assert read_config(write(server + sim, 0o644)).radius[0].servers[0].secret == b"x"
    other_port = one(write(server + "port = 1645\n" + sim, 0o644))
    assert other_port.key == "radius.servers.secret"


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_private_file_may_hold_a_secret(write, mode):
    assert read_config(write(LAC + "secret = 'x'\n", mode)).lac[0].secret == b"x"


@pytest.mark.parametrize(
    ("content", "read"),
    [
        (b"hunter22\n", b"hunter22"),
        (b"hunter22\r\n", b"hunter22"),
        (b"hunter22", b"hunter22"),
        (b"a b \n\n", b"a b \n"),
        (b"\xff\xfe\n", b"\xff\xfe"),
    ],
)
def test_secret_file_is_read_without_its_last_newline(write, tmp_path, content, read):
    path = write(LAC + "secret_file = 'file'\n", 0o644)
    secret(tmp_path / "file", content)
    assert read_config(path).lac[0].secret == read


def _mode(path: Path) -> str:
    secret(path / "file", b"hunter22", 0o640)
    return "file"


def _empty(path: Path) -> str:
    secret(path / "file", b"\n")
    return "file"


def _long(path: Path) -> str:
    secret(path / "file", b"hunter22" * 32)
    return "file"


def _huge(path: Path) -> str:
    secret(path / "file", b"hunter22" * 1000)
    return "file"


def _fifo(path: Path) -> str:
    os.mkfifo(path / "file", 0o600)
    return "file"


def _outside(path: Path) -> str:
    secret(path.parent / "outside", b"hunter22")
    return "../outside"


def _absolute(path: Path) -> str:
    return str((path.parent / "outside").resolve())


def _link_outside(path: Path) -> str:
    secret(path.parent / "outside", b"hunter22")
    (path / "file").symlink_to(path.parent / "outside")
    return "file"


@pytest.mark.parametrize(
    ("make", "allowed"),
    [
        (_mode, "must have mode 0600 or 0400, has 0640: others may use it"),
        (_empty, "must have 1 to 255 octets"),
        (_long, "must have 1 to 255 octets"),
        (_huge, "is larger than 1024 octets"),
        (_fifo, "must be a regular file"),
        (_outside, "must be inside the directory of the configuration file"),
        (_absolute, "must be inside the directory of the configuration file"),
        (_link_outside, "must be inside the directory of the configuration file"),
        (lambda path: "none", "cannot be read: No such file or directory"),
        (lambda path: "secrets", "must be a regular file"),
        (lambda path: "", "must be the name of a file"),
        (lambda path: "a\\u0000b", "must be the name of a file"),
    ],
)
def test_secret_file_that_cannot_be_trusted_is_refused(write, tmp_path, make, allowed):
    path = write("")
    name = make(tmp_path)
    path.write_text(LAC + f'secret_file = "{name}"\n')
    found = one(path)
    assert (found.line, found.key) == (3, "lac.secret_file")
    assert found.allowed == allowed
    assert "hunter22" not in str(found)


def test_secret_file_of_another_user_is_refused(write, tmp_path, monkeypatch):
    path = write(LAC + "secret_file = 'file'\n")
    secret(tmp_path / "file", b"x")
    owner = os.geteuid()
    if owner == 0:
        os.chown(tmp_path / "file", 12345, -1)
        owner = 12345
    else:
        monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    assert one(path).allowed == f"must belong to root or to us, not to user {owner}"


def test_link_to_a_secret_inside_the_directory_is_followed(write, tmp_path):
    path = write(LAC + "secret_file = 'link'\n")
    (tmp_path / "link").symlink_to("lac.secret")
    assert read_config(path).lac[0].secret == b"lac.secret"


@pytest.mark.parametrize(
    ("row", "key"),
    [
        ("secret = 'hunter22'\nsecret_file = 'lac.secret'", "lac.secret_file"),
        ("secret = 1234567", "lac.secret"),
        ("secret = ['hunter22']", "lac.secret"),
        (f"secret = '{'hunter22' * 32}'", "lac.secret"),
        ("secret_file = 5", "lac.secret_file"),
        ("secrt = 'hunter22'", "lac.secrt"),
        ("host_name = { secret = 'hunter22' }", "lac.host_name"),
    ],
)
def test_no_error_tells_a_secret(write, row, key):
    found = one(write(LAC + row + "\n"))
    assert found.key == key
    assert "hunter22" not in repr(found) + str(found)
    assert "1234567" not in str(found)


@pytest.mark.parametrize("section", ["[[radius]]\nname='a'\n[[radius.servers]]", "[[sim.radius]]"])
@pytest.mark.parametrize("row", ["", "secret = ''\n"])
def test_radius_server_needs_a_secret(write, section, row):
    found = one(write(f"{section}\naddress = '10.0.0.1'\n{row}"))
    assert found.key.endswith("secret")
    assert found.allowed in (
        "is missing; secret or secret_file must be given",
        "must have 1 to 255 octets",
    )
