"""The configuration file: what is read, and keys and values that are wrong (specification 1.12;
threat T25)."""

from __future__ import annotations

import dataclasses

import pytest
from config_bench import WHOLE, errors, one

from control import config
from control.config_file import read_config
from control.config_keys import ROOT
from control.config_section import Section


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
        # TOML has no word for None: it is what an absent key means.
        if field.name in section.keys and field.default not in (dataclasses.MISSING, None):
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
    ("[chassis]", "max_sessions = 0", "must be a whole number from 1 to 1048576"),
    ("[chassis]", "max_sessions = 1048577", "must be a whole number from 1 to 1048576"),
    ("[chassis]", "max_sessions = true", "must be a whole number from 1 to 1048576"),
    ("[chassis]", "max_sessions = 5.0", "must be a whole number from 1 to 1048576"),
    ("[chassis]", 'max_sessions = "5"', "must be a whole number from 1 to 1048576"),
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
    (
        "[[profile]]",
        'authentication = ["eap"]',
        'must be a list of "chap" and "pap" and "mschapv2", each once',
    ),
    (
        "[[profile]]",
        'authentication = ["pap", "pap"]',
        'must be a list of "chap" and "pap" and "mschapv2", each once',
    ),
    (
        "[[profile]]",
        'authentication = "pap"',
        'must be a list of "chap" and "pap" and "mschapv2", each once',
    ),
    (
        "[[profile]]",
        "authentication = [{}]",
        'must be a list of "chap" and "pap" and "mschapv2", each once',
    ),
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
    ("[[profile]]", "mss_clamp = 0", "must be true or false"),
    ("[[lac]]", "max_sessions = 65536", "must be a whole number from 1 to 65535"),
    ("[[lac]]", "lockout = 3601", "must be a number from 0 to 3600"),
    ("[[radius]]", "retries = 11", "must be a whole number from 1 to 10"),
    ("[[radius]]", "timeout = 0.05", "must be a number from 0.1 to 60"),
    ("[[radius]]", 'password_mode = "x"', 'must be one of "empty", "none", "configured"'),
    ("[[radius]]", "interim_interval = 59", "must be 0, or a whole number from 60 to 86400"),
    ("[[radius]]", "dynamic_authorization_port = 0", "must be a whole number from 1 to 65535"),
    ("[[port]]", 'url = "tap:x"', 'must be one of "pcap:[FILE]", "mem:", "udp:ADDRESS'),
    ("[[port]]", 'url = "tun:sixteen-octets.."', 'must be one of "pcap'),
    ("[[port]]", 'url = "tun:"', 'must be one of "pcap'),
    ("[[port]]", 'url = "pcap"', 'must be one of "pcap:[FILE]", "mem:", "udp:ADDRESS'),
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
        ("10.10.0.0", "must be an IPv4 or IPv6 prefix such as"),
        ("10.10.0.0/33", "must be an IPv4 or IPv6 prefix such as"),
        ("10.10.0.0/-1", "must be an IPv4 or IPv6 prefix such as"),
        ("10.10.0.0/255.255.0.0", "must be an IPv4 or IPv6 prefix such as"),
        ("10.10.0.0/016", "must be an IPv4 or IPv6 prefix such as"),
        ("010.10.0.0/16", "must be an IPv4 or IPv6 prefix such as"),
        ("2001:db8::/129", "must be an IPv4 or IPv6 prefix such as"),
        ("fe80::%1/64", "must be an IPv4 or IPv6 prefix such as"),
        ("2001:db8::1/64", "has bits behind its length set; meant is perhaps 2001:db8::/64"),
        ("2001:DB8::/32", "must be written 2001:db8::/32 (RFC 5952)"),
        ("10.10.0.0/16 ", "must be an IPv4 or IPv6 prefix such as"),
        ("x" * 10000, "must be an IPv4 or IPv6 prefix such as"),
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
        ("[sim]\nzzz = 1\n", "sim.zzz", "there are cpe, drain, lac, phase, radius, seed"),
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
    assert "target.prefix: is missing; must be an IPv4 or IPv6 prefix" in str(found[0])
