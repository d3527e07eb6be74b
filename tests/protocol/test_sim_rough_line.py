"""Dial-out calls over a bad line to the simulated LAC: they come up, every packet is counted once,
nothing raises, and a run with one seed is always the same."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from sim_lns import (
    GOOD_PPP,
    HOME,
    LNS,
    REMOTE,
    Lns,
    lac,
)

from control.sim import host


@pytest.mark.parametrize("seed", [*range(8), 84, 94, 114])
def test_calls_come_up_over_a_line_that_loses_a_tenth_and_reorders(seed: int) -> None:
    rough = lac(loss=0.1, reorder=0.1, duplicate=0.05, corrupt=0.02, jitter=0.02)
    patient = replace(GOOD_PPP, negotiation_deadline=90.0, authentication_deadline=90.0)
    lns = Lns(rough, ppp_config=patient, seed=seed)
    sessions = [lns.place(str(number)) for number in range(3)]
    lns.run(100.0)
    assert [session.is_open for session in sessions] == [True] * 3


@pytest.mark.parametrize("seed", range(3))
def test_every_data_message_and_packet_is_counted_once(seed: int) -> None:
    rough = lac(loss=0.1, reorder=0.2, duplicate=0.2, corrupt=0.1, sequencing=True)
    lns = Lns(rough, seed=seed)
    sessions = [lns.place(str(number)) for number in range(3)]
    for number in range(200):
        lns.run(0.2)
        for session in sessions:
            if session.is_open:
                lns.send_ip(session, host.udp_packet(HOME, number, REMOTE, 7, b"x"))
    lns.run(5.0)
    report = lns.network.report()
    data = report["lac"][0]
    refused = ("malformed", "unknown_session", "wrong_peer", "wrong_port", "unsequenced", "late")
    site = lns.site.counters
    assert data["data_in"] == site.frames_in + sum(data[name] for name in refused)
    assert site.packets > 0
    answered = site.pings + site.echoes + site.too_big + site.ignored
    refused_packets = site.fragments + site.not_open + site.bad_header + site.bad_payload
    assert site.packets == answered + refused_packets
    arrived = data["link"]["to_far"]["delivered"]
    assert arrived == data["control_in"] + data["data_in"] + sum(data["host"].values())
    assert report["from_router"] == data["link"]["to_far"]["sent"]
    assert report["to_router"] == data["link"]["to_near"]["delivered"]


def test_damaged_messages_with_good_checksums_never_raise() -> None:
    rng = random.Random(3)
    lns = Lns()
    session = lns.place()
    lns.run_until_open(session)
    sent = [host.parse_udp(packet) for _, way, packet in lns.trace if way == "out"]
    for _ in range(2000):
        original = rng.choice(sent)
        payload = bytearray(original.payload)
        for _ in range(rng.randint(1, 4)):
            payload[rng.randrange(len(payload))] = rng.randrange(256)
        cut = bytes(payload[: rng.randint(1, len(payload))] if rng.random() < 0.3 else payload)
        lns.network.from_router(host.udp_packet(*LNS, *original.destination, cut))
        lns.run(0.01)
    lns.run(100.0)


def run_once(seed: int) -> tuple[list[tuple[float, str, bytes]], dict[str, object]]:
    lns = Lns(lac(loss=0.1, reorder=0.1, duplicate=0.1, jitter=0.01), seed=seed)
    sessions = [lns.place(str(number)) for number in range(4)]
    lns.run(20.0)
    for session in sessions:
        if session.is_open:
            lns.send_ip(session, host.ping_packet(HOME, REMOTE))
            lns.hang_up(session)
    lns.run(20.0)
    return lns.trace, lns.network.report()


def test_two_runs_with_one_seed_give_the_same_bytes_at_the_same_times() -> None:
    assert run_once(7) == run_once(7)
    assert run_once(7)[0] != run_once(8)[0]


def test_a_replay_of_an_hour_ends_with_every_modem_free() -> None:
    lns = Lns(lac(modems=5))
    for number in range(20):
        session = lns.place(str(number))
        lns.run(120.0)
        assert session.is_open
        lns.hang_up(session)
        lns.run(60.0)
    assert lns.lac.results == {"answer": 20}
    assert lns.lac.bank.in_use == 0


def test_the_hash_seed_of_the_process_does_not_matter() -> None:
    program = (
        "import hashlib, test_sim_rough_line;"
        "print(hashlib.sha256(repr(test_sim_rough_line.run_once(7)).encode()).hexdigest())"
    )
    search = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": search},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert len(digests) == 1
