"""The engine's capture: each packet once, as it left or as it came, with its verdict."""

from __future__ import annotations

from pathlib import Path

import pytest
from engine_rig import Rig, session
from packets import (
    HOME,
    LCP_ECHO,
    PPP_IP,
    SITE,
    US,
    Outer,
    control_message,
    data_message,
    datagram,
    forwarded,
    from_lac,
    icmp_error,
)
from parse_packets import echo_request, ipv4
from pcap_bytes import recorded

from fastpath import MemPort, PcapngWriter

TARGET = "172.16.0.1"
PACKET = datagram()
HOME_SIDE, TUNNEL_SIDE = 0, 1


class Recorded(Rig):
    """A rig whose engine records; `records()` ends that and reads the file."""

    def __init__(self, path, **rest):
        super().__init__(**rest)
        self.writer = PcapngWriter(path, [(name, "ipv4") for name in self.ports])
        self.engine.set_capture(self.writer)

    def records(self) -> list[tuple[int, bool, str, bytes]]:
        self.engine.set_capture(None)
        self.writer.close()
        return [row[1:] for row in recorded(Path(self.writer.path))]


@pytest.fixture
def rig(tmp_path):
    return Recorded(tmp_path / "out.pcapng", link="ipv4")


def received(port: int, comment: str, octets: bytes) -> tuple[int, bool, str, bytes]:
    return (port, False, comment, octets)


def left(port: int, comment: str, octets: bytes) -> tuple[int, bool, str, bytes]:
    return (port, True, comment, octets)


BACK = datagram(src=SITE, dst=HOME)
STRAY = datagram(dst="9.9.9.9")
FORGED = data_message(PPP_IP + PACKET)
ECHO = ipv4(echo_request(), src=HOME, dst=US, proto=1)
LONG = datagram(bytes(1500), fragment=0x4000)

# (description, port, packet, records)
ROWS = [
    ("forwarded", 0, PACKET, [left(1, "FORWARD", Outer().around(forwarded(PACKET)))]),
    ("delivered", 0, BACK, [left(0, "DELIVER", forwarded(BACK))]),
    ("delivered from a session", 1, data_message(PPP_IP + BACK),
     [left(0, "DELIVER", forwarded(BACK))]),
    ("dropped", 0, PACKET[:-1], [received(0, "DROP ip-total-length", PACKET[:-1])]),
    ("dropped with an answer", 0, STRAY,
     [left(0, "ICMP answer", icmp_error(STRAY, 3, 0)), received(0, "DROP no-route", STRAY)]),
    ("too long for the session", 0, LONG,
     [left(0, "ICMP answer", icmp_error(LONG, 3, 4, mtu=1460)), received(0, "DROP too-big", LONG)]),
    ("dropped inside a session", 1, FORGED, [received(1, "DROP inner-source", FORGED)]),
    ("control message", 1, from_lac(control_message()),
     [received(1, "PUNT_L2TP", from_lac(control_message()))]),
    ("PPP control", 1, data_message(LCP_ECHO), [received(1, "PUNT_PPP", data_message(LCP_ECHO))]),
    ("for ourselves", 0, datagram(dst=US), [received(0, "PUNT_LOCAL", datagram(dst=US))]),
]  # fmt: skip


@pytest.mark.parametrize(("_what", "port", "packet", "records"), ROWS, ids=[r[0] for r in ROWS])
def test_packet_is_recorded_once(rig, _what, port, packet, records):
    rig.hand_in(packet, port=("home", "tunnel")[port])
    assert rig.records() == records


def test_ping_and_its_answer_are_recorded_once_each(rig):
    rig.hand_in(ECHO)
    (reply,) = [octets for _, octets in rig.sent()]
    assert rig.records() == [left(0, "ICMP answer", reply), received(0, "PUNT_LOCAL", ECHO)]


def test_time_is_that_of_the_packet(tmp_path):
    rig = Recorded(tmp_path / "out.pcapng", link="ipv4")
    rig.hand_in(PACKET, ts=123456789)
    rig.records()
    assert [row[0] for row in recorded(tmp_path / "out.pcapng")] == [123456789]


def test_fragments_are_recorded_and_not_the_whole(rig):
    packet = datagram(bytes(1500))
    rig.hand_in(packet)
    sent = [octets for _, octets in rig.sent()]
    assert len(sent) == 2
    assert rig.records() == [left(1, "FORWARD", octets) for octets in sent]


def test_injected_packets_are_marked_as_controls(rig):
    rig.engine.inject(LCP_ECHO, rig.session)
    rig.engine.inject(PACKET, rig.lac)
    rig.hand_in(BACK)
    assert rig.records() == [
        left(1, "control", Outer().carry(LCP_ECHO)),
        left(1, "control", PACKET),
        left(0, "DELIVER", forwarded(BACK)),
    ]


def test_whole_frame_is_recorded_with_its_link(tmp_path):
    rig = Recorded(tmp_path / "out.pcapng", link="ethernet")
    frame = bytes(12) + b"\x08\x00" + STRAY + b"trailer"
    rig.hand_in(frame)
    assert rig.records()[-1] == (2, False, "DROP no-route", frame)


def test_nothing_is_recorded_before_and_after(tmp_path):
    rig = Recorded(tmp_path / "out.pcapng")
    rig.engine.set_capture(None)
    rig.hand_in(PACKET, STRAY)
    assert rig.records() == []


@pytest.mark.parametrize("recorder", [1, "x", object(), MemPort()])
def test_what_is_no_recorder_is_refused_and_the_old_one_stays(rig, recorder):
    with pytest.raises(TypeError):
        rig.engine.set_capture(recorder)
    rig.hand_in(PACKET)
    assert len(rig.records()) == 1


def test_recorder_that_was_closed_costs_records_and_nothing_else(rig):
    rig.writer.close()
    assert rig.hand_in(PACKET) == {"FORWARD": 1}
    assert len(rig.sent()) == 1
    assert rig.writer.lost == 1


def test_recorder_lives_as_long_as_the_engine_uses_it(tmp_path):
    rig = Recorded(tmp_path / "out.pcapng")
    del rig.writer
    rig.hand_in(*[PACKET] * 2000)
    del rig.engine
    assert len(recorded(tmp_path / "out.pcapng")) == 2000


# --- triggers -------------------------------------------------------------------------------------


def numbered(count: int, **rest) -> list[bytes]:
    return [datagram(bytes([n]), dst=TARGET, **rest) for n in range(count)]


def test_trigger_is_recorded_when_it_leaves_the_buffer_as_it_left(rig):
    packets = numbered(3)
    key = rig.trigger(*packets)
    rig.engine.flush_trigger(key, rig.session)
    assert rig.records() == [
        left(1, "TRIGGER flushed", Outer().around(forwarded(packet), ident=at))
        for at, packet in enumerate(packets)
    ]


@pytest.mark.parametrize("forget", [True, False])
def test_trigger_that_was_given_up_is_recorded_at_its_port(rig, forget):
    packets = numbered(2, src=SITE)
    rig.hand_in(data_message(PPP_IP + packets[0]), port="tunnel")
    key = rig.trigger(packets[1])
    rig.engine.drop_trigger(key, forget)
    assert rig.records() == [
        received(TUNNEL_SIDE, "TRIGGER dropped", packets[0]),
        received(HOME_SIDE, "TRIGGER dropped", packets[1]),
    ]


@pytest.mark.parametrize("limit", [0, 1])
def test_triggers_that_find_no_room_are_recorded_at_once(tmp_path, limit):
    rig = Recorded(tmp_path / "out.pcapng", link="ipv4", trigger_keys=1)
    rig.engine.triggers.set_limits(rig.table, limit)
    first, second = numbered(2)
    missed = datagram(dst="172.16.0.2")
    key = rig.trigger(first, second, missed)
    rig.engine.flush_trigger(key, rig.session)
    kept = [left(1, "TRIGGER flushed", Outer().around(forwarded(first)))]
    assert rig.records() == [
        *([] if limit else [received(0, "TRIGGER admitted", first)]),
        received(0, "TRIGGER discarded", second),
        received(0, "TRIGGER missed", missed),
        *(kept if limit else []),
    ]


def test_flushed_packet_that_may_not_go_on_is_recorded_once(tmp_path):
    rig = Recorded(tmp_path / "out.pcapng", link="ipv4")
    old, fine = datagram(dst=TARGET, ttl=1), datagram(dst=TARGET)
    key = rig.trigger(old, fine)
    rig.engine.flush_trigger(key, rig.session)
    assert rig.records() == [
        left(0, "ICMP answer", icmp_error(old, 11, 0)),
        received(0, "TRIGGER dropped", old),
        left(1, "TRIGGER flushed", Outer().around(forwarded(fine))),
    ]


def test_refused_order_leaves_no_mark_on_later_packets(rig):
    with pytest.raises(KeyError):
        rig.engine.flush_trigger(1 << 32 | 1, rig.session)
    with pytest.raises(KeyError):
        rig.engine.drop_trigger(1 << 32 | 1)
    with pytest.raises(ValueError, match="cannot be cut"):
        rig.engine.inject(LONG + bytes(1), rig.narrow)
    rig.hand_in(PACKET)
    assert rig.records() == [left(1, "FORWARD", Outer().around(forwarded(PACKET)))]


def test_held_packets_are_recorded_when_they_leave(rig):
    first, second = numbered(2)
    key = rig.trigger(first)
    outer = Outer(peer_session=9)
    with rig.engine.transaction() as t:
        nh = t.add_session(**session(9, outer, table=rig.table, port=1))
        t.add_route(rig.table, f"{TARGET}/32", nh)
        t.hold(nh, key)
    rig.hand_in(second)
    rig.engine.flush_trigger(key, nh)
    assert rig.records() == [
        left(1, "TRIGGER flushed", outer.around(forwarded(first))),
        left(1, "TRIGGER flushed", outer.around(forwarded(second), ident=1)),
    ]


def test_as_many_records_as_packets_whatever_they_are(rig):
    rows = [row for row in ROWS if "with an answer" not in row[0] and "too long" not in row[0]]
    for _ in range(40):
        for _, port, packet, _ in rows:
            rig.ports[("home", "tunnel")[port]].push(packet)
    while rig.engine.step():
        pass
    assert len(rig.records()) == 40 * len(rows)
