"""The configuration file: what is read, and every way in which it can be wrong (specification
1.12; threats T22, T25)."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from control import config
from control.config_file import MAXIMUM_SIZE, ConfigError, ConfigProblem, read_config
from control.config_keys import ROOT, Section
from control.config_lines import LineIndex

WHOLE = """\
[chassis]
name = "lns.lab"
max_sessions = 1000
flush_delay = 0

[[virtual_router]]
name = "home"
table = 1
rd = "0.0.0.0:65000"
radius = "main"
local_address = "10.88.0.1"

[[virtual_router]]
name = "core"
table = 2

[[target]]
prefix = "10.10.0.0/16"
virtual_router = "home"
domain = "L2TP-dial-out.de.dt"
profile = "isdn"

[[target]]
prefix = "10.10.0.0/24"
virtual_router = "home"
domain = "d"
profile = "isdn"
max_sessions = 5

[[profile]]
name = "isdn"
authentication = ["chap", "pap"]
echo_interval = 10
dns = ["192.0.2.1", "192.0.2.2"]

[[lac]]
address = "10.88.0.2"
secret_file = "lac.secret"
hello_interval = 30.5

[[radius]]
name = "main"
servers = [
    { address = "192.0.2.10", port = 1812, secret_file = "secrets/radius" },
    { address = "192.0.2.11", secret = "inline" },
]
password_mode = "configured"
password = "pw"

[[port]]
name = "in"
url = "pcap:"
side = "home"
virtual_router = "home"

[budget]
deny_numbers = ["0900", "+4990"]
dial_rate = 0.5

[sim]
seed = 7

[[sim.lac]]
address = "10.88.0.2"
secret = "tunsecret"
loss = 0.1

[[sim.cpe]]
number = "*"
peer_password_file = "lac.secret"

[[sim.radius]]
address = "192.0.2.10"
secret = "s"

[[sim.radius.users]]
name = "*@d"
reply = { "Tunnel-Type:1" = "L2TP", "Tunnel-Preference:1" = 10, Framed-Route = ["a", "b"] }

[[sim.radius.users]]
name = "cpe"
password = "cpepw"

[[sim.radius]]
address = "192.0.2.11"
secret = "s"
[[sim.radius.users]]
name = "bad"
reject = true
"""


@pytest.fixture
def write(tmp_path):
    """Writes the file, with mode 0600, beside two secret files; gives its name."""

    def to_file(text: str | bytes, mode: int = 0o600) -> Path:
        (tmp_path / "secrets").mkdir(exist_ok=True)
        for name in ("lac.secret", "secrets/radius"):
            secret(tmp_path / name, name.encode() + b"\n")
        path = tmp_path / "dialout.toml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        path.chmod(mode)
        return path

    return to_file


def secret(path: Path, content: bytes, mode: int = 0o600) -> None:
    path.write_bytes(content)
    path.chmod(mode)


def errors(path: Path) -> tuple[ConfigProblem, ...]:
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert str(caught.value) == "\n".join(map(str, caught.value.errors))
    return caught.value.errors


def one(path: Path) -> ConfigProblem:
    found = errors(path)
    assert len(found) == 1, found
    return found[0]


def test_empty_file_is_the_defaults(write):
    assert read_config(write("")) == config.Config()


def test_whole_file_is_read(write):
    c = read_config(write(WHOLE))
    assert c.chassis == config.Chassis(name="lns.lab", max_sessions=1000, flush_delay=0)
    assert [vr.name for vr in c.virtual_router] == ["home", "core"]
    assert c.virtual_router[0].rd == "0.0.0.0:65000"
    assert c.target[1] == config.Target("10.10.0.0/24", "home", "d", "isdn", max_sessions=5)
    assert c.profile[0].authentication == ("chap", "pap")
    assert c.profile[0].echo_interval == 10.0
    assert c.profile[0].dns == ("192.0.2.1", "192.0.2.2")
    assert c.lac == (config.Lac("10.88.0.2", secret=b"lac.secret", hello_interval=30.5),)
    assert c.radius[0].servers == (
        config.RadiusServer("192.0.2.10", 1812, b"secrets/radius"),
        config.RadiusServer("192.0.2.11", 1812, b"inline"),
    )
    assert (c.radius[0].password_mode, c.radius[0].password) == ("configured", b"pw")
    assert c.port == (config.Port("in", "pcap:", "home", "home"),)
    assert c.budget.deny_numbers == ("0900", "+4990")
    assert (c.sim.seed, c.sim.drain) == (7, 10.0)
    assert c.sim.lac[0].secret == b"tunsecret"
    assert c.sim.cpe[0].peer_password == b"lac.secret"
    assert c.sim.radius[0].users == (
        config.SimUser(
            "*@d",
            reply=(
                ("Tunnel-Type:1", "L2TP"),
                ("Tunnel-Preference:1", "10"),
                ("Framed-Route", "a"),
                ("Framed-Route", "b"),
            ),
        ),
        config.SimUser("cpe", b"cpepw"),
    )
    assert c.sim.radius[1].users == (config.SimUser("bad", reject=True),)


def sections(section: Section = ROOT, name: str = ""):
    yield name, section
    for child, inner in section.children.items():
        yield from sections(inner, f"{name}.{child}".strip("."))


@pytest.mark.parametrize(("name", "section"), list(sections()))
def test_every_field_of_the_tree_has_its_row(name, section):
    fields = {f.name for f in dataclasses.fields(section.make)}
    assert {*section.keys, *section.secrets, *section.children} == fields


@pytest.mark.parametrize(("name", "section"), list(sections()))
def test_every_default_is_allowed(name, section):
    for field in dataclasses.fields(section.make):
        if field.name in section.keys and field.default is not dataclasses.MISSING:
            value = field.default
            given = list(value) if isinstance(value, tuple) else value
            if field.name == "reply":
                given = {}
            assert section.keys[field.name].parse(given) == value


# section, key = value, what the error says is allowed
VALUES = [
    ("[chassis]", 'name = ""', "must be a text of 1 to 63 printable ASCII characters"),
    ("[chassis]", "name = 5", "must be a text of 1 to 63 printable ASCII characters"),
    ("[chassis]", 'name = "\\u00e9"', "must be a text of 1 to 63 printable ASCII characters"),
    ("[chassis]", "max_sessions = 0", "must be a whole number from 1 to 65536"),
    ("[chassis]", "max_sessions = 65537", "must be a whole number from 1 to 65536"),
    ("[chassis]", "max_sessions = true", "must be a whole number from 1 to 65536"),
    ("[chassis]", "max_sessions = 5.0", "must be a whole number from 1 to 65536"),
    ("[chassis]", 'max_sessions = "5"', "must be a whole number from 1 to 65536"),
    ("[chassis]", "connecting_timer = 29", "must be a whole number from 30 to 3600"),
    ("[chassis]", "connecting_timer = 3601", "must be a whole number from 30 to 3600"),
    ("[chassis]", "dormant_timer = -1", "must be a whole number from 0 to 3600"),
    ("[chassis]", "flush_delay = 1001", "must be a whole number from 0 to 1000"),
    ("[chassis]", "fail_fast = 1", "must be true or false"),
    ("[chassis]", 'fail_fast = "true"', "must be true or false"),
    ("[[virtual_router]]", "table = 4096", "must be a whole number from 0 to 4095"),
    ("[[virtual_router]]", "max_buffered_triggers = 4097", "must be a whole number from 0 to 4096"),
    ("[[virtual_router]]", 'local_address = "lns"', "must be the IPv4 address of a host or empty"),
    (
        "[[virtual_router]]",
        'local_address = "224.0.0.1"',
        "must be the IPv4 address of a host or empty",
    ),
    ("[[target]]", 'domain = ""', "must be a text of 1 to 63 printable ASCII characters"),
    (
        "[[target]]",
        f'domain = "{64 * "d"}"',
        "must be a text of 1 to 63 printable ASCII characters",
    ),
    ("[[target]]", 'classifier = "web"', "not supported yet: must be absent"),
    ("[[profile]]", 'authentication = ["eap"]', 'must be a list of "chap" and "pap", each once'),
    (
        "[[profile]]",
        'authentication = ["pap", "pap"]',
        'must be a list of "chap" and "pap", each once',
    ),
    ("[[profile]]", 'authentication = "pap"', 'must be a list of "chap" and "pap", each once'),
    ("[[profile]]", "authentication = [{}]", 'must be a list of "chap" and "pap", each once'),
    ("[[profile]]", "mru = 127", "must be a whole number from 128 to 1500"),
    ("[[profile]]", "mru = 1501", "must be a whole number from 128 to 1500"),
    ("[[profile]]", "echo_interval = nan", "must be a number from 0 to 3600"),
    ("[[profile]]", "echo_interval = inf", "must be a number from 0 to 3600"),
    ("[[profile]]", "echo_failures = 0", "must be a whole number from 1 to 100"),
    ("[[profile]]", 'dns = ["1", "2"]', "must be a list of up to 2 IPv4 addresses of hosts"),
    (
        "[[profile]]",
        'dns = ["10.0.0.1", "10.0.0.2", "10.0.0.3"]',
        "must be a list of up to 2 IPv4 addresses of hosts",
    ),
    ("[[profile]]", "mss_clamp = true", "not supported yet: must be false"),
    ("[[profile]]", "mss_clamp = 0", "not supported yet: must be false"),
    ("[[lac]]", "max_sessions = 65536", "must be a whole number from 1 to 65535"),
    ("[[lac]]", "lockout = 3601", "must be a number from 0 to 3600"),
    ("[[radius]]", "retries = 11", "must be a whole number from 1 to 10"),
    ("[[radius]]", "timeout = 0.05", "must be a number from 0.1 to 60"),
    ("[[radius]]", 'password_mode = "x"', 'must be one of "empty", "none", "configured"'),
    ("[[radius]]", "accounting = true", "not supported yet: must be false"),
    ("[[radius]]", "dynamic_authorization = true", "not supported yet: must be false"),
    ("[[port]]", 'url = "tap:x"', 'must be "pcap:" or "mem:" and what belongs to it'),
    ("[[port]]", 'url = "pcap"', 'must be "pcap:" or "mem:" and what belongs to it'),
    ("[[port]]", 'side = "left"', 'must be one of "home", "tunnel"'),
    ("[[port]]", "mtu = 575", "must be a whole number from 576 to 9216"),
    ("[budget]", "calls_per_day = -1", "must be a whole number from 0 to 2147483647"),
    ("[budget]", "dial_rate = 0", "must be a number from 0.01 to 10000"),
    ("[budget]", 'allow_numbers = ["49-30"]', "must be a list of number prefixes made of"),
    ("[budget]", 'deny_numbers = "0900"', "must be a list of number prefixes made of"),
    ("[sim]", "seed = -1", "must be a whole number from 0 to 9223372036854775807"),
    ("[[sim.lac]]", "loss = 1.1", "must be a number from 0 to 1"),
    ("[[sim.lac]]", 'outcome = "maybe"', 'must be one of "answer", "busy"'),
    ("[[sim.lac]]", "result_code = 12", "must be a whole number from 1 to 11"),
    ("[[sim.cpe]]", 'number = "a"', 'must be a number made of 0-9 * # + , A-D, or "*"'),
    ("[[sim.radius]]", "port = 65536", "must be a whole number from 1 to 65535"),
]


@pytest.mark.parametrize(("section", "row", "allowed"), VALUES)
def test_value_out_of_its_range_is_named_with_its_line(write, section, row, allowed):
    path = write(f"# first\n{section}\n{row}\n")
    key, _, _ = row.partition(" = ")
    name = section.strip("[]")
    (found,) = [e for e in errors(path) if e.key == f"{name}.{key}"]
    assert (found.file, found.line) == (str(path), 3)
    assert found.allowed.startswith(allowed)
    assert str(found).startswith(f"{path}:3: {name}.{key} = {found.value}: {allowed}")


@pytest.mark.parametrize(
    ("prefix", "allowed"),
    [
        ("10.10.0.1/16", "has bits behind its length set; meant is perhaps 10.10.0.0/16"),
        ("10.10.0.0", "must be an IPv4 prefix such as"),
        ("10.10.0.0/33", "must be an IPv4 prefix such as"),
        ("10.10.0.0/-1", "must be an IPv4 prefix such as"),
        ("10.10.0.0/255.255.0.0", "must be an IPv4 prefix such as"),
        ("10.10.0.0/016", "must be an IPv4 prefix such as"),
        ("010.10.0.0/16", "must be an IPv4 prefix such as"),
        ("2001:db8::/32", "must be an IPv4 prefix such as"),
        ("10.10.0.0/16 ", "must be an IPv4 prefix such as"),
        ("x" * 10000, "must be an IPv4 prefix such as"),
    ],
)
def test_prefix_that_is_none_is_refused(write, prefix, allowed):
    text = WHOLE.replace('"10.10.0.0/16"', f'"{prefix}"')
    if len(prefix) > 4096:
        assert one(write(text)).allowed == "line is longer than 4096 characters"
        return
    found = one(write(text))
    assert found.key == "target.prefix"
    assert found.allowed.startswith(allowed)


@pytest.mark.parametrize(
    ("rd", "good"),
    [
        ("65535:4294967295", True),
        ("65536:65535", True),
        ("65536:65536", False),
        ("4294967296:1", False),
        ("192.0.2.1:65535", True),
        ("192.0.2.1:65536", False),
        ("192.0.2.256:1", False),
        ("1", False),
        ("1:", False),
        ("a:b", False),
    ],
)
def test_route_distinguisher_has_one_of_three_forms(write, rd, good):
    path = write(f'[[virtual_router]]\nname = "a"\nrd = "{rd}"\n')
    if good:
        assert read_config(path).virtual_router[0].rd == rd
    else:
        assert one(path).key == "virtual_router.rd"


def test_all_errors_come_at_once_in_order_of_lines(write):
    path = write("[chassis]\nname = 1\nmax_pending = -1\n[budget]\ndial_burst = 0\n[sin]\n")
    assert [(e.line, e.key) for e in errors(path)] == [
        (2, "chassis.name"),
        (3, "chassis.max_pending"),
        (5, "budget.dial_burst"),
        (6, "sin"),
    ]


@pytest.mark.parametrize(
    ("text", "key", "allowed"),
    [
        ("[targets]\n", "targets", "no such section; did you mean target?"),
        ("[chassis]\nmax_sesions = 1\n", "chassis.max_sesions", "did you mean max_sessions?"),
        ("[[lac]]\naddress='10.0.0.1'\nsecret_fiel = 'x'", "lac.secret_fiel", "secret_file?"),
        ("[sim]\nzzz = 1\n", "sim.zzz", "no such key; there are cpe, drain, lac, radius, seed"),
        ('[chassis]\n"\\u001b[2J" = 1\n', 'chassis."\\u001b[2J"', "no such key"),
    ],
)
def test_unknown_key_is_an_error_with_a_suggestion(write, text, key, allowed):
    found = one(write(text))
    assert found.key == key
    assert allowed in found.allowed
    assert found.value == "***"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("chassis = 1\n", "chassis"),
        ("target = 1\n", "target"),
        ("target = [1]\n", "target"),
        ("[target]\nprefix = '10.0.0.0/8'\n", "target"),
        ("[[chassis]]\n", "chassis"),
        ("[sim]\nlac = 'x'\n", "sim.lac"),
        ("[[radius]]\nname = 'a'\n", "radius.servers"),
        ("[[radius]]\nname = 'a'\nservers = []\n", "radius.servers"),
        ("[[radius]]\nname = 'a'\nservers = ['10.0.0.1']\n", "radius.servers"),
    ],
)
def test_section_of_the_wrong_shape_is_an_error(write, text, key):
    assert one(write(text)).key == key


def test_missing_keys_are_named_at_the_section(write):
    found = errors(write("\n[[target]]\ndomain = 'd'\n"))
    assert [(e.line, e.key) for e in found] == [
        (2, "target.prefix"),
        (2, "target.virtual_router"),
        (2, "target.profile"),
    ]
    assert "target.prefix: is missing; must be an IPv4 prefix" in str(found[0])


# replaced in WHOLE, by what, and (begin of the line of the error, key, part of what is allowed)
REFERENCES = [
    (
        'radius = "main"',
        'radius = "other"',
        (
            'radius = "other"',
            "virtual_router.radius",
            'must be the name of a [[radius]]; there is "main"',
        ),
    ),
    ('radius = "main"', "", ("[[virtual_router]]", "virtual_router.radius", "it has targets")),
    (
        'name = "core"',
        'name = "home"\nradius = "main"',
        ('name = "home"', "virtual_router.name", "same name"),
    ),
    ("table = 2", "table = 1", ("table = 1", "virtual_router.table", "same table")),
    ("table = 2", 'rd = "0.0.0.0:65000"', ('rd = "0', "virtual_router.rd", "same rd")),
    (
        'profile = "isdn"\nmax_sessions',
        'profile = "x"\nmax_sessions',
        ('profile = "x"', "target.profile", 'must be the name of a [[profile]]; there is "isdn"'),
    ),
    (
        'domain = "d"',
        'domain = "d"\nprofile = "isdn"\n'
        '[[target]]\nprefix = "10.10.0.0/16"\nvirtual_router = "home"\ndomain = "e"',
        ('prefix = "10.10.0.0/16"', "target.prefix", "same virtual_router and prefix"),
    ),
    (
        'url = "pcap:"\nside = "home"\nvirtual_router = "home"',
        'url = "pcap:"\nside = "home"\nvirtual_router = "h"',
        ('virtual_router = "h"', "port.virtual_router", 'there is "core", "home"'),
    ),
    (
        'address = "192.0.2.11", secret',
        'address = "192.0.2.10", secret',
        ("servers = [", "radius.servers.port", "same address and port"),
    ),
    (
        "echo_interval = 10",
        "minimum_bps = 64001",
        ("minimum_bps", "profile.minimum_bps", "maximum_bps"),
    ),
    ('password = "pw"\n', "", ("password_mode", "radius.password_mode", "needs a password")),
    (
        'password_mode = "configured"\n',
        "",
        ("[[radius]]", "radius.password_mode", 'must be "configured"'),
    ),
    (
        'name = "bad"\n',
        'name = "bad"\nreply = { User-Name = "x" }\n',
        ("reject", "sim.radius.users.reject", "a rejected user has no reply"),
    ),
    (
        '[[sim.radius]]\naddress = "192.0.2.11"',
        '[[sim.radius]]\naddress = "192.0.2.10"',
        ("[[sim.radius]]", "sim.radius.port", "same address and port"),
    ),
]


@pytest.mark.parametrize(("old", "new", "expected"), REFERENCES)
def test_sections_must_agree(write, old, new, expected):
    assert WHOLE.count(old) == 1
    text = WHOLE.replace(old, new)
    found = one(write(text))
    line, key, allowed = expected
    assert found.key == key
    assert text.split("\n")[found.line - 1].startswith(line)
    assert allowed in found.allowed


def test_same_prefix_in_two_virtual_routers_is_allowed(write):
    text = WHOLE.replace("table = 2", 'table = 2\nradius = "main"').replace(
        '"10.10.0.0/24"\nvirtual_router = "home"', '"10.10.0.0/16"\nvirtual_router = "core"'
    )
    assert len(read_config(write(text)).target) == 2


def test_ten_thousand_targets_are_read_and_checked(write):
    rows = [
        f'[[target]]\nprefix = "11.{n >> 8}.{n & 255}.0/24"\nvirtual_router = "home"\n'
        f'domain = "d"\nprofile = "isdn"\n'
        for n in range(10_000)
    ]
    assert len(read_config(write(WHOLE + "".join(rows))).target) == 10_002


@pytest.mark.parametrize(
    ("value", "allowed"),
    [
        ('{ Nothing = "x" }', "attribute 'Nothing' is not in the dictionary"),
        ('{ "Tunnel-Type:32" = "L2TP" }', "tag '32' is not a number from 1 to 31"),
        ('{ "User-Name:1" = "x" }', "attribute User-Name takes no tag"),
        ('{ Tunnel-Type = "hunter22" }', "Tunnel-Type has a value that is not of type integer"),
        ('{ Framed-IP-Address = "hunter22" }', "Framed-IP-Address has a value that is not"),
        ("{ Class = true }", "attribute Class must be a text, a number or a list of them"),
        ("{ Class = [[1]] }", "attribute Class must be a text, a number or a list of them"),
        ('"hunter22"', 'must be a table of "Attribute" or "Attribute:tag" = value'),
    ],
)
def test_reply_attribute_that_radius_cannot_carry_is_an_error(write, value, allowed):
    text = "[[sim.radius]]\naddress = '10.0.0.1'\nsecret = 's'\n"
    found = one(write(text + f"[[sim.radius.users]]\nname = 'a'\nreply = {value}\n"))
    assert (found.line, found.key, found.value) == (6, "sim.radius.users.reply", "***")
    assert found.allowed.startswith(allowed)
    assert "hunter22" not in str(found)


@pytest.mark.parametrize("name", ["", "**", "a*b", "*a*", "x" * 254])
def test_user_pattern_has_one_wildcard_at_one_end(write, name):
    text = "[[sim.radius]]\naddress = '10.0.0.1'\nsecret = 's'\n[[sim.radius.users]]\n"
    assert one(write(text + f"name = '{name}'\n")).key == "sim.radius.users.name"


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
