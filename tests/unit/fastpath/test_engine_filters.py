"""Filters in the packet path: what may place a call, what keeps one up, what passes a session."""

from __future__ import annotations

import pytest
from engine_rig import Rig, counter
from packets import HOME, OTHER_SITE, PPP_IP, SITE, data_message, datagram, icmp_error

from fastpath.acl import Classifier
from fastpath.rules import RuleSet

CALLED = "172.16.0.9"


def filter_of(rig: Rig, *rules: str) -> int:
    return rig.engine.filters.add(Classifier(RuleSet.parse(rules)))


def filtered(rig: Rig, nh: int, *rules: str, inbound: bool = False) -> int:
    """Sets rules on an adjacency, or on what comes by its session."""
    number = filter_of(rig, *rules)
    with rig.engine.transaction() as t:
        t.set_filter(nh, number, inbound=inbound)
    return number


def to(destination: str, *, port: int = 7, src: str = HOME) -> bytes:
    return datagram(src=src, dst=destination, dport=port)


def from_site(destination: str, *, port: int = 7) -> bytes:
    return data_message(PPP_IP + to(destination, port=port, src=SITE))


@pytest.mark.parametrize(
    ("rules", "verdict"),
    [
        ([], "DROP filtered"),
        (["permit udp any any"], "TRIGGER"),
        (["deny udp any any port 7", "permit ip any any"], "DROP filtered"),
        (["interesting udp any any port 7", "permit ip any any"], "TRIGGER"),
        (["interesting udp any any port 8", "permit ip any any"], "DROP no-traffic"),
        (["permit tcp any any"], "DROP filtered"),
    ],
)
def test_a_filter_of_a_target_says_what_places_a_call(rules, verdict):
    rig = Rig()
    filtered(rig, rig.glean, *rules)
    assert rig.hand_in(to(CALLED)) == {verdict: 1}
    assert len(rig.engine.triggers.events()) == (verdict == "TRIGGER")


def test_a_denied_packet_leaves_no_trace_of_a_key():
    rig = Rig()
    filtered(rig, rig.glean, "permit udp any any port 8")
    assert rig.hand_in(to(CALLED), to(CALLED, port=8)) == {"DROP filtered": 1, "TRIGGER": 1}


def test_packets_into_a_session_pass_the_filter_of_its_adjacency():
    rig = Rig()
    filtered(rig, rig.session, "deny udp any any port 9", "permit ip any any")
    assert rig.hand_in(to(SITE, port=9), to(SITE), to(OTHER_SITE, port=9)) == {
        "DROP filtered": 1,
        "FORWARD": 2,
    }
    denied = icmp_error(to(SITE, port=9), 3, 13)
    assert rig.sent()[0] == ("home", denied)
    assert counter(rig.engine, "icmp_sent") == 1


def test_packets_out_of_a_session_pass_its_own_filter():
    rig = Rig()
    filtered(rig, rig.session, "deny udp any any port 9", "permit ip any any", inbound=True)
    got = rig.hand_in(from_site(HOME, port=9), from_site(HOME), port="tunnel")
    assert got == {"DROP filtered": 1, "DELIVER": 1}
    counters = rig.engine.session_counters(rig.session)
    assert (counters.packets_in, counters.refused) == (1, 1)
    assert rig.hand_in(to(SITE, port=9)) == {"FORWARD": 1}


def test_both_ways_are_asked_for_a_packet_between_two_sessions():
    rig = Rig()
    filtered(rig, rig.session, "permit udp any any port 5-9", inbound=True)
    filtered(rig, rig.other, "permit udp any any port 9-12")
    packets = [from_site(OTHER_SITE, port=port) for port in (5, 9, 12)]
    assert rig.hand_in(*packets, port="tunnel") == {"DROP filtered": 2, "FORWARD": 1}


def test_only_traffic_keeps_a_call_up():
    rig = Rig()
    filtered(rig, rig.session, "interesting udp any any port 7", "permit ip any any")
    rules = ("interesting udp any any port 8", "permit ip any any")
    filtered(rig, rig.session, *rules, inbound=True)
    last = []
    for ts, port, inbound in ((10, 7, 0), (20, 9, 0), (30, 9, 1), (40, 7, 1), (50, 8, 1)):
        frame = from_site(HOME, port=port) if inbound else to(SITE, port=port)
        rig.hand_in(frame, port="tunnel" if inbound else "home", ts=ts)
        last.append(rig.engine.session_counters(rig.session).last_ns)
    assert last == [10, 10, 10, 10, 50]
    counters = rig.engine.session_counters(rig.session)
    assert (counters.packets_out, counters.packets_in) == (2, 3)


def test_counted_rules_count_their_packets():
    rig = Rig()
    number = filtered(rig, rig.session, "permit counted udp any any port 7", "permit ip any any")
    rig.hand_in(*[to(SITE)] * 40, to(SITE, port=8))
    assert rig.engine.filters.counts(number).tolist() == [40, 0]


def test_later_fragments_pass_rules_without_ports_only():
    rig = Rig()
    filtered(rig, rig.session, "permit udp any any port 7", "deny counted ip any any fragment")
    whole = to(SITE)
    piece = bytearray(whole)
    piece[6:8] = (0x00, 0x10)
    piece[10:12] = b"\0\0"
    total = sum(int.from_bytes(piece[at : at + 2], "big") for at in range(0, 20, 2))
    total = (total & 0xFFFF) + (total >> 16)
    piece[10:12] = (0xFFFF - ((total & 0xFFFF) + (total >> 16))).to_bytes(2, "big")
    assert rig.hand_in(whole, bytes(piece)) == {"FORWARD": 1, "DROP filtered": 1}


def test_a_filter_is_replaced_with_the_routes_of_a_transaction_or_not_at_all():
    rig = Rig()
    filtered(rig, rig.session, "permit udp any any port 7")
    number = filter_of(rig, "permit udp any any port 8")

    def change(prefix: str) -> None:
        with rig.engine.transaction() as t:
            t.set_filter(rig.session, number)
            t.add_route(rig.table, prefix, rig.session)

    with pytest.raises(ValueError, match="host bits"):
        change("10.0.0.1/8")
    assert rig.hand_in(to(SITE), to(SITE, port=8)) == {"FORWARD": 1, "DROP filtered": 1}
    change("10.1.0.0/16")
    assert rig.hand_in(to(SITE), to(SITE, port=8)) == {"FORWARD": 1, "DROP filtered": 1}
    with rig.engine.transaction() as t:
        t.set_filter(rig.session, 0)
    assert rig.hand_in(to(SITE), to(SITE, port=8)) == {"FORWARD": 2}


def test_a_number_that_stands_for_nothing_lets_nothing_pass():
    rig = Rig()
    with rig.engine.transaction() as t:
        t.set_filter(rig.session, 77)
    assert rig.hand_in(to(SITE)) == {"DROP filtered": 1}


def test_numbers_are_given_back():
    rig = Rig()
    first = filter_of(rig, "permit ip any any")
    second = filter_of(rig, "deny ip any any")
    rig.engine.filters.remove(first)
    with pytest.raises(KeyError, match=f"filter {first} is not given out"):
        rig.engine.filters.remove(first)
    assert filter_of(rig, "permit ip any any") == first != second
    with pytest.raises(KeyError, match="filter 4096 is not given out"):
        rig.engine.filters.counts(4096)
