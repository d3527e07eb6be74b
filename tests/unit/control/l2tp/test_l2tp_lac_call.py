"""Outgoing calls of the LAC (RFC 2661 7.5.1), the CDN matching rule, and both ends together."""

from __future__ import annotations

from dataclasses import replace

import pytest
from l2tp_scripts import OCCN, cdn_of, dialing, ocrp, send_ocrq
from l2tp_wire import CALL, LAC, LNS, OPEN, PROVEN, SECRET, Peer, Wire, events, lac, lns

from control.errors import LocalProtocolError
from control.l2tp.avp_table import Attribute, MessageType
from control.l2tp.avp_value import (
    Accm,
    CallErrors,
    Q931Cause,
)
from control.l2tp.endpoint import Endpoint
from control.l2tp.events import (
    CallClosed,
    CallConnected,
    CallRequested,
    Failure,
    LinkInfo,
    OutgoingCall,
    TunnelOpened,
)
from control.l2tp.message import decode

A = Attribute
M = MessageType

# The CDN matching rule.


def two_calls() -> tuple[Endpoint, Peer, int, int]:
    endpoint = lns()
    for _ in range(2):
        endpoint.place_call(OPEN, CALL, 0.0)
    peer = Peer(endpoint)
    sent = peer.establish()
    peer.raw(b"")
    one, two = [m.value(A.ASSIGNED_SESSION_ID, int) or 0 for m in sent + peer.read()]
    events(endpoint)
    return endpoint, peer, one, two


def closed(endpoint: Endpoint) -> list[int]:
    return [e.call for e in events(endpoint) if isinstance(e, CallClosed)]


def test_cdn_is_matched_by_the_headers_session_id() -> None:
    endpoint, peer, _, two = two_calls()
    peer.cdn(two, 5)
    assert closed(endpoint) == [2]


def test_cdn_with_an_unknown_session_id_is_for_nobody() -> None:
    endpoint, peer, one, two = two_calls()
    ocrp(peer, one, 5)
    peer.cdn(next(n for n in range(1, 9) if n not in (one, two)), 5)
    assert closed(endpoint) == []
    assert endpoint.counters.unmatched_cdn == 1


def test_cdn_with_session_id_0_is_matched_by_the_peers_id() -> None:
    endpoint, peer, one, _ = two_calls()
    ocrp(peer, one, 5)
    peer.cdn(0, 5)
    assert closed(endpoint) == [1]


def test_cdn_without_any_known_id_is_for_the_only_call_in_wait_reply() -> None:
    endpoint, peer, one, _ = two_calls()
    ocrp(peer, one, 5)
    peer.cdn(0, 6)
    assert closed(endpoint) == [2]


def test_cdn_that_could_be_for_two_calls_is_counted_and_ignored() -> None:
    endpoint, peer, _, _ = two_calls()
    peer.cdn(0, 6)
    assert closed(endpoint) == []
    assert endpoint.counters.unmatched_cdn == 1


# The LAC's side.


def asked() -> tuple[Endpoint, Peer]:
    endpoint = lac()
    peer = Peer(endpoint, address=LNS, ours=LAC)
    peer.start(M.SCCRQ, (A.VENDOR_NAME, "x" * 60))
    peer.read()
    peer.send(M.SCCCN)
    assert isinstance(events(endpoint)[0], TunnelOpened)
    return endpoint, peer


def test_lac_reports_accepts_and_connects_a_call() -> None:
    endpoint, peer = asked()
    send_ocrq(peer)
    (requested,) = events(endpoint)
    assert requested == CallRequested(
        1,
        OutgoingCall("5551234", 9600, 64000, bearer_type=1, serial=321, framing_type=1),
        LAC,
        LNS,
    )
    endpoint.accept_call(1, 0.0, physical_channel=7)
    (ocrp_,) = peer.read()
    session = ocrp_.value(A.ASSIGNED_SESSION_ID, int)
    assert (ocrp_.type, ocrp_.session_id) == (M.OCRP, 9)
    assert ocrp_.value(A.PHYSICAL_CHANNEL_ID, int) == 7
    endpoint.connect_call(1, 1.0, connect_speed=33600, framing_type=2, sequencing=True)
    peer.raw(b"", now=1.0)
    (occn,) = peer.read()
    assert [(a.attribute, a.value) for a in occn.avps[1:]] == [(24, 33600), (19, 2), (39, None)]
    assert events(endpoint) == [
        CallConnected(1, LAC, LNS, peer.their_tunnel, session, 77, 9, 33600, 2, True)
    ]


def test_lac_refuses_by_closing_the_call() -> None:
    endpoint, peer = asked()
    send_ocrq(peer)
    endpoint.close_call(1, 0.0, result=8, q931_cause=17)
    (message,) = peer.read()
    assert (message.type, message.session_id) == (M.CDN, 9)
    assert message.value(A.Q931_CAUSE_CODE, Q931Cause) == Q931Cause(17, 0x45)


@pytest.mark.parametrize("accepted", [False, True])
def test_lac_call_is_cancelled_by_cdn_from_an_lns_that_knows_no_session_id(accepted: bool) -> None:
    endpoint, peer = asked()
    send_ocrq(peer)
    if accepted:
        endpoint.accept_call(1, 0.0)
        peer.read()
    events(endpoint)
    peer.cdn(0, 9, result=3)
    assert events(endpoint) == [CallClosed(1, Failure("cdn", 3))]
    endpoint.accept_call(1, 0.0)
    endpoint.connect_call(1, 0.0)
    assert peer.read() == []


@pytest.mark.parametrize("kind", [M.OCRQ, M.OCRP, M.OCCN, M.ICRP])
@pytest.mark.parametrize("accepted", [False, True])
def test_lac_answers_out_of_place_messages_with_cdn(kind: MessageType, accepted: bool) -> None:
    endpoint, peer = asked()
    send_ocrq(peer)
    session = endpoint.calls()[0].session
    if accepted:
        endpoint.accept_call(1, 0.0)
        peer.read()
    if kind is M.OCRQ:
        send_ocrq(peer, session=session)
    else:
        avps = OCCN if kind is M.OCCN else ((A.ASSIGNED_SESSION_ID, 9),)
        peer.send(kind, *avps, session=session)
    assert cdn_of(peer)[:2] == (9, session)
    assert endpoint.calls() == []


def test_lac_hangs_up_on_ocrp_for_no_call() -> None:
    endpoint, peer = asked()
    peer.send(M.OCRP, (A.ASSIGNED_SESSION_ID, 9), session=55)
    assert cdn_of(peer)[:2] == (9, 55)
    peer.send(M.OCCN, *OCCN, session=55)
    assert peer.read() == []
    assert endpoint.counters.unknown_session == 2


def test_lac_refuses_ocrq_it_cannot_read() -> None:
    endpoint, peer = asked()
    peer.send(M.OCRQ, (A.ASSIGNED_SESSION_ID, 9))
    assert cdn_of(peer)[0] == 9
    assert endpoint.calls() == []


@pytest.mark.parametrize(("bearer", "framing"), [(4, 1), (1, 4)])
def test_lac_refuses_what_it_did_not_announce(bearer: int, framing: int) -> None:
    endpoint, peer = asked()
    send_ocrq(peer, bearer=bearer, framing=framing)
    assert cdn_of(peer)[0] == 9
    assert endpoint.counters.refused_calls == 1


def test_lac_refuses_a_session_id_in_use() -> None:
    endpoint, peer = asked()
    send_ocrq(peer)
    send_ocrq(peer)
    assert cdn_of(peer)[2:] == (2, 3)
    assert len(endpoint.calls()) == 1


def test_lac_without_a_free_session_id_refuses() -> None:
    endpoint, peer = asked()
    (tunnel,) = endpoint._registry
    tunnel._calls._ids._taken.update(range(1, 65536))
    send_ocrq(peer)
    assert cdn_of(peer)[2:] == (2, 4)
    assert endpoint.calls() == events(endpoint) == []


def test_bad_message_ends_a_call_of_the_lac() -> None:
    endpoint, peer = asked()
    send_ocrq(peer)
    session = endpoint.calls()[0].session
    peer.send(M.SLI, (A.ACCM, Accm()), session=session)
    peer.send(M.WEN, (A.CALL_ERRORS, CallErrors()), session=session)
    assert (endpoint.counters.sli, endpoint.counters.wen) == (1, 1)
    peer.send(M.SLI, session=session)
    assert cdn_of(peer) == (9, session, 2, 3)
    assert [type(e) for e in events(endpoint)] == [CallRequested, LinkInfo, CallClosed]


def test_reply_without_a_session_id_is_for_nobody() -> None:
    endpoint, peer, _, _ = dialing()
    ocrp(peer, 0)
    assert endpoint.counters.unknown_session == 1
    assert [c.state for c in endpoint.calls()] == ["WAIT_REPLY"]


def test_lac_accepts_once_and_connects_once() -> None:
    endpoint, peer = asked()
    send_ocrq(peer)
    with pytest.raises(LocalProtocolError):
        endpoint.connect_call(1, 0.0)
    endpoint.accept_call(1, 0.0)
    with pytest.raises(LocalProtocolError):
        endpoint.accept_call(1, 0.0)
    endpoint.connect_call(1, 0.0)
    with pytest.raises(LocalProtocolError):
        endpoint.connect_call(1, 0.0)
    assert [c.state for c in endpoint.calls()] == ["ESTABLISHED"]


# Two ends.


def test_hidden_avps_between_two_endpoints() -> None:
    parameters = replace(PROVEN, hide_avps=True)
    wire = Wire(lns(), lac(policy=parameters))
    wire.a.place_call(parameters, CALL, 0.0)
    wire.settle()
    assert any(isinstance(e, CallConnected) for e in wire.events[wire.a])
    assert not any(b"5551234" in d.data for _, d in wire.sent)
    (ocrq,) = [m for m in (decode(d.data, SECRET) for _, d in wire.sent) if m.type == M.OCRQ]
    assert ocrq.avps[1].attribute == A.RANDOM_VECTOR
    assert all(a.hidden for a in ocrq.avps[2:])


def test_line_drop_reaches_the_lns() -> None:
    wire = Wire(lns(), lac())
    wire.a.place_call(OPEN, CALL, 0.0)
    wire.settle()
    wire.b.close_call(1, wire.now, result=1)
    wire.run(1.0)
    assert wire.events[wire.a][-1] == CallClosed(1, Failure("cdn", 1))
    assert wire.a.calls() == wire.b.calls() == []


def test_lac_that_goes_away_closes_its_calls() -> None:
    wire = Wire(lns(), lac())
    for _ in range(3):
        wire.a.place_call(OPEN, CALL, 0.0)
    wire.run(1.0)
    wire.b.shutdown(wire.now)
    wire.run(2.0)
    ended = [e for e in wire.events[wire.a] if isinstance(e, CallClosed)]
    assert [(e.call, e.failure.stage, e.failure.result) for e in ended] == [
        (1, "stopccn", 6),
        (2, "stopccn", 6),
        (3, "stopccn", 6),
    ]
