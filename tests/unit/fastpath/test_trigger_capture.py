"""A buffered packet stands in the capture once, when it leaves the buffer, whatever becomes of
it."""

from __future__ import annotations

import pytest
from parse_packets import ipv4, udp

from fastpath import Engine, MemPort
from fastpath.ports.pcapng_writer import PcapngWriter

DF = 0x4000
GOOD = ipv4(udp(b"good", sport=53, dport=53))
TOO_BIG = ipv4(udp(bytes(1400), sport=53, dport=53), fragment=DF)
EXPIRED = ipv4(udp(b"old", sport=53, dport=53), ttl=1)


def flushed(path, *packets: bytes) -> bytes:
    """The capture of a router that buffers these packets and then flushes them."""
    engine = Engine(adjacencies=8, sessions=2, trigger_keys=8)
    table = engine.add_table("t", "10.0.0.1")
    home, tunnel = MemPort("home"), MemPort("tunnel")
    index, out = engine.attach(home, table), engine.attach(tunnel, table)
    with engine.transaction() as t:
        t.add_route(table, "192.0.2.0/24", t.add_adjacency("ip", port=index))
        t.add_route(table, "198.51.100.0/24", t.add_adjacency("glean", table=table))
        session = t.add_session(
            table=table,
            port=out,
            local=("10.0.0.1", 1701),
            peer=("10.0.0.2", 1701),
            tunnel=1,
            session=2,
            peer_tunnel=3,
            peer_session=4,
            mtu=1000,
        )
    with PcapngWriter(path, [("home", "raw"), ("tunnel", "raw")]) as writer:
        engine.set_capture(writer)
        for packet in packets:
            home.push(packet)
        engine.poll(index)
        (event,) = engine.triggers.events()
        engine.flush_trigger(event.key, session)
        engine.set_capture(None)
    return path.read_bytes()


@pytest.mark.parametrize("bad", [TOO_BIG, EXPIRED], ids=["too big", "expired"])
def test_packet_that_cannot_be_flushed_is_captured_as_dropped(tmp_path, bad):
    capture = flushed(tmp_path / "out.pcapng", bad)
    assert capture.count(b"TRIGGER dropped") == 1
    assert capture.count(b"TRIGGER flushed") == 0


@pytest.mark.parametrize("bad", [TOO_BIG, EXPIRED], ids=["too big", "expired"])
def test_answer_during_a_flush_leaves_the_comments_of_the_others(tmp_path, bad):
    capture = flushed(tmp_path / "out.pcapng", GOOD, bad, GOOD)
    assert capture.count(b"ICMP answer") == 1
    assert capture.count(b"TRIGGER flushed") == 2
