"""How a tunnel ends and what keeps it (RFC 2661 5.5, 5.7, 7.2.1), message by message."""

from __future__ import annotations

from dataclasses import replace

import pytest
from l2tp_scripts import challenged, placed, proof, stages, stopccn
from l2tp_wire import CALL, LAC, LNS, OPEN, SECRET, Peer, body, events, lac, lns

from control.l2tp.avp import Avp, encode_avps, hide_avps, make
from control.l2tp.avp_table import Attribute, MessageType
from control.l2tp.avp_value import ResultCode
from control.l2tp.events import Failure, TunnelClosed
from control.l2tp.message import decode

A = Attribute
M = MessageType

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
