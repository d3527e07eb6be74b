"""Drain and shutdown of peers and tunnels, the dead that are still shown, and what a call says at
its end (specification 1.14, RFC 3145)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from l2tp_scripts import cdn_of, connected, placed, send_ocrq, stopccn
from l2tp_wire import CALL, LAC, LNS, OPEN, Peer, Wire, events, lac, lns

from control.errors import LocalProtocolError
from control.l2tp.avp_table import Attribute, MessageType
from control.l2tp.avp_value import Accm, CallErrors, DisconnectCause
from control.l2tp.endpoint import Endpoint
from control.l2tp.events import CallClosed, CallConnected, LineErrors, TunnelClosed
from control.l2tp.graveyard import MOST_DEAD

A = Attribute
M = MessageType


def up(**settings: object) -> tuple[Wire, int]:
    """One connected call over a wire: wire and our tunnel."""
    wire = Wire(lns(**settings), lac())
    wire.a.place_call(OPEN, CALL, 0.0)
    wire.settle()
    return wire, wire.a.tunnels()[0].tunnel


def alive(endpoint: Endpoint) -> list[tuple[str, bool]]:
    return [(t.state, t.draining) for t in endpoint.tunnels() if t.state != "IDLE"]


def test_drained_tunnel_keeps_its_call_and_takes_no_new_one() -> None:
    wire, tunnel = up()
    wire.a.drain_tunnel(tunnel, 1.0)
    assert alive(wire.a) == [("ESTABLISHED", True)]
    wire.a.place_call(OPEN, CALL, 1.0)
    wire.settle()
    carriers = [e.tunnel for e in wire.events[wire.a] if isinstance(e, CallConnected)]
    assert carriers[0] == tunnel
    assert carriers[1] != tunnel
    wire.a.close_call(1, 2.0)
    wire.settle()
    assert alive(wire.a) == [("ESTABLISHED", False)]
    (closed,) = [e for e in wire.events[wire.a] if isinstance(e, TunnelClosed)]
    assert (closed.tunnel, closed.failure.message) == (tunnel, "drained")


def test_drained_tunnel_without_calls_closes_at_once() -> None:
    wire, tunnel = up()
    wire.a.close_call(1, 0.0)
    wire.settle()
    wire.a.drain_tunnel(tunnel, 1.0)
    wire.settle()
    assert alive(wire.a) == alive(wire.b) == []


def test_drained_tunnel_still_opens_for_the_calls_that_wait_for_it() -> None:
    wire = Wire(lns(), lac())
    wire.a.place_call(OPEN, CALL, 0.0)
    wire.a.drain_tunnel(wire.a.tunnels()[0].tunnel, 0.0)
    wire.settle()
    assert any(isinstance(e, CallConnected) for e in wire.events[wire.a])
    wire.a.close_call(1, 0.0)
    wire.settle()
    assert alive(wire.a) == []


def test_drained_lac_refuses_new_calls_with_no_facilities() -> None:
    wire, _ = up()
    wire.b.drain_tunnel(wire.b.tunnels()[0].tunnel, 0.0)
    wire.a.place_call(OPEN, CALL, 1.0)
    wire.settle()
    (closed,) = [e for e in wire.events[wire.a] if isinstance(e, CallClosed)]
    assert (closed.failure.stage, closed.failure.result) == ("cdn", 4)
    assert [c.state for c in wire.a.calls()] == ["ESTABLISHED"]


def test_drained_peer_gets_no_tunnel_until_that_is_taken_back() -> None:
    wire, _ = up()
    wire.a.drain_peer(LAC[0], 1.0)
    assert alive(wire.a) == [("ESTABLISHED", True)]
    wire.a.place_call(OPEN, CALL, 1.0)
    wire.settle()
    (closed,) = [e for e in wire.events[wire.a] if isinstance(e, CallClosed)]
    assert (closed.failure.stage, closed.failure.message) == ("local", "the peer is being drained")
    wire.a.drain_peer(LAC[0], 2.0, drained=False)
    wire.a.place_call(OPEN, CALL, 2.0)
    wire.settle()
    assert alive(wire.a) == [("ESTABLISHED", True), ("ESTABLISHED", False)]


def test_drained_peer_opens_no_tunnel_to_us() -> None:
    endpoint = lac()
    endpoint.drain_peer(LNS[0], 0.0)
    peer = Peer(endpoint, LNS, LAC)
    peer.start(M.SCCRQ, (A.VENDOR_NAME, "x" * 40))
    assert stopccn(peer.read()[0])[0] == 6
    assert endpoint.tunnels() == []


def test_closed_peer_loses_all_its_tunnels_and_calls_and_others_none() -> None:
    other = replace(OPEN, peer=("192.0.2.3", 1701))
    endpoint, peer = placed()
    endpoint.place_call(replace(OPEN, assignment_id="two"), CALL, 0.0)
    endpoint.place_call(other, CALL, 0.0)
    peer.read()
    endpoint.close_peer(LAC[0], 0.0, message="maintenance")
    closed = [e for e in events(endpoint) if isinstance(e, CallClosed)]
    assert [(c.call, c.failure.message) for c in closed] == [(1, "maintenance"), (2, "maintenance")]
    assert [c.call for c in endpoint.calls()] == [3]


def test_unknown_tunnels_and_peers_are_ignored() -> None:
    endpoint = lns()
    endpoint.drain_tunnel(4, 0.0)
    endpoint.close_peer("192.0.2.77", 0.0)
    endpoint.set_link_info(4, 0.0)
    assert events(endpoint) == []


def test_the_dead_are_shown_for_the_destruct_timeout_with_their_end() -> None:
    endpoint, peer, session = connected()
    peer.cdn(session, 5, result=8, now=10.0)
    tunnel = endpoint.tunnels()[0].tunnel
    endpoint.close_tunnel(tunnel, 20.0)
    (call,) = endpoint.dead_calls(30.0)
    assert (call.call.state, call.call.session, call.peer) == ("IDLE", session, LAC)
    assert (call.failure.stage, call.failure.result, call.ended) == ("cdn", 8, 10.0)
    (dead,) = endpoint.dead_tunnels(30.0)
    assert (dead.tunnel.tunnel, dead.failure.stage, dead.ended) == (tunnel, "local", 20.0)
    assert endpoint.dead_calls(609.9) == [call]
    assert endpoint.dead_calls(610.0) == []
    assert endpoint.dead_tunnels(620.0) == []


def test_the_dead_are_bounded_in_number() -> None:
    endpoint = lns()
    endpoint.drain_peer(LAC[0], 0.0)
    endpoint, peer, _ = connected()
    for number in range(MOST_DEAD + 10):
        handle = endpoint.place_call(OPEN, CALL, 1.0)
        endpoint.close_call(handle, 1.0)
        peer.read()
        peer.raw(b"", now=1.0)
        assert number < MOST_DEAD or len(endpoint.dead_calls(1.0)) == MOST_DEAD


def test_disconnect_cause_is_told_and_heard() -> None:
    cause = DisconnectCause(16, 0xC223, 1, "wrong secret")
    wire, _ = up()
    wire.a.close_call(1, 0.0, disconnect_cause=cause, q931_cause=16)
    wire.settle()
    (closed,) = [e for e in wire.events[wire.b] if isinstance(e, CallClosed)]
    assert closed.failure.disconnect_cause == cause
    assert closed.failure.q931_cause == 16


def test_codes_that_do_not_fit_are_our_misuse() -> None:
    with pytest.raises(LocalProtocolError):
        lns().close_call(1, 0.0, disconnect_cause=DisconnectCause(1 << 16))
    with pytest.raises(LocalProtocolError):
        lns().set_link_info(1, 0.0, send=1 << 32)
    with pytest.raises(LocalProtocolError):
        lac().report_errors(1, CallErrors(crc=-1), 0.0)


def test_line_errors_are_an_event_and_kept_with_the_call() -> None:
    endpoint, peer, session = connected()
    errors = CallErrors(framing=2)
    peer.send(M.WEN, (A.CALL_ERRORS, errors), session=session)
    assert events(endpoint) == [LineErrors(1, errors)]
    assert endpoint.calls()[0].errors == errors


def test_link_information_goes_to_the_peers_session_and_waits_for_it() -> None:
    endpoint, peer, _ = connected()
    peer.raw(b"")
    endpoint.set_link_info(1, 0.0, send=0, receive=0xA0000)
    (sli,) = peer.read()
    assert (sli.type, sli.session_id) == (M.SLI, 5)
    assert sli.value(A.ACCM, Accm) == Accm(0, 0xA0000)
    endpoint.place_call(OPEN, CALL, 0.0)
    peer.read()
    endpoint.set_link_info(2, 0.0)
    assert peer.read() == []


def test_receive_window_is_the_tunnels_own_if_it_has_one() -> None:
    for parameters, expected in ((OPEN, 16), (replace(OPEN, receive_window=3), 3)):
        _, peer = placed(parameters)
        (sccrq,) = peer.read()
        assert sccrq.value(A.RECEIVE_WINDOW_SIZE, int) == expected


def test_narrow_receive_window_of_a_tunnel_drops_what_is_beyond_it() -> None:
    endpoint, peer = placed(replace(OPEN, receive_window=3))
    peer.establish()
    for ahead in (2, 3):
        peer.raw(b"\x80\x08\0\0\0\0\0\x06", ns=peer.ns + ahead)
    assert (endpoint.counters.out_of_order, endpoint.counters.out_of_window) == (1, 1)


def test_refusals_of_a_draining_tunnel_are_counted() -> None:
    endpoint = lac()
    peer = Peer(endpoint, LNS, LAC)
    peer.start(M.SCCRQ, (A.VENDOR_NAME, "x" * 40))
    peer.read()
    peer.send(M.SCCCN)
    send_ocrq(peer)
    endpoint.drain_tunnel(endpoint.tunnels()[0].tunnel, 0.0)
    send_ocrq(peer, assigned=10)
    assert cdn_of(peer)[2] == 4
    assert endpoint.counters.refused_calls == 1
