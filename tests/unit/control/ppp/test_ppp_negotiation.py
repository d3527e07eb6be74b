"""Counters, timers and limits of one negotiation, seen on LCP."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from ppp_wire import CHAP, IPCP, LCP, LNS, PAP, Wire

from control.ppp.automaton import State
from control.ppp.config import LinkConfig
from control.ppp.events import LcpOpened, NetworkClosed, NetworkOpened
from control.ppp.frame import Packet
from control.ppp.ipcp import IpcpPolicy
from control.ppp.lcp import Lcp
from control.ppp.negotiation import Negotiation
from control.ppp.outbox import Outbox
from control.ppp.phase import Phase
from control.ppp.rate import TokenBucket

PATIENT = LinkConfig(local_address="10.0.0.1", mru=1500, negotiation_deadline=1000.0)


def test_request_is_sent_ten_times_three_seconds_apart_with_one_identifier() -> None:
    wire = Wire(PATIENT)
    first = wire.open()
    wire.wait(29.9)
    assert wire.sent() == [(LCP, first)] * 9
    wire.wait(30.0)
    assert wire.sent() == []
    assert wire.closed().stage == "lcp"
    assert wire.link.get_timer() is None


def test_identifier_changes_with_the_content_and_after_a_reply() -> None:
    wire = Wire()
    first = wire.open()
    wire.give(LCP, 4, first.identifier, first.data)
    ((_, second),) = wire.sent()
    assert second.data == b""
    assert second.identifier != first.identifier


@pytest.mark.parametrize("code", [2, 3, 4])
def test_reply_with_another_identifier_is_discarded(code: int) -> None:
    wire = Wire()
    request = wire.open()
    wire.give(LCP, code, request.identifier + 1, request.data)
    assert wire.link.lcp_state is State.REQ_SENT
    assert wire.link.counters["stale_reply"] == 1
    assert wire.sent() == []


def test_ack_of_other_options_is_discarded() -> None:
    wire = Wire()
    request = wire.open()
    wire.give(LCP, 2, request.identifier, request.data[:-1] + b"\x00")
    assert wire.link.lcp_state is State.REQ_SENT


@pytest.mark.parametrize(
    "data",
    [b"", b"\x01\x04\x05\xdc", b"\x05\x06\x00\x00\x00\x01"],
    ids=["nothing", "not asked for", "other value"],
)
def test_reject_of_what_was_not_requested_is_discarded(data: bytes) -> None:
    wire = Wire()
    request = wire.open()
    wire.give(LCP, 4, request.identifier, data)
    assert wire.link.counters["stale_reply"] == 1
    assert wire.sent() == []


def test_second_copy_of_a_reply_is_discarded() -> None:
    wire = Wire()
    request = wire.open()
    wire.give(LCP, 2, request.identifier, request.data)
    wire.give(LCP, 2, request.identifier, request.data)
    assert wire.link.lcp_state is State.ACK_RCVD
    assert wire.link.counters["stale_reply"] == 1


@pytest.mark.parametrize("data", ["01", "0100", "0101", "010405", "0502"], ids=str)
def test_request_with_bad_option_length_is_discarded_or_refused(data: str) -> None:
    wire = Wire()
    wire.open()
    wire.give(LCP, 1, 9, bytes.fromhex(data))
    if data == "0502":
        # A well-formed list, but a magic number without a number: named and corrected.
        ((_, packet),) = wire.sent()
        assert (packet.code, packet.identifier, packet.data[:2]) == (3, 9, b"\x05\x06")
    else:
        assert wire.sent() == []
        assert wire.link.counters["malformed"] == 1
    assert wire.link.lcp_state is State.REQ_SENT


def test_second_option_of_a_kind_is_rejected() -> None:
    wire = Wire()
    wire.open()
    wire.give(LCP, 1, 3, bytes.fromhex("010405dc" + "010405dd" + "0206ffffffff" + "010405dc"))
    assert wire.sent() == [(LCP, Packet(4, 3, bytes.fromhex("010405dd" + "010405dc")))]
    assert wire.link.counters["duplicate_option"] == 2


def test_unacceptable_value_is_rejected_after_max_failure_naks() -> None:
    wire = Wire()
    wire.open()
    for identifier in range(7):
        wire.give(LCP, 1, identifier, bytes.fromhex("0104000a"))
    packets = [packet for _, packet in wire.sent()]
    assert [packet.code for packet in packets] == [3] * 5 + [4] * 2
    assert packets[0].data == bytes.fromhex("010405dc")
    assert packets[6].data == bytes.fromhex("0104000a")


def test_peer_that_insists_for_ever_ends_the_negotiation() -> None:
    wire = Wire()
    wire.open()
    for identifier in range(30):
        wire.give(LCP, 1, identifier, bytes.fromhex("0104000a"))
        wire.now += 0.1
    assert len(wire.codes()) == 20
    assert wire.closed().stage == "lcp"
    assert "insists" in wire.closed().reason


@pytest.mark.parametrize("code", [3, 4])
def test_peer_that_refuses_for_ever_ends_the_negotiation(code: int) -> None:
    wire = Wire(LinkConfig(mru=1400, local_address="10.0.0.1"))
    request = wire.open()
    rounds = 0
    while wire.link.phase is not Phase.DEAD and rounds < 50:
        option = b"\x01\x04\x05\x78" if code == 3 else request.data[-6:]
        wire.give(LCP, 3 if rounds else code, request.identifier, option)
        request = next((packet for _, packet in wire.sent()), request)
        rounds += 1
    assert rounds == 21
    assert "refuses" in wire.closed().reason


def test_storm_of_requests_is_answered_within_a_rate() -> None:
    wire = Wire()
    wire.open()
    for identifier in range(10_000):
        wire.give(LCP, 1, identifier & 0xFF)
    assert len(wire.sent()) == 40
    assert wire.link.counters["rate_limited"] == 9_960
    wire.now = 1.0
    for identifier in range(1000):
        wire.give(LCP, 1, identifier & 0xFF)
    assert len(wire.sent()) == 20


def test_unknown_code_is_rejected_with_a_copy() -> None:
    wire = Wire()
    wire.open()
    wire.give(LCP, 14, 7, b"time")
    ((_, packet),) = wire.sent()
    assert (packet.code, packet.data) == (7, Packet(14, 7, b"time").encode())


def test_code_reject_is_cut_to_the_peers_mru() -> None:
    wire = Wire()
    wire.open_lcp(b"\x01\x04\x00\x80")
    wire.give(LCP, 200, 7, bytes(1000))
    packet = wire.sent()[-1][1]
    assert packet.code == 7
    assert len(packet.encode()) == 128


@pytest.mark.parametrize("code", range(1, 8))
def test_rejected_critical_code_ends_the_link(code: int) -> None:
    wire = Wire()
    wire.open()
    wire.give(LCP, 7, 1, Packet(code, 1).encode())
    assert wire.closed().stage == "lcp"


def test_rejected_extension_is_no_matter() -> None:
    wire = Wire()
    wire.open()
    wire.give(LCP, 7, 1, Packet(12, 1).encode())
    wire.give(LCP, 7, 2)
    assert wire.link.counters["malformed"] == 1
    assert wire.link.lcp_state is State.REQ_SENT


def test_code_reject_of_a_critical_code_when_open_terminates() -> None:
    wire = Wire()
    wire.open_network()
    wire.sent()
    wire.give(LCP, 7, 1, Packet(1, 1).encode())
    assert wire.last(NetworkClosed)
    assert wire.codes() == [(LCP, 5)]
    wire.wait(20.0)
    assert wire.closed().stage == "lcp"


def test_terminate_request_while_negotiating_is_acknowledged_and_negotiation_goes_on() -> None:
    wire = Wire()
    wire.open()
    wire.give(LCP, 5, 44, b"bye")
    assert wire.sent() == [(LCP, Packet(6, 44))]
    assert wire.link.lcp_state is State.REQ_SENT


def test_peer_terminates_an_open_link() -> None:
    wire = Wire()
    wire.open_network()
    wire.sent()
    wire.give(LCP, 5, 44, b"User\xffrequest")
    assert wire.sent() == [(LCP, Packet(6, 44))]
    assert wire.last(NetworkClosed)
    assert wire.link.phase is Phase.TERMINATE
    wire.give(LCP, 5, 45)
    assert wire.sent() == [(LCP, Packet(6, 45))]
    wire.wait(3.0)
    assert wire.closed().stage == "peer"
    assert "User" in wire.closed().reason


def test_close_sends_two_terminate_requests_to_a_silent_peer() -> None:
    wire = Wire()
    wire.open_network()
    wire.sent()
    wire.link.close(1.0, "idle timeout")
    wire.now = 1.0
    wire.wait(10.0)
    packets = [packet for _, packet in wire.sent()]
    assert [(packet.code, packet.data) for packet in packets] == [(5, b"idle timeout")] * 2
    assert wire.closed().stage == "local"
    assert wire.closed().reason == "idle timeout"


def test_close_is_complete_with_the_peers_ack() -> None:
    wire = Wire()
    wire.open_network()
    wire.sent()
    wire.link.close(0.0)
    ((_, request),) = wire.sent()
    wire.give(LCP, 6, request.identifier)
    assert wire.closed().stage == "local"
    assert wire.events[-2] == NetworkClosed()


def test_copy_of_the_acknowledged_request_does_not_take_the_link_down() -> None:
    wire = Wire()
    wire.open_network()
    wire.sent()
    wire.give(LCP, 1, 1)
    assert wire.sent() == [(LCP, Packet(2, 1))]
    assert wire.link.phase is Phase.NETWORK
    assert wire.link.counters["repeated_request"] == 1


def test_request_in_an_open_link_negotiates_again() -> None:
    wire = Wire()
    wire.open_network()
    wire.sent()
    wire.now = 100.0
    wire.give(LCP, 1, 1)
    assert wire.last(NetworkClosed)
    assert wire.codes() == [(LCP, 1), (LCP, 2)]
    assert wire.link.phase is Phase.ESTABLISH
    assert wire.link.lcp_state is State.ACK_SENT
    assert wire.link.network_state("ipv4") is State.STARTING


def test_terminate_ack_out_of_the_blue_negotiates_again() -> None:
    wire = Wire()
    wire.open_network()
    wire.sent()
    wire.give(LCP, 6, 1)
    assert wire.codes() == [(LCP, 1)]
    assert wire.link.phase is Phase.ESTABLISH


def test_peer_that_never_stops_negotiating_is_given_up() -> None:
    wire = Wire()
    wire.open_lcp()
    rounds = 0
    while wire.link.phase is not Phase.TERMINATE and rounds < 50:
        wire.give(LCP, 6, 1)
        for protocol, packet in wire.sent():
            if packet.code == 1 and protocol == LCP:
                wire.give(LCP, 2, packet.identifier, packet.data)
                wire.give(LCP, 1, rounds)
        rounds += 1
        wire.now += 0.5
    assert rounds == 11
    wire.wait(100.0)
    assert "never stops" in wire.closed().reason


@pytest.mark.parametrize("protocol", [PAP, CHAP, IPCP, 0x8057, 0x0021])
def test_other_protocols_before_lcp_is_open_are_dropped(protocol: int) -> None:
    wire = Wire()
    wire.open()
    wire.give(protocol, 1, 1, b"\x01\x02")
    assert wire.sent() == []
    assert wire.link.counters["data" if protocol == 0x0021 else "early"] == 1


def test_nothing_happens_before_open_or_after_the_end() -> None:
    wire = Wire()
    wire.give(LCP, 1, 1)
    wire.link.handle_timer(5.0)
    assert wire.sent() == []
    wire.link.lower_down(6.0)
    assert wire.closed().stage == "peer"
    for _ in range(2):
        wire.give(LCP, 1, 1)
        wire.link.open(7.0)
        wire.link.close(7.0)
        wire.link.lower_down(7.0)
        wire.link.authentication_result(1, True, 7.0)
        wire.link.handle_timer(100.0)
    assert wire.sent() == []
    assert len(wire.take_events()) == 1
    assert wire.link.get_timer() is None
    assert wire.link.counters["not_running"] == 3


def test_carrier_loss_ends_everything_at_once() -> None:
    wire = Wire()
    wire.open_network()
    wire.link.lower_down(5.0)
    assert wire.sent() == []
    assert wire.closed().stage == "peer"
    assert wire.events[-2] == NetworkClosed()
    assert wire.link.phase is Phase.DEAD
    assert wire.link.lcp_state is State.STARTING


def test_events_of_a_plain_link() -> None:
    wire = Wire()
    wire.open_network()
    assert wire.events == [LcpOpened(1500, False, False), NetworkOpened("10.0.0.1", "10.9.9.9")]
    assert (wire.link.local_address, wire.link.peer_address) == ("10.0.0.1", "10.9.9.9")


def test_configuration_deadline_ends_a_link_that_only_lcp_has() -> None:
    wire = Wire(LNS)
    wire.open_lcp()
    wire.wait(40.0)
    assert wire.closed().stage == "ipcp"
    assert wire.sent()[-1][1].code == 5


def test_a_peer_that_says_nothing_is_told_apart_from_one_that_never_agrees() -> None:
    silent, stubborn = Wire(LNS), Wire(LNS)
    for wire in (silent, stubborn):
        wire.open()
    stubborn.give(LCP, 1, 1)
    for wire, kind in ((silent, "silent"), (stubborn, "timeout")):
        wire.wait(40.0)
        ending = wire.closed()
        assert (ending.stage, ending.kind) == ("lcp", kind)


def test_parts_of_a_link_guard_themselves_while_the_line_is_down() -> None:
    box = Outbox(Counter())
    ipcp = Negotiation("ipcp", IPCP, LNS, IpcpPolicy(LNS, box), box)
    ipcp.open(0.0)
    ipcp.receive(Packet(1, 1), 0.0)
    lcp = Lcp(LNS, Random(1), box)
    lcp.reject_protocol(0x8057, b"", 0.0)
    assert box.counters["early"] == 2
    assert box.packets == []


def test_token_bucket_gives_its_burst_and_then_its_rate() -> None:
    bucket = TokenBucket(2.0, 3)
    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(0.5) for _ in range(2)] == [True, False]
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]
    assert not bucket.take(50.0)
