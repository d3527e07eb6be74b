"""Answers of the engine's slow path: pings, errors, who gets none, their rate, and no loops."""

from __future__ import annotations

import pytest
from engine_rig import UNATTACHED, Rig, counter, session
from packets import (
    DF,
    HOME,
    LAC,
    LCP_ECHO,
    LOCAL,
    MF,
    PPP_IP,
    SITE,
    US,
    Outer,
    assert_sound,
    control_message,
    data_message,
    datagram,
    forwarded,
    from_lac,
    icmp_error,
)
from parse_packets import echo_request, ipv4

from control.sim import host
from control.sim.data_header import DataHeader
from fastpath import Engine, MemPort

SECOND = 10**9
STRAY = datagram(dst="9.9.9.9")


def ping(dst: str = US, src: str = HOME, size: int = 56, **rest) -> bytes:
    return ipv4(echo_request(bytes(size)), src=src, dst=dst, proto=1, **rest)


# --- echo -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dst", [US, LOCAL])
@pytest.mark.parametrize("size", [0, 1, 56, 1472])
def test_ping_is_answered_from_the_address_it_was_sent_to(dst, size):
    rig = Rig()
    request = ping(dst, size=size, ident=5, tos=8)
    verdict, ((port, reply),) = rig.outcome(request, ts=3)
    assert (verdict, port) == ("PUNT_LOCAL", "home")
    assert reply == host.ping_reply(request, identification=5)
    assert counter(rig.engine, "icmp_sent") == 1


def test_long_reply_goes_in_fragments_and_one_that_must_not_is_not_sent():
    rig = Rig()
    source = "10.44.0.1"  # behind an MTU of 576
    _, pieces = rig.outcome(ping(src=source, size=1000))
    assert [len(piece) for _, piece in pieces] == [572, 476]
    assert rig.outcome(ping(src=source, size=1000, fragment=DF)) == ("PUNT_LOCAL", [])
    assert counter(rig.engine, "icmp_sent") == counter(rig.engine, "icmp_unroutable") == 1


def test_reply_without_a_way_back_is_counted():
    rig = Rig()
    for source in ("9.9.9.9", "10.66.0.1", "172.16.0.1", LOCAL, "10.77.0.1"):
        assert rig.outcome(ping(src=source)) == ("PUNT_LOCAL", [])
    assert counter(rig.engine, "icmp_unroutable") == 5
    assert rig.engine.triggers.events() == rig.engine.punts() == []


def test_replies_are_limited_and_what_is_over_is_still_no_punt():
    rig = Rig(echo_rate=3)
    times = [SECOND] * 5 + [SECOND + SECOND // 3 + 1] * 2
    for ts in times:
        assert rig.hand_in(ping(), ts=ts) == {"PUNT_LOCAL": 1}
    assert len(rig.sent()) == counter(rig.engine, "icmp_sent") == 4
    assert counter(rig.engine, "icmp_limited") == 3
    assert rig.engine.punts() == []


# --- errors ---------------------------------------------------------------------------------------

GONE, PROHIBITED, TARGET = "10.77.0.1", "10.66.0.1", "172.16.0.1"


@pytest.mark.parametrize("size", [0, 1, 7, 8, 520, 521, 1000])
@pytest.mark.parametrize("options", [b"", b"\x01" * 40])
def test_error_comes_from_the_tables_address_and_quotes_what_fits(size, options):
    rig = Rig()
    for packet, kind in ((datagram(bytes(size), dst="9.9.9.9", options=options), 3),
                         (datagram(bytes(size), ttl=1, options=options), 11)):  # fmt: skip
        ((port, error),) = rig.outcome(packet)[1]
        assert (port, error) == ("home", icmp_error(packet, kind, 0))
        assert_sound(error)


def test_frame_around_the_packet_is_not_quoted():
    rig = Rig(link="ethernet")
    _, sent = rig.outcome(bytes(12) + b"\x81\0\0\5\x08\x00" + STRAY + b"padding")
    assert sent == [("home", icmp_error(STRAY, 3, 0))]


def test_error_about_an_inner_packet_goes_into_the_session():
    rig = Rig()
    for packet, kind in (
        (datagram(src=SITE, dst="9.9.9.9"), 3),
        (datagram(src=SITE, dst=HOME, ttl=1), 11),
    ):
        _, sent = rig.outcome(data_message(PPP_IP + packet), port="tunnel")
        error = icmp_error(packet, kind, 0)
        assert sent == [("tunnel", rig.outer.around(error, ident=0 if kind == 3 else 1))]
    assert rig.engine.session_counters(rig.session).packets_out == 2


def test_error_uses_address_and_routes_of_the_table_of_the_session():
    rig = Rig()
    blue = rig.engine.add_table("blue", "10.9.9.9")
    outer = Outer(peer_session=7)
    with rig.engine.transaction() as t:
        nh = t.add_session(**session(7, outer, table=blue, port=1))
        t.add_route(blue, "198.51.100.0/24", nh)
    packet = datagram(src=SITE, dst=HOME)
    _, sent = rig.outcome(data_message(PPP_IP + packet, DataHeader(1, 7)), port="tunnel")
    assert sent == [("tunnel", outer.around(icmp_error(packet, 3, 0, source="10.9.9.9")))]


SILENT = [
    ("drop without a reason to tell", datagram(dst=PROHIBITED)),
    ("port that is gone", datagram(dst=GONE)),
    ("dial-out target", datagram(dst=TARGET, ttl=1)),
    ("ICMP error", ipv4(b"\x03\x00" + bytes(30), src=HOME, dst="9.9.9.9", proto=1)),
    ("ICMP error at its last hop", ipv4(b"\x0b" + bytes(31), src=HOME, dst=SITE, proto=1, ttl=1)),
    ("redirect", ipv4(b"\x05" + bytes(31), src=HOME, dst="9.9.9.9", proto=1)),
    ("unknown ICMP type", ipv4(b"\xee" + bytes(31), src=HOME, dst="9.9.9.9", proto=1)),
    ("later fragment", datagram(dst="9.9.9.9", fragment=100)),
    ("later fragment at its last hop", datagram(fragment=MF | 100, ttl=1)),
    ("to multicast", datagram(dst="224.0.0.9")),
    ("to broadcast", datagram(dst="255.255.255.255")),
    ("from multicast", datagram(src="224.0.0.9", dst="9.9.9.9")),
    ("from nowhere", datagram(src="0.0.0.0", dst="9.9.9.9")),
    ("from loopback", datagram(src="127.0.0.1", dst="9.9.9.9")),
    ("damaged", STRAY[:10] + b"\0\0" + STRAY[12:]),
    ("from where there is no way back", datagram(src="9.8.7.6", dst="9.9.9.9")),
    ("from a dial-out target", datagram(src=TARGET, dst="9.9.9.9")),
    ("from our own address", datagram(src=US, dst="9.9.9.9")),
]


@pytest.mark.parametrize(("_what", "packet"), SILENT, ids=[row[0] for row in SILENT])
def test_no_error_is_sent_about(_what, packet):
    rig = Rig()
    rig.hand_in(packet)
    assert rig.sent() == []
    assert counter(rig.engine, "icmp_sent") == 0
    assert rig.engine.punts() == []


def test_first_fragment_and_ping_that_find_no_route_get_an_error():
    for packet in (datagram(dst="9.9.9.9", fragment=MF), ping("9.9.9.9")):
        assert Rig().outcome(packet)[1] == [("home", icmp_error(packet, 3, 0))]


def test_table_without_an_address_sends_no_errors_and_answers_pings():
    engine = Engine()
    table = engine.add_table("red")
    port = MemPort()
    engine.attach(port, table)
    with engine.transaction() as t:
        t.add_route(table, "192.0.2.0/24", t.add_adjacency("ip", port=0))
        t.add_route(table, f"{US}/32", t.add_adjacency("local"))
    port.push_many([STRAY, datagram(dst=HOME, ttl=1), ping()])
    engine.poll(0)
    assert [octets for _, octets in port.pop_all()] == [
        host.ping_reply(ping(), identification=0x1234)
    ]
    assert counter(engine, "icmp_limited") == 0


def test_errors_are_limited_apart_from_pings_and_drops_go_on():
    rig = Rig(error_rate=2, echo_rate=5)
    assert rig.hand_in(*[STRAY] * 6, ts=SECOND) == {"DROP no-route": 6}
    assert len(rig.sent()) == 2
    assert counter(rig.engine, "icmp_limited") == 4
    rig.hand_in(*[ping()] * 5, ts=SECOND)
    assert len(rig.sent()) == 5
    rig.hand_in(STRAY, ts=SECOND + SECOND // 2)
    assert len(rig.sent()) == 1


def test_no_error_at_all_with_a_rate_of_0():
    rig = Rig(error_rate=0)
    assert rig.outcome(STRAY) == ("DROP no-route", [])


# --- no loops (threat T8) -------------------------------------------------------------------------


@pytest.fixture
def swallowed():
    """A rig where everything, the LAC too, is routed into the session that leads to the LAC."""
    rig = Rig()
    with rig.engine.transaction() as t:
        for prefix in ("0.0.0.0/0", "10.88.0.0/16", f"{LAC}/32", "0.0.0.0/1", "128.0.0.0/1"):
            t.add_route(rig.table, prefix, rig.session)
    return rig


def test_route_to_the_lac_through_its_own_session_never_loops(swallowed):
    packet = datagram(dst="9.9.9.9")
    assert swallowed.outcome(packet) == (
        "FORWARD",
        [("tunnel", swallowed.outer.around(forwarded(packet)))],
    )
    to_lac = datagram(dst=LAC)
    assert swallowed.outcome(to_lac) == (
        "FORWARD",
        [("tunnel", swallowed.outer.around(forwarded(to_lac), ident=1))],
    )
    assert counter(swallowed.engine, "encapsulated") == 2


def test_what_control_sends_never_enters_a_session_by_a_route(swallowed):
    message = datagram(control_message(), src=LOCAL, dst=LAC, sport=1701, dport=1701)
    swallowed.engine.inject(message, swallowed.lac)
    swallowed.engine.inject(LCP_ECHO, swallowed.session)
    assert swallowed.sent() == [
        ("tunnel", message),
        ("tunnel", swallowed.outer.carry(LCP_ECHO)),
    ]


def test_own_encapsulated_packet_that_comes_back_is_one_packet_with_a_lower_ttl(swallowed):
    ((_, octets),) = swallowed.outcome(datagram(dst="9.9.9.9"))[1]
    for hop in range(1, 64):
        verdict, ((_, again),) = swallowed.outcome(octets, port="tunnel")
        assert verdict == "FORWARD"
        assert again == swallowed.outer.around(forwarded(octets), ident=hop)
        octets = forwarded(octets)
    assert swallowed.outcome(octets, port="tunnel")[0] == "DROP ttl-expired"


def test_default_route_of_a_session_gives_its_packets_no_way_back_into_it(swallowed):
    inner = datagram(src="9.9.9.9", dst="8.8.8.8")
    assert swallowed.outcome(data_message(PPP_IP + inner), port="tunnel") == (
        "DROP same-session",
        [],
    )
    tunnelled = from_lac(b"\0", src="9.9.9.9")
    assert swallowed.outcome(data_message(PPP_IP + tunnelled), port="tunnel")[0] == (
        "DROP l2tp-nested"
    )


def test_generated_answer_causes_no_other_one():
    # The way back to the sender expires nothing, triggers nothing and is too small for nothing.
    rig = Rig()
    with rig.engine.transaction() as t:
        t.add_route(rig.table, "9.1.0.0/16", t.add_adjacency("ip", port=0, mtu=68))
        t.add_route(rig.table, "9.2.0.0/16", rig.glean)
        t.add_route(rig.table, "9.3.0.0/16", rig.address)
        t.add_route(rig.table, "9.4.0.0/16", t.add_adjacency("ip", port=UNATTACHED))
    packet = datagram(bytes(100), src="9.1.0.1", dst="9.9.9.9")
    pieces = rig.outcome(packet)[1]
    assert b"".join(octets[20:] for _, octets in pieces) == icmp_error(packet, 3, 0)[20:]
    for source in ("9.2.0.1", "9.3.0.1", "9.4.0.1", "9.5.0.1"):
        assert rig.outcome(datagram(src=source, dst="9.9.9.9"))[1] == []
    assert counter(rig.engine, "icmp_unroutable") == 4
    assert rig.engine.triggers.events() == rig.engine.punts() == []
