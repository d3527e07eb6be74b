"""Opening and closing a tunnel (RFC 2661 5.1, 5.5, 5.7, 7.2.1), message by message."""

from __future__ import annotations

from dataclasses import replace

import pytest
from l2tp_wire import CALL, LAC, LNS, OPEN, PROVEN, SECRET, Peer, Wire, body, events, lac, lns

from control.l2tp import tunnel_auth
from control.l2tp.avp import Avp, encode_avps, hide_avps, make
from control.l2tp.avp_table import Attribute, MessageType
from control.l2tp.avp_value import ResultCode
from control.l2tp.endpoint import Endpoint
from control.l2tp.events import CallClosed, Failure, TunnelClosed, TunnelOpened
from control.l2tp.message import Message, decode

A = Attribute
M = MessageType


def placed(parameters: object = OPEN, **settings: object) -> tuple[Endpoint, Peer]:
    endpoint = lns(**settings)
    endpoint.place_call(parameters, CALL, 0.0)
    return endpoint, Peer(endpoint)


def stopccn(message: Message) -> tuple[int, int | None]:
    assert message.type == M.STOPCCN
    code = message.value(A.RESULT_CODE, ResultCode)
    assert code is not None
    return code.result, code.error


def stages(endpoint: Endpoint) -> list[tuple[str, str, int]]:
    return [
        (type(e).__name__, e.failure.stage, e.failure.result)
        for e in events(endpoint)
        if isinstance(e, CallClosed | TunnelClosed)
    ]


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


def proof(kind: MessageType, challenge: bytes, secret: bytes = SECRET) -> tuple[Attribute, bytes]:
    return A.CHALLENGE_RESPONSE, tunnel_auth.response(kind, secret, challenge)


def challenged(parameters: object = PROVEN) -> tuple[Endpoint, Peer, bytes]:
    endpoint, peer = placed(parameters)
    (sccrq,) = peer.read()
    challenge = sccrq.value(A.CHALLENGE, bytes)
    assert challenge is not None
    assert len(challenge) == 32
    return endpoint, peer, challenge


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


# How it ends.


def test_silent_peer_closes_the_tunnel_after_31_seconds() -> None:
    endpoint, peer = placed()
    times = []
    while (when := endpoint.get_timer()) is not None:
        times.append(when)
        endpoint.handle_timer(when)
    assert times == [1, 3, 7, 15, 23, 31]
    assert stages(endpoint) == [("CallClosed", "timeout", 0), ("TunnelClosed", "timeout", 0)]
    assert endpoint.tunnels() == []
    assert peer.read()[0].type == M.SCCRQ


@pytest.mark.parametrize("when", ["wait-ctl-reply", "established", "connected"])
def test_stopccn_is_acknowledged_and_ends_everything(when: str) -> None:
    endpoint, peer = placed()
    if when == "wait-ctl-reply":
        peer.read()
    else:
        (ocrq,) = peer.establish()
        if when == "connected":
            session = ocrq.value(A.ASSIGNED_SESSION_ID, int) or 0
            peer.send(M.OCRP, (A.ASSIGNED_SESSION_ID, 5), session=session)
            speed, framing = (A.TX_CONNECT_SPEED, 1), (A.FRAMING_TYPE, 1)
            peer.send(M.OCCN, speed, framing, session=session)
    events(endpoint)
    code = (A.RESULT_CODE, ResultCode(6, 0, "bye"))
    peer.send(M.STOPCCN, code, (A.ASSIGNED_TUNNEL_ID, 77))
    failure = Failure("stopccn", 6, 0, "bye")
    assert [e.failure for e in events(endpoint)] == [failure, failure]
    endpoint.datagrams_to_send()
    endpoint.handle_timer(0.05)
    (zlb,) = [decode(d.data) for d in endpoint.datagrams_to_send()]
    assert (zlb.type, zlb.nr) == (None, peer.ns)
    assert endpoint.calls() == []


def test_stopccns_that_cross_end_the_tunnel_once() -> None:
    endpoint, peer = placed()
    peer.establish()
    endpoint.close_tunnel(peer.their_tunnel, 0.0)
    events(endpoint)
    code = (A.RESULT_CODE, ResultCode(1))
    peer.send(M.STOPCCN, code, (A.ASSIGNED_TUNNEL_ID, 77))
    assert events(endpoint) == []
    assert endpoint.tunnels()[0].state == "IDLE"


def test_message_ahead_of_sccrp_does_not_fix_the_port() -> None:
    endpoint, peer = placed()
    peer.read()
    peer.address = (LAC[0], 40404)
    peer.start(M.SCCRP, ns=1)
    assert endpoint.counters.wrong_peer == 1


def test_stopccn_for_an_accepted_tunnel_before_it_is_established() -> None:
    endpoint = lac()
    peer = Peer(endpoint, address=LNS, ours=LAC)
    peer.start(M.SCCRQ, (A.VENDOR_NAME, "x" * 60))
    assert [t.state for t in endpoint.tunnels()] == ["WAIT_CTL_CONN"]
    # The peer has not seen our SCCRP: it can name its own tunnel id only.
    code = (A.RESULT_CODE, ResultCode(1))
    peer.send(M.STOPCCN, code, (A.ASSIGNED_TUNNEL_ID, 77), tunnel_id=0)
    assert stages(endpoint) == [("TunnelClosed", "stopccn", 1)]


def test_closed_tunnel_acknowledges_for_31_seconds_and_is_forgotten() -> None:
    endpoint, peer = placed()
    peer.establish()
    code = (A.RESULT_CODE, ResultCode(1))
    peer.send(M.STOPCCN, code, (A.ASSIGNED_TUNNEL_ID, 77), now=10.0)
    endpoint.handle_timer(10.05)
    endpoint.datagrams_to_send()
    peer.ns -= 1
    peer.send(M.STOPCCN, code, (A.ASSIGNED_TUNNEL_ID, 77), now=40.0)
    endpoint.handle_timer(40.05)
    assert [decode(d.data).type for d in endpoint.datagrams_to_send()] == [None]
    endpoint.handle_timer(41.0)
    assert endpoint.tunnels() == []
    assert endpoint.get_timer() is None
    peer.ns -= 1
    peer.send(M.STOPCCN, code, (A.ASSIGNED_TUNNEL_ID, 77), now=41.1)
    assert endpoint.get_timer() is None
    assert endpoint.counters.unknown_tunnel == 1


def test_close_tunnel_sends_stopccn_and_retransmits_it() -> None:
    endpoint, peer = placed()
    peer.establish()
    events(endpoint)
    endpoint.close_tunnel(peer.their_tunnel, 5.0, message="maintenance")
    peer.raw(b"", now=5.0)
    (stop,) = peer.read()
    assert stop.value(A.RESULT_CODE, ResultCode) == ResultCode(1, 0, "maintenance")
    assert stop.value(A.ASSIGNED_TUNNEL_ID, int) == peer.their_tunnel
    assert stages(endpoint) == [("CallClosed", "tunnel", 1), ("TunnelClosed", "local", 1)]
    endpoint.handle_timer(6.0)
    assert len(endpoint.datagrams_to_send()) == 1
    endpoint.close_tunnel(peer.their_tunnel, 7.0)
    endpoint.close_tunnel(1, 7.0)
    assert events(endpoint) == []


def test_shutdown_stops_every_tunnel_with_6() -> None:
    endpoint, peer = placed()
    peer.establish()
    endpoint.place_call(replace(OPEN, peer=("192.0.2.3", 1701)), CALL, 0.0)
    endpoint.datagrams_to_send()
    endpoint.shutdown(1.0)
    peer.raw(b"", now=1.0)
    assert [stopccn(m)[0] for m in peer.read()] == [6]
    closed = [e for e in events(endpoint) if isinstance(e, TunnelClosed)]
    assert len(closed) == 2
    while (when := endpoint.get_timer()) is not None:
        endpoint.handle_timer(when)
    assert endpoint.tunnels() == []


def test_queued_messages_do_not_delay_stopccn() -> None:
    endpoint, peer = placed()
    for _ in range(20):
        endpoint.place_call(OPEN, CALL, 0.0)
    peer.establish()
    endpoint.close_tunnel(peer.their_tunnel, 0.0)
    peer.raw(b"")
    assert [m.type for m in peer.read()] == [M.STOPCCN]


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (M.SCCRQ, True),
        (M.SCCRP, True),
        (M.SCCCN, False),
    ],
)
def test_opening_message_on_an_open_tunnel_is_stopccn_7(kind: MessageType, more: bool) -> None:
    endpoint, peer = placed()
    peer.establish()
    peer.start(kind) if more else peer.send(kind)
    assert stopccn(peer.read()[0])[0] == 7
    assert ("TunnelClosed", "protocol", 7) in stages(endpoint)


@pytest.mark.parametrize("kind", [M.SCCRQ, M.SCCCN, M.OCRP, M.HELLO])
def test_out_of_place_message_in_wait_ctl_reply(kind: MessageType) -> None:
    endpoint, peer = placed()
    peer.read()
    if kind is M.SCCRQ:
        peer.start(kind)
    elif kind is M.OCRP:
        peer.send(kind, (A.ASSIGNED_SESSION_ID, 1), session=1)
    else:
        peer.send(kind)
    if kind is M.HELLO:
        assert endpoint.tunnels()[0].state == "WAIT_CTL_REPLY"
    else:
        assert stopccn(peer.read()[0])[0] == 7
        assert ("TunnelClosed", "protocol", 7) in stages(endpoint)


@pytest.mark.parametrize("kind", [M.SCCRQ, M.SCCRP, M.OCRQ])
def test_out_of_place_message_in_wait_ctl_conn(kind: MessageType) -> None:
    endpoint = lac()
    peer = Peer(endpoint, address=LNS, ours=LAC)
    peer.start(M.SCCRQ, (A.VENDOR_NAME, "x" * 60))
    peer.read()
    if kind is M.OCRQ:
        numbers = [(a, 1) for a in (14, 15, 16, 17, 18, 19)]
        peer.send(kind, *[(A(a), v) for a, v in numbers], (A.CALLED_NUMBER, "1"))
    else:
        peer.start(kind)
    assert stopccn(peer.read()[0])[0] == 7


def test_unknown_mandatory_avp_in_a_tunnel_message_ends_the_tunnel() -> None:
    endpoint, peer = placed()
    peer.establish()
    peer.send(M.HELLO, Avp(66, b"", 9, known=False))
    assert stopccn(peer.read()[0]) == (2, 8)
    assert ("TunnelClosed", "protocol", 2) in stages(endpoint)


def test_unknown_optional_avp_is_ignored_and_counted() -> None:
    endpoint, peer = placed()
    peer.establish()
    peer.send(M.HELLO, Avp(66, b"", 9, mandatory=False, known=False))
    assert endpoint.counters.ignored_avps == 1
    assert endpoint.tunnels()[0].state == "ESTABLISHED"


def test_unknown_message_type_ends_the_tunnel_only_with_the_m_bit() -> None:
    endpoint, peer = placed()
    peer.establish()
    peer.raw(bytes.fromhex("0008 0000 0000 0005"))
    assert endpoint.counters.ignored == 1
    assert endpoint.tunnels()[0].state == "ESTABLISHED"
    peer.raw(bytes.fromhex("8008 0000 0000 0005"))
    assert stopccn(peer.read()[0]) == (2, 8)


def test_undecodable_message_ends_the_tunnel() -> None:
    endpoint, peer = placed()
    peer.establish()
    peer.raw(body(M.HELLO) + b"\x80\x05\x00\x00\x00\x00")
    assert stopccn(peer.read()[0]) == (2, 2)
    assert endpoint.counters.malformed == 1


def test_hidden_avps_in_sccrp_are_read() -> None:
    endpoint, peer, challenge = challenged()
    avps = [
        make(A.MESSAGE_TYPE, 2),
        make(A.PROTOCOL_VERSION, 0x0100),
        make(A.FRAMING_CAPABILITIES, 3),
        make(A.HOST_NAME, "lac"),
        make(A.ASSIGNED_TUNNEL_ID, 77),
        make(*proof(M.SCCRP, challenge)),
    ]
    import random

    peer.raw(encode_avps(hide_avps(avps, SECRET, random.Random(1))))
    assert [t.peer_tunnel for t in endpoint.tunnels()] == [77]


# HELLO, idleness, patience.


def test_hello_after_silence_and_dead_peer_found_by_it() -> None:
    endpoint, peer = placed(replace(OPEN, hello_interval=60.0))
    peer.establish(now=0.0)
    peer.raw(b"", now=0.0)
    endpoint.handle_timer(59.9)
    assert peer.read() == []
    endpoint.handle_timer(60.0)
    (hello,) = peer.read()
    assert (hello.type, hello.session_id) == (M.HELLO, 0)
    peer.raw(b"", now=60.1)
    endpoint.handle_timer(120.1)
    assert [m.type for m in peer.read()] == [M.HELLO]
    while (when := endpoint.get_timer()) is not None and endpoint.tunnels():
        endpoint.handle_timer(when)
        last = when
    assert last == pytest.approx(120.1 + 31)
    assert ("TunnelClosed", "timeout", 0) in stages(endpoint)


def test_tunnel_without_calls_is_kept_a_while_and_used_again() -> None:
    endpoint, peer = placed(tunnel_idle=60.0)
    (ocrq,) = peer.establish()
    session = ocrq.value(A.ASSIGNED_SESSION_ID, int) or 0
    peer.cdn(session, 5, now=1.0)
    assert endpoint.get_timer() == 1.05
    endpoint.handle_timer(1.05)
    assert endpoint.get_timer() == 61.0
    endpoint.place_call(OPEN, CALL, 60.0)
    (ocrq,) = peer.read()
    assert ocrq.tunnel_id == 77
    session = ocrq.value(A.ASSIGNED_SESSION_ID, int) or 0
    peer.cdn(session, 6, now=60.5)
    endpoint.handle_timer(120.4)
    endpoint.datagrams_to_send()
    endpoint.handle_timer(120.5)
    (stop,) = peer.read()
    assert stopccn(stop)[0] == 1
    assert ("TunnelClosed", "local", 1) in stages(endpoint)


def test_patience_with_the_tunnel_ends_before_the_transport_gives_up() -> None:
    endpoint = lns()
    endpoint.place_call(OPEN, CALL, 0.0, tunnel_patience=7.0)
    peer = Peer(endpoint)
    for when in (1.0, 3.0):
        endpoint.handle_timer(when)
    endpoint.handle_timer(7.0)
    assert stages(endpoint) == [("CallClosed", "timeout", 0), ("TunnelClosed", "timeout", 1)]
    peer.read()
    # The SCCRQ is not sent again, and a late SCCRP learns that it is late.
    for when in (8.0, 15.0, 20.0):
        endpoint.handle_timer(when)
    assert endpoint.datagrams_to_send() == []
    peer.start(M.SCCRP, now=21.0)
    (stop,) = peer.read()
    assert stopccn(stop)[0] == 7
    assert stop.tunnel_id == 77
    assert events(endpoint) == []


def test_patience_is_each_calls_own() -> None:
    endpoint = lns()
    first = endpoint.place_call(OPEN, CALL, 0.0, tunnel_patience=7.0)
    endpoint.place_call(OPEN, CALL, 0.0)
    endpoint.handle_timer(7.0)
    (closed,) = events(endpoint)
    assert closed.call == first
    assert endpoint.tunnels()[0].state == "WAIT_CTL_REPLY"


def test_tunnel_that_died_is_opened_anew() -> None:
    endpoint, peer = placed()
    peer.establish()
    code = (A.RESULT_CODE, ResultCode(1))
    peer.send(M.STOPCCN, code, (A.ASSIGNED_TUNNEL_ID, 77))
    endpoint.datagrams_to_send()
    endpoint.place_call(OPEN, CALL, 1.0)
    fresh = Peer(endpoint)
    (sccrq,) = fresh.read()
    assert sccrq.type == M.SCCRQ
    assert sccrq.value(A.ASSIGNED_TUNNEL_ID, int) != peer.their_tunnel
