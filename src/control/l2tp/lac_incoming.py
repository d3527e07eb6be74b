"""An incoming call in the LAC (RFC 2661 7.4.1): performs what lac_incoming_table.py says. The line
itself is the endpoint's owner's."""

from __future__ import annotations

from typing import Final

from control.errors import DecodeError, RemoteProtocolError
from control.l2tp.avp_table import Attribute, MessageType
from control.l2tp.call import (
    ERROR_NO_RESOURCES,
    NO_FAILURE,
    RESULT_ADMINISTRATIVE,
    Call,
    Carrier,
    failure_of_cdn,
    failure_of_fault,
    out_of_place,
    session_in_use,
)
from control.l2tp.context import Context
from control.l2tp.control_messages import iccn, icrq
from control.l2tp.events import AnsweredLine, CallConnected, Failure, IncomingCall
from control.l2tp.lac_incoming_table import LAC_INCOMING, Action, Event, State
from control.l2tp.message import Message

PATIENCE: Final = 60.0
"""Seconds from ICRQ to ICRP."""

_EVENTS: Final = {
    MessageType.ICRP: Event.ICRP_GOOD,
    MessageType.ICRQ: Event.ICRQ,
    MessageType.ICCN: Event.ICCN,
}


class LacIncomingCall(Call):
    __slots__ = ("_line", "request", "serial", "state")

    awaits_reply = True
    incoming = True

    def __init__(
        self, context: Context, carrier: Carrier, request: IncomingCall, line: AnsweredLine
    ) -> None:
        super().__init__(context, carrier)
        self.state = State.IDLE
        self.request = request
        self.serial = request.serial
        self._line = line

    def ring(self, patience: float | None, now: float) -> None:
        """Waits for the tunnel, at most `patience` seconds."""
        self._step(Event.RING, now)
        self.wait(patience, now)

    def tunnel_open(self, now: float) -> None:
        session = self.carrier.allocate_session(self, now)
        if session is None:
            refusal = Failure("local", error=ERROR_NO_RESOURCES, message="no session id is free")
            self._step(Event.INCAPABLE, now, refusal)
            return
        self.session = session
        self.serial = self.serial or self._context.next_serial()
        self._step(Event.TUNNEL_OPEN, now)

    def receive(self, kind: MessageType, message: Message, now: float) -> None:
        if kind is MessageType.CDN:
            self._step(Event.CDN, now, failure_of_cdn(message))
        elif kind is MessageType.ICRP and self.state is State.WAIT_REPLY:
            self._receive_icrp(message, now)
        elif kind is MessageType.SLI:
            self.link_info(message)
        elif kind is MessageType.WEN:
            self._context.counters.wen += 1
        else:
            event = _EVENTS.get(kind, Event.FAULT)
            self._step(event, now, out_of_place(kind, self.state.name))

    def fault(
        self, kind: MessageType | None, error: DecodeError | RemoteProtocolError, now: float
    ) -> None:
        event = Event.ICRP_BAD if kind is MessageType.ICRP else Event.FAULT
        self._step(event, now, failure_of_fault(error))

    def close(self, failure: Failure, now: float) -> None:
        self._step(Event.LOCAL_CLOSE, now, failure, report=False)

    def tunnel_down(self, failure: Failure, now: float) -> None:
        self._step(Event.TUNNEL_DOWN, now, failure)

    def handle_timer(self, now: float) -> None:
        failure = Failure("timeout", message="no tunnel in time")
        if self.state is State.WAIT_REPLY:
            failure = Failure("timeout", RESULT_ADMINISTRATIVE, message="no ICRP in time")
        self._step(Event.PATIENCE_OVER, now, failure)

    def describe(self) -> tuple[State, str, int]:
        return self.state, self.request.called_number, self.serial

    def _receive_icrp(self, message: Message, now: float) -> None:
        assigned = message.value(Attribute.ASSIGNED_SESSION_ID, int) or 0
        if not self.carrier.adopt_peer_session(self, assigned):
            self._step(Event.ICRP_BAD, now, session_in_use(assigned))
            return
        self.peer_session = assigned
        self.carrier.reply_arrived(self)
        self.wait(None, now)
        self._step(Event.ICRP_GOOD, now)

    def _step(
        self, event: Event, now: float, failure: Failure = NO_FAILURE, *, report: bool = True
    ) -> None:
        row = LAC_INCOMING.step(self.state, event)
        self.state = row.next
        for action in row.actions:
            if action is Action.SEND_ICRQ:
                self.carrier.send(icrq(self.session, self.serial, self.request), 0, now)
                self.wait(PATIENCE, now)
            elif action is Action.SEND_ICCN:
                self.carrier.send(iccn(self._line), self.peer_session, now)
            elif action is Action.REPORT_CONNECTED:
                self._report_connected()
            elif action is Action.SEND_CDN:
                self.refuse(failure, now)
            elif action is Action.CLEAN_UP:
                self.end(failure, report, now)

    def _report_connected(self) -> None:
        self._context.counters.calls_connected += 1
        self._context.events.append(
            CallConnected(
                self.handle,
                self.carrier.local,
                self.carrier.peer,
                self.carrier.id,
                self.session,
                self.carrier.peer_id,
                self.peer_session,
                connect_speed=self._line.connect_speed,
                framing_type=self._line.framing_type,
                sequencing_required=self._line.sequencing,
            )
        )
