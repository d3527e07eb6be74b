"""Punts: what the control plane gets of a packet, and what a full ring costs."""

from __future__ import annotations

import pytest
from engine_rig import Rig, counter
from packets import (
    HOME,
    LAC,
    LCP_ECHO,
    LOCAL,
    PPP_IP,
    SITE,
    US,
    control_message,
    data_message,
    datagram,
    from_lac,
)
from parse_packets import echo_request, ipv4, ipv6, udp

from control.sim.data_header import DataHeader
from fastpath import Punt

SCCRQ = control_message(0, body=bytes(range(100)))


def punts_of(rig: Rig, packet: bytes, **rest) -> list[Punt]:
    rig.hand_in(packet, **rest)
    return rig.engine.punts()


def test_control_message_comes_with_addresses_and_ports():
    rig = Rig()
    for source, port in ((LAC, 1701), ("10.88.0.77", 40000)):
        packet = from_lac(SCCRQ, src=source, sport=port)
        expected = Punt("PUNT_L2TP", 42, rig.table, (source, port), (LOCAL, 1701), 0, SCCRQ)
        assert punts_of(rig, packet, port="tunnel", ts=42) == [expected]


def test_control_message_is_the_whole_datagram_whatever_length_says():
    message = control_message() + b"behind"
    (punt,) = punts_of(Rig(), from_lac(message), port="tunnel")
    assert punt.data == message


FRAMES = [
    LCP_ECHO, b"\xc0\x21\x09\x01\x00\x04", b"\xff\x03\x80\x21\x01", b"\xff\x03\xc2\x23",
    PPP_IP[:2] + b"\x00\x57" + ipv6(b"x", proto=58, src="fe80::1"),
    b"\x57" + ipv6(proto=58, src="::", dst="ff02::2"), b"\x80\x57", b"\xff\x03\x3d\x80",
    b"\xff\x03\x00\x2d" + b"VJ", b"\xff\x03\x00\x00", b"\x01", b"\xff\x04\x21",
    b"\xff\x21\x03\x00",
]  # fmt: skip


@pytest.mark.parametrize("frame", FRAMES, ids=bytes.hex)
@pytest.mark.parametrize("header", [
    DataHeader(1, 2), DataHeader(1, 2, ns=4, has_length=True, offset=7, priority=True),
], ids=["short", "long"])  # fmt: skip
def test_ppp_frame_that_is_not_routed_comes_whole_with_its_session(frame, header):
    rig = Rig()
    packet = data_message(frame, header)
    expected = Punt("PUNT_PPP", 9, rig.table, (LAC, 1701), (LOCAL, 1701), rig.session, frame)
    assert punts_of(rig, packet, port="tunnel", ts=9) == [expected]
    assert rig.engine.session_counters(rig.session) == (0, 0, 0, 0, 0, 0)


LOCALS = [
    datagram(dst=US),
    datagram(dst=US, dport=1701, checksum=False),
    datagram(dst=LOCAL, dport=1700),
    ipv4(b"tcp", src=HOME, dst=LOCAL, proto=6, fragment=0x2000),
    ipv4(src=HOME, dst=US, proto=1),
    ipv4(b"\0" + echo_request()[1:], src=HOME, dst=US, proto=1),
    ipv4(echo_request(), src=HOME, dst=US, proto=1, fragment=0x2000),
    ipv4(echo_request()[:-1], src=HOME, dst=LOCAL, proto=1),
]


@pytest.mark.parametrize("packet", LOCALS)
def test_packet_for_us_comes_as_ip_packet_from_its_header_on(packet):
    address = US if packet[16:20] == b"\x0a\0\0\1" else LOCAL
    expected = Punt("PUNT_LOCAL", 0, 0, (HOME, 0), (address, 0), 0, packet)
    assert punts_of(Rig(), packet) == [expected]
    rig = Rig(link="ethernet")
    assert punts_of(rig, bytes(12) + b"\x08\x00" + packet + b"padding") == [expected]


def test_packet_for_us_from_a_session_comes_as_inner_packet():
    rig = Rig()
    packet = datagram(src=SITE, dst=US)
    expected = Punt("PUNT_LOCAL", 0, rig.table, (SITE, 0), (US, 0), 0, packet)
    assert punts_of(rig, data_message(PPP_IP + packet), port="tunnel") == [expected]


def test_punts_come_oldest_first_and_as_many_as_wanted():
    rig = Rig()
    packets = [datagram(bytes([n]) * n, dst=US) for n in range(10)]
    rig.hand_in(*packets)
    assert [punt.data for punt in rig.engine.punts(3)] == packets[:3]
    assert rig.engine.punts(0) == []
    assert [punt.data for punt in rig.engine.punts()] == packets[3:]
    assert counter(rig.engine, "punted") == 10


def test_full_ring_drops_the_punt_and_nothing_else():
    rig = Rig(punt_ring=4096)
    local, passing = datagram(bytes(500), dst=US), datagram()
    control, ppp = from_lac(control_message()), data_message(LCP_ECHO)
    counts = rig.hand_in(*[local, passing] * 20)
    kept = counts["PUNT_LOCAL"]
    assert counts == {"FORWARD": 20, "PUNT_LOCAL": kept, "DROP punt-full": 20 - kept}
    assert 0 < kept < 20
    fill = rig.hand_in(*[control, ppp] * 30, port="tunnel")
    assert fill["DROP punt-full"] > 0
    assert counter(rig.engine, "punted") == kept + 60 - fill["DROP punt-full"]
    punts = rig.engine.punts()
    assert [punt.data for punt in punts[:kept]] == [local] * kept
    assert len(punts) == counter(rig.engine, "punted")
    assert rig.hand_in(local) == {"PUNT_LOCAL": 1}
    assert len(rig.engine.punts()) == 1


def test_ring_keeps_every_octet_while_it_turns():
    rig = Rig(punt_ring=4096)
    waiting: list[bytes] = []
    for n in range(3000):
        packet = datagram(bytes([n & 255]) * (n * 7 % 900), dst=US)
        if rig.hand_in(packet) == {"PUNT_LOCAL": 1}:
            waiting.append(packet)
        if n % 3 == 2 or len(waiting) > 4:
            taken = [punt.data for punt in rig.engine.punts(n % 3 + 1)]
            assert taken == waiting[: len(taken)]
            del waiting[: len(taken)]
    assert [punt.data for punt in rig.engine.punts()] == waiting
    assert counter(rig.engine, "punted") > 1500


def test_session_deleted_since_leaves_its_punts_readable():
    rig = Rig()
    rig.hand_in(data_message(LCP_ECHO), port="tunnel")
    with rig.engine.transaction() as t:
        t.delete_route(rig.table, "198.51.100.0/24")
        t.delete_adjacency(rig.session)
    (punt,) = rig.engine.punts()
    assert (punt.nh, punt.data) == (rig.session, LCP_ECHO)
    with pytest.raises(KeyError):
        rig.engine.inject(LCP_ECHO, punt.nh)


# --- one packet at a time, as virtual time wants it -----------------------------------------------


def test_poll_ends_behind_the_packet_that_control_must_hear_of():
    rig = Rig(stop_on_event=True)
    home = rig.ports["home"]
    home.push_many(
        [datagram(), datagram(dst="172.16.0.1"), datagram(dst="172.16.0.1"), datagram(dst=US),
         datagram(), ipv4(echo_request(), src=HOME, dst=US, proto=1), ipv4(udp(), dst="9.9.9.9")],
        ts=100, gap=1,
    )  # fmt: skip
    handled = []
    while n := rig.engine.poll(0):
        handled.append((n, rig.engine.now_ns))
    assert handled == [(2, 101), (2, 103), (3, 106)]
    assert len(rig.engine.triggers.events()) == len(rig.engine.punts()) == 1


def test_poll_takes_no_packet_that_is_later_than_asked_for():
    rig = Rig()
    rig.ports["home"].push_many([datagram()] * 5, ts=100, gap=10)
    assert rig.engine.poll(0, until_ns=99) == 0
    assert rig.engine.poll(0, until_ns=110) == 2
    assert rig.engine.poll(0, 1) == 1
    assert rig.engine.now_ns == 120
    assert rig.engine.step(until_ns=130) == 1
    assert rig.engine.step() == 1


@pytest.mark.parametrize("most", [0, -1, 257])
def test_size_of_a_burst_is_checked(most):
    with pytest.raises(ValueError, match="most"):
        Rig().engine.poll(0, most)


def test_packets_behind_an_event_meet_what_control_changed_since():
    rig = Rig(stop_on_event=True)
    packets = [datagram(bytes([n]), dst="172.16.0.1") for n in range(3)]
    rig.ports["home"].push_many([*packets, datagram(dst="172.16.0.2")])
    assert rig.engine.poll(0) == 1
    with rig.engine.transaction() as t:
        t.add_route(rig.table, "172.16.0.0/16", rig.other)
        t.delete_adjacency(rig.glean)
    assert rig.engine.poll(0) == 3
    assert int(rig.engine.counters()["verdict"]["FORWARD"]) == 3
