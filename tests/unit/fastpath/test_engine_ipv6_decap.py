"""IPv6 out of sessions, and sessions over IPv6."""

from __future__ import annotations

import pytest
from packets import HOME, LCP_ECHO, SITE, data_message, datagram, forwarded
from packets6 import (
    HOME6,
    LAC6,
    LOCAL6,
    OTHER6,
    PPP_IP6,
    SITE6,
    Outer6,
    data_message6,
    datagram6,
    forwarded6,
    fragment6,
    from_lac6,
    label_of,
    options,
    ping6,
    ppp_of,
)
from parse_packets import ipv6
from rig6 import Rig6

from control.sim.data_header import DataHeader
from fastpath.engine import Punt
from fastpath.trace import trace


def around(rig: Rig6, packet: bytes, **rest) -> bytes:
    """What carries a packet to the LAC over IPv4, with PPP 0057."""
    ppp = ppp_of(packet, acfc=rig.outer.acfc, pfc=rig.outer.pfc)
    tos = int.from_bytes(packet[:2], "big") >> 4 & 0xFF
    return rig.outer.carry(ppp, tos=tos, **rest)


def six(packet: bytes) -> bytes:
    return data_message6(PPP_IP6 + packet)


# --- out of sessions ------------------------------------------------------------------------------


@pytest.mark.parametrize("wrap", [
    lambda p: data_message(PPP_IP6 + p), lambda p: data_message(b"\x57" + p),
    lambda p: data_message(b"\0\x57" + p, DataHeader(1, 2, ns=3, has_length=True, offset=5)),
], ids=["whole", "compressed", "padded"])  # fmt: skip
def test_packet_out_of_a_session_over_ipv4_is_delivered(wrap):
    rig = Rig6()
    packet = datagram6(src=SITE6, dst=HOME6)
    got = rig.outcome(wrap(packet), port="tunnel")
    assert got == ("DELIVER", [("home", forwarded6(packet))])
    assert rig.engine.session_counters(rig.session)[:2] == (1, len(packet))


def test_packets_of_both_families_come_out_of_a_session_over_ipv6():
    rig = Rig6()
    packet, packet4 = datagram6(src=OTHER6, dst=HOME6), datagram(src="192.168.6.9", dst=HOME)
    assert rig.hand_in(six(packet), data_message6(b"\x21" + packet4), port="tunnel") == {
        "DELIVER": 2
    }
    assert rig.sent() == [("home", forwarded6(packet)), ("home", forwarded(packet4))]


def test_packet_goes_from_site_to_site():
    rig = Rig6()
    packet = datagram6(src=OTHER6, dst=SITE6)
    got = rig.outcome(six(packet), port="tunnel")
    assert got == ("FORWARD", [("tunnel", around(rig, forwarded6(packet)))])
    assert rig.outcome(six(datagram6(src=OTHER6, dst=OTHER6)), port="tunnel") == (
        "DROP same-session",
        [],
    )


INBOUND = [
    ("forged source", six(datagram6(src=SITE6, dst=HOME6)), "inner-source"),
    ("home's source", six(datagram6(src=HOME6, dst=HOME6)), "inner-source"),
    (
        "IPv4 source of another",
        data_message6(b"\x21" + datagram(src=SITE, dst=HOME)),
        "inner-source",
    ),
    ("no header", data_message6(PPP_IP6 + b"\x60"), "ip6-header"),
    ("IPv4 as IPv6", six(datagram(src=SITE, dst=HOME)), "ip6-header"),
    ("link-local UDP", six(datagram6(src="fe80::1", dst=HOME6)), "link-local"),
    ("multicast", six(datagram6(src=OTHER6, dst="ff02::fb")), "multicast"),
    ("tunnel in a tunnel", six(datagram6(src=OTHER6, dst=LOCAL6, dport=1701)), "l2tp-nested"),
    ("no PPP", data_message6(b"\xff\x03"), "ppp-short"),
    ("unknown session", data_message6(LCP_ECHO, DataHeader(1, 3)), "unknown-session"),
    ("session over IPv4", data_message6(LCP_ECHO, DataHeader(1, 5)), "unknown-session"),
    ("session over IPv6 over IPv4", data_message(LCP_ECHO, DataHeader(1, 7)), "unknown-session"),
    ("stranger", data_message6(LCP_ECHO, src="2001:db8:88::3"), "peer-mismatch"),
    ("another port", data_message6(LCP_ECHO, sport=1702), "peer-mismatch"),
    ("fragment", fragment6(data_message6(LCP_ECHO)), "fragment-to-us"),
    ("empty datagram", from_lac6(b""), "l2tp-short"),
]


@pytest.mark.parametrize(("packet", "reason"), [row[1:] for row in INBOUND],
                         ids=[row[0] for row in INBOUND])  # fmt: skip
def test_bad_message_from_the_tunnel_has_its_reason(packet, reason):
    rig = Rig6()
    assert rig.outcome(packet, port="tunnel") == (f"DROP {reason}", [])


def zeroed(packet: bytes) -> bytes:
    return packet[:46] + b"\0\0" + packet[48:]


def test_message_over_ipv6_without_a_checksum_is_refused():
    rig = Rig6()
    control = from_lac6(b"\xc8\x02\0\x0c\0\x01\0\0\0\x01\0\x01")
    inner = six(datagram6(src=OTHER6, dst=HOME6))
    for message in (inner, control, inner[:-1] + b"\xff"):
        packet = message if message is not inner and message is not control else zeroed(message)
        assert rig.outcome(packet, port="tunnel") == ("DROP udp-checksum", [])


def test_session_that_sends_no_checksum_takes_messages_without_one_but_no_control():
    rig = Rig6(outer6=Outer6(udp_checksum=False))
    packet = datagram6(src=OTHER6, dst=HOME6)
    assert rig.outcome(zeroed(six(packet)), port="tunnel")[0] == "DELIVER"
    assert rig.outcome(six(packet), port="tunnel")[0] == "DELIVER"
    bad = bytearray(six(packet))
    bad[-1] ^= 1
    assert rig.outcome(bytes(bad), port="tunnel")[0] == "DROP udp-checksum"
    control = from_lac6(b"\xc8\x02\0\x0c\0\x01\0\0\0\x01\0\x01")
    assert rig.outcome(zeroed(control), port="tunnel")[0] == "DROP udp-checksum"


def test_message_behind_options_is_taken_as_any_other():
    rig = Rig6()
    packet = datagram6(src=OTHER6, dst=HOME6)
    assert rig.outcome(options(six(packet)), port="tunnel")[0] == "DELIVER"


def test_control_message_over_ipv6_is_punted_with_its_addresses():
    rig = Rig6()
    message = b"\xc8\x02\0\x0c\0\x01\0\0\0\x01\0\x01"
    assert rig.outcome(from_lac6(message, sport=4000), port="tunnel", ts=2)[0] == "PUNT_L2TP"
    assert rig.engine.punts() == [
        Punt("PUNT_L2TP", 2, rig.table, (LAC6, 4000), (LOCAL6, 1701), 0, message)
    ]


SOLICITATION = ipv6(b"\x85\0\0\0\0\0\0\0", proto=58, src="fe80::2", dst="ff02::2", hops=255)


@pytest.mark.parametrize("packet", [
    SOLICITATION, ipv6(b"\x85\0\0\0\0\0\0\0", proto=58, src="::", dst="ff02::2", hops=255),
    ping6("fe80::1", "fe80::2"), ipv6(b"\x88", proto=58, src=OTHER6, dst="fe80::1"),
], ids=["from link-local", "from nowhere", "ping", "to link-local"])  # fmt: skip
@pytest.mark.parametrize("over", [4, 6])
def test_icmpv6_of_the_link_goes_to_control_as_a_ppp_frame(over, packet):
    rig = Rig6()
    frame = PPP_IP6 + packet
    message = data_message(frame) if over == 4 else data_message6(frame)
    assert rig.outcome(message, port="tunnel") == ("PUNT_PPP", [])
    (punt,) = rig.engine.punts()
    assert (punt.nh, punt.data) == (rig.session if over == 4 else rig.six, frame)


def test_control_sends_ppp_frames_and_packets_over_ipv6():
    rig = Rig6()
    rig.engine.inject(LCP_ECHO, rig.six)
    ((port, sent),) = rig.sent()
    assert port == "tunnel"
    assert sent == rig.outer6.carry(LCP_ECHO, label=label_of(sent))
    packet = from_lac6(b"control", src=LOCAL6, dst=LAC6)
    rig.engine.inject(packet, rig.lac)
    assert rig.sent() == [("tunnel", packet)]
    with pytest.raises(ValueError, match="over the next hop's MTU"):
        rig.engine.inject(datagram6(bytes(1500)), rig.lac)


# --- sessions -------------------------------------------------------------------------------------


def test_same_ids_are_free_at_another_address_and_taken_at_the_same_one():
    rig = Rig6()
    arguments = {"table": rig.table, "peer": (LAC6, 1701), "tunnel": 1, "session": 2,
                 "peer_tunnel": 3, "peer_session": 4, "port": 0}  # fmt: skip
    with rig.engine.transaction() as t:
        with pytest.raises(ValueError, match=f"{LOCAL6}.*in use|in use.*{LOCAL6}"):
            t.add_session(local=(LOCAL6, 1701), **arguments)
        t.add_session(local=("2001:db8:88::9", 1701), **arguments)


@pytest.mark.parametrize(("local", "peer"), [(LOCAL6, "10.0.0.2"), ("10.0.0.1", LAC6)])
def test_both_ends_of_a_tunnel_are_of_one_family(local, peer):
    rig = Rig6()
    with rig.engine.transaction() as t, pytest.raises(ValueError, match="is not an IPv"):
        t.add_session(table=rig.table, local=(local, 1701), peer=(peer, 1701), tunnel=8,
                      session=8, peer_tunnel=3, peer_session=4, port=0)  # fmt: skip


def test_session_over_ipv6_changes_its_form_and_is_deleted():
    rig = Rig6()
    packet = datagram6(dst=OTHER6)
    with rig.engine.transaction() as t:
        t.update_session(rig.six, peer_tunnel=30, peer_session=40, acfc=True, pfc=True)
    outer = Outer6(peer_tunnel=30, peer_session=40, acfc=True, pfc=True)
    _, ((_, sent),) = rig.outcome(packet)
    assert sent == outer.around(forwarded6(packet), label=label_of(sent))
    with rig.engine.transaction() as t:
        t.delete_route(rig.table, "2001:db8:3::/48")
        t.delete_route(rig.table, "192.168.6.0/24")
        t.delete_adjacency(rig.six)
    assert rig.outcome(six(packet), port="tunnel") == ("DROP unknown-session", [])


def test_trace_tells_of_both_families():
    rig = Rig6()
    found = trace(rig.engine, 0, datagram6(dst=OTHER6))
    assert (found.verdict, found.prefix, found.nh) == ("FORWARD", "2001:db8:3::/48", rig.six)
    assert f"L2TP to {LAC6} port 1701, tunnel 3 session 4, 60 octets before it" in found.lines
    found = trace(rig.engine, 1, six(datagram6(src=OTHER6, dst=HOME6)))
    assert (found.verdict, found.prefix) == ("DELIVER", "2001:db8:1::/48")
    assert found.session == rig.six
    assert any(f"IPv6 {OTHER6} to {HOME6}" in line for line in found.lines)
    assert trace(rig.engine, 0, datagram6(dst="2001:db9::1")).reason == "no-route"
