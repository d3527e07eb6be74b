"""The demonstration from end to end: what happens in which order, what leaves the router, what is
told, and that the same input makes the same octets."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter

import pytest
from replay_run import (
    DEMO,
    HOME,
    SITE,
    demo_config,
    dialout,
    happened,
    home_site,
    packets_of,
    replayed,
)

from control import commands
from control.sim.traffic import REMOTE_HOSTS, START

ROUTER = "10.88.0.1"
FILES = ("home-site.pcap", "out.pcapng", "report.json")
ICMP, UDP = 1, 17
SESSION_HEADER = 40
"""Octets before the inner packet: IPv4, UDP, L2TP with Length, FF03 and protocol."""

STEPS = [
    ("TargetStateChanged", {"state": "inService"}),
    ("ChassisStateChanged", {"new": "inService"}),
    ("VirtualRouterStateChanged", {"new": "inService"}),
    ("TriggerReceived", {"source": HOME, "protocol": ICMP, "time": 0.0}),
    ("SessionStateChanged", {"old": "NONE", "new": "AUTHENTICATING"}),
    ("RadiusAsked", {"group": "home", "purpose": "dial-out"}),
    ("SessionStateChanged", {"old": "AUTHENTICATING", "new": "CONNECTING"}),
    ("CallPlaced", {"number": "5551234", "lac": "10.88.0.2"}),
    ("TunnelUp", {"host_name": "lac.example"}),
    ("CallAnswered", {"lac": "10.88.0.2", "connect_speed": 64000}),
    ("LinkProgress", {"stage": "lcp"}),
    ("RadiusAsked", {"group": "home", "purpose": "session"}),
    ("LinkProgress", {"stage": "peer authenticated", "detail": "branch"}),
    ("LinkProgress", {"stage": "authenticated to peer", "detail": "chap"}),
    ("LinkProgress", {"stage": "ipcp", "detail": "10.88.0.1 - 198.51.100.1"}),
    ("AccessRouteInstalled", {"prefixes": ["198.51.100.1/32", "198.51.100.0/24"]}),
    ("SessionStateChanged", {"old": "CONNECTING", "new": "IN_SERVICE"}),
    ("TriggersFlushed", {"packets": 2}),
    ("ChassisStateChanged", {"new": "initIncomplete"}),
    ("VirtualRouterStateChanged", {"new": "initPending"}),
    ("TargetStateChanged", {"state": "removed"}),
    ("SessionStateChanged", {"old": "IN_SERVICE", "new": "NONE", "why": "shutdown"}),
    ("AccessRouteRemoved", {"prefixes": ["198.51.100.1/32", "198.51.100.0/24"]}),
    ("TunnelDown", {"lac": "10.88.0.2"}),
]
"""The dial-out to the first destination."""

FIELDS = {
    "dialout",
    "seed",
    "started_at",
    "packets",
    "octets",
    "limited",
    "interrupted",
    "virtual_seconds",
    "errors",
    "accounted_for",
    "verdicts",
    "drop_reasons",
    "counters",
    "chassis",
    "virtual_routers",
    "targets",
    "sessions",
    "calls",
    "timeline",
    "simulated",
}


@pytest.fixture
def demo(capsys, tmp_path):
    """Report, packets that were written, and what was printed."""
    result = dialout(capsys, "demo", "--output", tmp_path / "demo")
    assert (result.code, result.err) == (0, "")
    told = dialout(capsys, "demo", "--output", tmp_path / "again", "--json").json
    return told, packets_of(tmp_path / "demo" / "out.pcapng"), result.out


def test_each_step_is_told_in_order(demo):
    told, _, printed = demo
    mine = [row for row in told["timeline"] if row.get("destination", SITE) == SITE]
    assert [row["event"] for row in mine] == [event for event, _ in STEPS]
    for row, (event, fields) in zip(mine, STEPS, strict=True):
        assert {key: row[key] for key in fields} == fields, event
    times = [row["time"] for row in told["timeline"]]
    assert times == sorted(times)
    header, *lines = printed.split("\n\n")[0].splitlines()
    assert header.split() == ["time", "event", "particulars"]
    assert len(lines) == len(times)
    assert [float(line.split()[0]) for line in lines] == pytest.approx(times, abs=0.001)


def test_the_summary_and_the_files_are_told(demo, tmp_path):
    told, _, printed = demo
    words = [line.split() for line in printed.splitlines() if line]
    summary = {" ".join(line[:-1]): line[-1] for line in words}
    assert summary["packets read"] == "200"
    for verdict, count in told["verdicts"].items():
        assert summary[verdict] == str(count)
    for name in FILES:
        assert f"{tmp_path / 'demo' / name}  " in printed
        assert (tmp_path / "demo" / name).stat().st_size


def test_the_first_packet_to_the_site_places_the_call_and_is_forwarded_first(demo):
    told, written, _ = demo
    (trigger,) = happened(told, "TriggerReceived", destination=SITE)
    assert (trigger["source"], trigger["time"]) == (HOME, 0.0)
    flushed = next(packet for packet in written if packet.comment == "TRIGGER flushed")
    inner = flushed.ip[SESSION_HEADER:]
    assert inner[9] == ICMP
    assert inner[12:20] == bytes(map(int, f"{HOME}.{SITE}".split(".")))
    assert inner[26:28] == bytes(2), "the first of the pings"
    (done,) = happened(told, "TriggersFlushed", destination=SITE)
    assert flushed.time == pytest.approx(START * 10**9 + done["time"] * 10**9, abs=1000)
    forwarded = [packet.time for packet in written if packet.comment == "FORWARD"]
    assert flushed.time < min(forwarded)


def test_what_leaves_for_the_site_is_in_l2tp_and_ppp(demo):
    told, written, _ = demo
    sent = [p for p in written if p.comment in ("FORWARD", "TRIGGER flushed")]
    assert len(sent) == told["counters"]["encapsulated"]
    assert len(sent) == told["verdicts"]["FORWARD"] + told["counters"]["triggers_flushed"]
    ids = {(call["peer_tunnel"], call["peer_session"]) for call in told["calls"]}
    for packet in sent:
        outer, inner = packet.ip[:SESSION_HEADER], packet.ip[SESSION_HEADER:]
        assert packet.interface == "tunnel"
        assert packet.outbound
        assert (packet.source, packet.destination) == (ROUTER, "10.88.0.2")
        assert outer[28:30] == b"\x40\x02"
        assert outer[36:] == b"\xff\x03\x00\x21"
        ident = tuple(int.from_bytes(outer[at : at + 2], "big") for at in (32, 34))
        assert ident in ids
        assert inner[8] == 63, "TTL"
        assert ".".join(map(str, inner[16:20])) in REMOTE_HOSTS


def test_answers_of_the_site_are_decapsulated_and_delivered(demo):
    told, written, _ = demo
    delivered = [packet for packet in written if packet.comment == "DELIVER"]
    (cpe,) = told["simulated"]["cpe"]
    assert len(delivered) == told["verdicts"]["DELIVER"] == cpe["pings"] + cpe["echoes"] > 0
    assert all(packet.interface == "home" and packet.outbound for packet in delivered)
    sent = [p for p in written if p.comment in ("FORWARD", "TRIGGER flushed")]
    asked = {flow(p.ip[SESSION_HEADER:]) for p in sent}
    for packet in delivered:
        answer = flow(packet.ip)
        assert (answer[1], answer[0], *answer[2:]) in asked
    assert delivered[0].ip[24:28] == b"\0\1\0\0", "of the trigger itself"


def flow(ip: bytes) -> tuple[bytes, bytes, int, bytes]:
    """Source and destination, protocol, and what names a ping or an echoed datagram."""
    if ip[9] == ICMP:
        return ip[12:16], ip[16:20], ICMP, ip[24:28]
    return ip[12:16] + ip[20:22], ip[16:20] + ip[22:24], ip[9], b""


def test_the_report_tells_everything(demo):
    told, _, _ = demo
    assert set(told) == FIELDS
    assert told["packets"] == 200
    assert told["started_at"] == "2026-01-01T00:00:00+00:00"
    assert told["accounted_for"]
    assert told["counters"]["received"] == sum(told["verdicts"].values())
    assert told["verdicts"]["DROP"] == sum(told["drop_reasons"].values())
    counters = told["counters"]
    law = sum(counters[f"triggers_{n}"] for n in ("admitted", "buffered", "discarded", "missed"))
    assert law == told["verdicts"]["TRIGGER"]
    assert [session["destination"] for session in told["sessions"]] == list(REMOTE_HOSTS)
    assert {session["state"] for session in told["sessions"]} == {"inService"}
    assert [call["number"] for call in told["calls"]] == ["5551234"] * 2
    assert told["chassis"]["state"] == "inService"
    assert [target["prefix"] for target in told["targets"]] == ["198.51.100.0/24"]


# --- the same input, the same octets --------------------------------------------------------------


def test_runs_are_equal_whatever_the_hashes_are(capsys, tmp_path):
    argv = ["demo", "-q", "--output", str(tmp_path / "here")]
    assert dialout(capsys, *argv).code == 0
    expected = [(tmp_path / "here" / name).read_bytes() for name in FILES]
    for seed in ("0", "4711"):
        argv[-1] = str(tmp_path / seed)
        env = os.environ | {"PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-m", "control.cli", *argv], env=env, check=True)
        assert [(tmp_path / seed / name).read_bytes() for name in FILES] == expected


def test_another_seed_makes_other_ids_and_the_same_verdicts(capsys, tmp_path):
    capture = home_site(tmp_path)
    reports = [replayed(capsys, DEMO, capture, "--seed", seed) for seed in (1, 2)]
    assert [told["seed"] for told in reports] == [1, 2]
    ids = [
        {(call["tunnel"], call["call_session"], call["peer_tunnel"]) for call in told["calls"]}
        for told in reports
    ]
    assert ids[0].isdisjoint(ids[1])
    for key in ("verdicts", "drop_reasons"):
        assert reports[0][key] == reports[1][key]


def test_the_seed_of_the_configuration_counts_unless_another_is_given(capsys, tmp_path):
    capture = home_site(tmp_path)
    config = demo_config(tmp_path, ("seed = 1", "seed = 2"))
    given = replayed(capsys, DEMO, capture, "--seed", 2)
    assert replayed(capsys, config, capture) == given


# --- exit code of a call that fails ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (('peer_password = "lns-secret"', 'peer_password = "other"'), "the peer refuses us"),
        (("dial_delay = 1.5", 'outcome = "busy"'), "busy"),
        (('"5551234"\nusername', '"5550000"\nusername'), "unknown-number"),
        (('address = "10.88.0.2"\n', 'address = "10.88.0.3"\n'), "still connecting"),
        (('"*@dialout.example"', '"*@other.example"'), "Access-Reject: no such user"),
        (('prefix = "198.51.100.0/24"', 'prefix = "10.0.0.0/8"'), "no packet was a trigger"),
    ],
)
def test_a_demonstration_without_a_call_has_exit_code_4(capsys, tmp_path, monkeypatch, change, why):
    monkeypatch.setattr(commands, "DEMO", demo_config(tmp_path, change))
    result = dialout(capsys, "demo", "--output", tmp_path / "demo")
    assert (result.code, result.err) == (4, f"dialout: no call came up: {why}\n")
    assert Counter(p.comment for p in packets_of(tmp_path / "demo" / "out.pcapng"))["FORWARD"] == 0
