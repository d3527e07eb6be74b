"""Configurations at the command line: `dialout check`, hostile files (threat T25), and secrets that
appear nowhere (threat T22)."""

from __future__ import annotations

import os
import re

import pytest
from replay_run import DEMO, DEMO_TEXT, demo_config, dialout, home_site

from control.config_file import MAXIMUM_SIZE

SECRETS = ("tunnel-secret", "branch-secret", "lns-secret", "radius-secret")
LINE = re.compile(r"(?P<file>[^:]+):(?P<line>\d+): (?P<rest>.+)")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "dialout.toml"


# --- check ----------------------------------------------------------------------------------------

WRONG = """\
[chassis]
name = "lns"
flush_delay = 2000

[[virtual_router]]
name = "home"
radius = "nobody"

[[target]]
prefix = "10.0.0.1/8"
virtual_router = "home"
domain = ""

[[lac]]
adress = "10.88.0.2"
secret = "hunter22"
"""


def test_a_good_configuration_is_told_so(capsys):
    result = dialout(capsys, "check", "--config", DEMO)
    told = f"{DEMO}: ok: 1 virtual routers, 1 targets, 0 LACs, 1 RADIUS groups\n"
    assert (result.code, result.out, result.err) == (0, told, "")
    assert dialout(capsys, "check", "--config", DEMO, "--json").json == {
        "ok": True,
        "errors": [],
        "warnings": [],
    }


def test_dangerous_settings_are_told_loudly(capsys, tmp_path):
    path = tmp_path / "config.toml"
    text = DEMO.read_text().replace(
        "[[radius]]\n", "[[radius]]\nrequire_message_authenticator = false\n"
    )
    path.write_text(text)
    result = dialout(capsys, "check", "--config", path)
    assert result.code == 0
    assert result.err.startswith('WARNING: radius "')
    assert "CVE-2024-3596" in result.err
    told = dialout(capsys, "check", "--config", path, "--json").json
    assert len(told["warnings"]) == 1


def test_all_errors_are_told_at_once_with_file_line_key_value_and_what_is_allowed(capsys, path):
    path.write_text(WRONG)
    path.chmod(0o644)
    result = dialout(capsys, "check", "--config", path)
    assert (result.code, result.out) == (3, "")
    wrong = [
        (3, "chassis.flush_delay = 2000: must be a whole number from 0 to 1000"),
        (7, 'virtual_router.radius = "nobody": must be the name of a [[radius]]; there is none'),
        (10, 'target.prefix = "10.0.0.1/8": has bits behind its length set; meant is perhaps'),
        (12, 'target.domain = "": must be a text of 1 to 63 printable ASCII characters'),
        (9, "target.profile: is missing; must be a text of 1 to 63 printable ASCII characters"),
        (14, "lac.address: is missing; must be the IPv4 or IPv6 address of a host"),
        (15, "lac.adress = ***: no such key; did you mean address?"),
        (16, "lac.secret = ***: stands in a file of mode 0644: others may read it."),
    ]
    lines = result.err.splitlines()
    for number, told in wrong:
        (line,) = [line for line in lines if told in line]
        assert line.startswith(f"{path}:{number}: ")
    assert len(lines) == len(wrong)
    numbers = [int(LINE.fullmatch(line)["line"]) for line in lines]
    assert numbers == sorted(numbers)
    assert "hunter22" not in result.err


def test_a_socket_is_of_the_tunnel_side_and_of_an_address_of_ours(capsys, path):
    """`run` would refuse the address; of the side it would make a port that no packet finds."""
    port = '[[port]]\nname = "wan"\nurl = "udp:{}"\nside = "{}"\nvirtual_router = "default"\n'
    for address, side, allowed in (
        ("10.88.0.77:1701", "tunnel", "must have the local_address of a virtual router"),
        ("10.88.0.1:1701", "home", "must not be a udp: port, which is of the tunnel side"),
        ("10.88.0.1:1701", "tunnel", None),
    ):
        path.write_text(DEMO_TEXT + port.format(address, side))
        result = dialout(capsys, "check", "--config", path)
        assert result.code == (3 if allowed else 0)
        assert (allowed or "ok") in result.out + result.err


def test_errors_as_json_are_those_of_the_text(capsys, path):
    path.write_text(WRONG)
    text = dialout(capsys, "check", "--config", path).err
    result = dialout(capsys, "check", "--config", path, "--json")
    assert (result.code, result.err) == (3, "")
    assert not result.json["ok"]
    told = []
    for error in result.json["errors"]:
        assert set(error) == {"file", "line", "key", "value", "allowed"}
        what = f"{error['key']} = {error['value']}" if error["value"] else error["key"]
        told.append(f"{error['file']}:{error['line']}: {what}: {error['allowed']}\n")
    assert "".join(told) == text


@pytest.mark.parametrize("command", ["check", "replay"])
def test_replay_refuses_what_check_refuses_before_it_writes(capsys, tmp_path, path, command):
    path.write_text(WRONG)
    out = tmp_path / "out.pcapng"
    argv = [command, "--config", path]
    if command == "replay":
        argv += [home_site(tmp_path), "--write", out, "--report", tmp_path / "report.json"]
    result = dialout(capsys, *argv)
    assert result.code == 3
    assert len(result.err.splitlines()) == 8
    assert {name.suffix for name in tmp_path.iterdir()} <= {".toml", ".pcap"}


def test_a_replay_has_one_home_port(capsys, tmp_path):
    second = '[[port]]\nname = "other"\nurl = "pcap:"\nside = "home"\nvirtual_router = "default"\n'
    config = demo_config(tmp_path, ("# A packet to this", f"{second}\n# A packet to this"))
    result = dialout(capsys, "replay", "--config", config, home_site(tmp_path))
    told = "a replay has one home port, but the configuration has: home, other\n"
    assert (result.code, result.out, result.err) == (3, "", told)


# --- hostile files --------------------------------------------------------------------------------


def deep(path):
    path.write_text("a = " + "[" * 3000)


def huge(path):
    with open(path, "wb") as file:
        file.truncate(MAXIMUM_SIZE + 1)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: None, "cannot be read: No such file or directory"),
        (lambda path: path.mkdir(), "is not a regular file"),
        (os.mkfifo, "is not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "is not a regular file"),
        (lambda path: path.symlink_to(path), "cannot be read: Too many levels of symbolic links"),
        (huge, f"is larger than {MAXIMUM_SIZE} octets"),
        (deep, "is not valid TOML: nested too deeply"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "is not UTF-8"),
        (lambda path: path.write_bytes(bytes(100)), "is not valid TOML: "),
        (lambda path: path.write_text("a" * 10000), "line is longer than 4096 characters"),
        (lambda path: path.write_text("a." * 1000), "line has more than 200 dots"),
        (lambda path: path.write_text("[sim]\nseed = " + "9" * 4000), "a number of more than 64"),
        (lambda path: path.write_text("a = 1\na = 2\n"), "is not valid TOML: Cannot overwrite"),
        (lambda path: path.write_text('include = "/etc/shadow"\n'), "include = ***: no such "),
        (lambda path: path.write_text("[[chassis]]\n"), "must be a table, [chassis]"),
        (lambda path: path.write_text("[sim]\nlac = 1\n"), "must be an array of tables, [[sim.lac"),
    ],
)
@pytest.mark.parametrize("command", ["check", "replay"])
def test_a_hostile_file_is_an_error_with_its_line(capsys, tmp_path, path, make, told, command):
    make(path)
    argv = [command, "--config", path]
    result = dialout(capsys, *argv, *([home_site(tmp_path)] if command == "replay" else []))
    assert (result.code, result.out) == (3, "")
    for line in result.err.splitlines():
        assert LINE.fullmatch(line)["file"] == str(path)
    assert told in result.err


@pytest.mark.parametrize(
    "name", ["/etc/hostname", "../secret", "sub/../../secret", "link", "secret\\u0000", "", "."]
)
def test_a_secret_file_is_inside_the_folder_of_the_configuration(capsys, tmp_path, name):
    folder = tmp_path / "etc"
    folder.mkdir()
    (tmp_path / "secret").write_text("hunter22")
    (tmp_path / "secret").chmod(0o600)
    (folder / "link").symlink_to("../secret")
    path = folder / "dialout.toml"
    path.write_text(f'[[lac]]\naddress = "10.0.0.1"\nsecret_file = "{name}"\n')
    result = dialout(capsys, "check", "--config", path)
    assert (result.code, result.out) == (3, "")
    assert result.err.startswith(f"{path}:3: lac.secret_file = ")
    assert "hunter22" not in result.err


def test_a_message_obeys_no_terminal(capsys, path):
    path.write_text('[chassis]\nname = "\\u001b[2J\\n\\u0007"\n"\\u001b[31m" = 1\n')
    result = dialout(capsys, "check", "--config", path)
    assert result.code == 3
    assert all(line.isprintable() for line in result.err.splitlines())
    assert len(result.err.splitlines()) == 2


# --- secrets --------------------------------------------------------------------------------------


def test_no_secret_is_in_anything_that_is_told_or_written(capsys, tmp_path):
    assert all(secret in DEMO_TEXT for secret in SECRETS)
    told = []
    report, out = tmp_path / "report.json", tmp_path / "out.pcapng"
    for argv in (
        ["demo", "-v", "--output", tmp_path / "demo"],
        ["demo", "-v", "--json", "--output", tmp_path / "demo"],
        ["check", "--config", DEMO],
        ["check", "--config", DEMO, "--json"],
        ["replay", "-v", "--config", DEMO, "--json", home_site(tmp_path)],
        ["replay", "-v", "--config", DEMO, "--write", out, "--report", report, home_site(tmp_path)],
    ):
        result = dialout(capsys, *argv)
        assert result.code == 0
        told += [result.out.encode(), result.err.encode()]
    written = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert {file.suffix for file in written} == {".pcap", ".pcapng", ".json", ".html"}
    told += [file.read_bytes() for file in written]
    assert sum(map(len, told)) > 100_000
    assert leaks(told) == []


@pytest.mark.parametrize(
    "change",
    [
        ('"Tunnel-Password:1" = "tunnel-secret"', '"Tunnel-Password:1" = "other-secret"'),
        ('peer_password = "lns-secret"', 'peer_password = "other-secret"'),
        ('servers = [{ address = "10.88.0.9" }]', 'servers = [{ address = "10.88.0.9", secret = "other-secret" }]'),  # noqa: E501
        ('secret = "tunnel-secret"\n', "secret = 4711\n"),
        ('reply]\n"Tunnel', 'reply]\n"Framed-Protocol" = "branch-secret"\n"Tunnel'),
        ('"Tunnel-Password:1" = "tunnel-secret"', '"Tunnel-Password:1" = ["tunnel-secret", [1]]'),
        ('password = "branch-secret"\nauth', 'pasword = "branch-secret"\nauth'),
        ('[sim]\nseed = 1', '[sim]\nseed = "lns-secret'),
    ],
)  # fmt: skip
def test_no_secret_is_in_the_report_of_a_failure(capsys, tmp_path, change):
    config = demo_config(tmp_path, change)
    config.chmod(0o600)
    report, out = tmp_path / "report.json", tmp_path / "out.pcapng"
    argv = ["replay", "-v", "--config", config, "--report", report, "--write", out]
    result = dialout(capsys, *argv, home_site(tmp_path))
    assert result.code in (0, 3)
    told = [result.out.encode(), result.err.encode()]
    told += [file.read_bytes() for file in (report, out) if file.exists()]
    assert any(told)
    assert leaks(told, (*SECRETS, "other-secret")) == []


def test_a_pap_password_is_only_where_the_protocol_has_it(capsys, tmp_path):
    """PAP sends passwords in clear: the written capture has those, and only the capture."""
    config = demo_config(
        tmp_path,
        ('authentication = ["chap"]\n\n', 'authentication = ["pap"]\n\n'),
        ('authentication = ["chap"]                #', 'authentication = ["pap"]  #'),
        ('"ERX-PPP-Auth-Protocol" = "CHAP"', '"ERX-PPP-Auth-Protocol" = "PAP"'),
    )
    report, out = tmp_path / "report.json", tmp_path / "out.pcapng"
    argv = ["replay", "-v", "--config", config, "--report", report, "--write", out]
    result = dialout(capsys, *argv, home_site(tmp_path))
    assert result.code == 0
    assert leaks([result.out.encode(), result.err.encode(), report.read_bytes()]) == []
    assert {secret for secret, _ in leaks([out.read_bytes()])} == {"branch-secret", "lns-secret"}


def leaks(told: list[bytes], secrets=SECRETS) -> list[tuple[str, int]]:
    """Which secrets are in which of them, as they are or in hexadecimal digits."""
    return [
        (secret, number)
        for number, octets in enumerate(told)
        for secret in secrets
        if secret.encode() in octets or secret.encode().hex().encode() in octets.lower()
    ]


# --- check --against ------------------------------------------------------------------------------


def test_check_against_a_running_configuration_prints_what_loading_it_would_do(capsys, path):
    path.write_text(DEMO_TEXT.replace("[chassis]", "[chassis]\nmax_connecting = 7", 1))
    result = dialout(capsys, "check", "--config", path, "--against", DEMO)
    assert result.code == 0
    assert result.out.splitlines()[1:] == [
        "~ chassis: max_connecting 512 -> 7: counts at once, sessions stay"
    ]
    told = dialout(capsys, "check", "--config", path, "--against", DEMO, "--json").json
    assert told["changes"] == [
        {
            "change": "changed",
            "section": "chassis",
            "name": "",
            "effect": "at_once",
            "keys": {"max_connecting": ["512", "7"]},
        }
    ]


def test_check_against_itself_tells_that_there_is_no_difference(capsys):
    result = dialout(capsys, "check", "--config", DEMO, "--against", DEMO)
    assert result.out.splitlines()[1:] == [f"no difference from {DEMO}"]
