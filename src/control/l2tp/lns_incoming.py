"""An incoming call in the LNS (RFC 2661 7.4.2): performs what lns_incoming_table.py says. Whether
it is taken is for the endpoint's owner to say."""

from __future__ import annotations

from typing import Final

from control.errors import DecodeError, RemoteProtocolError
from control.l2tp.avp_table import Attribute, MessageType
from control.l2tp.call import (
    NO_FAILURE,
    RESULT_ADMINISTRATIVE,
    Call,
    Carrier,
    failure_of_cdn,
    failure_of_fault,
    out_of_place,
)
from control.l2tp.context import Context
from control.l2tp.control_messages import icrp
from control.l2tp.events import CallArrived, CallConnected, Failure, IncomingCall
from control.l2tp.lns_incoming_table import LNS_INCOMING, Action, Event, State
from control.l2tp.message import Message

PATIENCE: Final = 60.0
"""Seconds from ICRQ to ICCN: a LAC may answer its line only after ICRP."""

_EVENTS: Final = {
    MessageType.ICRQ: Event.ICRQ_GOOD,
    MessageType.ICRP: Event.ICRP,
    MessageType.ICCN: Event.ICCN_GOOD,
}
_BAD: Final = {MessageType.ICRQ: Event.ICRQ_BAD, MessageType.ICCN: Event.ICCN_BAD}


class LnsIncomingCall(Call):
    __slots__ = ("request", "state")

    incoming = True

    def __init__(self, context: Context, carrier: Carrier) -> None:
        super().__init__(context, carrier)
        self.state = State.IDLE
        self.request = IncomingCall()

    def arrived(self, message: Message, now: float) -> None:
        """A good ICRQ made this call; `session` and `peer_session` are set."""
        self.request = _request(message)
        self.wait(PATIENCE, now)
        self._step(Event.ICRQ_GOOD, now)

    def accept(self, now: float) -> None:
        """ICRP. Raises LocalProtocolError if the call was accepted before."""
        self._step(Event.LOCAL_ACCEPT, now)

    def receive(self, kind: MessageType, message: Message, now: float) -> None:
        if kind is MessageType.CDN:
            self._step(Event.CDN, now, failure_of_cdn(message))
        elif kind is MessageType.ICCN and self.state is State.WAIT_CONNECT:
            self.wait(None, now)
            self._step(Event.ICCN_GOOD, now, connected=message)
        elif kind is MessageType.WEN:
            self.line_errors(message)
        elif kind is MessageType.SLI:
            self._context.counters.sli += 1
        else:
            event = _EVENTS.get(kind, Event.FAULT)
            self._step(event, now, out_of_place(kind, self.state.name))

    def fault(
        self, kind: MessageType | None, error: DecodeError | RemoteProtocolError, now: float
    ) -> None:
        event = _BAD.get(kind, Event.FAULT) if kind is not None else Event.FAULT
        self._step(event, now, failure_of_fault(error))

    def close(self, failure: Failure, now: float) -> None:
        self._step(Event.LOCAL_CLOSE, now, failure, report=False)

    def tunnel_down(self, failure: Failure, now: float) -> None:
        self._step(Event.TUNNEL_DOWN, now, failure)

    def handle_timer(self, now: float) -> None:
        failure = Failure("timeout", RESULT_ADMINISTRATIVE, message="no ICCN in time")
        self._step(Event.PATIENCE_OVER, now, failure)

    def describe(self) -> tuple[State, str, int]:
        return self.state, self.request.called_number, self.request.serial

    def _step(
        self,
        event: Event,
        now: float,
        failure: Failure = NO_FAILURE,
        *,
        report: bool = True,
        connected: Message | None = None,
    ) -> None:
        row = LNS_INCOMING.step(self.state, event)
        self.state = row.next
        carrier = self.carrier
        for action in row.actions:
            if action is Action.REPORT_ARRIVED:
                name = carrier.handshake.peer_host_name
                self._context.events.append(
                    CallArrived(self.handle, self.request, carrier.local, carrier.peer, name)
                )
            elif action is Action.SEND_ICRP:
                carrier.send(icrp(self.session), self.peer_session, now)
            elif action is Action.REPORT_CONNECTED and connected is not None:
                self._report_connected(connected)
            elif action is Action.SEND_CDN:
                self.refuse(failure, now)
            elif action is Action.CLEAN_UP:
                self.end(failure, report, now)

    def _report_connected(self, message: Message) -> None:
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
                connect_speed=message.value(Attribute.TX_CONNECT_SPEED, int) or 0,
                framing_type=message.value(Attribute.FRAMING_TYPE, int) or 0,
                sequencing_required=message.find(Attribute.SEQUENCING_REQUIRED) is not None,
                rx_connect_speed=message.value(Attribute.RX_CONNECT_SPEED, int) or 0,
            )
        )


def _request(message: Message) -> IncomingCall:
    return IncomingCall(
        called_number=message.value(Attribute.CALLED_NUMBER, str) or "",
        calling_number=message.value(Attribute.CALLING_NUMBER, str) or "",
        sub_address=message.value(Attribute.SUB_ADDRESS, str) or "",
        serial=message.value(Attribute.CALL_SERIAL_NUMBER, int) or 0,
        bearer_type=message.value(Attribute.BEARER_TYPE, int),
        physical_channel=message.value(Attribute.PHYSICAL_CHANNEL_ID, int),
    )
