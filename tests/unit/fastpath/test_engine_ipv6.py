"""IPv6 through the engine: what goes into sessions, drop reasons, answers."""

from __future__ import annotations

import pytest
from engine_rig import assert_law, counter
from packets import Outer, datagram, forwarded
from packets6 import (
    HOME6,
    LOCAL6,
    OTHER6,
    SITE6,
    US6,
    Outer6,
    assert_sound6,
    behind,
    datagram6,
    forwarded6,
    fragment6,
    icmp6_error,
    label_of,
    options,
    ping6,
    ppp_of,
)
from parse_packets import ipv6
from rig6 import Rig6

from control.sim import host6
from fastpath.engine import Punt

FORMS = [{}, {"acfc": True}, {"pfc": True}, {"acfc": True, "pfc": True}]
LINKS = {"raw": b"", "ethernet": bytes(12) + b"\x86\xdd"}


def around(rig: Rig6, packet: bytes, **rest) -> bytes:
    """What carries a packet to the LAC over IPv4, with PPP 0057."""
    ppp = ppp_of(packet, acfc=rig.outer.acfc, pfc=rig.outer.pfc)
    tos = int.from_bytes(packet[:2], "big") >> 4 & 0xFF
    return rig.outer.carry(ppp, tos=tos, **rest)


# --- into sessions --------------------------------------------------------------------------------


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("checksum", [False, True])
@pytest.mark.parametrize("size", [0, 1, 8, 555, 1404, 1405])
def test_packet_goes_into_a_session_over_ipv4(link, form, checksum, size):
    rig = Rig6(link=link, outer=Outer(udp_checksum=checksum, **form))
    packet = datagram6(bytes(range(256)) * 6, tclass=0xB8)[: 48 + size]
    packet = packet[:4] + (8 + size).to_bytes(2, "big") + packet[6:]
    verdict, ((port, sent),) = rig.outcome(LINKS[link] + packet)
    assert (verdict, port) == ("FORWARD", "tunnel")
    assert sent == around(rig, forwarded6(packet))
    assert rig.engine.session_counters(rig.session)[2:4] == (1, 48 + size)


@pytest.mark.parametrize("inner", [4, 6])
@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("tos", [None, 0x2E])
@pytest.mark.parametrize("sequencing", [False, True])
def test_packet_goes_into_a_session_over_ipv6(inner, form, tos, sequencing):
    rig = Rig6(outer6=Outer6(tos=tos, sequencing=sequencing, **form))
    if inner == 4:
        packet = datagram(dst="192.168.6.9", tos=0x10)
        passed = forwarded(packet)
    else:
        packet = datagram6(dst=OTHER6, tclass=0x10)
        passed = forwarded6(packet)
    labels = set()
    for ns in range(2):
        verdict, ((port, sent),) = rig.outcome(packet)
        assert (verdict, port) == ("FORWARD", "tunnel")
        labels.add(label_of(sent))
        assert sent == rig.outer6.around(passed, label=label_of(sent), ns=ns)
        assert_sound6(sent)
    assert len(labels) == 1
    assert 0 not in labels


def test_sessions_over_ipv6_have_flow_labels_of_their_own():
    rig = Rig6()
    with rig.engine.transaction() as t:
        t.add_route(rig.table, "2001:db8:31::/48", rig.seven)
    _, ((_, first),) = rig.outcome(datagram6(dst=OTHER6))
    _, ((_, second),) = rig.outcome(datagram6(dst="2001:db8:31::1"))
    assert label_of(first) != label_of(second)


def test_session_over_ipv6_without_checksum_sends_zero_because_it_was_told_to():
    rig = Rig6(outer6=Outer6(udp_checksum=False))
    packet = datagram6(dst=OTHER6)
    _, ((_, sent),) = rig.outcome(packet)
    assert sent == rig.outer6.around(forwarded6(packet), label=label_of(sent))
    assert sent[46:48] == b"\0\0"


def test_outer_ipv6_takes_twenty_octets_more_which_mtu_and_headroom_allow_for():
    rig = Rig6(mtu=1460)
    packet = datagram6(bytes(1440 - 48), dst=OTHER6)
    _, ((_, sent),) = rig.outcome(packet)
    assert len(sent) == 1500


def test_packet_between_plain_next_hops_is_delivered():
    rig = Rig6()
    packet = datagram6(src=OTHER6, dst=HOME6)
    assert rig.outcome(packet, port="tunnel") == ("DELIVER", [("home", forwarded6(packet))])


@pytest.mark.parametrize("packet", [
    options(datagram6()), options(datagram6(), proto=0), fragment6(datagram6()),
    fragment6(datagram6(), 8, more=False), behind(b"\x02" + bytes(14), datagram6(), proto=51),
    options(datagram6(), proto=43), ipv6(proto=59, src=HOME6, dst=SITE6),
    ipv6(b"\x06", proto=60, src=HOME6, dst=SITE6), ipv6(bytes(8), proto=253, src=HOME6, dst=SITE6),
], ids=["destination options", "hop by hop", "first fragment", "last fragment",
        "authentication", "routing", "nothing", "cut chain", "unknown"])  # fmt: skip
def test_whatever_is_behind_the_header_is_forwarded_as_it_is(packet):
    rig = Rig6()
    assert rig.outcome(packet) == ("FORWARD", [("tunnel", around(rig, forwarded6(packet)))])


def test_bursts_of_both_families_keep_their_order():
    rig = Rig6()
    packets = [datagram6(bytes((i,))) if i % 3 else datagram(bytes((i,))) for i in range(200)]
    assert rig.hand_in(*packets) == {"FORWARD": 200}
    expected = [
        around(rig, forwarded6(p)) if p[0] >> 4 == 6 else rig.outer.around(forwarded(p))
        for p in packets
    ]
    assert [octets for _, octets in rig.sent()] == expected


# --- drops and answers ----------------------------------------------------------------------------

LONG = datagram6(bytes(1413))
SHORT = datagram6(hops=1)
STRAY = datagram6(dst="2001:db9::1")
DROPS = [
    ("cut", datagram6()[:39], "ip6-header", None),
    ("payload cut", datagram6()[:-1], "ip6-header", None),
    ("jumbogram", ipv6(proto=0), "ip6-header", None),
    ("from nowhere", datagram6(src="::"), "martian-source", None),
    ("from loopback", datagram6(src="::1"), "martian-source", None),
    ("from multicast", datagram6(src="ff02::1"), "martian-source", None),
    ("from mapped IPv4", datagram6(src="::ffff:192.0.2.1"), "martian-source", None),
    ("to multicast", datagram6(dst="ff0e::1"), "multicast", None),
    ("to nowhere", datagram6(dst="::"), "martian-destination", None),
    ("to loopback", datagram6(dst="::1"), "martian-destination", None),
    ("to mapped IPv4", datagram6(dst="::ffff:192.0.2.1"), "martian-destination", None),
    ("from link-local", datagram6(src="fe80::1"), "link-local", None),
    ("to link-local", datagram6(dst="febf::1"), "link-local", None),
    ("no route", STRAY, "no-route", (1, 0, 0)),
    ("prohibited", datagram6(dst="2001:db8:5::1"), "prohibited", None),
    ("no hop left", SHORT, "ttl-expired", (3, 0, 0)),
    ("too big", LONG, "too-big", (2, 0, 1460)),
    ("too big for home", datagram6(bytes(1300), dst="2001:db8:6::1"), "too-big", (2, 0, 1280)),
    ("port that is not there", datagram6(dst="2001:db8:7::1"), "port-gone", None),
]


@pytest.mark.parametrize(("packet", "reason", "answer"), [row[1:] for row in DROPS],
                         ids=[row[0] for row in DROPS])  # fmt: skip
@pytest.mark.parametrize("link", LINKS)
def test_drop_has_its_reason_and_its_answer(link, packet, reason, answer):
    rig = Rig6(link=link)
    verdict, sent = rig.outcome(LINKS[link] + packet)
    assert verdict == f"DROP {reason}"
    if answer is None:
        assert sent == []
    else:
        kind, code, mtu = answer
        assert sent == [("home", icmp6_error(packet, kind, code, mtu=mtu))]
        assert_sound6(sent[0][1])


QUIET = [
    ("an error", ipv6(bytes((1, 0, 0, 0, 0, 0, 0, 0)), proto=58)),
    ("an unknown error", ipv6(bytes((127,)) + bytes(7), proto=58)),
    ("a redirect", ipv6(bytes((137,)) + bytes(7), proto=58)),
    ("an error behind options", options(ipv6(bytes((2,)) + bytes(7), proto=58))),
    ("a later fragment of ICMPv6", fragment6(ipv6(bytes((128,)) + bytes(7), proto=58), 8)),
    ("ICMPv6 without a type", ipv6(proto=58)),
]


@pytest.mark.parametrize("packet", [row[1] for row in QUIET], ids=[row[0] for row in QUIET])
def test_no_error_about_what_may_be_an_error_itself(packet):
    rig = Rig6()
    assert rig.outcome(packet) == ("DROP no-route", [])
    assert counter(rig.engine, "icmp_unroutable") == 0


def test_errors_are_answered_about_queries_and_fragments_that_are_none():
    rig = Rig6()
    for packet in (ping6("2001:db9::1"), fragment6(datagram6(dst="2001:db9::1"), 8)):
        _, ((_, sent),) = rig.outcome(packet)
        assert sent == icmp6_error(packet, 1, 0)


def test_table_without_an_ipv6_address_answers_nothing():
    rig = Rig6()
    table = rig.engine.add_table("plain", "10.0.0.9")
    port = rig.engine.attach(rig.ports["home"], table)
    rig.ports["home"].push(STRAY)
    rig.engine.poll(port)
    assert rig.sent() == []
    assert_law(rig.engine)


def test_errors_of_both_families_share_one_rate():
    rig = Rig6(error_rate=3)
    rig.hand_in(*[STRAY, datagram(dst="9.9.9.9")] * 3)
    assert len(rig.sent()) == 3
    assert counter(rig.engine, "icmp_limited") == 3


@pytest.mark.parametrize("dst", [US6, LOCAL6])
@pytest.mark.parametrize("size", [0, 1, 56, 1452, 3000])
def test_ping_is_answered_from_the_address_it_was_sent_to(dst, size):
    rig = Rig6()
    request = ping6(dst, size=size)
    reply = host6.ping_reply(request)
    sent = [("home", reply)] if len(reply) <= 1500 else []
    assert rig.outcome(request) == ("PUNT_LOCAL", sent)
    assert rig.engine.punts() == []


@pytest.mark.parametrize("damage", [(44, 0xFF), (41, 1), (7, 0)])
def test_damaged_ping_is_no_ping(damage):
    rig = Rig6()
    at, value = damage
    request = bytearray(ping6())
    request[at] = value
    verdict, sent = rig.outcome(bytes(request))
    assert verdict == "PUNT_LOCAL"
    assert bool(sent) == (at == 7)
    assert len(rig.engine.punts()) == (at != 7)


def test_packet_for_ourselves_is_punted_with_its_addresses():
    rig = Rig6()
    packet = datagram6(dst=US6, dport=53)
    assert rig.outcome(packet, ts=5) == ("PUNT_LOCAL", [])
    assert rig.engine.punts() == [Punt("PUNT_LOCAL", 5, rig.table, (HOME6, 0), (US6, 0), 0, packet)]
