"""The engine between mapped captures, ports that close, and frames of the largest size."""

from __future__ import annotations

import gc
import weakref

import pytest
from engine_rig import Rig, assert_law, counter
from packets import PPP_IP, SITE, Outer, data_message, datagram, forwarded
from pcap_bytes import header, record, recorded

from fastpath import Engine, MemPort, PcapngWriter, PcapPort

RAW = header(linktype=101)
LARGEST = 262144


def capture_of(*packets: bytes) -> bytes:
    return RAW + b"".join(record(at, packet) for at, packet in enumerate(packets))


def test_packets_of_a_capture_are_sent_on_and_the_file_stays_as_it_was(save):
    rig = Rig()
    packets = [datagram(bytes([n]) * n) for n in range(100)]
    content = capture_of(*packets, data_message(PPP_IP + datagram(src=SITE, dst="192.0.2.1")))
    path = save(content)
    index = rig.engine.attach(PcapPort(path), rig.table)
    assert rig.engine.poll(index) == 101
    assert rig.engine.poll(index) == 0
    sent = [octets for port, octets in rig.sent() if port == "tunnel"]
    assert sent == [Outer().around(forwarded(p), ident=n) for n, p in enumerate(packets)]
    assert path.read_bytes() == content


def test_more_than_the_engines_memory_holds_in_one_burst_of_a_capture(save):
    rig = Rig(mtu=65491)
    packets = [datagram(bytes([n]) * 20000) for n in range(200)]
    index = rig.engine.attach(PcapPort(save(capture_of(*packets))), rig.table)
    while rig.engine.poll(index) > 0:
        pass
    sent = [octets for _, octets in rig.sent()]
    assert sent == [Outer().around(forwarded(p), ident=n) for n, p in enumerate(packets)]


def test_damaged_capture_ends_with_minus_1_after_its_whole_packets(save):
    rig = Rig()
    index = rig.engine.attach(PcapPort(save(capture_of(*[datagram()] * 3)[:-1])), rig.table)
    assert rig.engine.poll(index) == 2
    for _ in range(3):
        assert rig.engine.poll(index) == -1
        assert rig.engine.step() == 0
    assert_law(rig.engine)
    assert counter(rig.engine, "received") == 2


def test_capture_that_was_closed_has_no_more_packets(save):
    rig = Rig()
    port = PcapPort(save(capture_of(*[datagram()] * 300)))
    index = rig.engine.attach(port, rig.table)
    assert rig.engine.poll(index, 10) == 10
    port.close()
    assert rig.engine.poll(index) == 0
    assert len(rig.sent()) == 10


def test_what_is_sent_to_a_capture_is_gone_and_the_file_stays_as_it_was(save):
    rig = Rig()
    path = save(capture_of())
    index = rig.engine.attach(PcapPort(path), rig.table)
    with rig.engine.transaction() as t:
        t.add_route(rig.table, "9.0.0.0/8", t.add_adjacency("ip", port=index))
    assert rig.hand_in(datagram(dst="9.0.0.1")) == {"DELIVER": 1}
    counters = rig.engine.port_counters(index)
    assert (counters["tx_packets"], counters["tx_refused"]) == (1, 0)
    assert path.read_bytes() == capture_of()


def test_port_attached_twice_is_two_ports_with_one_source():
    engine = Engine()
    red, blue = engine.add_table("red"), engine.add_table("blue")
    port = MemPort()
    first, second = engine.attach(port, red), engine.attach(port, blue)
    with engine.transaction() as t:
        t.add_route(blue, "198.51.100.0/24", t.add_adjacency("ip", port=first))
    port.push_many([datagram()] * 2)
    assert engine.poll(first, 1) == engine.poll(second) == 1
    assert engine.counters()["verdict"].tolist()[1] == 1
    assert port.pop_all() == [(0, forwarded(datagram()))]


def test_engine_keeps_its_ports_and_its_recorder_and_nothing_keeps_the_engine(tmp_path):
    class Kept(Engine):
        pass

    engine = Kept()
    table = engine.add_table("red")
    for _ in range(3):
        engine.attach(MemPort(), table)
    engine.set_capture(PcapngWriter(tmp_path / "out.pcapng"))
    gc.collect()
    with engine.transaction() as t:
        t.add_route(table, "0.0.0.0/0", t.add_adjacency("ip", port=0))
    engine.inject(datagram(), 1)
    gone = weakref.ref(engine)
    del engine, t
    gc.collect()
    assert gone() is None
    assert [row[3:] for row in recorded(tmp_path / "out.pcapng")] == [("control", datagram())]


@pytest.mark.parametrize("link", ["raw", "ethernet"])
def test_largest_frame_that_a_port_takes_is_handled_and_recorded(tmp_path, link):
    rig = Rig(link=link, mtu=65491)
    path = tmp_path / "out.pcapng"
    with PcapngWriter(path) as writer:
        rig.engine.set_capture(writer)
        front = bytes(12) + b"\x08\x00" if link == "ethernet" else b""
        packet = datagram(bytes(65463))
        frame = front + packet
        frame += bytes(LARGEST - len(frame))
        stray = front + datagram(dst="10.66.0.1")
        stray += bytes(LARGEST - len(stray))
        verdicts = rig.hand_in(frame, stray, wire_len=1 << 31)
        rig.engine.set_capture(None)
    assert verdicts == {"FORWARD": 1, "DROP prohibited": 1}
    ((_, octets),) = rig.sent()
    assert octets == rig.outer.around(forwarded(packet))
    assert [row[4] for row in recorded(path)] == [octets, stray]
    assert rig.engine.port_counters(0)["rx_octets"] == 1 << 32


def test_trigger_from_the_largest_frame_is_buffered_without_what_is_behind_it():
    rig = Rig()
    packet = datagram(dst="172.16.0.1")
    key = rig.trigger(packet + bytes(LARGEST - len(packet)))
    assert rig.engine.triggers.counters()["octets"] == len(packet)
    assert rig.engine.flush_trigger(key, rig.session) == 1
