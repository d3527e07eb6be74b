"""The calls of one tunnel: finds the call a session message is for, makes calls from OCRQ and ICRQ,
refuses what this end does not take (RFC 2661 6.6 to 6.14, and the CDN rule of the specification,
2.4).

What a message does to a call is lns_call.py, lac_call.py, lns_incoming.py and lac_incoming.py.
"""

from __future__ import annotations

from typing import Final

from control.errors import DecodeError, RemoteProtocolError
from control.l2tp import lac_table, lns_incoming_table
from control.l2tp.avp_table import Attribute, MessageType
from control.l2tp.call import (
    ERROR_NO_RESOURCES,
    ERROR_OUT_OF_RANGE,
    RESULT_ADMINISTRATIVE,
    RESULT_GENERAL_ERROR,
    RESULT_NO_FACILITIES,
    Call,
    Carrier,
    session_in_use,
)
from control.l2tp.context import Context
from control.l2tp.control_messages import cdn
from control.l2tp.events import Failure
from control.l2tp.id_pool import IdPool
from control.l2tp.lac_call import LacCall
from control.l2tp.lns_incoming import LnsIncomingCall
from control.l2tp.message import Header, Message, peek_value

MOST_WAITING: Final = 256
"""Messages that may wait for the peer's acknowledgement before a refusal becomes one too many: a
peer that asks and never acknowledges must not fill our memory."""

_LAC_EVENTS: Final = {
    MessageType.OCRP: lac_table.Event.OCRP,
    MessageType.OCCN: lac_table.Event.OCCN,
}
_INCOMING_EVENTS: Final = {
    MessageType.ICRP: lns_incoming_table.Event.ICRP,
    MessageType.ICCN: lns_incoming_table.Event.ICCN_GOOD,
}


class TunnelCalls:
    __slots__ = (
        "_by_peer_session",
        "_by_session",
        "_carrier",
        "_context",
        "_ids",
        "_in_wait_reply",
        "_waiting",
    )

    def __init__(self, context: Context, carrier: Carrier) -> None:
        self._context = context
        self._carrier = carrier
        self._ids = IdPool(context.rng, context.config.id_quarantine)
        self._waiting: dict[Call, None] = {}
        """For the tunnel to open."""
        self._by_session: dict[int, Call] = {}
        self._by_peer_session: dict[int, Call] = {}
        self._in_wait_reply: dict[int, Call] = {}
        """By handle; a CDN without any session id is for the only one."""

    def __len__(self) -> int:
        return len(self._waiting) + len(self._by_session)

    def wait(self, call: Call) -> None:
        self._waiting[call] = None

    def take_waiting(self) -> list[Call]:
        """The calls that waited for the tunnel, in order; they wait no longer."""
        calls = list(self._waiting)
        self._waiting.clear()
        return calls

    def close_all(self, failure: Failure, now: float) -> None:
        """The tunnel is down."""
        calls: list[Call] = [*self._waiting, *self._by_session.values()]
        for call in calls:
            call.tunnel_down(failure, now)

    def allocate_session(self, call: Call, now: float) -> int | None:
        session = self._ids.allocate(now)
        if session is not None:
            self._by_session[session] = call
            if call.awaits_reply:
                self._in_wait_reply[call.handle] = call
        return session

    def adopt_peer_session(self, call: Call, peer_session: int) -> bool:
        return self._by_peer_session.setdefault(peer_session, call) is call

    def reply_arrived(self, call: Call) -> None:
        self._in_wait_reply.pop(call.handle, None)

    def forget(self, call: Call, now: float) -> None:
        self._waiting.pop(call, None)
        self._in_wait_reply.pop(call.handle, None)
        if self._by_session.pop(call.session, None) is not None:
            self._ids.release(call.session, now)
        if self._by_peer_session.get(call.peer_session) is call:
            del self._by_peer_session[call.peer_session]

    def receive(self, kind: MessageType, message: Message, now: float) -> None:
        """A verified session message."""
        call = self._match(kind, message)
        if call is not None:
            call.receive(kind, message, now)
        elif kind is MessageType.CDN:
            self._context.counters.unmatched_cdn += 1
        elif message.session_id:
            self._unknown_session(kind, message, now)
        elif kind is MessageType.OCRQ and self._context.config.role == "lac":
            self._receive_ocrq(message, now)
        elif kind is MessageType.ICRQ and self._context.config.incoming_calls:
            self._receive_icrq(message, now)
        elif kind in (MessageType.OCRQ, MessageType.ICRQ):
            peer_session = message.value(Attribute.ASSIGNED_SESSION_ID, int) or 0
            text = "this end does not take such calls"
            self._refuse(peer_session, Failure("", RESULT_ADMINISTRATIVE, message=text), now)
        else:
            self._unknown_session(kind, message, now)

    def fault(
        self,
        kind: MessageType | None,
        header: Header,
        body: bytes,
        error: DecodeError | RemoteProtocolError,
        now: float,
    ) -> None:
        """A session message that could not be decoded or verified."""
        call = self._by_session.get(header.session_id)
        if call is not None:
            call.fault(kind, error, now)
        elif header.session_id == 0 and kind in (MessageType.OCRQ, MessageType.ICRQ):
            assigned = peek_value(body, Attribute.ASSIGNED_SESSION_ID)
            peer_session = assigned if isinstance(assigned, int) else 0
            refusal = Failure("", RESULT_GENERAL_ERROR, error.error, str(error))
            self._refuse(peer_session, refusal, now)
        else:
            self._context.counters.unknown_session += 1

    def _match(self, kind: MessageType, message: Message) -> Call | None:
        if message.session_id:
            return self._by_session.get(message.session_id)
        if kind is not MessageType.CDN:
            return None
        assigned = message.value(Attribute.ASSIGNED_SESSION_ID, int) or 0
        call = self._by_peer_session.get(assigned)
        if call is None and len(self._in_wait_reply) == 1:
            call = next(iter(self._in_wait_reply.values()))
        return call

    def _unknown_session(self, kind: MessageType, message: Message, now: float) -> None:
        """A message for a call in idle. Of those whose tables only clean up, which is nothing here,
        a LAC's hangs up on OCRP and that of an LNS that takes incoming calls on ICRP."""
        self._context.counters.unknown_session += 1
        hang_up = False
        if self._context.config.role == "lac":
            event = _LAC_EVENTS.get(kind, lac_table.Event.FAULT)
            row = lac_table.LAC_CALL.step(lac_table.State.IDLE, event)
            hang_up = lac_table.Action.SEND_CDN in row.actions
        elif self._context.config.incoming_calls:
            came = _INCOMING_EVENTS.get(kind, lns_incoming_table.Event.FAULT)
            cell = lns_incoming_table.LNS_INCOMING.step(lns_incoming_table.State.IDLE, came)
            hang_up = lns_incoming_table.Action.SEND_CDN in cell.actions
        if hang_up:
            peer_session = message.value(Attribute.ASSIGNED_SESSION_ID, int) or 0
            refusal = Failure("", RESULT_GENERAL_ERROR, ERROR_OUT_OF_RANGE, f"{kind.name} in idle")
            self._send_cdn(message.session_id or self._ids.any(), peer_session, refusal, now)

    def _receive_ocrq(self, message: Message, now: float) -> None:
        peer_session = message.value(Attribute.ASSIGNED_SESSION_ID, int) or 0
        fault = self._ocrq_fault(message, peer_session)
        if fault is not None:
            self._refuse(peer_session, fault, now)
            return
        call = LacCall(self._context, self._carrier)
        if self._adopt(call, peer_session, now):
            call.requested(message, now)

    def _receive_icrq(self, message: Message, now: float) -> None:
        peer_session = message.value(Attribute.ASSIGNED_SESSION_ID, int) or 0
        if self._carrier.draining:
            text = "the tunnel takes no new calls"
            self._refuse(peer_session, Failure("", RESULT_NO_FACILITIES, message=text), now)
        elif peer_session in self._by_peer_session:
            self._refuse(peer_session, session_in_use(peer_session), now)
        else:
            call = LnsIncomingCall(self._context, self._carrier)
            if self._adopt(call, peer_session, now):
                call.arrived(message, now)

    def _adopt(self, call: Call, peer_session: int, now: float) -> bool:
        """Gives a call that the peer asks for its session ids. False: there is none, and the peer
        has been told."""
        session = self.allocate_session(call, now)
        if session is None:
            del self._context.calls[call.handle]
            text = "no session id is free"
            refusal = Failure("", RESULT_GENERAL_ERROR, ERROR_NO_RESOURCES, text)
            self._refuse(peer_session, refusal, now)
            return False
        call.session = session
        call.peer_session = peer_session
        self.adopt_peer_session(call, peer_session)
        return True

    def _ocrq_fault(self, message: Message, peer_session: int) -> Failure | None:
        """Why an OCRQ is not acceptable: a session id in use, or a bearer or framing that we did
        not announce (RFC 2661 4.4.3)."""
        config = self._context.config
        bearer = message.value(Attribute.BEARER_TYPE, int) or 0
        framing = message.value(Attribute.FRAMING_TYPE, int) or 0
        text = ""
        if self._carrier.draining:
            return Failure("", RESULT_NO_FACILITIES, message="the tunnel takes no new calls")
        if peer_session in self._by_peer_session:
            return session_in_use(peer_session)
        if config.bearer_capabilities is not None and bearer & ~config.bearer_capabilities:
            text = "the bearer was not announced"
        elif framing & ~config.framing_capabilities:
            text = "the framing was not announced"
        return Failure("", RESULT_GENERAL_ERROR, ERROR_OUT_OF_RANGE, text) if text else None

    def _refuse(self, peer_session: int, failure: Failure, now: float) -> None:
        """CDN for a call that never came to be, under a session id nobody owns."""
        self._context.counters.refused_calls += 1
        self._send_cdn(self._ids.any(), peer_session, failure, now)

    def _send_cdn(self, session: int, peer_session: int, failure: Failure, now: float) -> None:
        if self._carrier.backlog >= MOST_WAITING:
            self._context.counters.withheld += 1
            return
        self._carrier.send(cdn(session, failure), peer_session, now)
