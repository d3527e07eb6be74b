"""Outgoing calls of the LNS (RFC 2661 7.5.2), message by message."""

from __future__ import annotations

from dataclasses import replace

import pytest
from l2tp_scripts import OCCN, cdn_of, connected, dialing, ocrp, send_ocrq
from l2tp_wire import CALL, LAC, LNS, OPEN, Peer, events, lns

from control.l2tp.avp import Avp
from control.l2tp.avp_table import Attribute, MessageType
from control.l2tp.avp_value import (
    Accm,
    AvpValue,
    CallErrors,
    DisconnectCause,
    Q931Cause,
    ResultCode,
)
from control.l2tp.events import (
    CallAccepted,
    CallClosed,
    CallConnected,
    Failure,
    OutgoingCall,
)

A = Attribute
M = MessageType


def test_ocrq_carries_what_it_must() -> None:
    call = OutgoingCall("5551234", 9600, 56000, bearer_type=1, sub_address="12", serial=99)
    _, _, session, ocrq = dialing(call)
    assert (ocrq.tunnel_id, ocrq.session_id) == (77, 0)
    assert [a.attribute for a in ocrq.avps] == [0, 14, 15, 16, 17, 18, 19, 21, 23]
    assert [a.value for a in ocrq.avps] == [7, session, 99, 9600, 56000, 1, 3, "5551234", "12"]


def test_serial_numbers_grow() -> None:
    endpoint = lns()
    peer = Peer(endpoint)
    for _ in range(3):
        endpoint.place_call(OPEN, CALL, 0.0)
    ocrqs = peer.establish()
    while len(ocrqs) < 3:
        peer.raw(b"")
        ocrqs += peer.read()
    serials = [m.value(A.CALL_SERIAL_NUMBER, int) or 0 for m in ocrqs]
    assert serials == [serials[0], serials[0] + 1, serials[0] + 2]
    assert len({m.value(A.ASSIGNED_SESSION_ID, int) for m in ocrqs}) == 3


def test_call_is_accepted_and_connected() -> None:
    endpoint, peer, session, _ = dialing()
    ocrp(peer, session, 606)
    peer.send(M.OCCN, *OCCN, session=session)
    accepted, connected_ = events(endpoint)
    assert accepted == CallAccepted(1)
    assert connected_ == CallConnected(
        1, LNS, LAC, peer.their_tunnel, session, 77, 606, connect_speed=64000, framing_type=1
    )


def test_sequencing_required_is_reported() -> None:
    endpoint, peer, session, _ = dialing()
    ocrp(peer, session)
    peer.send(M.OCCN, *OCCN, (A.SEQUENCING_REQUIRED, None), session=session)
    (_, event) = events(endpoint)
    assert isinstance(event, CallConnected)
    assert event.sequencing_required


# What the LAC announced (4.4.3, 4.4.4).

CAPABILITIES: list[tuple[int | None, int | None, bool, int | None]] = [
    # announced in AVP 4, wanted, ignore_bearer_caps, Bearer Type asked for (None: no OCRQ)
    (3, None, False, 3),
    (1, None, False, 1),
    (2, 3, False, 2),
    (3, 1, False, 1),
    (1, 2, False, None),
    (0, None, False, None),
    (3, 0, False, None),
    (None, None, False, None),
    (None, 1, False, None),
    (None, None, True, 3),
    (None, 2, True, 2),
    (1, 2, True, 2),
    (3, 1, True, 1),
    (0, None, True, 3),
]


@pytest.mark.parametrize(("announced", "wanted", "ignore", "asked"), CAPABILITIES)
def test_bearer_is_what_is_wanted_and_announced(
    announced: int | None, wanted: int | None, ignore: bool, asked: int | None
) -> None:
    endpoint = lns()
    call = replace(CALL, bearer_type=wanted, ignore_bearer_caps=ignore)
    handle = endpoint.place_call(OPEN, call, 0.0)
    peer = Peer(endpoint)
    sent = peer.establish(bearer=announced)
    assert [m.value(A.BEARER_TYPE, int) for m in sent] == ([] if asked is None else [asked])
    closed = [e for e in events(endpoint) if isinstance(e, CallClosed)]
    if asked is None:
        assert [(e.call, e.failure.stage) for e in closed] == [(handle, "capability")]
    else:
        assert closed == []


@pytest.mark.parametrize(
    ("announced", "wanted", "asked"), [(3, 3, 3), (1, 3, 1), (3, 2, 2), (2, 1, None), (0, 3, None)]
)
def test_framing_is_what_is_wanted_and_announced(
    announced: int, wanted: int, asked: int | None
) -> None:
    endpoint = lns()
    endpoint.place_call(OPEN, replace(CALL, framing_type=wanted), 0.0)
    peer = Peer(endpoint)
    sent = peer.establish(framing=announced)
    assert [m.value(A.FRAMING_TYPE, int) for m in sent] == ([] if asked is None else [asked])


def test_incapable_calls_do_not_hold_up_a_capable_one() -> None:
    endpoint = lns(tunnel_idle=10.0)
    for bearer in (2, 1, 2):
        endpoint.place_call(OPEN, replace(CALL, bearer_type=bearer), 0.0)
    peer = Peer(endpoint)
    (ocrq,) = peer.establish(bearer=1)
    peer.raw(b"")
    assert [c.call for c in endpoint.calls()] == [2]
    endpoint.handle_timer(1000.0)
    assert endpoint.tunnels()[0].state == "ESTABLISHED"
    assert ocrq.value(A.BEARER_TYPE, int) == 1


# How a call ends.


def test_cdn_tells_everything_it_says() -> None:
    endpoint, peer, session, _ = dialing()
    peer.send(
        M.CDN,
        (A.RESULT_CODE, ResultCode(8, 0, "busy")),
        (A.ASSIGNED_SESSION_ID, 5),
        (A.Q931_CAUSE_CODE, Q931Cause(17, 0x45)),
        (A.DISCONNECT_CAUSE, DisconnectCause(3, 0xC021, 1)),
        session=session,
    )
    assert events(endpoint) == [
        CallClosed(1, Failure("cdn", 8, 0, "busy", 17, DisconnectCause(3, 0xC021, 1)))
    ]
    assert endpoint.calls() == []


@pytest.mark.parametrize("state", ["wait-reply", "wait-connect", "established"])
def test_owner_closes_a_call_with_cdn_and_hears_nothing(state: str) -> None:
    endpoint, peer, session, _ = dialing()
    if state != "wait-reply":
        ocrp(peer, session)
    if state == "established":
        peer.send(M.OCCN, *OCCN, session=session)
    events(endpoint)
    endpoint.close_call(1, 1.0, result=3, error=0, message="bye", q931_cause=16)
    peer.raw(b"", now=1.0)
    (message,) = peer.read()
    assert message.session_id == (0 if state == "wait-reply" else 5)
    assert message.value(A.ASSIGNED_SESSION_ID, int) == session
    assert message.value(A.RESULT_CODE, ResultCode) == ResultCode(3, 0, "bye")
    assert message.value(A.Q931_CAUSE_CODE, Q931Cause) == Q931Cause(16, 0x45)
    endpoint.close_call(1, 1.0)
    endpoint.close_call(999, 1.0)
    assert events(endpoint) == []
    assert peer.read() == []


def test_owner_closes_a_waiting_call_and_the_tunnel_nobody_wants() -> None:
    endpoint = lns()
    call = endpoint.place_call(OPEN, CALL, 0.0)
    endpoint.close_call(call, 1.0)
    assert [type(e).__name__ for e in events(endpoint)] == ["TunnelClosed"]
    assert endpoint.calls() == []


def test_no_ocrp_in_time_is_cdn_and_timeout() -> None:
    endpoint = lns()
    endpoint.place_call(OPEN, CALL, 0.0, call_patience=5.0)
    peer = Peer(endpoint)
    peer.establish()
    peer.raw(b"")
    events(endpoint)
    assert endpoint.get_timer() == 5.0
    endpoint.handle_timer(4.9)
    assert events(endpoint) == []
    endpoint.handle_timer(5.0)
    (closed,) = events(endpoint)
    assert closed.failure.stage == "timeout"
    assert cdn_of(peer)[0] == 0


def test_patience_begins_when_the_window_lets_the_ocrq_out() -> None:
    endpoint = lns()
    for _ in range(6):
        endpoint.place_call(OPEN, CALL, 0.0, call_patience=5.0)
    peer = Peer(endpoint)
    first = peer.establish()
    assert 0 < len(first) < 6
    events(endpoint)
    endpoint.handle_timer(5.0)
    closed = [event for event in events(endpoint) if isinstance(event, CallClosed)]
    assert len(closed) == len(first)
    assert len(endpoint.calls()) == 6 - len(first)


def test_ocrp_ends_the_patience() -> None:
    endpoint = lns()
    endpoint.place_call(OPEN, CALL, 0.0, call_patience=5.0)
    peer = Peer(endpoint)
    (ocrq,) = peer.establish()
    ocrp(peer, ocrq.value(A.ASSIGNED_SESSION_ID, int) or 0)
    endpoint.handle_timer(6.0)
    assert not [e for e in events(endpoint) if isinstance(e, CallClosed)]


WRONG: list[tuple[str, MessageType, tuple[tuple[Attribute, AvpValue], ...]]] = [
    ("wait-reply", M.OCCN, OCCN),
    ("wait-reply", M.ICRP, ((A.ASSIGNED_SESSION_ID, 1),)),
    ("wait-connect", M.OCRP, ((A.ASSIGNED_SESSION_ID, 5),)),
    ("wait-connect", M.ICCN, OCCN),
    ("established", M.OCRP, ((A.ASSIGNED_SESSION_ID, 5),)),
    ("established", M.OCCN, OCCN),
    ("established", M.ICRQ, ((A.ASSIGNED_SESSION_ID, 5), (A.CALL_SERIAL_NUMBER, 1))),
]


@pytest.mark.parametrize(("state", "kind", "avps"), WRONG)
def test_out_of_place_message_is_answered_with_cdn(
    state: str, kind: MessageType, avps: tuple[tuple[Attribute, AvpValue], ...]
) -> None:
    endpoint, peer, session, _ = dialing()
    if state != "wait-reply":
        ocrp(peer, session)
    if state == "established":
        peer.send(M.OCCN, *OCCN, session=session)
    events(endpoint)
    peer.send(kind, *avps, session=session)
    header, assigned, result, error = cdn_of(peer)
    assert (header, assigned) == (0 if state == "wait-reply" else 5, session)
    assert (result, error) == (2, 3)
    (closed,) = events(endpoint)
    assert closed.failure.stage == "protocol"


def test_ocrq_to_an_lns_call_is_answered_with_cdn() -> None:
    _, peer, session = connected()
    send_ocrq(peer, session=session)
    assert cdn_of(peer)[:2] == (5, session)


@pytest.mark.parametrize(
    ("kind", "avps", "error"),
    [
        (M.OCRP, (), 3),
        (M.OCRP, ((A.ASSIGNED_SESSION_ID, 5), Avp(66, b"", 9, known=False)), 8),
        (M.OCRP, (Avp(14, b"\x00\x00", known=False),), 3),
        (M.OCCN, ((A.FRAMING_TYPE, 1),), 3),
        (M.WEN, (), 3),
    ],
)
def test_bad_message_ends_the_call_not_the_tunnel(
    kind: MessageType, avps: tuple[tuple[Attribute, AvpValue] | Avp, ...], error: int
) -> None:
    endpoint, peer, session, _ = dialing()
    peer.send(kind, *avps, session=session)
    assert cdn_of(peer)[1:] == (session, 2, error)
    (closed,) = events(endpoint)
    assert (closed.failure.stage, closed.failure.error) == ("protocol", error)
    assert endpoint.tunnels()[0].state == "ESTABLISHED"


def test_session_id_of_another_call_in_ocrp_is_refused() -> None:
    endpoint = lns()
    for _ in range(2):
        endpoint.place_call(OPEN, CALL, 0.0)
    peer = Peer(endpoint)
    sent = peer.establish()
    peer.raw(b"")
    one, two = [m.value(A.ASSIGNED_SESSION_ID, int) or 0 for m in sent + peer.read()]
    ocrp(peer, one, 5)
    ocrp(peer, two, 5)
    assert cdn_of(peer)[1] == two
    assert [c.session for c in endpoint.calls()] == [one]


def test_wen_and_sli_are_counted() -> None:
    endpoint, peer, session = connected()
    peer.send(M.WEN, (A.CALL_ERRORS, CallErrors(1)), session=session)
    peer.send(M.SLI, (A.ACCM, Accm()), session=session)
    assert (endpoint.counters.wen, endpoint.counters.sli) == (1, 1)
    assert [c.state for c in endpoint.calls()] == ["ESTABLISHED"]


@pytest.mark.parametrize("kind", [M.OCRP, M.OCCN, M.WEN])
def test_message_for_a_session_that_is_over_is_counted(kind: MessageType) -> None:
    endpoint, peer, session = connected()
    endpoint.close_call(1, 0.0)
    peer.raw(b"")
    peer.read()
    avps = {M.OCRP: ((A.ASSIGNED_SESSION_ID, 5),), M.OCCN: OCCN, M.WEN: ()}
    peer.send(kind, *avps[kind], session=session)
    assert endpoint.counters.unknown_session == 1
    assert peer.read() == []
    assert endpoint.tunnels()[0].state == "ESTABLISHED"


@pytest.mark.parametrize("kind", [M.ICRQ, M.OCRQ])
def test_lns_that_only_dials_out_refuses_calls_with_cdn(kind: MessageType) -> None:
    endpoint, peer, _ = connected()
    if kind is M.ICRQ:
        peer.send(kind, (A.ASSIGNED_SESSION_ID, 9), (A.CALL_SERIAL_NUMBER, 1))
    else:
        send_ocrq(peer, assigned=9)
    header, assigned, result, _ = cdn_of(peer)
    assert (header, result) == (9, 3)
    assert assigned != 0
    assert endpoint.counters.refused_calls == 1
    assert len(endpoint.calls()) == 1


def test_unreadable_icrq_is_refused_too() -> None:
    _, peer, _ = connected()
    peer.send(M.ICRQ, (A.ASSIGNED_SESSION_ID, 9))
    assert cdn_of(peer)[0] == 9
