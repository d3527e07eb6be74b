"""Sections of the configuration file that must agree with each other, and what RADIUS and the
simulation can carry (specification 1.12)."""

from __future__ import annotations

import pytest
from config_bench import WHOLE, one

from control.config_file import read_config

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
    (
        'url = "pcap:"\nside = "home"',
        'url = "tun:lns0"\nside = "tunnel"',
        ('url = "tun', "port.url", "must not be a tun: port, which is of the home side"),
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
        'address = "192.0.2.11", secret',
        'address = "192.0.2.11", accounting_port = 1812, secret',
        ("servers = [", "radius.servers.accounting_port", "nor the port for authentication"),
    ),
    (
        "echo_interval = 10",
        "minimum_bps = 64001",
        ("minimum_bps", "profile.minimum_bps", "maximum_bps"),
    ),
    (
        "hello_interval = 30.5",
        'incoming_calls = true\nincoming_profile = "isdn"',
        ("[[lac]]", "lac.incoming_router", "must be set where incoming_calls is true"),
    ),
    (
        "hello_interval = 30.5",
        'incoming_calls = true\nincoming_router = "home"\nincoming_profile = "isdn"\n'
        'incoming_username = "us"',
        ("incoming_username", "lac.incoming_username", "needs an incoming_password"),
    ),
    (
        "hello_interval = 30.5",
        'incoming_profile = "x"',
        ("incoming_profile", "lac.incoming_profile", "must be the name of a [[profile]]"),
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
