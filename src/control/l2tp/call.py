"""What all calls have in common, of both roles and both directions, and what a call needs of its
tunnel. The kinds themselves are lns_call.py, lac_call.py, lns_incoming.py and lac_incoming.py."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from control.errors import DecodeError, RemoteProtocolError
from control.l2tp.avp import Avp
from control.l2tp.avp_table import Attribute, MessageType
from control.l2tp.avp_value import Accm, CallErrors, DisconnectCause, Q931Cause, ResultCode
from control.l2tp.config import CallInfo
from control.l2tp.control_messages import cdn
from control.l2tp.events import CallClosed, Failure, LineErrors, LinkInfo, SocketAddress
from control.l2tp.handshake import Handshake
from control.l2tp.message import Message
from control.l2tp.transport import Outgoing

if TYPE_CHECKING:
    from control.l2tp.context import Context

RESULT_GENERAL_ERROR: Final = 2
RESULT_ADMINISTRATIVE: Final = 3
RESULT_NO_FACILITIES: Final = 4
ERROR_OUT_OF_RANGE: Final = 3
ERROR_NO_RESOURCES: Final = 4
NO_FAILURE: Final = Failure("")


class Carrier(Protocol):
    """The tunnel as its calls see it."""

    @property
    def id(self) -> int: ...
    @property
    def peer_id(self) -> int: ...
    @property
    def local(self) -> SocketAddress: ...
    @property
    def peer(self) -> SocketAddress: ...
    @property
    def handshake(self) -> Handshake:
        """What the peer announced when the tunnel opened."""
        ...

    @property
    def backlog(self) -> int:
        """Messages the peer has not acknowledged yet."""
        ...

    @property
    def draining(self) -> bool:
        """No new call may begin."""
        ...

    def send(self, avps: list[Avp], session_id: int, now: float) -> Outgoing | None:
        """The message, which leaves when the peer's window has room; None: the tunnel is closed."""
        ...

    def allocate_session(self, call: Call, now: float) -> int | None:
        """A session id under which messages reach `call`; None if there is none left."""
        ...

    def adopt_peer_session(self, call: Call, peer_session: int) -> bool:
        """False if another call of the tunnel has that peer session id."""
        ...

    def reply_arrived(self, call: Call) -> None:
        """The call is no longer in wait-reply."""
        ...

    def forget(self, call: Call, failure: Failure, now: float) -> None:
        """The call is over."""
        ...


class Call:
    """A call as tunnel and endpoint see it. The kinds add a state table and what it does."""

    __slots__ = ("_context", "carrier", "errors", "handle", "peer_session", "session")

    awaits_reply: ClassVar[bool] = False
    """It asks its peer, who answers with a session id of its own (wait-reply)."""
    incoming: ClassVar[bool] = False

    def __init__(self, context: Context, carrier: Carrier) -> None:
        self._context = context
        self.handle = context.next_handle()
        self.carrier = carrier
        self.session = 0
        self.peer_session = 0
        self.errors: CallErrors | None = None
        """Totals of the newest WEN."""
        context.calls[self.handle] = self

    def receive(self, kind: MessageType, message: Message, now: float) -> None:
        """A verified session message for this call."""
        raise NotImplementedError

    def fault(
        self, kind: MessageType | None, error: DecodeError | RemoteProtocolError, now: float
    ) -> None:
        """A message for this call could not be decoded or verified."""
        raise NotImplementedError

    def close(self, failure: Failure, now: float) -> None:
        """The owner closes the call; nothing is reported."""
        raise NotImplementedError

    def tunnel_open(self, now: float) -> None:
        """The tunnel it waits for is established."""
        raise NotImplementedError

    def tunnel_down(self, failure: Failure, now: float) -> None:
        raise NotImplementedError

    def handle_timer(self, now: float) -> None:
        raise NotImplementedError

    def describe(self) -> tuple[Enum, str, int]:
        """State, called number, serial number."""
        raise NotImplementedError

    def info(self) -> CallInfo:
        state, number, serial = self.describe()
        return CallInfo(
            self.handle,
            self.carrier.id,
            self.session,
            self.peer_session,
            state.name,
            number,
            serial,
            self.incoming,
            self.errors,
        )

    def refuse(self, failure: Failure, now: float) -> None:
        """CDN with these codes."""
        self.carrier.send(cdn(self.session, failure), self.peer_session, now)

    def line_errors(self, message: Message) -> None:
        """WEN (RFC 2661 6.13)."""
        self._context.counters.wen += 1
        errors = message.value(Attribute.CALL_ERRORS, CallErrors)
        if errors is not None:
            self.errors = errors
            self._context.events.append(LineErrors(self.handle, errors))

    def link_info(self, message: Message) -> None:
        """SLI (RFC 2661 6.14)."""
        self._context.counters.sli += 1
        accm = message.value(Attribute.ACCM, Accm)
        if accm is not None:
            self._context.events.append(LinkInfo(self.handle, accm))

    def wait(self, seconds: float | None, now: float) -> None:
        """Sets or clears the call's only deadline."""
        self._context.deadlines.set(self, None if seconds is None else now + seconds)

    def end(self, failure: Failure, report: bool, now: float) -> None:
        """The call is over: tells the owner, if it does not know yet, and the tunnel."""
        context = self._context
        context.deadlines.set(self, None)
        context.graveyard.bury_call(self, failure, now)
        context.calls.pop(self.handle, None)
        context.counters.calls_closed += 1
        if report:
            context.events.append(CallClosed(self.handle, failure))
        self.carrier.forget(self, failure, now)


def failure_of_cdn(message: Message) -> Failure:
    """Why a CDN (or, with stage replaced, StopCCN) says it ended."""
    code = message.value(Attribute.RESULT_CODE, ResultCode) or ResultCode(0)
    cause = message.value(Attribute.Q931_CAUSE_CODE, Q931Cause)
    return Failure(
        "cdn",
        result=code.result,
        error=code.error or 0,
        message=code.message,
        q931_cause=None if cause is None else cause.cause,
        disconnect_cause=message.value(Attribute.DISCONNECT_CAUSE, DisconnectCause),
    )


def failure_of_fault(error: DecodeError | RemoteProtocolError) -> Failure:
    """What to answer to a message that cannot be understood: result 2 with the error code."""
    return Failure("protocol", result=RESULT_GENERAL_ERROR, error=error.error, message=str(error))


def session_in_use(session: int) -> Failure:
    """What to answer to an assigned session id that another call of the tunnel has."""
    text = f"session id {session} is in use"
    return Failure("protocol", RESULT_GENERAL_ERROR, ERROR_OUT_OF_RANGE, text)


def out_of_place(kind: MessageType, state: str) -> Failure:
    """What to answer to a message that the state does not allow."""
    text = f"{kind.name} in {state.lower().replace('_', '-')}"
    return Failure("protocol", result=RESULT_GENERAL_ERROR, error=ERROR_OUT_OF_RANGE, message=text)
