"""IPv6 triggers, the MSS clamp, filters and sources of sessions."""

from __future__ import annotations

import pytest
from packets import HOME, SITE, data_message, datagram
from packets6 import (
    HOME6,
    OTHER6,
    PPP_IP6,
    SITE6,
    data_message6,
    datagram6,
    forwarded6,
    fragment6,
    icmp6_error,
    label_of,
    options,
)
from parse_packets import ipv6
from rig6 import Rig6

from fastpath.acl import Classifier
from fastpath.rules import RuleSet

# --- triggers -------------------------------------------------------------------------------------


def test_trigger_records_the_flow_and_is_flushed_into_a_session():
    rig = Rig6()
    packets = [datagram6(bytes((i,)), dst="2001:db8:4::9", sport=7, dport=9) for i in range(3)]
    assert rig.hand_in(*packets) == {"TRIGGER": 3}
    (record,) = rig.engine.triggers.events()
    assert record[3:8] == ("2001:db8:4::9", HOME6, 17, 7, 9)
    assert rig.engine.flush_trigger(record.key, rig.six) == 3
    sent = [octets for _, octets in rig.sent()]
    assert sent == [rig.outer6.around(forwarded6(p), label=label_of(sent[0])) for p in packets]


@pytest.mark.parametrize(("packet", "ports"), [
    (options(datagram6(dst="2001:db8:4::9", sport=7, dport=9)), (17, 7, 9)),
    (fragment6(datagram6(dst="2001:db8:4::9", sport=7, dport=9)), (17, 7, 9)),
    (fragment6(datagram6(dst="2001:db8:4::9", sport=7, dport=9), 16), (17, 0, 0)),
])  # fmt: skip
def test_ports_of_a_trigger_are_those_behind_extension_headers(packet, ports):
    rig = Rig6()
    rig.hand_in(packet)
    (record,) = rig.engine.triggers.events()
    assert record[5:8] == ports


def test_packets_for_a_held_session_wait_for_the_flush():
    rig = Rig6()
    key = rig.trigger(datagram6(b"first", dst="2001:db8:4::9"))
    with rig.engine.transaction() as t:
        t.add_route(rig.table, "2001:db8:4::9/128", rig.six)
        t.hold(rig.six, key)
    assert rig.hand_in(datagram6(b"second", dst="2001:db8:4::9")) == {"TRIGGER": 1}
    assert rig.engine.flush_trigger(key, rig.six) == 2
    assert [octets[-5:] for _, octets in rig.sent()] == [b"first", b"econd"]
    assert rig.hand_in(datagram6(b"third", dst="2001:db8:4::9")) == {"FORWARD": 1}


# --- clamp, filters, sources ----------------------------------------------------------------------


def syn(mss: int, **rest) -> bytes:
    tcp = bytes((0, 1, 0, 2)) + bytes(8) + b"\x60\x02" + bytes(6) + b"\x02\x04"
    return ipv6(tcp + mss.to_bytes(2, "big"), proto=6, **rest)


@pytest.mark.parametrize("wrap", [lambda p: p, options])
def test_mss_is_cut_to_what_fits_behind_an_ipv6_header(wrap):
    rig = Rig6()
    with rig.engine.transaction() as t:
        t.update_session(rig.session, peer_tunnel=3, peer_session=4, mtu=1460, mss=1420)
    _, ((_, sent),) = rig.outcome(wrap(syn(1460, src=HOME6, dst=SITE6)))
    assert sent[-2:] == (1400).to_bytes(2, "big")
    _, ((_, sent),) = rig.outcome(wrap(syn(1400, src=HOME6, dst=SITE6)))
    assert sent[-2:] == (1400).to_bytes(2, "big")
    back = data_message(PPP_IP6 + wrap(syn(9000, src=SITE6, dst=HOME6)))
    _, ((_, sent),) = rig.outcome(back, port="tunnel")
    assert sent[-2:] == (1400).to_bytes(2, "big")


def filtered(rig: Rig6, nh: int, *rules: str, inbound: bool = False) -> None:
    number = rig.engine.filters.add(Classifier(RuleSet.parse(rules)))
    with rig.engine.transaction() as t:
        t.set_filter(nh, number, inbound=inbound)


def test_filters_see_ports_behind_extension_headers_and_answer_who_they_deny():
    rig = Rig6()
    filtered(rig, rig.session, "deny udp any any port 9", "permit ip any any")
    denied = options(datagram6(dport=9))
    assert rig.outcome(denied) == ("DROP filtered", [("home", icmp6_error(denied, 1, 1))])
    assert rig.hand_in(options(datagram6()), datagram6(), datagram()) == {"FORWARD": 3}
    assert rig.hand_in(datagram(dport=9), datagram6(dport=9)) == {"DROP filtered": 2}


def test_filter_of_a_session_is_for_what_comes_out_of_it_in_both_families():
    rig = Rig6()
    filtered(rig, rig.session, f"permit ip {SITE6}/128 any", inbound=True)
    assert rig.hand_in(
        data_message(PPP_IP6 + datagram6(src=SITE6, dst=HOME6)),
        data_message(PPP_IP6 + datagram6(src="2001:db8:2::11", dst=HOME6)),
        data_message(b"\x21" + datagram(src=SITE, dst=HOME)),
        port="tunnel",
    ) == {"DELIVER": 1, "DROP filtered": 2}


def test_session_may_send_from_its_own_prefixes_while_another_has_their_route():
    rig = Rig6()
    forged = data_message(PPP_IP6 + datagram6(src=OTHER6, dst=HOME6))
    near = data_message(PPP_IP6 + datagram6(src="2001:db8:3:8000::1", dst=HOME6))
    assert rig.outcome(forged, port="tunnel")[0] == "DROP inner-source"
    with rig.engine.transaction() as t:
        t.set_sources(rig.session, ["192.0.2.0/24", "2001:db8:2::/47", "0.0.0.0/0"])
    assert rig.outcome(forged, port="tunnel")[0] == "DROP inner-source"  # the route is longer
    with rig.engine.transaction() as t:
        t.set_sources(rig.session, ["192.0.2.0/24", "2001:db8:3::/49", "0.0.0.0/0"])
    assert rig.outcome(forged, port="tunnel")[0] == "DELIVER"
    assert rig.outcome(near, port="tunnel")[0] == "DROP inner-source"


def test_prefix_of_all_ipv6_is_none_of_ipv4():
    rig = Rig6()
    with rig.engine.transaction() as t:
        t.set_sources(rig.six, ["::/0"])
        t.delete_route(rig.table, "198.51.100.0/24")
    inner = data_message6(b"\x21" + datagram(src=SITE, dst=HOME))
    assert rig.outcome(inner, port="tunnel")[0] == "DROP inner-source"
