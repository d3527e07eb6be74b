"""Incoming calls (RFC 2661 6.9 to 6.11, 7.4): an LNS that takes them, a LAC that offers them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from l2tp_scripts import cdn_of
from l2tp_wire import LAC, LNS, OPEN, PROVEN, Fault, Peer, Wire, body, events, lac, lns

from control.errors import LocalProtocolError
from control.l2tp.avp_table import Attribute, MessageType
from control.l2tp.avp_value import Accm, CallErrors
from control.l2tp.endpoint import Endpoint
from control.l2tp.events import (
    AnsweredLine,
    CallArrived,
    CallClosed,
    CallConnected,
    IncomingCall,
    LineErrors,
    LinkInfo,
    TunnelParameters,
)
from control.l2tp.message import Message

A = Attribute
M = MessageType
RING = IncomingCall("5559999", "5551234", "2", bearer_type=2, physical_channel=7)
ICCN = ((A.TX_CONNECT_SPEED, 56000), (A.FRAMING_TYPE, 2))


def toward(policy: TunnelParameters = OPEN) -> TunnelParameters:
    """The LNS as the LAC calls it."""
    return replace(policy, local=LAC, peer=LNS, host_name="lac")


def taking(policy: TunnelParameters = OPEN, **settings: object) -> Endpoint:
    change = {"accept_tunnels": True, "incoming_calls": True, "incoming": {"lac": policy}}
    return lns(**{**change, **settings})


def arrived() -> tuple[Endpoint, Peer]:
    """An LNS whose LAC has opened a tunnel, scripted."""
    endpoint = taking()
    peer = Peer(endpoint)
    peer.start(M.SCCRQ)
    assert [m.type for m in peer.read()] == [M.SCCRP]
    peer.send(M.SCCCN)
    events(endpoint)
    return endpoint, peer


def send_icrq(peer: Peer, assigned: int = 9, session: int = 0) -> None:
    avps = ((A.ASSIGNED_SESSION_ID, assigned), (A.CALL_SERIAL_NUMBER, 321))
    peer.send(M.ICRQ, *avps, (A.CALLING_NUMBER, "5551234"), session=session)


def asking() -> tuple[Endpoint, Peer, int]:
    """As `arrived`, with a call in wait-connect: endpoint, peer, our session id."""
    endpoint, peer = arrived()
    send_icrq(peer)
    (call,) = endpoint.calls()
    endpoint.accept_call(call.call, 0.0)
    (icrp,) = peer.read()
    assert icrp.type == M.ICRP
    events(endpoint)
    return endpoint, peer, icrp.value(A.ASSIGNED_SESSION_ID, int) or 0


def offering() -> tuple[Endpoint, Peer, Message]:
    """A LAC whose ICRQ has arrived, scripted LNS."""
    endpoint = lac()
    endpoint.offer_call(toward(), RING, 0.0, line=AnsweredLine(33600, 2, True))
    peer = Peer(endpoint, LNS, LAC)
    (icrq,) = peer.establish(host="lns", bearer=None)
    events(endpoint)
    return endpoint, peer, icrq


def take_all(wire: Wire) -> None:
    """Accepts what has arrived so far."""
    wire.settle()
    for event in wire.events[wire.a]:
        if isinstance(event, CallArrived):
            wire.a.accept_call(event.call, wire.now)
    wire.settle()


@pytest.mark.parametrize(
    "policy", [OPEN, PROVEN, replace(PROVEN, hide_avps=True)], ids=["open", "proven", "hidden"]
)
def test_a_line_that_rings_becomes_a_connected_call_at_both_ends(policy: TunnelParameters) -> None:
    wire = Wire(taking(policy), lac())
    handle = wire.b.offer_call(toward(policy), RING, 0.0, line=AnsweredLine(33600, 2, True))
    take_all(wire)
    (came,) = [e for e in wire.events[wire.a] if isinstance(e, CallArrived)]
    assert came.request == replace(RING, serial=came.request.serial)
    assert (came.peer, came.peer_host_name) == (LAC, "lac")
    (ours,) = [e for e in wire.events[wire.a] if isinstance(e, CallConnected)]
    (theirs,) = [e for e in wire.events[wire.b] if isinstance(e, CallConnected)]
    assert theirs.call == handle
    assert (ours.tunnel, ours.session) == (theirs.peer_tunnel, theirs.peer_session)
    assert (ours.connect_speed, ours.framing_type, ours.sequencing_required) == (33600, 2, True)
    assert [(c.incoming, c.state) for c in wire.a.calls()] == [(True, "ESTABLISHED")]


def test_messages_of_an_incoming_call_are_those_of_the_rfc() -> None:
    _, peer, icrq = offering()
    assert [a.attribute for a in icrq.avps] == [0, 14, 15, 18, 25, 22, 21, 23]
    peer.send(M.ICRP, (A.ASSIGNED_SESSION_ID, 5), session=icrq.value(A.ASSIGNED_SESSION_ID, int))
    (iccn,) = peer.read()
    assert [a.attribute for a in iccn.avps] == [0, 24, 19, 39]
    assert iccn.session_id == 5


def test_incoming_calls_are_off_unless_switched_on() -> None:
    wire = Wire(taking(incoming_calls=False), lac())
    wire.b.offer_call(toward(), RING, 0.0)
    wire.settle()
    (closed,) = [e for e in wire.events[wire.b] if isinstance(e, CallClosed)]
    assert (closed.failure.stage, closed.failure.result) == ("cdn", 3)
    assert wire.a.calls() == []


def test_a_stranger_opens_no_tunnel_to_bring_calls() -> None:
    wire = Wire(taking(incoming={"other": OPEN}), lac())
    wire.b.offer_call(toward(), RING, 0.0)
    wire.settle()
    (closed,) = [e for e in wire.events[wire.b] if isinstance(e, CallClosed)]
    assert (closed.failure.stage, closed.failure.result) == ("stopccn", 4)
    assert wire.a.tunnels() == []


def test_owner_refuses_an_incoming_call_with_its_codes() -> None:
    endpoint, peer = arrived()
    send_icrq(peer)
    (event,) = events(endpoint)
    assert isinstance(event, CallArrived)
    endpoint.close_call(event.call, 0.0, result=4, message="full")
    assert cdn_of(peer)[0] == 9
    assert (endpoint.calls(), events(endpoint)) == ([], [])


def test_call_that_nobody_answers_and_call_without_iccn_are_given_up_after_a_minute() -> None:
    for accept in (False, True):
        endpoint, peer = arrived()
        send_icrq(peer)
        if accept:
            endpoint.accept_call(endpoint.calls()[0].call, 0.0)
        peer.read()
        peer.raw(b"")
        events(endpoint)
        endpoint.handle_timer(60.0)
        (closed,) = [e for e in events(endpoint) if isinstance(e, CallClosed)]
        assert closed.failure.stage == "timeout"
        assert cdn_of(peer)[2] == 3


def test_connected_incoming_call_waits_for_nothing() -> None:
    endpoint, peer, session = asking()
    peer.send(M.ICCN, *ICCN, session=session)
    (event,) = events(endpoint)
    assert isinstance(event, CallConnected)
    endpoint.handle_timer(61.0)
    assert [c.state for c in endpoint.calls()] == ["ESTABLISHED"]


def test_proxy_avps_of_iccn_are_read_and_not_used() -> None:
    endpoint, peer, session = asking()
    proxy = [
        (A.INITIAL_RECEIVED_CONFREQ, b"\1\4\5\xdc"),
        (A.LAST_SENT_CONFREQ, b""),
        (A.LAST_RECEIVED_CONFREQ, b""),
        (A.PROXY_AUTHEN_TYPE, 2),
        (A.PROXY_AUTHEN_NAME, b"site"),
        (A.PROXY_AUTHEN_CHALLENGE, b"challenge"),
        (A.PROXY_AUTHEN_ID, 1),
        (A.PROXY_AUTHEN_RESPONSE, b"secret"),
        (A.PRIVATE_GROUP_ID, b"group"),
        (A.RX_CONNECT_SPEED, 9600),
    ]
    peer.send(M.ICCN, *ICCN, *proxy, session=session)
    (event,) = events(endpoint)
    assert isinstance(event, CallConnected)
    assert event.connect_speed == 56000
    assert endpoint.counters.ignored_avps == 0


@pytest.mark.parametrize("state", ["WAIT_ACCEPT", "WAIT_CONNECT", "ESTABLISHED"])
@pytest.mark.parametrize("kind", [M.ICRQ, M.ICRP, M.ICCN, M.OCRQ, M.OCRP, M.OCCN])
def test_out_of_place_message_ends_an_incoming_call_with_cdn(state: str, kind: MessageType) -> None:
    endpoint, peer = arrived()
    send_icrq(peer)
    session = endpoint.calls()[0].session
    if state != "WAIT_ACCEPT":
        endpoint.accept_call(endpoint.calls()[0].call, 0.0)
    if state == "ESTABLISHED":
        peer.send(M.ICCN, *ICCN, session=session)
    peer.read()
    events(endpoint)
    if (state, kind) == ("WAIT_CONNECT", M.ICCN):
        peer.send(kind, session=session)  # not acceptable: nothing of what it must carry
    else:
        peer.raw(FULL[kind], session=session)
    header, assigned, result, _ = cdn_of(peer)
    assert (header, assigned, result) == (9, session, 2)
    (closed,) = events(endpoint)
    assert isinstance(closed, CallClosed)
    assert endpoint.tunnels()[0].state == "ESTABLISHED"


@pytest.mark.parametrize("state", ["WAIT_ACCEPT", "WAIT_CONNECT", "ESTABLISHED"])
def test_cdn_ends_an_incoming_call_in_every_state(state: str) -> None:
    endpoint, peer = arrived()
    send_icrq(peer)
    (call,) = endpoint.calls()
    if state != "WAIT_ACCEPT":
        endpoint.accept_call(call.call, 0.0)
    if state == "ESTABLISHED":
        peer.send(M.ICCN, *ICCN, session=call.session)
    peer.read()
    events(endpoint)
    # Before ICRP the LAC knows no session id of ours: AVP 14 tells which call it means.
    peer.cdn(0 if state == "WAIT_ACCEPT" else call.session, 9, 1)
    (closed,) = events(endpoint)
    assert isinstance(closed, CallClosed)
    assert (closed.failure.stage, closed.failure.result) == ("cdn", 1)
    assert peer.read() == []


def test_icrp_for_no_call_is_answered_with_cdn_and_iccn_is_not() -> None:
    _, peer = arrived()
    peer.send(M.ICCN, *ICCN, session=4711)
    assert peer.read() == []
    peer.send(M.ICRP, (A.ASSIGNED_SESSION_ID, 9), session=4711)
    assert cdn_of(peer)[:2] == (9, 4711)


def test_session_id_in_use_is_refused_and_the_first_call_stays() -> None:
    endpoint, peer, _ = asking()
    send_icrq(peer, assigned=9)
    assert cdn_of(peer)[2:] == (2, 3)
    assert len(endpoint.calls()) == 1


@pytest.mark.parametrize("kind", [M.ICRQ, M.ICRP, M.ICCN, M.OCRQ, M.OCRP, M.OCCN])
@pytest.mark.parametrize("state", ["WAIT_REPLY", "ESTABLISHED"])
def test_out_of_place_message_ends_the_lacs_call(state: str, kind: MessageType) -> None:
    endpoint, peer, icrq = offering()
    session = icrq.value(A.ASSIGNED_SESSION_ID, int) or 0
    if state == "ESTABLISHED":
        peer.raw(FULL[M.ICRP], session=session)
        peer.read()
        events(endpoint)
    if (state, kind) == ("WAIT_REPLY", M.ICRP):
        peer.send(kind, session=session)
    else:
        peer.raw(FULL[kind], session=session)
    # A stray ICCN in wait-reply is cleaned up without a word (RFC 2661 7.4.1).
    sent = [m.type for m in peer.read()]
    assert sent == ([] if (state, kind) == ("WAIT_REPLY", M.ICCN) else [M.CDN])
    (closed,) = events(endpoint)
    assert isinstance(closed, CallClosed)


@pytest.mark.parametrize("state", ["WAIT_TUNNEL", "WAIT_REPLY", "ESTABLISHED"])
def test_line_drop_is_told_to_an_lns_that_knows_the_call(state: str) -> None:
    wire = Wire(taking(), lac())
    handle = wire.b.offer_call(toward(), RING, 0.0)
    if state == "WAIT_REPLY":
        wire.settle()
    elif state == "ESTABLISHED":
        take_all(wire)
    assert [c.state for c in wire.b.calls()] == [state]
    wire.b.close_call(handle, 0.0, result=1)
    wire.run(1.0)
    assert wire.a.calls() == wire.b.calls() == []
    closed = [e.failure.result for e in wire.events[wire.a] if isinstance(e, CallClosed)]
    assert closed == ([] if state == "WAIT_TUNNEL" else [1])


def test_lac_gives_up_an_lns_that_does_not_answer_its_icrq() -> None:
    endpoint, peer, _ = offering()
    peer.raw(b"")
    endpoint.handle_timer(60.0)
    (closed,) = [e for e in events(endpoint) if isinstance(e, CallClosed)]
    assert closed.failure.message == "no ICRP in time"
    assert [m.type for m in peer.read()][-1] == M.CDN


def test_tunnel_that_fails_ends_incoming_calls_at_both_ends() -> None:
    wire = Wire(taking(), lac())
    wire.b.offer_call(toward(), RING, 0.0)
    take_all(wire)
    wire.a.close_tunnel(wire.a.tunnels()[0].tunnel, 0.0)
    wire.settle()
    for end, stage in ((wire.a, "tunnel"), (wire.b, "stopccn")):
        (closed,) = [e for e in wire.events[end] if isinstance(e, CallClosed)]
        assert closed.failure.stage == stage


def test_line_errors_and_link_information_reach_the_other_end() -> None:
    wire = Wire(taking(), lac())
    lac_call = wire.b.offer_call(toward(), RING, 0.0)
    take_all(wire)
    (call,) = wire.a.calls()
    wire.b.report_errors(lac_call, CallErrors(crc=3, timeouts=1), wire.now)
    wire.a.set_link_info(call.call, wire.now, send=0x000A0000)
    wire.settle()
    assert wire.events[wire.a][-1] == LineErrors(call.call, CallErrors(crc=3, timeouts=1))
    assert wire.events[wire.b][-1] == LinkInfo(lac_call, Accm(0x000A0000, 0xFFFFFFFF))
    assert wire.a.calls()[0].errors == CallErrors(crc=3, timeouts=1)


def test_only_a_lac_offers_calls_and_the_numbers_must_fit() -> None:
    with pytest.raises(LocalProtocolError):
        lns().offer_call(toward(), RING, 0.0)
    with pytest.raises(LocalProtocolError):
        lac().offer_call(toward(), replace(RING, called_number="1" * 1100), 0.0)
    with pytest.raises(LocalProtocolError):
        lac().offer_call(toward(), RING, 0.0, line=AnsweredLine(1 << 32))
    with pytest.raises(LocalProtocolError):
        lac().offer_call(toward(replace(PROVEN, secret=b"")), RING, 0.0)


def test_incoming_calls_come_up_over_a_bad_line() -> None:
    for seed in range(5):
        wire = Wire(taking(PROVEN), lac(), fault=Fault(0.1, 0.1, 0.3), seed=seed)
        for _ in range(20):
            wire.b.offer_call(toward(PROVEN), RING, 0.0)
        taken: set[int] = set()
        for step in range(1, 60):
            wire.run(float(step))
            for event in wire.events[wire.a]:
                if isinstance(event, CallArrived) and event.call not in taken:
                    taken.add(event.call)
                    wire.a.accept_call(event.call, wire.now)
        assert sum(isinstance(e, CallConnected) for e in wire.events[wire.a]) == 20


FULL = {
    M.ICRQ: body(M.ICRQ, (A.ASSIGNED_SESSION_ID, 6), (A.CALL_SERIAL_NUMBER, 1)),
    M.ICRP: body(M.ICRP, (A.ASSIGNED_SESSION_ID, 6)),
    M.ICCN: body(M.ICCN, *ICCN),
    M.OCRQ: body(
        M.OCRQ,
        (A.ASSIGNED_SESSION_ID, 6),
        (A.CALL_SERIAL_NUMBER, 1),
        (A.MINIMUM_BPS, 1),
        (A.MAXIMUM_BPS, 1),
        (A.BEARER_TYPE, 1),
        (A.FRAMING_TYPE, 1),
        (A.CALLED_NUMBER, "1"),
    ),
    M.OCRP: body(M.OCRP, (A.ASSIGNED_SESSION_ID, 6)),
    M.OCCN: body(M.OCCN, *ICCN),
}
"""A good message of each kind that makes or answers a call."""
