"""The AVPs of each control message we send (RFC 2661 6.1 to 6.12), in the order of the RFC's
lists. Decides nothing: every value is an argument."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from control.l2tp.avp import Avp, make
from control.l2tp.avp_table import Attribute, MessageType
from control.l2tp.avp_value import Accm, AvpValue, CallErrors, Q931Cause, ResultCode
from control.l2tp.config import EndpointConfig
from control.l2tp.events import AnsweredLine, Failure, IncomingCall, OutgoingCall
from control.unlocked import unlocked

VERSION: Final = 0x0100
"""Protocol Version 1, revision 0."""
MAX_TEXT: Final = 200
"""Characters of an error message we send; even at four octets each they fit an AVP."""
Q931_DISCONNECT: Final = 0x45
"""Q.931 message the cause is said to come from."""


@unlocked
@dataclass(frozen=True, slots=True)
class StartFields:
    """What SCCRQ and SCCRP say of one tunnel; None leaves the AVP out."""

    host_name: str
    tunnel_id: int
    challenge: bytes | None = None
    response: bytes | None = None
    tie_breaker: bytes | None = None
    receive_window: int = 0
    """0: the endpoint's."""


def start(kind: MessageType, config: EndpointConfig, fields: StartFields) -> list[Avp]:
    """SCCRQ or SCCRP."""
    return _message(
        kind,
        (Attribute.PROTOCOL_VERSION, VERSION),
        (Attribute.FRAMING_CAPABILITIES, config.framing_capabilities),
        (Attribute.BEARER_CAPABILITIES, config.bearer_capabilities),
        (Attribute.TIE_BREAKER, fields.tie_breaker),
        (Attribute.FIRMWARE_REVISION, config.firmware_revision),
        (Attribute.HOST_NAME, fields.host_name or config.host_name),
        (Attribute.VENDOR_NAME, config.vendor_name or None),
        (Attribute.ASSIGNED_TUNNEL_ID, fields.tunnel_id),
        (Attribute.RECEIVE_WINDOW_SIZE, fields.receive_window or config.receive_window),
        (Attribute.CHALLENGE, fields.challenge),
        (Attribute.CHALLENGE_RESPONSE, fields.response),
    )


def scccn(response: bytes | None) -> list[Avp]:
    return _message(MessageType.SCCCN, (Attribute.CHALLENGE_RESPONSE, response))


def stopccn(tunnel_id: int, result: int, error: int = 0, message: str = "") -> list[Avp]:
    return _message(
        MessageType.STOPCCN,
        (Attribute.ASSIGNED_TUNNEL_ID, tunnel_id),
        (Attribute.RESULT_CODE, _result(result, error, message)),
    )


def hello() -> list[Avp]:
    return _message(MessageType.HELLO)


def ocrq(session: int, serial: int, call: OutgoingCall, bearer: int, framing: int) -> list[Avp]:
    """`bearer` and `framing` are what is asked for after the LAC's capabilities were applied."""
    return _message(
        MessageType.OCRQ,
        (Attribute.ASSIGNED_SESSION_ID, session),
        (Attribute.CALL_SERIAL_NUMBER, serial),
        (Attribute.MINIMUM_BPS, call.minimum_bps),
        (Attribute.MAXIMUM_BPS, call.maximum_bps),
        (Attribute.BEARER_TYPE, bearer),
        (Attribute.FRAMING_TYPE, framing),
        (Attribute.CALLED_NUMBER, call.called_number),
        (Attribute.SUB_ADDRESS, call.sub_address or None),
    )


def ocrp(session: int, physical_channel: int | None) -> list[Avp]:
    return _message(
        MessageType.OCRP,
        (Attribute.ASSIGNED_SESSION_ID, session),
        (Attribute.PHYSICAL_CHANNEL_ID, physical_channel),
    )


def occn(connect_speed: int, framing_type: int, sequencing: bool) -> list[Avp]:
    avps = _message(
        MessageType.OCCN,
        (Attribute.TX_CONNECT_SPEED, connect_speed),
        (Attribute.FRAMING_TYPE, framing_type),
    )
    if sequencing:
        avps.append(make(Attribute.SEQUENCING_REQUIRED, None))
    return avps


def cdn(session: int, failure: Failure) -> list[Avp]:
    code = failure.q931_cause
    return _message(
        MessageType.CDN,
        (Attribute.RESULT_CODE, _result(failure.result, failure.error, failure.message)),
        (Attribute.ASSIGNED_SESSION_ID, session),
        (Attribute.Q931_CAUSE_CODE, None if code is None else Q931Cause(code, Q931_DISCONNECT)),
        (Attribute.DISCONNECT_CAUSE, failure.disconnect_cause),
    )


def icrq(session: int, serial: int, call: IncomingCall) -> list[Avp]:
    return _message(
        MessageType.ICRQ,
        (Attribute.ASSIGNED_SESSION_ID, session),
        (Attribute.CALL_SERIAL_NUMBER, serial),
        (Attribute.BEARER_TYPE, call.bearer_type),
        (Attribute.PHYSICAL_CHANNEL_ID, call.physical_channel),
        (Attribute.CALLING_NUMBER, call.calling_number or None),
        (Attribute.CALLED_NUMBER, call.called_number or None),
        (Attribute.SUB_ADDRESS, call.sub_address or None),
    )


def icrp(session: int) -> list[Avp]:
    return _message(MessageType.ICRP, (Attribute.ASSIGNED_SESSION_ID, session))


def iccn(line: AnsweredLine) -> list[Avp]:
    avps = _message(
        MessageType.ICCN,
        (Attribute.TX_CONNECT_SPEED, line.connect_speed),
        (Attribute.FRAMING_TYPE, line.framing_type),
    )
    if line.sequencing:
        avps.append(make(Attribute.SEQUENCING_REQUIRED, None))
    return avps


def wen(errors: CallErrors) -> list[Avp]:
    return _message(MessageType.WEN, (Attribute.CALL_ERRORS, errors))


def sli(accm: Accm) -> list[Avp]:
    return _message(MessageType.SLI, (Attribute.ACCM, accm))


def _message(kind: MessageType, *fields: tuple[Attribute, AvpValue]) -> list[Avp]:
    avps = [make(Attribute.MESSAGE_TYPE, int(kind))]
    avps += [make(attribute, value) for attribute, value in fields if value is not None]
    return avps


def _result(result: int, error: int, message: str) -> ResultCode:
    text = message[:MAX_TEXT].encode("utf-8", "replace").decode("utf-8")
    return ResultCode(result, error if error or text else None, text)
