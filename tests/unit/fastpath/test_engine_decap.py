"""Decapsulation: every header form, who may send, what must fit, and what comes of the inside."""

from __future__ import annotations

import itertools
import struct

import pytest
from engine_rig import Rig, counter
from hypothesis import given, settings
from hypothesis import strategies as st
from packets import (
    DATA_HEADER,
    HOME,
    LAC,
    LCP_ECHO,
    LOCAL,
    OTHER_SITE,
    PPP_IP,
    SITE,
    US,
    control_message,
    data_message,
    datagram,
    forwarded,
    from_lac,
)
from parse_packets import echo_request, ipv4, ipv6, sealed, udp

from control.sim.data_header import DataHeader, encode

INNER = datagram(src=SITE, dst=HOME)
DELIVERED = ("DELIVER", [("home", forwarded(INNER))])
FRAMINGS = (b"\xff\x03\x00\x21", b"\xff\x03\x21", b"\x00\x21", b"\x21")
FORMS = list(
    itertools.product(
        (False, True), (None, 0, 65535), (None, 0, 1, 2, 15, 16, 17, 255, 1000), (False, True)
    )
)


def through(frame: bytes, header: DataHeader = DATA_HEADER, rig: Rig | None = None, **outer):
    return (rig or Rig()).outcome(data_message(frame, header, **outer), port="tunnel")


# --- forms of the header --------------------------------------------------------------------------


@pytest.mark.parametrize("ppp", FRAMINGS, ids=bytes.hex)
def test_every_form_of_header_is_taken(ppp):
    rig = Rig()
    for length, ns, offset, priority in FORMS:
        header = DataHeader(
            1, 2, ns=ns, nr=9 if ns else 0, has_length=length, offset=offset, priority=priority
        )
        assert through(ppp + INNER, header, rig) == DELIVERED
    assert rig.engine.session_counters(rig.session).packets_in == len(FORMS)


def test_all_65536_flag_words_have_the_verdict_of_rfc_2661():
    # The words behind the flags make the ids (1, 2) and an inner packet whatever L and S say.
    rig = Rig()
    frames, expected = [], []
    for flags in range(65536):
        body = struct.pack("!HH", 1, 2) + (bytes(4) if flags & 0x0800 else b"")
        body += struct.pack("!H", 0) if flags & 0x0200 else b""
        body += PPP_IP + INNER
        if flags & 0x4000:
            body = struct.pack("!H", len(body) + 4) + body
        frames.append(from_lac(struct.pack("!H", flags) + body, checksum=False))
        expected.append(verdict_of_flags(flags))
    counts = dict.fromkeys(expected, 0)
    for start in range(0, 65536, 4096):
        for verdict, n in rig.hand_in(*frames[start : start + 4096], port="tunnel").items():
            counts[verdict] += n
        rig.engine.punts(8192)
        rig.sent()
    assert counts == {verdict: expected.count(verdict) for verdict in counts}


def verdict_of_flags(flags: int) -> str:
    version = flags & 0xF
    if version != 2:
        return {1: "DROP l2f", 3: "DROP l2tpv3"}.get(version, "DROP l2tp-version")
    if not flags & 0x8000:
        return "DELIVER"
    return "PUNT_L2TP" if flags & 0x4B00 == 0x4800 else "DROP l2tp-control-flags"


def test_what_is_behind_length_is_ignored():
    message = encode(DataHeader(1, 2, has_length=True), PPP_IP + INNER) + b"behind"
    assert Rig().outcome(from_lac(message), port="tunnel") == DELIVERED


def test_padding_of_a_frame_on_the_wire_is_ignored():
    rig = Rig(link="ethernet")
    frame = bytes(12) + b"\x08\x00" + data_message(PPP_IP + INNER) + bytes(18)
    assert rig.outcome(frame, port="tunnel") == DELIVERED


def test_octets_behind_the_inner_packet_are_not_sent_on():
    assert through(PPP_IP + INNER + b"trailer") == DELIVERED


def test_a_packet_that_is_too_short_for_its_header_is_dropped_at_every_length():
    for length, ns, offset, priority in FORMS:
        header = DataHeader(1, 2, ns=ns, has_length=length, offset=offset, priority=priority)
        whole = encode(header, b"")
        if len(whole) > 40:
            continue
        rig = Rig()
        frames = [from_lac(whole[:cut]) for cut in range(len(whole))]
        verdicts = rig.hand_in(*frames, port="tunnel")
        allowed = {"DROP l2tp-short", "DROP l2tp-length", "DROP l2tp-offset"}
        assert set(verdicts) <= allowed
        assert sum(verdicts.values()) == len(whole)


BAD_LENGTHS = [
    ("Length of nothing", struct.pack("!HHHH", 0x4002, 0, 1, 2) + b"\x21", "l2tp-length"),
    ("Length shorter than the header", struct.pack("!HHHH", 0x4002, 7, 1, 2) + b"\x21",
     "l2tp-length"),
    ("Length of the header", struct.pack("!HHHH", 0x4002, 8, 1, 2) + b"\x21", "ppp-short"),
    ("Length of 65535", struct.pack("!HHHH", 0x4002, 65535, 1, 2), "l2tp-length"),
    ("Offset Size of 65535", struct.pack("!HHHH", 0x0202, 1, 2, 65535), "l2tp-offset"),
    ("padding up to the end", struct.pack("!HHHH", 0x0202, 1, 2, 3) + b"\x21\x21\x21",
     "ppp-short"),
    ("padding behind Length, inside the datagram",
     struct.pack("!HHHHH", 0x4202, 10, 1, 2, 1) + b"\x21", "l2tp-offset"),
    ("address octet alone", encode(DataHeader(1, 2), b"\xff"), "ppp-short"),
    ("one even octet", encode(DataHeader(1, 2), b"\x00"), "ppp-short"),
    ("IP without a header", encode(DataHeader(1, 2), b"\x21"), "ip-short"),
]  # fmt: skip


@pytest.mark.parametrize(("_what", "message", "reason"), BAD_LENGTHS)
def test_length_that_does_not_fit_is_dropped(_what, message, reason):
    assert Rig().outcome(from_lac(message), port="tunnel") == (f"DROP {reason}", [])


# --- UDP ------------------------------------------------------------------------------------------

UDP_ROWS = [
    ("no checksum", {"checksum": False}, DELIVERED),
    ("with IP options", {"options": b"\x01" * 8}, DELIVERED),
    ("Don't Fragment", {"fragment": 0x4000}, DELIVERED),
    ("TTL 0", {"ttl": 0}, DELIVERED),
    ("first fragment", {"fragment": 0x2000}, ("DROP fragment-to-us", [])),
    ("last fragment", {"fragment": 1}, ("DROP fragment-to-us", [])),
]


@pytest.mark.parametrize(("_what", "outer", "outcome"), UDP_ROWS)
def test_outer_header(_what, outer, outcome):
    assert through(PPP_IP + INNER, **outer) == outcome


def test_each_damaged_bit_of_a_message_fails_the_checksum():
    rig = Rig()
    packet = data_message(PPP_IP + INNER)
    # From the UDP length's end on: ports, checksum and lengths have reasons of their own.
    for at in range(28, len(packet)):
        for bit in range(8):
            bad = packet[:at] + bytes((packet[at] ^ 1 << bit,)) + packet[at + 1 :]
            assert rig.outcome(bad, port="tunnel") == ("DROP udp-checksum", [])


@pytest.mark.parametrize(("length", "reason"), [(0, "udp-length"), (7, "udp-length"),
                                                (500, "udp-length"), (65535, "udp-length"),
                                                (8, "l2tp-short"), (9, "l2tp-short")])  # fmt: skip
def test_udp_length_that_does_not_fit_is_dropped(length, reason):
    whole = encode(DataHeader(1, 2), PPP_IP + INNER)
    message = struct.pack("!HHHH", 1701, 1701, length, 0) + whole
    packet = ipv4(message, src=LAC, dst=LOCAL)
    assert Rig().outcome(packet, port="tunnel") == (f"DROP {reason}", [])


# --- who sends ------------------------------------------------------------------------------------

STRANGERS = [
    ("another address", {"src": "10.88.0.3"}),
    ("our own address", {"src": LOCAL}),
    ("a home address", {"src": HOME}),
    ("the site's address", {"src": SITE}),
    ("the port above", {"sport": 1702}),
    ("port 0", {"sport": 0}),
]


@pytest.mark.parametrize(("_what", "outer"), STRANGERS)
@pytest.mark.parametrize("frame", [PPP_IP + INNER, LCP_ECHO])
def test_only_the_peer_of_the_session_may_use_it(_what, outer, frame):
    rig = Rig()
    assert through(frame, rig=rig, **outer) == ("DROP peer-mismatch", [])
    assert rig.engine.session_counters(rig.session) == (0, 0, 0, 0, 0, 0)
    assert rig.engine.punts() == []


@pytest.mark.parametrize("ids", [(1, 3), (2, 2), (0, 2), (1, 0), (0, 0), (2, 1), (3, 4),
                                 (65535, 65535), (257, 2), (1, 258)])  # fmt: skip
def test_unknown_ids_are_dropped(ids):
    assert through(PPP_IP + INNER, DataHeader(*ids)) == ("DROP unknown-session", [])


def test_ids_belong_to_the_local_address():
    rig = Rig()
    with rig.engine.transaction() as t:
        t.add_route(rig.table, "10.88.0.7/32", t.add_adjacency("local", tunnel=True))
    message = encode(DataHeader(1, 2), PPP_IP + INNER)
    packet = datagram(message, src=LAC, dst="10.88.0.7", sport=1701, dport=1701)
    assert rig.outcome(packet, port="tunnel") == ("DROP unknown-session", [])


def test_session_of_another_table_is_reached_and_keeps_its_table():
    rig = Rig()
    blue = rig.engine.add_table("blue")
    with rig.engine.transaction() as t:
        nh = t.add_session(
            table=blue, port=1, local=(LOCAL, 1701), peer=(LAC, 1701),
            tunnel=9, session=9, peer_tunnel=9, peer_session=9,
        )  # fmt: skip
        t.add_route(blue, "198.51.100.0/24", nh)
    header = DataHeader(9, 9)
    # There is a route to HOME in the table of the port, and none in that of the session.
    assert through(PPP_IP + INNER, header, rig)[0] == "DROP no-route"
    with rig.engine.transaction() as t:
        t.add_route(blue, "192.0.2.0/24", rig.narrow)
    assert through(PPP_IP + INNER, header, rig) == DELIVERED
    rig.outcome(data_message(LCP_ECHO, header), port="tunnel")
    (punt,) = rig.engine.punts()
    assert (punt.table, punt.nh) == (blue, nh)


def test_runs_of_sessions_of_several_tables_in_one_burst():
    rig = Rig()
    tables = [rig.engine.add_table(name) for name in ("blue", "green")]
    with rig.engine.transaction() as t:
        for table in tables:
            nh = t.add_session(
                table=table, port=1, local=(LOCAL, 1701), peer=(LAC, 1701), tunnel=9,
                session=table, peer_tunnel=9, peer_session=9,
            )  # fmt: skip
            t.add_route(table, "198.51.100.0/24", nh)
        t.add_route(tables[1], "192.0.2.0/24", rig.lan)
    frames = [
        data_message(PPP_IP + INNER, header)
        for header in (DataHeader(1, 2), DataHeader(9, 1), DataHeader(9, 2))
        for _ in range(3)
    ] * 5
    assert rig.hand_in(*frames, port="tunnel") == {"DELIVER": 30, "DROP no-route": 15}


# --- sources inside (threat T7) -------------------------------------------------------------------

SOURCES = [
    (SITE, "none"), ("198.51.100.0", "none"), ("198.51.100.255", "none"),
    ("198.51.99.255", "inner-source"), ("198.51.101.0", "inner-source"),
    ("0.0.0.0", "martian-source"), ("0.1.2.3", "martian-source"),
    ("127.0.0.1", "martian-source"), ("127.255.255.255", "martian-source"),
    ("224.0.0.1", "martian-source"), ("239.255.255.255", "martian-source"),
    ("240.0.0.1", "martian-source"), ("255.255.255.255", "martian-source"),
    (US, "inner-source"), (LOCAL, "inner-source"), (LAC, "inner-source"),
    (HOME, "inner-source"), ("192.0.2.0", "inner-source"), (OTHER_SITE, "inner-source"),
    ("172.16.0.1", "inner-source"), ("10.66.0.1", "inner-source"),
    ("10.77.0.1", "inner-source"), ("10.44.0.1", "inner-source"),
    ("9.9.9.9", "inner-source"), ("1.0.0.0", "inner-source"),
    ("169.254.1.1", "inner-source"), ("100.64.0.1", "inner-source"),
    ("192.168.1.1", "inner-source"), ("223.255.255.255", "inner-source"),
    ("126.255.255.255", "inner-source"),
]  # fmt: skip


@pytest.mark.parametrize("ppp", [PPP_IP, b"\x21"], ids=bytes.hex)
@pytest.mark.parametrize(("source", "reason"), SOURCES)
def test_source_inside_must_be_routed_to_the_session(source, reason, ppp):
    rig = Rig()
    packet = datagram(src=source, dst=HOME)
    expected = ("DELIVER", [("home", forwarded(packet))])
    outcome = through(ppp + packet, rig=rig)
    assert outcome == (expected if reason == "none" else (f"DROP {reason}", []))
    assert rig.engine.session_counters(rig.session).refused == (reason != "none")


def test_source_of_a_longer_prefix_elsewhere_is_not_the_sessions():
    rig = Rig()
    with rig.engine.transaction() as t:
        t.add_route(rig.table, "198.51.100.128/25", rig.other)
    assert through(PPP_IP + datagram(src="198.51.100.130", dst=HOME), rig=rig) == (
        "DROP inner-source",
        [],
    )
    header = DataHeader(1, 5)
    packet = datagram(src="198.51.100.130", dst=HOME)
    assert through(PPP_IP + packet, header, rig)[0] == "DELIVER"


def test_source_is_checked_before_anything_is_done_for_the_packet():
    rig = Rig()
    for destination in (LOCAL, US, "172.16.0.1", SITE, OTHER_SITE, "9.9.9.9", "10.77.0.1"):
        packet = datagram(src=HOME, dst=destination, ttl=1)
        assert through(PPP_IP + packet, rig=rig) == ("DROP inner-source", [])
    assert rig.engine.punts() == rig.engine.triggers.events() == []


# --- packets inside -------------------------------------------------------------------------------

PING = ipv4(echo_request(), src=SITE, dst=US, proto=1)
INSIDE = [
    ("IPv4 header checksum", PPP_IP + INNER[:10] + b"\0\0" + INNER[12:], "DROP ip-checksum"),
    ("cut", PPP_IP + INNER[:-1], "DROP ip-total-length"),
    ("19 octets", PPP_IP + INNER[:19], "DROP ip-short"),
    ("IPv6 in the protocol of IPv4", PPP_IP + ipv6(), "DROP ip-version"),
    ("header length", PPP_IP + sealed(b"\x46" + INNER[1:20]), "DROP ip-header-length"),
    ("to multicast", PPP_IP + datagram(src=SITE, dst="224.0.0.5"), "DROP multicast"),
    ("to 127/8", PPP_IP + datagram(src=SITE, dst="127.0.0.1"), "DROP martian-destination"),
    ("prohibited", PPP_IP + datagram(src=SITE, dst="10.66.0.1"), "DROP prohibited"),
    ("port that is gone", PPP_IP + datagram(src=SITE, dst="10.77.0.1"), "DROP port-gone"),
    ("nested control message",
     PPP_IP + datagram(control_message(), src=SITE, dst=LOCAL, sport=1701, dport=1701),
     "DROP l2tp-nested"),
    ("nested data message",
     PPP_IP + datagram(encode(DataHeader(1, 2), PPP_IP + INNER), src=SITE, dst=LOCAL, dport=1701),
     "DROP l2tp-nested"),
    ("fragment to the tunnel address", PPP_IP + datagram(src=SITE, dst=LOCAL, fragment=0x2000),
     "DROP fragment-to-us"),
    ("short UDP to the tunnel address", PPP_IP + ipv4(b"1234567", src=SITE, dst=LOCAL),
     "DROP udp-length"),
    ("other UDP to the tunnel address", PPP_IP + datagram(src=SITE, dst=LOCAL), "PUNT_LOCAL"),
    ("tunnel of others passing through",
     PPP_IP + datagram(control_message(), src=SITE, dst=HOME, dport=1701), "DELIVER"),
]  # fmt: skip


@pytest.mark.parametrize(("_what", "frame", "verdict"), INSIDE, ids=[r[0] for r in INSIDE])
def test_packet_inside_is_classified_again(_what, frame, verdict):
    rig = Rig()
    assert through(frame, rig=rig)[0] == verdict
    counters = rig.engine.session_counters(rig.session)
    dropped_late = verdict == "DROP port-gone"
    assert counters.refused == (verdict.startswith("DROP") and not dropped_late)
    assert counters.packets_in == counter(rig.engine, "decapsulated") == 1 - counters.refused


def test_ttl_goes_down_once_in_each_direction():
    for destination, ttl in ((HOME, 63), (OTHER_SITE, 63)):
        ((_, octets),) = through(PPP_IP + datagram(src=SITE, dst=destination))[1]
        assert octets[8 if destination == HOME else 48] == ttl


def test_ping_from_a_session_is_answered_into_it():
    rig = Rig()
    verdict, ((port, octets),) = through(PPP_IP + PING, rig=rig)
    assert (verdict, port) == ("PUNT_LOCAL", "tunnel")
    assert octets == rig.outer.around(octets[40:])
    assert octets[52:60] == PING[16:20] + PING[12:16]


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from(FORMS),
    st.sampled_from(FRAMINGS),
    st.binary(max_size=80),
    st.binary(max_size=8),
)
def test_any_payload_in_any_form_is_delivered_as_it_was(form, ppp, payload, trailer):
    length, ns, offset, priority = form
    header = DataHeader(1, 2, ns=ns, has_length=length, offset=offset, priority=priority)
    packet = ipv4(udp(payload), src=SITE, dst=HOME)
    assert through(ppp + packet + trailer, header) == ("DELIVER", [("home", forwarded(packet))])
