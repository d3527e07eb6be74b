"""Bursts as numpy arrays: nothing is copied, and what comes out is what a port in memory sends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from packets import datagram
from packets6 import datagram6

from fastpath import PACKET, REASONS, VERDICTS, Batches, Engine, MemPort
from fastpath.ports.port import Port

ROOT = Path(__file__).parents[3]
IDS = {"tunnel": 1, "session": 2, "peer_tunnel": 3, "peer_session": 4}
ENDS = {"local": ("10.88.0.1", 1701), "peer": ("10.88.0.2", 1701)}


class Rig:
    def __init__(self, home: Port, tunnel: Port) -> None:
        self.engine = Engine()
        table = self.engine.add_table("default", "10.88.0.1")
        self.home = self.engine.attach(home, table)
        self.tunnel = self.engine.attach(tunnel, table)
        with self.engine.transaction() as t:
            self.nh = t.add_session(table=table, port=self.tunnel, **ENDS, **IDS)
            t.add_route(table, "198.51.100.0/24", self.nh)
            t.add_route(table, "2001:db8:2::/48", self.nh)
            t.add_route(table, "192.0.2.0/24", t.add_adjacency("ip", port=self.home))


@pytest.fixture
def rig():
    return Rig(Port(), Port())


FRAMES = [
    datagram(dst=("198.51.100.1", "203.0.113.1", "192.0.2.7")[i % 3], ident=i) for i in range(60)
]
BOTH = [FRAMES[i] if i % 3 else datagram6(bytes((i,))) for i in range(60)]


def filled(batch, frames, headroom=128) -> None:
    for row, frame in enumerate(frames):
        batch.frames[row, headroom : headroom + len(frame)] = np.frombuffer(frame, np.uint8)
        batch.lengths[row] = len(frame)


@pytest.mark.parametrize("frames", [FRAMES, BOTH])
def test_the_same_packets_leave_as_by_ports_in_memory(rig, frames):
    home, tunnel = MemPort("home"), MemPort("tunnel")
    twin = Rig(home, tunnel)
    home.push_many(frames)
    while twin.engine.step():
        pass
    batches = Batches(rig.engine.worker)
    batch = batches.attach(rig.home, np.zeros((64, 512), np.uint8), link="raw")
    filled(batch, frames)
    assert batch.process(len(frames)) == len(frames)
    rows = batches.sent(batch, rig.tunnel)
    starts, lengths = batch.starts(), batch.packets["len"]
    sent = [batch.frames[r, starts[r] : starts[r] + lengths[r]].tobytes() for r in rows]
    assert sent == [packet for _, packet in tunnel.pop_all()]
    assert rows.tolist() == list(range(0, 60, 3))
    delivered = batches.sent(batch, rig.home)
    assert delivered.tolist() == list(range(2, 60, 3))
    theirs = [packet for _, packet in home.pop_all()]
    assert sorted(batches.made(rig.home)) == sorted(p for p in theirs if p[9] == 1)


def test_verdicts_are_a_view_of_the_workers_memory(rig):
    batches = Batches(rig.engine.worker)
    batch = batches.attach(rig.home, np.zeros((4, 512), np.uint8), link="ipv4")
    view = batch.packets["verdict"]
    assert batch.packets.dtype == PACKET
    filled(batch, FRAMES[:3])
    batch.process(3, now_ns=99)
    assert [VERDICTS[v] for v in view[:3]] == ["FORWARD", "DROP", "DELIVER"]
    assert REASONS[batch.packets["reason"][1]] == "no-route"
    assert batch.packets["nh"][0] == rig.nh
    assert (batch.packets["ts"][:3] == 99).all()
    assert batch.starts()[0] == 128 - 40


def test_rows_in_the_middle_are_a_burst_of_their_own(rig):
    batches = Batches(rig.engine.worker)
    batch = batches.attach(rig.home, np.zeros((8, 512), np.uint8), link="ipv4")
    filled(batch, [FRAMES[0]] * 8)
    assert batch.process(2, first=5) == 2
    assert batches.sent(batch, rig.tunnel).tolist() == [5, 6]
    assert batch.process(0) == 0
    assert batches.sent(batch, rig.tunnel).tolist() == []


@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((4, 512), np.uint16),
        np.zeros(512, np.uint8),
        np.zeros((4, 1024), np.uint8)[:, ::2],
        np.broadcast_to(np.zeros(512, np.uint8), (4, 512)),
        b"octets",
    ],
    ids=["uint16", "one dimension", "strided", "readonly", "bytes"],
)
def test_only_an_array_that_can_be_changed_in_place_is_attached(rig, frames):
    with pytest.raises(ValueError, match="writable, contiguous uint8"):
        Batches(rig.engine.worker).attach(rig.home, frames)


def test_what_does_not_fit_is_refused_and_nothing_done(rig):
    batches = Batches(rig.engine.worker)
    with pytest.raises(KeyError, match="port 7"):
        batches.attach(7, np.zeros((4, 512), np.uint8))
    with pytest.raises(ValueError, match="leaves no room"):
        batches.attach(rig.home, np.zeros((4, 128), np.uint8))
    with pytest.raises(ValueError, match="link type 'token'"):
        batches.attach(rig.home, np.zeros((4, 512), np.uint8), link="token")
    batch = batches.attach(rig.home, np.zeros((300, 512), np.uint8), link="ipv4")
    batch.lengths[2] = 385
    for arguments, match in [
        ((301,), "301 packets is above 256"),
        ((2, 299), "2 frames from row 299 on: there are 300"),
        ((4,), "row 2: a frame of 385 octets, and room for 384"),
    ]:
        with pytest.raises(ValueError, match=match):
            batch.process(*arguments)
    with pytest.raises(KeyError, match="port 9"):
        batches.sent(batch, 9)
    assert rig.engine.counters()["received"] == 0


def test_example_says_what_it_does():
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples/numpy_batches.py")],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT / "src")},
    )
    lines = done.stdout.splitlines()
    assert lines[0] == "{'FORWARD': 192, 'DROP': 64}"
    assert lines[1] == "192 packets leave, the first from octet 88 of row 0 on:"
    assert lines[2].startswith("45000044")
    assert lines[3] == "next hops: [ True]"
