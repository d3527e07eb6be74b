"""Opening a tunnel (RFC 2661 5.1, 7.2.1), message by message: authentication, what SCCRP must
be, where the peer is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from l2tp_scripts import challenged, placed, proof, stages, stopccn
from l2tp_wire import CALL, LAC, LNS, OPEN, PROVEN, Peer, Wire, events, lac, lns

from control.l2tp import tunnel_auth
from control.l2tp.avp import Avp
from control.l2tp.avp_table import Attribute, MessageType
from control.l2tp.avp_value import ResultCode
from control.l2tp.events import TunnelOpened

A = Attribute
M = MessageType


def test_sccrq_carries_what_it_must_and_no_bearer_capabilities() -> None:
    _, peer = placed()
    (sccrq,) = peer.read()
    assert (sccrq.tunnel_id, sccrq.session_id, sccrq.ns, sccrq.nr) == (0, 0, 0, 0)
    assert [a.attribute for a in sccrq.avps] == [0, 2, 3, 5, 6, 7, 8, 9, 10]
    assert sccrq.value(A.HOST_NAME, str) == "lns"
    assert sccrq.value(A.PROTOCOL_VERSION, int) == 0x0100
    assert sccrq.value(A.FRAMING_CAPABILITIES, int) == 3


def test_sccrp_is_answered_with_scccn_and_the_waiting_call() -> None:
    endpoint, peer = placed()
    rest = peer.establish()
    assert peer.received[1].tunnel_id == 77
    assert peer.received[1].find(A.CHALLENGE_RESPONSE) is None
    # The second message needs CWND 2, which the acknowledgement in SCCRP gave.
    assert [m.type for m in rest] == [M.OCRQ]
    (opened,) = events(endpoint)
    assert opened == TunnelOpened(peer.their_tunnel, 77, LNS, LAC, "lac")


def test_equal_parameters_share_a_tunnel_and_others_do_not() -> None:
    endpoint = lns()
    for _ in range(2):
        endpoint.place_call(replace(OPEN), CALL, 0.0)
    endpoint.place_call(replace(OPEN, assignment_id="other"), CALL, 0.0)
    assert [t.calls for t in endpoint.tunnels()] == [2, 1]


def test_call_placed_on_an_open_tunnel_goes_out_at_once() -> None:
    endpoint, peer = placed()
    peer.establish()
    endpoint.place_call(OPEN, CALL, 1.0)
    peer.raw(b"", now=1.0)
    assert [m.type for m in peer.read()] == [M.OCRQ]


# Tunnel authentication.


def test_response_is_md5_of_carrier_secret_and_challenge() -> None:
    import hashlib

    challenge = bytes(16)
    for kind in (M.SCCRP, M.SCCCN):
        expected = hashlib.md5(bytes([kind]) + b"abc" + challenge).digest()
        assert tunnel_auth.response(kind, b"abc", challenge) == expected
        assert tunnel_auth.verify(kind, b"abc", challenge, expected)
        assert not tunnel_auth.verify(kind, b"abd", challenge, expected)


def test_both_ends_prove_themselves() -> None:
    _, peer, challenge = challenged()
    ours = bytes(range(16))
    peer.start(M.SCCRP, proof(M.SCCRP, challenge), (A.CHALLENGE, ours))
    scccn, ocrq = peer.read()
    assert (scccn.type, ocrq.type) == (M.SCCCN, M.OCRQ)
    assert scccn.value(A.CHALLENGE_RESPONSE, bytes) == proof(M.SCCCN, ours)[1]


def test_wrong_answer_to_our_challenge_is_stopccn_4() -> None:
    endpoint, peer, challenge = challenged()
    peer.start(M.SCCRP, proof(M.SCCRP, challenge, b"other"))
    (stop,) = peer.read()
    assert stopccn(stop)[0] == 4
    assert stop.tunnel_id == 77
    assert stages(endpoint) == [
        ("CallClosed", "authentication", 4),
        ("TunnelClosed", "authentication", 4),
    ]


def test_missing_answer_to_our_challenge_is_stopccn_4() -> None:
    endpoint, peer, _ = challenged()
    peer.start(M.SCCRP)
    assert stopccn(peer.read()[0])[0] == 4
    assert stages(endpoint)[0] == ("CallClosed", "authentication", 4)


def test_answer_computed_for_another_message_is_refused() -> None:
    _, peer, challenge = challenged()
    peer.start(M.SCCRP, proof(M.SCCCN, challenge))
    assert stopccn(peer.read()[0])[0] == 4


def test_missing_answer_is_accepted_where_authentication_is_not_required() -> None:
    _, peer, _ = challenged(replace(PROVEN, require_tunnel_auth=False))
    peer.start(M.SCCRP)
    assert [m.type for m in peer.read()] == [M.SCCCN, M.OCRQ]


def test_wrong_answer_is_refused_even_where_it_is_not_required() -> None:
    _, peer, challenge = challenged(replace(PROVEN, require_tunnel_auth=False))
    peer.start(M.SCCRP, proof(M.SCCRP, challenge, b"other"))
    assert stopccn(peer.read()[0])[0] == 4


def test_challenge_that_we_have_no_secret_for_is_stopccn_4() -> None:
    endpoint, peer = placed(OPEN)
    peer.read()
    peer.start(M.SCCRP, (A.CHALLENGE, b"x" * 16))
    assert stopccn(peer.read()[0])[0] == 4
    assert stages(endpoint)[0] == ("CallClosed", "authentication", 4)


@pytest.mark.parametrize("secret", [b"", b"other"])
def test_lac_refuses_an_lns_that_proves_nothing_or_the_wrong_thing(secret: bytes) -> None:
    lac_end = lac(policy=PROVEN)
    peer = Peer(lac_end, address=LNS, ours=LAC)
    peer.start(M.SCCRQ, (A.CHALLENGE, bytes(60)), (A.VENDOR_NAME, "x" * 60))
    (sccrp,) = peer.read()
    assert sccrp.value(A.CHALLENGE_RESPONSE, bytes) == proof(M.SCCRP, bytes(60))[1]
    challenge = sccrp.value(A.CHALLENGE, bytes)
    assert challenge is not None
    peer.send(M.SCCCN, *([proof(M.SCCCN, challenge, secret)] if secret else []))
    assert stopccn(peer.read()[0])[0] == 4
    assert stages(lac_end) == [("TunnelClosed", "authentication", 4)]


def test_reflected_challenge_is_refused() -> None:
    endpoint = lns(accept_tunnels=True, incoming={"": PROVEN}, tie_breaker=False)
    endpoint.place_call(PROVEN, CALL, 0.0)
    peer = Peer(endpoint)
    (sccrq,) = peer.read()
    challenge = sccrq.value(A.CHALLENGE, bytes)
    assert challenge is not None
    mirror = Peer(endpoint, address=("203.0.113.9", 1701))
    mirror.start(M.SCCRQ, (A.CHALLENGE, challenge))
    (stop,) = mirror.read()
    assert stopccn(stop)[0] == 4


def test_two_endpoints_prove_themselves_to_each_other() -> None:
    wire = Wire(lns(), lac(policy=PROVEN))
    wire.a.place_call(PROVEN, CALL, 0.0)
    wire.settle()
    assert wire.types()[:3] == ["SCCRQ", "SCCCN", "OCRQ"]
    assert [t.state for t in wire.b.tunnels()] == ["ESTABLISHED"]


# What SCCRP must be.


def test_unexpected_host_name_is_stopccn_4() -> None:
    endpoint, peer = placed(replace(OPEN, peer_host_name="lac-1"))
    peer.read()
    peer.start(M.SCCRP, host="lac-2")
    assert stopccn(peer.read()[0])[0] == 4
    assert stages(endpoint)[0] == ("CallClosed", "authentication", 4)


def test_expected_host_name_is_accepted() -> None:
    _, peer = placed(replace(OPEN, peer_host_name="lac-1"))
    assert [m.type for m in peer.establish(host="lac-1")] == [M.OCRQ]


@pytest.mark.parametrize("version", [0x0000, 0x0101, 0x0200])
def test_other_version_is_stopccn_5_with_ours(version: int) -> None:
    endpoint, peer = placed()
    peer.read()
    peer.start(M.SCCRP, version=version)
    assert stopccn(peer.read()[0]) == (5, 0x0100)
    assert stages(endpoint)[0] == ("CallClosed", "protocol", 5)


def test_sccrp_without_host_name_is_stopccn_2() -> None:
    _, peer = placed()
    peer.read()
    peer.send(M.SCCRP, (A.PROTOCOL_VERSION, 0x0100), (A.FRAMING_CAPABILITIES, 3))
    # Without an Assigned Tunnel ID we can only answer to tunnel 0.
    (stop,) = peer.read()
    assert stopccn(stop) == (2, 3)
    assert stop.tunnel_id == 0


def test_window_of_zero_is_stopccn_2() -> None:
    _, peer = placed()
    peer.read()
    zero = Avp(int(A.RECEIVE_WINDOW_SIZE), b"\x00\x00", known=False)
    peer.send(M.SCCRP, (A.PROTOCOL_VERSION, 0x0100), zero)
    assert stopccn(peer.read()[0]) == (2, 3)


def test_peers_window_limits_what_is_in_flight() -> None:
    endpoint, peer = placed()
    for _ in range(9):
        endpoint.place_call(OPEN, CALL, 0.0)
    peer.read()
    peer.start(M.SCCRP, (A.RECEIVE_WINDOW_SIZE, 1))
    assert [m.type for m in peer.read()] == [M.SCCCN]
    for _ in range(10):
        peer.raw(b"")
        assert [m.type for m in peer.read()] == [M.OCRQ]


# Where the peer is.


def test_sccrp_from_a_new_port_fixes_that_port() -> None:
    endpoint, peer = placed()
    peer.read()
    peer.address = (LAC[0], 40404)
    peer.start(M.SCCRP)
    sent = endpoint.datagrams_to_send()
    assert {d.peer for d in sent} == {(LAC[0], 40404)}
    (opened,) = events(endpoint)
    assert opened.peer == (LAC[0], 40404)


def test_only_sccrp_may_come_from_a_new_port() -> None:
    endpoint, peer = placed()
    peer.read()
    peer.address = (LAC[0], 40404)
    code = (A.RESULT_CODE, ResultCode(1))
    peer.send(M.STOPCCN, code, (A.ASSIGNED_TUNNEL_ID, 77))
    peer.raw(b"")
    assert endpoint.counters.wrong_peer == 2
    assert [t.state for t in endpoint.tunnels()] == ["WAIT_CTL_REPLY"]


def test_malformed_sccrp_from_a_new_port_fixes_nothing() -> None:
    endpoint, peer = placed()
    peer.read()
    peer.address = (LAC[0], 40404)
    peer.send(M.SCCRP)
    assert endpoint.counters.wrong_peer == 1
    peer.ns, peer.address = 0, LAC
    peer.start(M.SCCRP)
    assert [d.peer for d in endpoint.datagrams_to_send()] == [LAC, LAC]


def test_sccrp_from_another_address_is_dropped() -> None:
    endpoint, peer = placed()
    peer.read()
    peer.address = ("192.0.2.99", 1701)
    peer.start(M.SCCRP)
    assert endpoint.counters.wrong_peer == 1
    assert endpoint.datagrams_to_send() == []


@pytest.mark.parametrize("other", [(LAC[0], 1702), ("192.0.2.99", 1701)])
def test_later_messages_from_elsewhere_are_dropped(other: tuple[str, int]) -> None:
    endpoint, peer = placed()
    peer.establish()
    peer.address = other
    peer.send(M.STOPCCN, (A.RESULT_CODE, ResultCode(1)), (A.ASSIGNED_TUNNEL_ID, 77))
    assert endpoint.counters.wrong_peer == 1
    assert [t.state for t in endpoint.tunnels()] == ["ESTABLISHED"]


def test_tunnel_that_is_acknowledged_and_never_answered_is_given_up_after_31_seconds() -> None:
    endpoint, peer = placed()
    peer.read()
    peer.their_tunnel = endpoint.tunnels()[0].tunnel
    peer.raw(b"", now=0.5)
    times = []
    while not (found := stages(endpoint)):
        when = endpoint.get_timer()
        assert when is not None
        times.append(when)
        endpoint.handle_timer(when)
    assert times == [31.0]
    assert found == [("CallClosed", "timeout", 1), ("TunnelClosed", "timeout", 1)]
    # The peer may have a tunnel of ours, whose id for us is not known.
    (stop,) = peer.read()
    assert (stopccn(stop)[0], stop.tunnel_id) == (1, 0)


def test_accepted_tunnel_whose_scccn_never_comes_is_given_up_after_31_seconds() -> None:
    endpoint = lac()
    peer = Peer(endpoint, address=LNS, ours=LAC)
    peer.start(M.SCCRQ, (A.VENDOR_NAME, "v" * 40))
    peer.read()
    peer.raw(b"", now=0.5)
    endpoint.handle_timer(30.9)
    assert endpoint.tunnels()[0].state == "WAIT_CTL_CONN"
    endpoint.handle_timer(31.0)
    assert stages(endpoint) == [("TunnelClosed", "timeout", 1)]
    (stop,) = peer.read()
    assert (stopccn(stop)[0], stop.tunnel_id) == (1, peer.tunnel)


def test_tunnel_that_opened_in_time_has_no_deadline() -> None:
    endpoint, peer = placed()
    peer.establish()
    peer.raw(b"", now=0.5)
    endpoint.handle_timer(40.0)
    assert endpoint.tunnels()[0].state == "ESTABLISHED"
