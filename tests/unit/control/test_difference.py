"""What differs between two configurations, and what loading the difference would do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from control import config as settings
from control.config import Config
from control.config_keys import ROOT
from control.difference import (
    ADDING,
    CHANGING,
    KEYS,
    LONGEST,
    REMOVING,
    Effect,
    Kind,
    difference,
)

TARGET = settings.Target("10.1.0.0/16", "home", "example.org", "modem")
OLD = Config(
    virtual_router=(settings.VirtualRouter("home", radius="aaa", local_address="192.0.2.1"),),
    target=(TARGET,),
    profile=(settings.Profile("modem"),),
    lac=(settings.Lac("192.0.2.2", secret=b"tunnel-secret"),),
    radius=(
        settings.Radius("aaa", (settings.RadiusServer("192.0.2.9", secret=b"radius-secret"),)),
    ),
    port=(settings.Port("lan", "mem:", "home", "home"),),
)


def told(new: Config) -> list[str]:
    return list(difference(OLD, new).lines())


def test_equal_configurations_have_no_difference():
    assert not difference(OLD, OLD)
    assert not difference(OLD, replace(OLD))
    assert told(OLD) == []


def test_order_of_the_entries_makes_no_difference():
    other = settings.Target("10.2.0.0/16", "home", "example.org", "modem")
    before, after = replace(OLD, target=(TARGET, other)), replace(OLD, target=(other, TARGET))
    assert not difference(before, after)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"target": ()},
            "- target home 10.1.0.0/16: its sessions are closed",
        ),
        (
            {"target": (TARGET, replace(TARGET, prefix="10.2.0.0/16"))},
            "+ target home 10.2.0.0/16: its dial-out route comes or goes",
        ),
        (
            {"target": (replace(TARGET, max_sessions=5),)},
            "~ target home 10.1.0.0/16: max_sessions 65536 -> 5: counts at once, sessions stay",
        ),
        (
            {"target": (replace(TARGET, domain="example.net", max_sessions=5),)},
            '~ target home 10.1.0.0/16: domain "example.org" -> "example.net"; '
            "max_sessions 65536 -> 5: its sessions are closed",
        ),
        (
            {"profile": (settings.Profile("modem", idle_timeout=60),)},
            "~ profile modem: idle_timeout 300 -> 60: "
            "counts for calls placed from now on, sessions stay",
        ),
        (
            {"lac": ()},
            "- lac 192.0.2.2: counts for calls placed from now on, sessions stay",
        ),
        (
            {"port": (settings.Port("lan", "pcap:", "home", "home"),)},
            '~ port lan: url "mem:" -> "pcap:": counts at once, sessions stay',
        ),
        (
            {"port": (settings.Port("lan", "mem:", "tunnel", "home"),)},
            '~ port lan: side "home" -> "tunnel": needs a restart',
        ),
        (
            {"port": (*OLD.port, settings.Port("wan", "udp:192.0.2.1", "tunnel", "home"))},
            "+ port wan: needs a restart",
        ),
        (
            {"chassis": settings.Chassis(max_connecting=3)},
            "~ chassis: max_connecting 512 -> 3: counts at once, sessions stay",
        ),
    ],
)
def test_each_change_is_a_line_with_what_it_does(changes, line):
    assert told(replace(OLD, **changes)) == [line]


def test_secrets_that_changed_are_not_shown():
    lac = replace(OLD.lac[0], secret=b"another-tunnel-secret", lockout=5)
    server = replace(OLD.radius[0].servers[0], secret=b"another-radius-secret")
    new = replace(OLD, lac=(lac,), radius=(replace(OLD.radius[0], servers=(server,)),))
    lines = told(new)
    assert lines == [
        "~ lac 192.0.2.2: secret changed; lockout 60.0 -> 5: "
        "counts for calls placed from now on, sessions stay",
        "~ radius aaa: servers changed: counts at once, sessions stay",
    ]
    assert "-secret" not in repr(difference(OLD, new))


def test_long_values_are_cut():
    rules = tuple(f"permit tcp 10.{n}.0.0/16 any" for n in range(200))
    before = replace(OLD, classifier=(settings.Classifier("web", ("permit ip any any",)),))
    after = replace(OLD, classifier=(settings.Classifier("web", rules),))
    (change,) = difference(before, after).changes
    assert len(change.keys[0].new) == LONGEST


def test_what_needs_a_restart_is_refused_and_named():
    new = replace(OLD, chassis=settings.Chassis(name="other"), profile=())
    found = difference(OLD, new)
    assert [(c.section, c.effect) for c in found.refused] == [("chassis", Effect.RESTART)]
    assert [c.name for c in found.of("profile", Kind.REMOVED)] == ["modem"]


def test_the_strongest_effect_of_several_keys_counts():
    router = replace(OLD.virtual_router[0], rd="1:1", max_buffered_triggers=3)
    (change,) = difference(OLD, replace(OLD, virtual_router=(router,))).changes
    assert change.effect is Effect.NEXT_CALL


def test_every_section_has_an_effect_for_every_kind_of_change():
    arrays = {name for name, section in ROOT.children.items() if section.array}
    assert set(ADDING) == set(REMOVING) == arrays
    assert set(CHANGING) == set(ROOT.children)
    assert all(section in CHANGING for section, _ in KEYS)
    for section, key in KEYS:
        assert key in ROOT.children[section].keys
