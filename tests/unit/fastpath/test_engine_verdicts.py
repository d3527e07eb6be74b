"""What becomes of a packet: a row for each kind of next hop and for each drop reason."""

from __future__ import annotations

import gc
import struct
import weakref
from dataclasses import dataclass, field

import numpy as np
import pytest
from engine_rig import Rig, assert_law, counter
from packets import (
    HOME,
    LAC,
    LCP_ECHO,
    LOCAL,
    OTHER_SITE,
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
from parse_packets import echo_request, ipv4, ipv6, sealed, udp

from control.sim.data_header import DataHeader
from fastpath import REASONS, VERDICTS, Engine, MemPort

MACS = bytes(12)
WHOLE = datagram()
BACK = datagram(src=SITE, dst=HOME)
TO_TARGET = datagram(dst="172.16.3.4")
SHORT_TTL = datagram(ttl=1)
LONG = datagram(bytes(1433), fragment=0x4000)
NO_ROUTE = datagram(dst="9.9.9.9")
FIRST, SECOND = Outer(), Outer(peer_session=6)


def message(flags: int, *rest: int) -> bytes:
    return from_lac(struct.pack(f"!{1 + len(rest)}H", flags, *rest))


@dataclass(frozen=True)
class Row:
    description: str
    frame: bytes
    verdict: str
    out: list = field(default_factory=list)
    port: str = "home"
    link: str = "raw"
    wire_len: int | None = None
    options: dict = field(default_factory=dict)


def inbound(description: str, frame: bytes, verdict: str, out: list | None = None, **rest) -> Row:
    return Row(description, frame, verdict, out or [], port="tunnel", **rest)


KINDS = [
    Row("session", WHOLE, "FORWARD", [("tunnel", FIRST.around(forwarded(WHOLE)))]),
    Row("plain next hop", BACK, "DELIVER", [("home", forwarded(BACK))]),
    Row("dial-out target", TO_TARGET, "TRIGGER"),
    Row("our address", datagram(dst=US), "PUNT_LOCAL"),
    Row("our tunnel address, another port", datagram(dst=LOCAL, dport=53), "PUNT_LOCAL"),
    Row("our tunnel address, another protocol", ipv4(b"tcp", dst=LOCAL, proto=6), "PUNT_LOCAL"),
    Row("L2TP to an address that has no tunnels", datagram(dst=US, dport=1701), "PUNT_LOCAL"),
    inbound("control message", from_lac(control_message()), "PUNT_L2TP"),
    inbound("PPP control", data_message(LCP_ECHO), "PUNT_PPP"),
    inbound("session to plain next hop", data_message(PPP_IP + BACK), "DELIVER",
            [("home", forwarded(BACK))]),
    inbound("session to session", data_message(PPP_IP + datagram(src=SITE, dst=OTHER_SITE)),
            "FORWARD",
            [("tunnel", SECOND.around(forwarded(datagram(src=SITE, dst=OTHER_SITE))))]),
    inbound("session to dial-out target",
            data_message(PPP_IP + datagram(src=SITE, dst="172.16.0.1")), "TRIGGER"),
    inbound("session to ourselves", data_message(PPP_IP + datagram(src=SITE, dst=US)),
            "PUNT_LOCAL"),
]  # fmt: skip

DROPS = [
    Row("less captured than announced", WHOLE[:30], "captured-short", wire_len=len(WHOLE)),
    Row("a link type of no use", WHOLE, "link-unsupported", link="unsupported"),
    Row("half an Ethernet header", MACS[:10], "link-short", link="ethernet"),
    Row("three VLAN tags", MACS + 3 * b"\x81\0\0\1" + b"\x08\0" + WHOLE, "vlan-nesting",
        link="ethernet"),
    Row("ARP", MACS + b"\x08\x06" + bytes(28), "not-ip", link="ethernet"),
    Row("19 octets", WHOLE[:19], "ip-short"),
    Row("version 5", b"\x55" + WHOLE[1:], "ip-version"),
    Row("header of 16 octets", sealed(b"\x44" + WHOLE[1:20]) + WHOLE[20:], "ip-header-length"),
    Row("one octet is missing", WHOLE[:-1], "ip-total-length"),
    Row("damaged header", WHOLE[:8] + b"\x00" + WHOLE[9:], "ip-checksum"),
    Row("from 127/8", datagram(src="127.0.0.1"), "martian-source"),
    Row("from multicast", datagram(src="224.0.0.5"), "martian-source"),
    Row("from class E", datagram(src="240.0.0.1"), "martian-source"),
    Row("from nowhere", datagram(src="0.0.0.0"), "martian-source"),
    Row("to multicast", datagram(dst="224.0.0.5"), "multicast"),
    Row("to broadcast", datagram(dst="255.255.255.255"), "multicast"),
    Row("to 127/8", datagram(dst="127.0.0.1"), "martian-destination"),
    Row("TTL 1 to a session", SHORT_TTL, "ttl-expired", [("home", icmp_error(SHORT_TTL, 11, 0))]),
    Row("TTL 0 to a plain next hop", datagram(src=SITE, dst=HOME, ttl=0), "ttl-expired",
        [("tunnel", FIRST.around(icmp_error(datagram(src=SITE, dst=HOME, ttl=0), 11, 0)))]),
    Row("IPv6, a length that does not fit", ipv6(b"1234")[:-1], "ip6-header"),
    Row("IPv6, no route", ipv6(udp()), "no-route"),
    Row("IPv6, link-local", ipv6(udp(), src="fe80::1"), "link-local"),
    Row("no route", NO_ROUTE, "no-route", [("home", icmp_error(NO_ROUTE, 3, 0))]),
    Row("prohibited", datagram(dst="10.66.1.1"), "prohibited"),
    Row("one octet over the MTU, DF", LONG, "too-big",
        [("home", icmp_error(LONG, 3, 4, mtu=1460))]),
    Row("last fragment whose end has no offset to be cut at",
        ipv4(bytes(1600), dst=SITE, fragment=8190), "ip-total-length"),
    inbound("back into its session", data_message(PPP_IP + datagram(src=SITE, dst=SITE)),
            "same-session"),
    inbound("first fragment to us", from_lac(b"12345678", fragment=0x2000), "fragment-to-us"),
    inbound("UDP length 7", ipv4(b"\6\xa5\6\xa5\0\7\0\0", src=LAC, dst=LOCAL), "udp-length"),
    inbound("bad UDP checksum", data_message(LCP_ECHO)[:-1] + b"\1", "udp-checksum"),
    inbound("empty datagram", from_lac(b""), "l2tp-short"),
    inbound("Length behind the datagram", message(0x4002, 13, 1, 2, 0x21), "l2tp-length"),
    inbound("padding behind the message", message(0x0202, 1, 2, 1), "l2tp-offset"),
    inbound("control message with an offset", message(0xCA02, 14, 1, 0, 0, 0, 0),
            "l2tp-control-flags"),
    inbound("version 1", message(0x0001, 1, 2, 0, 0), "l2f"),
    inbound("version 3", message(0x0003, 0, 0, 1), "l2tpv3"),
    inbound("version 4", message(0x0004, 1, 2), "l2tp-version"),
    inbound("tunnel inside a session",
            data_message(PPP_IP + datagram(src=SITE, dst=LOCAL, dport=1701)), "l2tp-nested"),
    inbound("unknown session", data_message(LCP_ECHO, DataHeader(1, 3)), "unknown-session"),
    inbound("stranger", data_message(LCP_ECHO, src="10.88.0.3"), "peer-mismatch"),
    inbound("another port", data_message(LCP_ECHO, sport=1702), "peer-mismatch"),
    inbound("no PPP", data_message(b"\xff\x03"), "ppp-short"),
    inbound("forged inner source", data_message(PPP_IP + datagram(src=HOME, dst=HOME)),
            "inner-source"),
    Row("punt longer than the ring", datagram(bytes(5000), dst=US), "punt-full",
        options={"punt_ring": 4096}),
    Row("port that is not there", datagram(dst="10.77.1.1"), "port-gone"),
]  # fmt: skip


@pytest.mark.parametrize("row", KINDS, ids=lambda row: row.description)
def test_kind_of_the_next_hop_decides(row):
    assert Rig(link=row.link).outcome(row.frame, port=row.port) == (row.verdict, row.out)


@pytest.mark.parametrize("row", DROPS, ids=lambda row: row.description)
def test_packet_is_dropped_for(row):
    rig = Rig(link=row.link, **row.options)
    verdict, out = rig.outcome(row.frame, port=row.port, wire_len=row.wire_len)
    assert (verdict, out) == (f"DROP {row.verdict}", row.out)
    assert rig.engine.punts() == []


def test_every_drop_reason_and_every_verdict_has_a_row():
    # test_engine_filters.py, test_engine_sequence.py
    elsewhere = {"filtered", "no-traffic", "sequence-old"}
    assert {row.verdict for row in DROPS} == set(REASONS) - {"none"} - elsewhere
    assert {row.verdict for row in KINDS} == set(VERDICTS) - {"DROP"}


@pytest.mark.parametrize("link", ["raw", "ethernet"])
def test_received_is_the_sum_of_verdicts_whatever_the_order(link):
    rig = Rig(link=link)
    before = MACS + b"\x08\x00" if link == "ethernet" else b""
    rows = [row for row in KINDS + DROPS if row.link == "raw" and row.wire_len is None]
    for _ in range(5):
        for row in rows:
            rig.ports[row.port].push(before + row.frame)
    handled = 0
    while count := rig.engine.step():
        handled += count
        assert_law(rig.engine)
    octets = 5 * sum(len(before + row.frame) for row in rows)
    assert handled == counter(rig.engine, "received") == 5 * len(rows)
    assert counter(rig.engine, "received_octets") == octets


def test_a_burst_and_single_packets_come_to_the_same():
    outcomes = []
    for most in (256, 1):
        rig = Rig()
        for row in KINDS + DROPS:
            if row.link == "raw":
                rig.ports[row.port].push(row.frame, wire_len=row.wire_len)
        for index in rig.index.values():
            while rig.engine.poll(index, most):
                pass
        outcomes.append((rig.sent(), rig.engine.punts(), rig.engine.counters().tolist()))
    assert outcomes[0] == outcomes[1]


# --- counters -------------------------------------------------------------------------------------


def test_ports_count_what_they_received_and_sent():
    rig = Rig()
    rig.hand_in(WHOLE, WHOLE[:19])
    (_, octets), = rig.sent()  # fmt: skip
    home, tunnel = (rig.engine.port_counters(index) for index in rig.index.values())
    assert home == {
        "name": "home",
        "rx_packets": 2,
        "rx_octets": len(WHOLE) + 19,
        "tx_packets": 0,
        "tx_octets": 0,
        "tx_refused": 0,
    }
    assert (tunnel["tx_packets"], tunnel["tx_octets"]) == (1, len(octets))
    assert (tunnel["rx_packets"], tunnel["rx_octets"]) == (0, 0)


def test_port_counts_wire_octets_of_what_was_captured_short():
    rig = Rig()
    rig.hand_in(WHOLE[:30], wire_len=1000)
    assert rig.engine.port_counters(0)["rx_octets"] == 1000


def test_what_a_port_does_not_take_is_counted_as_refused():
    engine = Engine()
    table = engine.add_table("red")
    home, full = MemPort(), MemPort("full", tx_limit=3)
    index = engine.attach(home, table)
    port = engine.attach(full, table)
    with engine.transaction() as t:
        t.add_route(table, "0.0.0.0/0", t.add_adjacency("ip", port=port))
    home.push_many([WHOLE] * 5)
    engine.poll(index)
    assert engine.port_counters(port)["tx_packets"] == 3
    assert engine.port_counters(port)["tx_refused"] == counter(engine, "send_refused") == 2
    assert counter(engine, "sent") == 3
    assert counter(engine, "sent_octets") == 3 * len(WHOLE)
    assert int(engine.counters()["verdict"]["DELIVER"]) == 5


@pytest.mark.parametrize("index", [-1, 2, 63, 64, 65535])
def test_port_that_is_not_attached_has_no_counters_and_no_packets(index):
    rig = Rig()
    with pytest.raises(KeyError, match="not attached"):
        rig.engine.port_counters(index)
    with pytest.raises(KeyError, match="not attached"):
        rig.engine.poll(index)


def test_counters_are_a_live_view():
    rig = Rig()
    live = rig.engine.counters()
    moment = live.copy()
    rig.hand_in(WHOLE)
    assert (int(live["received"]), int(moment["received"])) == (1, 0)
    assert int(live["verdict"]["FORWARD"]) == 1
    assert isinstance(live, np.void)


def test_counters_outlive_the_engine():
    rig = Rig()
    rig.hand_in(WHOLE)
    live = rig.engine.counters()
    gone = weakref.ref(rig)
    del rig
    gc.collect()
    assert gone() is None
    del gone
    assert int(live["received"]) == int(live["verdict"]["FORWARD"]) == 1


def test_encapsulated_and_decapsulated_packets_are_counted_by_session():
    rig = Rig()
    rig.hand_in(WHOLE, WHOLE, ts=5)
    inner = [datagram(b"x", src=SITE, dst=HOME), datagram(b"x", src=HOME, dst=HOME)]
    rig.hand_in(*(data_message(PPP_IP + packet) for packet in inner), port="tunnel", ts=7)
    counters = rig.engine.session_counters(rig.session)
    assert counters == (1, len(inner[0]), 2, 2 * len(WHOLE), 7, 1)
    assert rig.engine.session_counters(rig.other) == (0, 0, 0, 0, 0, 0)
    assert counter(rig.engine, "encapsulated") == 2
    assert counter(rig.engine, "decapsulated") == 1
    with pytest.raises(KeyError, match="not a session"):
        rig.engine.session_counters(rig.lan)


# --- set-up ---------------------------------------------------------------------------------------


def test_there_are_63_ports_and_no_more():
    engine = Engine()
    table = engine.add_table("red")
    ports = [MemPort(str(number)) for number in range(63)]
    assert [engine.attach(port, table) for port in ports] == list(range(63))
    with pytest.raises(MemoryError, match="63 ports"):
        engine.attach(MemPort(), table)
    with engine.transaction() as t:
        t.add_route(table, "0.0.0.0/0", t.add_adjacency("ip", port=62))
    ports[0].push(WHOLE)
    engine.step()
    assert ports[62].pop_all() == [(0, forwarded(WHOLE))]


def test_port_that_was_closed_loses_packets_and_nothing_else():
    rig = Rig()
    rig.ports["tunnel"].close()
    assert rig.hand_in(WHOLE, BACK) == {"FORWARD": 1, "DELIVER": 1}
    assert rig.sent() == [("home", forwarded(BACK))]
    assert rig.engine.port_counters(rig.index["tunnel"])["tx_refused"] == 1


@pytest.mark.parametrize("options", [
    {"adjacencies": 1}, {"adjacencies": (1 << 24) + 1}, {"sessions": 0},
    {"sessions": (1 << 22) + 1}, {"trigger_keys": 0}, {"punt_ring": 4095}, {"punt_ring": 5000},
    {"punt_ring": 0}, {"adjacencies": -1}, {"error_rate": -1}, {"echo_rate": -1},
])  # fmt: skip
def test_engine_refuses_sizes_out_of_range(options):
    with pytest.raises((ValueError, OverflowError)):
        Engine(**options)


def test_unknown_tables_and_names_are_refused():
    engine = Engine()
    with pytest.raises(KeyError, match="table 0"):
        engine.attach(MemPort(), 0)
    with pytest.raises(TypeError):
        engine.attach(None, 0)
    engine.add_table("red")
    with pytest.raises(ValueError, match="exists"):
        engine.add_table("red")
    for address in ("10.0.0.256", "::1", ""):
        with pytest.raises(ValueError, match="IPv4"):
            engine.add_table("blue", address)
    assert engine.add_table("blue", "10.0.0.1") == 1
    for table in (-1, 2):
        with pytest.raises(KeyError, match="does not exist"):
            engine.resolve(table, "10.0.0.1")


def test_a_packet_for_a_small_empty_punt_ring_always_fits():
    rig = Rig(punt_ring=4096)
    for size in (1500, 3000, 2500, 4000 - 28, 1, 3990 - 28):
        packet = datagram(bytes(size), dst=US)
        assert rig.outcome(packet)[0] == "PUNT_LOCAL"
        assert [punt.data for punt in rig.engine.punts()] == [packet]


def test_ping_of_the_tunnel_address_is_answered_and_not_punted():
    rig = Rig()
    ping = ipv4(echo_request(), src=HOME, dst=LOCAL, proto=1)
    verdict, ((port, reply),) = rig.outcome(ping)
    assert (verdict, port, reply[12:20]) == ("PUNT_LOCAL", "home", ping[16:20] + ping[12:16])
    assert rig.engine.punts() == []
