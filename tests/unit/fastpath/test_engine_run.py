"""Engine.run: what it handles, where it ends, and that it says the same as poll by poll."""

from __future__ import annotations

import signal

import pytest
from engine_rig import Rig, assert_law, counter, snapshot
from packets import LOCAL, control_message, datagram, from_lac
from pcap_bytes import header, record

from fastpath import Engine, MemPort
from fastpath.ports.pcap import PcapPort

STRAY = "9.9.9.9"


def burst(rig: Rig, count: int, *, dst: str = STRAY, gap: int = 1000) -> None:
    rig.ports["home"].push_many([datagram(dst=dst)] * count, gap=gap)


def test_run_handles_all_that_the_port_has():
    rig = Rig()
    burst(rig, 1000)
    assert rig.engine.run(rig.index["home"]) == 1000
    assert snapshot(rig.engine)["DROP no-route"] == 1000
    assert rig.engine.run(rig.index["home"]) == 0
    assert rig.engine.now_ns == 999_000
    assert_law(rig.engine)


def test_run_ends_at_the_time_and_at_the_limit():
    rig = Rig()
    burst(rig, 1000)
    home = rig.index["home"]
    assert rig.engine.run(home, 500_000) == 501
    assert rig.engine.run(home, 500_999) == 0
    assert rig.engine.run(home, limit=300) == 300
    assert rig.engine.run(home, 899_000, limit=0) == 0
    assert rig.engine.run(home, 899_000, limit=1000) == 99
    assert rig.engine.run(home) == 100


@pytest.mark.parametrize("stop", [False, True])
def test_run_ends_with_the_burst_or_packet_that_control_must_hear_of(stop):
    rig = Rig(stop_on_event=stop)
    burst(rig, 600)
    burst(rig, 2, dst="172.16.0.9")
    burst(rig, 600)
    home = rig.index["home"]
    # bursts have 256 packets: the third one brings the trigger
    assert rig.engine.run(home) == (601 if stop else 768)
    assert len(rig.engine.triggers.events()) == 1
    assert rig.engine.run(home) == 1202 - (601 if stop else 768)


def test_punt_ends_the_run():
    rig = Rig(stop_on_event=True)
    burst(rig, 3)
    rig.ports["home"].push(from_lac(control_message()))
    burst(rig, 3)
    assert rig.engine.run(rig.index["home"]) == 4
    assert [p.destination for p in rig.engine.punts()] == [(LOCAL, 1701)]
    assert rig.engine.run(rig.index["home"]) == 3


def test_run_counts_and_sends_what_polls_do():
    places = (STRAY, "198.51.100.9", "10.66.0.1", "192.0.2.4")
    frames = [datagram(dst=dst, ttl=ttl) for dst in places for ttl in (1, 2, 64)] * 50
    seen = []
    for method in (Engine.poll, Engine.run):
        rig = Rig()
        rig.ports["home"].push_many(frames, gap=10_000_000)
        while method(rig.engine, rig.index["home"]) > 0:
            pass
        ports = [rig.engine.port_counters(i) for i in rig.index.values()]
        seen.append((snapshot(rig.engine), ports, rig.sent(), rig.engine.counters().tolist()))
        assert counter(rig.engine, "received_octets") == sum(map(len, frames))
    assert seen[0] == seen[1]


def test_packets_after_an_event_are_not_counted_before_they_are_handled():
    rig = Rig(stop_on_event=True)
    burst(rig, 1, dst="172.16.0.9")
    burst(rig, 5)
    assert rig.engine.run(rig.index["home"]) == 1
    assert counter(rig.engine, "received") == 1
    assert counter(rig.engine, "received_octets") == len(datagram())
    assert rig.engine.port_counters(rig.index["home"])["rx_packets"] == 1


def test_damaged_port_gives_its_packets_and_then_minus_one(save):
    engine = Engine()
    table = engine.add_table("t")
    frame = bytes(12) + b"\x08\x06" + bytes(46)
    path = save(header() + b"".join(record(n * 1000, frame) for n in range(700)) + b"cut")
    port = engine.attach(PcapPort(path), table)
    assert engine.run(port) == 700
    assert engine.run(port) == -1


def test_port_that_is_not_attached_is_refused():
    with pytest.raises(KeyError, match="port 2 is not attached"):
        Rig().engine.run(2)


def test_signal_handler_that_raises_ends_the_run():
    class Interrupted(Exception):
        pass

    def interrupt(number, frame):
        raise Interrupted

    engine = Engine()
    port = MemPort(loop=1 << 40)
    port.push_many([datagram()] * 256)
    index = engine.attach(port, engine.add_table("t"))
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        with pytest.raises(Interrupted):
            engine.run(index)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert counter(engine, "received") > 0
    assert_law(engine)
