"""What the calls of both roles have in common, and what a call needs of its tunnel. The roles
themselves are lns_call.py and lac_call.py."""

from __future__ import annotations

from typing import Final, Protocol

from control.errors import DecodeError, RemoteProtocolError
from control.l2tp.avp import Avp
from control.l2tp.avp_table import Attribute, MessageType
from control.l2tp.avp_value import DisconnectCause, Q931Cause, ResultCode
from control.l2tp.config import CallInfo
from control.l2tp.control_messages import cdn
from control.l2tp.events import Failure, SocketAddress
from control.l2tp.handshake import Handshake
from control.l2tp.message import Message

RESULT_GENERAL_ERROR: Final = 2
RESULT_ADMINISTRATIVE: Final = 3
ERROR_OUT_OF_RANGE: Final = 3
ERROR_NO_RESOURCES: Final = 4


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

    def send(self, avps: list[Avp], session_id: int, now: float) -> None: ...
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


class Call(Protocol):
    """A call of either role, as tunnel and endpoint see it."""

    handle: int
    session: int
    peer_session: int

    def receive(self, kind: MessageType, message: Message, now: float) -> None:
        """A verified session message for this call."""
        ...

    def fault(
        self, kind: MessageType | None, error: DecodeError | RemoteProtocolError, now: float
    ) -> None:
        """A message for this call could not be decoded or verified."""
        ...

    def close(self, failure: Failure, now: float) -> None:
        """The owner closes the call; nothing is reported."""
        ...

    def tunnel_down(self, failure: Failure, now: float) -> None: ...
    def handle_timer(self, now: float) -> None: ...
    def info(self) -> CallInfo: ...
    @property
    def carrier(self) -> Carrier: ...


def failure_of_cdn(message: Message) -> Failure:
    """Why a CDN (or, with stage replaced, StopCCN) says it ended."""
    code = message.value(Attribute.RESULT_CODE, ResultCode) or ResultCode(0)
    cause = message.value(Attribute.Q931_CAUSE_CODE, Q931Cause)
    disconnect = message.value(Attribute.DISCONNECT_CAUSE, DisconnectCause)
    return Failure(
        "cdn",
        result=code.result,
        error=code.error or 0,
        message=code.message,
        q931_cause=None if cause is None else cause.cause,
        disconnect_cause=None if disconnect is None else disconnect.code,
    )


def failure_of_fault(error: DecodeError | RemoteProtocolError) -> Failure:
    """What to answer to a message that cannot be understood: result 2 with the error code."""
    return Failure("protocol", result=RESULT_GENERAL_ERROR, error=error.error, message=str(error))


def cdn_for(session: int, failure: Failure) -> list[Avp]:
    """The CDN that tells the peer why."""
    return cdn(session, failure.result, failure.error, failure.message, failure.q931_cause)


def out_of_place(kind: MessageType, state: str) -> Failure:
    """What to answer to a message that the state does not allow."""
    text = f"{kind.name} in {state.lower().replace('_', '-')}"
    return Failure("protocol", result=RESULT_GENERAL_ERROR, error=ERROR_OUT_OF_RANGE, message=text)
