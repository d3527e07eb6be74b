"""Scripted conversations that several test files of this folder begin with."""

from __future__ import annotations

from l2tp_wire import CALL, OPEN, PROVEN, SECRET, Peer, events, lns

from control.l2tp import tunnel_auth
from control.l2tp.avp_table import Attribute, MessageType
from control.l2tp.avp_value import (
    ResultCode,
)
from control.l2tp.endpoint import Endpoint
from control.l2tp.events import (
    CallClosed,
    OutgoingCall,
    TunnelClosed,
)
from control.l2tp.message import Message

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


def proof(kind: MessageType, challenge: bytes, secret: bytes = SECRET) -> tuple[Attribute, bytes]:
    return A.CHALLENGE_RESPONSE, tunnel_auth.response(kind, secret, challenge)


def challenged(parameters: object = PROVEN) -> tuple[Endpoint, Peer, bytes]:
    endpoint, peer = placed(parameters)
    (sccrq,) = peer.read()
    challenge = sccrq.value(A.CHALLENGE, bytes)
    assert challenge is not None
    assert len(challenge) == 32
    return endpoint, peer, challenge


OCCN = ((A.TX_CONNECT_SPEED, 64000), (A.FRAMING_TYPE, 1))


def dialing(call: OutgoingCall = CALL, **start: object) -> tuple[Endpoint, Peer, int, Message]:
    """An LNS whose OCRQ has arrived: endpoint, peer, our session id, the OCRQ."""
    endpoint = lns()
    endpoint.place_call(OPEN, call, 0.0)
    peer = Peer(endpoint)
    (ocrq,) = peer.establish(**start)
    events(endpoint)
    return endpoint, peer, ocrq.value(A.ASSIGNED_SESSION_ID, int) or 0, ocrq


def ocrp(peer: Peer, session: int, assigned: int = 5) -> None:
    peer.send(M.OCRP, (A.ASSIGNED_SESSION_ID, assigned), session=session)


def connected() -> tuple[Endpoint, Peer, int]:
    endpoint, peer, session, _ = dialing()
    ocrp(peer, session)
    peer.send(M.OCCN, *OCCN, session=session)
    events(endpoint)
    return endpoint, peer, session


def cdn_of(peer: Peer) -> tuple[int, int, int | None, int | None]:
    """(header session, AVP 14, result, error) of the CDN the endpoint sent."""
    (message,) = peer.read()
    assert message.type == M.CDN
    code = message.value(A.RESULT_CODE, ResultCode)
    assert code is not None
    assigned = message.value(A.ASSIGNED_SESSION_ID, int) or 0
    return message.session_id, assigned, code.result, code.error


def send_ocrq(
    peer: Peer, session: int = 0, assigned: int = 9, bearer: int = 1, **more: int
) -> None:
    peer.send(
        M.OCRQ,
        (A.ASSIGNED_SESSION_ID, assigned),
        (A.CALL_SERIAL_NUMBER, 321),
        (A.MINIMUM_BPS, 9600),
        (A.MAXIMUM_BPS, 64000),
        (A.BEARER_TYPE, bearer),
        (A.FRAMING_TYPE, more.get("framing", 1)),
        (A.CALLED_NUMBER, "5551234"),
        session=session,
    )
