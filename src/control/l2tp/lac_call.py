"""An outgoing call in the LAC (RFC 2661 7.5.1): performs what lac_table.py says. The dialing is the
endpoint's owner's."""

from __future__ import annotations

from control.errors import DecodeError, LocalProtocolError, RemoteProtocolError
from control.l2tp.avp_table import Attribute, MessageType
from control.l2tp.call import (
    NO_FAILURE,
    Call,
    Carrier,
    failure_of_cdn,
    failure_of_fault,
    out_of_place,
)
from control.l2tp.context import Context
from control.l2tp.control_messages import occn, ocrp
from control.l2tp.events import CallConnected, CallRequested, Failure, OutgoingCall
from control.l2tp.lac_table import LAC_CALL, Action, Event, State
from control.l2tp.message import Message


class LacCall(Call):
    __slots__ = (
        "_connect_speed",
        "_framing_type",
        "_physical_channel",
        "_sequencing",
        "request",
        "state",
    )

    def __init__(self, context: Context, carrier: Carrier) -> None:
        super().__init__(context, carrier)
        self.state = State.IDLE
        self.request = OutgoingCall("")
        self._physical_channel: int | None = None
        self._connect_speed = 0
        self._framing_type = 0
        self._sequencing = False

    def requested(self, message: Message, now: float) -> None:
        """A good OCRQ made this call; `session` and `peer_session` are set."""
        self.request = _request(message)
        self._step(Event.OCRQ_GOOD, now)

    def accept(self, physical_channel: int | None, now: float) -> None:
        """OCRP. Raises LocalProtocolError if the call was accepted before."""
        self._physical_channel = physical_channel
        self._step(Event.LOCAL_ACCEPT, now)

    def connect(self, connect_speed: int, framing_type: int, sequencing: bool, now: float) -> None:
        """OCCN. Raises LocalProtocolError unless the call was accepted and not yet connected."""
        if self.state is State.WAIT_CS_ANSWER:
            self._connect_speed = connect_speed
            self._framing_type = framing_type
            self._sequencing = sequencing
        self._step(Event.BEARER_ANSWER, now)

    def receive(self, kind: MessageType, message: Message, now: float) -> None:
        if kind is MessageType.CDN:
            self._step(Event.CDN, now, failure_of_cdn(message))
        elif kind is MessageType.SLI:
            self.link_info(message)
        elif kind is MessageType.WEN:
            self._context.counters.wen += 1
        else:
            events = {
                MessageType.OCRQ: Event.OCRQ_GOOD,
                MessageType.OCRP: Event.OCRP,
                MessageType.OCCN: Event.OCCN,
            }
            event = events.get(kind, Event.FAULT)
            self._step(event, now, out_of_place(kind, self.state.name))

    def fault(
        self, kind: MessageType | None, error: DecodeError | RemoteProtocolError, now: float
    ) -> None:
        self._step(Event.FAULT, now, failure_of_fault(error))

    def close(self, failure: Failure, now: float) -> None:
        self._step(Event.LOCAL_CLOSE, now, failure, report=False)

    def tunnel_down(self, failure: Failure, now: float) -> None:
        self._step(Event.TUNNEL_DOWN, now, failure)

    def handle_timer(self, now: float) -> None:
        """The owner times the dialing; there is nothing to do here."""

    def describe(self) -> tuple[State, str, int]:
        return self.state, self.request.called_number, self.request.serial

    def _step(
        self, event: Event, now: float, failure: Failure = NO_FAILURE, *, report: bool = True
    ) -> None:
        row = LAC_CALL.step(self.state, event)
        self.state = row.next
        for action in row.actions:
            if action is Action.REPORT_REQUEST:
                self._context.events.append(
                    CallRequested(self.handle, self.request, self.carrier.local, self.carrier.peer)
                )
            elif action is Action.SEND_OCRP:
                avps = ocrp(self.session, self._physical_channel)
                self.carrier.send(avps, self.peer_session, now)
            elif action is Action.SEND_OCCN:
                avps = occn(self._connect_speed, self._framing_type, self._sequencing)
                self.carrier.send(avps, self.peer_session, now)
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
                connect_speed=self._connect_speed,
                framing_type=self._framing_type,
                sequencing_required=self._sequencing,
            )
        )


def check_answer(connect_speed: int, framing_type: int) -> None:
    """Raises LocalProtocolError for values an OCCN cannot carry."""
    if not (0 <= connect_speed < 1 << 32 and 0 <= framing_type < 1 << 32):
        raise LocalProtocolError("connect speed and framing type are 32-bit numbers")


def _request(message: Message) -> OutgoingCall:
    return OutgoingCall(
        called_number=message.value(Attribute.CALLED_NUMBER, str) or "",
        minimum_bps=message.value(Attribute.MINIMUM_BPS, int) or 0,
        maximum_bps=message.value(Attribute.MAXIMUM_BPS, int) or 0,
        bearer_type=message.value(Attribute.BEARER_TYPE, int),
        sub_address=message.value(Attribute.SUB_ADDRESS, str) or "",
        serial=message.value(Attribute.CALL_SERIAL_NUMBER, int) or 0,
        framing_type=message.value(Attribute.FRAMING_TYPE, int) or 0,
    )
