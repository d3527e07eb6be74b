"""Whether the peer's SCCRQ, SCCRP or SCCCN is acceptable: version, name, authentication
(RFC 2661 4.4.3, 5.1.1). Pure: a fault is raised with the StopCCN result to answer with."""

from __future__ import annotations

from typing import Final

from control.errors import DecodeError, RemoteProtocolError
from control.l2tp import tunnel_auth
from control.l2tp.avp_table import Attribute, MessageType
from control.l2tp.control_messages import VERSION
from control.l2tp.events import Failure, TunnelParameters
from control.l2tp.message import Header, Message, decode_body, peek_type, verify
from control.l2tp.tunnel_table import State

RESULT_NOT_AUTHORISED: Final = 4
RESULT_VERSION: Final = 5
RESULT_FSM_ERROR: Final = 7


def check_version(message: Message) -> None:
    """Raises RemoteProtocolError (result 5, error: the version we speak)."""
    version = message.value(Attribute.PROTOCOL_VERSION, int)
    if version != VERSION:
        text = f"protocol version {version or 0:#06x}"
        raise RemoteProtocolError(text, result=RESULT_VERSION, error=VERSION)


def check_host_name(message: Message, expected: str) -> None:
    """Raises RemoteProtocolError (result 4) unless the peer shows the expected name, if any is."""
    if expected and message.value(Attribute.HOST_NAME, str) != expected:
        raise RemoteProtocolError("unexpected host name", result=RESULT_NOT_AUTHORISED)


def check_response(
    message: Message, kind: MessageType, parameters: TunnelParameters, challenge: bytes | None
) -> None:
    """Judges the answer to our challenge. Raises RemoteProtocolError (result 4) if it is wrong, or
    missing where authentication is required."""
    answer = message.value(Attribute.CHALLENGE_RESPONSE, bytes)
    if challenge is None or answer is None:
        if parameters.require_tunnel_auth:
            raise RemoteProtocolError("no challenge response", result=RESULT_NOT_AUTHORISED)
        return
    if not tunnel_auth.verify(kind, parameters.secret, challenge, answer):
        raise RemoteProtocolError("wrong challenge response", result=RESULT_NOT_AUTHORISED)


def is_good_sccrp(header: Header, body: bytes, secret: bytes) -> bool:
    """Whether this is a well-formed SCCRP, the only message that may come from a new port."""
    if peek_type(body) is not MessageType.SCCRP:
        return False
    try:
        verify(decode_body(header, body, secret))
    except (DecodeError, RemoteProtocolError):
        return False
    return True


def answer_challenge(message: Message, carrier: MessageType, secret: bytes) -> bytes | None:
    """The response to the peer's challenge, None if it sent none. Raises RemoteProtocolError
    (result 4) if there is no secret to answer with."""
    challenge = message.value(Attribute.CHALLENGE, bytes)
    if challenge is None:
        return None
    if not secret:
        raise RemoteProtocolError("challenged without a secret", result=RESULT_NOT_AUTHORISED)
    return tunnel_auth.response(carrier, secret, challenge)


def failure_of(error: RemoteProtocolError) -> Failure:
    """The failure of a tunnel refused for `error`."""
    stage = "authentication" if error.result == RESULT_NOT_AUTHORISED else "protocol"
    return Failure(stage, result=error.result, error=error.error, message=str(error))


def out_of_place(kind: MessageType, state: State) -> Failure:
    """The failure of a tunnel that got a message its state does not allow."""
    text = f"{kind.name} in {state.name.lower().replace('_', '-')}"
    return Failure("protocol", RESULT_FSM_ERROR, message=text)
