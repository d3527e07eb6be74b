"""An outgoing call in the LNS (RFC 2661 7.5.2): performs what lns_table.py says, checks what the
LAC announced, and keeps the caller's patience."""

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
from control.l2tp.control_messages import ocrq
from control.l2tp.events import (
    CallAccepted,
    CallAsked,
    CallConnected,
    Failure,
    OutgoingCall,
)
from control.l2tp.lns_table import LNS_CALL, Action, Event, State
from control.l2tp.message import Message
from control.l2tp.transport import Outgoing

ALL_BEARERS: Final = 3
_ASKED: Final = OutgoingCall("")
"""Instead of what was asked for: a call may last for days, and that is of no use any more."""


class LnsCall(Call):
    __slots__ = ("_number", "_ocrq", "_patience", "_request", "serial", "state")

    awaits_reply = True

    def __init__(
        self, context: Context, carrier: Carrier, request: OutgoingCall, patience: float | None
    ) -> None:
        super().__init__(context, carrier)
        self.state = State.IDLE
        self.serial = request.serial
        self._number = request.called_number
        self._request = request
        """What is asked for, until it has been."""
        self._patience = patience
        self._ocrq: Outgoing | None = None
        """Until it has been answered."""

    def open(self, patience: float | None, now: float) -> None:
        """Waits for the tunnel, at most `patience` seconds."""
        self._step(Event.LOCAL_OPEN, now)
        self.wait(patience, now)

    def tunnel_open(self, now: float) -> None:
        """The tunnel is established: asks for the call if its LAC can place it."""
        refusal = self._refusal()
        if refusal is None:
            session = self.carrier.allocate_session(self, now)
            if session is not None:
                self.session = session
                self._step(Event.TUNNEL_OPEN, now)
                return
            refusal = Failure("local", error=ERROR_NO_RESOURCES, message="no session id is free")
        self._step(Event.INCAPABLE, now, refusal)

    def receive(self, kind: MessageType, message: Message, now: float) -> None:
        if kind is MessageType.CDN:
            self._step(Event.CDN, now, failure_of_cdn(message))
        elif kind is MessageType.OCRP:
            self._receive_ocrp(message, now)
        elif kind is MessageType.OCCN:
            self._receive_occn(message, now)
        elif kind is MessageType.WEN:
            self.line_errors(message)
        elif kind is MessageType.SLI:
            self._context.counters.sli += 1
        else:
            event = Event.OCRQ if kind is MessageType.OCRQ else Event.FAULT
            self._step(event, now, out_of_place(kind, self.state.name))

    def fault(
        self, kind: MessageType | None, error: DecodeError | RemoteProtocolError, now: float
    ) -> None:
        events = {MessageType.OCRP: Event.OCRP_BAD, MessageType.OCCN: Event.OCCN_BAD}
        event = events.get(kind, Event.FAULT) if kind is not None else Event.FAULT
        self._step(event, now, failure_of_fault(error))

    def close(self, failure: Failure, now: float) -> None:
        self._step(Event.LOCAL_CLOSE, now, failure, report=False)

    def tunnel_down(self, failure: Failure, now: float) -> None:
        self._step(Event.TUNNEL_DOWN, now, failure)

    def handle_timer(self, now: float) -> None:
        failure = Failure("timeout", message="no tunnel in time")
        if self.state is State.WAIT_REPLY:
            if self._ocrq is not None and not self._ocrq.transmissions:
                # It still waits for room in the window: the LAC is busy with calls of ours, and
                # to ask another one would only add to what all of them have to do.
                self.wait(self._patience, now)
                return
            failure = Failure("timeout", RESULT_ADMINISTRATIVE, message="no OCRP in time")
        self._step(Event.PATIENCE_OVER, now, failure)

    def describe(self) -> tuple[State, str, int]:
        return self.state, self._number, self.serial

    def _receive_ocrp(self, message: Message, now: float) -> None:
        if self.state is not State.WAIT_REPLY:
            self._step(Event.OCRP_GOOD, now, out_of_place(MessageType.OCRP, self.state.name))
            return
        assigned = message.value(Attribute.ASSIGNED_SESSION_ID, int) or 0
        if not self.carrier.adopt_peer_session(self, assigned):
            self._step(Event.OCRP_BAD, now, session_in_use(assigned))
            return
        self.peer_session = assigned
        self._step(Event.OCRP_GOOD, now)

    def _receive_occn(self, message: Message, now: float) -> None:
        if self.state is not State.WAIT_CONNECT:
            self._step(Event.OCCN_GOOD, now, out_of_place(MessageType.OCCN, self.state.name))
            return
        self._step(Event.OCCN_GOOD, now, connected=message)

    def _bearer(self) -> int:
        """Bearer Type to ask for: what is wanted and announced (RFC 2661 4.4.4)."""
        wanted = ALL_BEARERS if self._request.bearer_type is None else self._request.bearer_type
        offered = wanted & (self.carrier.handshake.bearer or 0)
        return wanted if not offered and self._request.ignore_bearer_caps else offered

    def _framing(self) -> int:
        return self._request.framing_type & self.carrier.handshake.framing

    def _refusal(self) -> Failure | None:
        if self.carrier.handshake.bearer is None and not self._request.ignore_bearer_caps:
            return Failure("capability", message="the LAC announces no bearer (AVP 4)")
        if not self._bearer() and not self._request.ignore_bearer_caps:
            return Failure("capability", message="the LAC does not announce the wanted bearer")
        if not self._framing():
            return Failure("capability", message="the LAC does not announce the wanted framing")
        return None

    def _step(
        self,
        event: Event,
        now: float,
        failure: Failure = NO_FAILURE,
        *,
        report: bool = True,
        connected: Message | None = None,
    ) -> None:
        row = LNS_CALL.step(self.state, event)
        self.state = row.next
        for action in row.actions:
            if action is Action.SEND_OCRQ:
                self._send_ocrq(now)
            elif action is Action.REPORT_ACCEPTED:
                self._ocrq = None
                self.carrier.reply_arrived(self)
                self.wait(None, now)
                self._context.events.append(CallAccepted(self.handle))
            elif action is Action.REPORT_CONNECTED and connected is not None:
                self._report_connected(connected)
            elif action is Action.SEND_CDN:
                self.refuse(failure, now)
            elif action is Action.CLEAN_UP:
                self.end(failure, report, now)

    def _send_ocrq(self, now: float) -> None:
        self.serial = self.serial or self._context.next_serial()
        avps = ocrq(self.session, self.serial, self._request, self._bearer(), self._framing())
        self._ocrq = self.carrier.send(avps, 0, now)
        self._request = _ASKED
        self.wait(self._patience, now)
        self._context.events.append(CallAsked(self.handle, self._link()))

    def _report_connected(self, message: Message) -> None:
        self._context.counters.calls_connected += 1
        self._context.events.append(
            self._link(
                message.value(Attribute.TX_CONNECT_SPEED, int) or 0,
                message.value(Attribute.FRAMING_TYPE, int) or 0,
                message.find(Attribute.SEQUENCING_REQUIRED) is not None,
                message.value(Attribute.RX_CONNECT_SPEED, int) or 0,
            )
        )

    def _link(
        self, speed: int = 0, framing: int = 1, sequencing: bool = False, rx_speed: int = 0
    ) -> CallConnected:
        """Both ends' ids and addresses, the peer's session id 0 until OCRP, and what OCCN says."""
        carrier = self.carrier
        return CallConnected(
            self.handle,
            carrier.local,
            carrier.peer,
            carrier.id,
            self.session,
            carrier.peer_id,
            self.peer_session,
            speed,
            framing,
            sequencing,
            rx_speed,
        )
