"""The slot of a neighbour that an adjacency names goes with every packet that leaves by it."""

from __future__ import annotations

import numpy as np
import pytest
from packets import datagram
from packets6 import datagram6

from fastpath import Batches, Engine
from fastpath.ports.port import Port
from fastpath.trace import trace

SITE = "198.51.100.1"


class Rig:
    def __init__(self) -> None:
        self.engine = Engine()
        table = self.engine.add_table("default", "10.88.0.1")
        self.port = self.engine.attach(Port(), table)
        self.ends = {"local": ("10.88.0.1", 1701), "peer": ("10.88.0.2", 1701), "table": table}
        self.ids = {"tunnel": 1, "session": 2, "peer_tunnel": 3, "peer_session": 4}
        self.table = table
        self.batches = Batches(self.engine.worker)
        self.batch = self.batches.attach(self.port, np.zeros((8, 2048), np.uint8), link="raw")

    def plain(self, **options) -> int:
        with self.engine.transaction() as t:
            nh = t.add_adjacency("ip", port=self.port, **options)
            t.add_route(self.table, "198.51.100.0/24", nh)
            t.add_route(self.table, "2001:db8:2::/48", nh)
        return nh

    def session(self, **options) -> int:
        with self.engine.transaction() as t:
            nh = t.add_session(port=self.port, **self.ends, **self.ids, **options)
            t.add_route(self.table, "198.51.100.0/24", nh)
            t.add_route(self.table, "2001:db8:2::/48", nh)
        return nh

    def leaves(self, *frames: bytes) -> list[int]:
        """Neighbours of what left."""
        for row, frame in enumerate(frames):
            self.batch.frames[row, 128 : 128 + len(frame)] = np.frombuffer(frame, np.uint8)
            self.batch.lengths[row] = len(frame)
        self.batch.process(len(frames))
        rows = self.batches.sent(self.batch, self.port)
        return [int(self.batch.packets["neighbour"][row]) for row in rows]


@pytest.fixture
def rig():
    return Rig()


@pytest.mark.parametrize("slot", [0, 1, 63, 64, 1023])
@pytest.mark.parametrize("kind", ["plain", "session"])
@pytest.mark.parametrize("frame", [datagram(dst=SITE), datagram6()], ids=["IPv4", "IPv6"])
def test_packets_leave_with_the_slot_of_their_adjacency(rig, kind, frame, slot):
    getattr(rig, kind)(neighbour=slot)
    assert rig.leaves(frame, frame) == [slot, slot]


@pytest.mark.parametrize("kind", ["plain", "session"])
def test_a_transaction_gives_another_slot_and_the_port_stays(rig, kind):
    nh = getattr(rig, kind)(neighbour=5)
    with rig.engine.transaction() as t:
        t.set_neighbour(nh, 900)
    assert rig.leaves(datagram(dst=SITE)) == [900]
    with rig.engine.transaction() as t:
        t.set_neighbour(nh, 0)
        t.rollback()
    assert rig.leaves(datagram(dst=SITE)) == [900]


def test_another_header_form_keeps_the_slot(rig):
    nh = rig.session(neighbour=7)
    with rig.engine.transaction() as t:
        t.update_session(nh, peer_tunnel=9, peer_session=9)
    assert rig.leaves(datagram(dst=SITE)) == [7]


def test_fragments_have_the_slot_too(rig):
    rig.plain(neighbour=9, mtu=600)
    rig.leaves(datagram(b"x" * 1400, dst=SITE))
    # Fragments are made by the engine: they are in its list, not in rows of the batch.
    made = rig.batches.made(rig.port)
    assert len(made) == 3


def test_a_slot_out_of_range_is_refused(rig):
    nh = rig.plain()
    with rig.engine.transaction() as t:
        for bad in (-1, 1024):
            with pytest.raises(ValueError, match=f"neighbour {bad} is not 0..1023"):
                t.set_neighbour(nh, bad)
            with pytest.raises(ValueError, match=f"neighbour {bad} is not 0..1023"):
                t.add_adjacency("ip", port=0, neighbour=bad)
        with pytest.raises(ValueError, match="port 63 is not 0"):
            t.add_adjacency("ip", port=63)


def test_what_leaves_nowhere_has_no_neighbour(rig):
    with rig.engine.transaction() as t:
        local = t.add_adjacency("local")
        with pytest.raises(ValueError, match=f"next hop {local} leaves by no port"):
            t.set_neighbour(local, 1)


def test_a_trace_names_the_slot(rig):
    rig.plain(neighbour=12)
    found = trace(rig.engine, rig.port, datagram(dst=SITE))
    assert any("by port 0, MTU 1500, neighbour 12" in line for line in found.lines)
    assert found.port == 0
