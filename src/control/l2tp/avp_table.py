"""The AVPs and messages of L2TP, one row each (RFC 2661 3.2, 4.4 and 6; RFC 3145).

A row says everything about an AVP that does not depend on a message at hand: shape and length of
its value, M bit, whether it may be hidden, which messages must or may carry it. The message table
is derived from the rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Final

from control.l2tp.avp_value import (
    AccmCodec,
    CallErrorsCodec,
    Codec,
    DisconnectCauseCodec,
    Empty,
    Octets,
    Q931CauseCodec,
    ResultCodeCodec,
    Text,
    Unsigned,
)


class MessageType(IntEnum):
    """RFC 2661 3.2. 5 and 13 are reserved."""

    SCCRQ = 1
    SCCRP = 2
    SCCCN = 3
    STOPCCN = 4
    HELLO = 6
    OCRQ = 7
    OCRP = 8
    OCCN = 9
    ICRQ = 10
    ICRP = 11
    ICCN = 12
    CDN = 14
    WEN = 15
    SLI = 16


class Attribute(IntEnum):
    """RFC 2661 4.4; 46 is RFC 3145. 20 is reserved."""

    MESSAGE_TYPE = 0
    RESULT_CODE = 1
    PROTOCOL_VERSION = 2
    FRAMING_CAPABILITIES = 3
    BEARER_CAPABILITIES = 4
    TIE_BREAKER = 5
    FIRMWARE_REVISION = 6
    HOST_NAME = 7
    VENDOR_NAME = 8
    ASSIGNED_TUNNEL_ID = 9
    RECEIVE_WINDOW_SIZE = 10
    CHALLENGE = 11
    Q931_CAUSE_CODE = 12
    CHALLENGE_RESPONSE = 13
    ASSIGNED_SESSION_ID = 14
    CALL_SERIAL_NUMBER = 15
    MINIMUM_BPS = 16
    MAXIMUM_BPS = 17
    BEARER_TYPE = 18
    FRAMING_TYPE = 19
    CALLED_NUMBER = 21
    CALLING_NUMBER = 22
    SUB_ADDRESS = 23
    TX_CONNECT_SPEED = 24
    PHYSICAL_CHANNEL_ID = 25
    INITIAL_RECEIVED_CONFREQ = 26
    LAST_SENT_CONFREQ = 27
    LAST_RECEIVED_CONFREQ = 28
    PROXY_AUTHEN_TYPE = 29
    PROXY_AUTHEN_NAME = 30
    PROXY_AUTHEN_CHALLENGE = 31
    PROXY_AUTHEN_ID = 32
    PROXY_AUTHEN_RESPONSE = 33
    CALL_ERRORS = 34
    ACCM = 35
    RANDOM_VECTOR = 36
    PRIVATE_GROUP_ID = 37
    RX_CONNECT_SPEED = 38
    SEQUENCING_REQUIRED = 39
    DISCONNECT_CAUSE = 46


_M = MessageType
_A = Attribute
_ALL: Final = tuple(MessageType)
_U16: Final = Unsigned(2, highest=0xFFFF)
_ID: Final = Unsigned(2, lowest=1, highest=0xFFFF)
_U32: Final = Unsigned(4)


@dataclass(frozen=True, slots=True)
class AvpRow:
    attribute: Attribute
    name: str
    codec: Codec
    """Shape and length rule of the value."""
    mandatory: bool
    """M bit we send."""
    hideable: bool
    must: tuple[MessageType, ...] = ()
    """Messages that are refused without it."""
    may: tuple[MessageType, ...] = ()
    vendor: int = 0
    secret: bool = False
    """Never shown in a trace."""


ROWS: Final = (
    AvpRow(_A.MESSAGE_TYPE, "Message Type", _U16, True, False, _ALL),
    AvpRow(_A.RESULT_CODE, "Result Code", ResultCodeCodec(), True, False, (_M.STOPCCN, _M.CDN)),
    AvpRow(_A.PROTOCOL_VERSION, "Protocol Version", _U16, True, False, (_M.SCCRQ, _M.SCCRP)),
    AvpRow(_A.FRAMING_CAPABILITIES, "Framing Capabilities", _U32, True, True, (_M.SCCRQ, _M.SCCRP)),
    AvpRow(
        _A.BEARER_CAPABILITIES,
        "Bearer Capabilities",
        _U32,
        True,
        True,
        may=(_M.SCCRQ, _M.SCCRP),
    ),
    AvpRow(_A.TIE_BREAKER, "Tie Breaker", Octets(8, 8), False, False, may=(_M.SCCRQ,)),
    AvpRow(_A.FIRMWARE_REVISION, "Firmware Revision", _U16, False, True, may=(_M.SCCRQ, _M.SCCRP)),
    AvpRow(_A.HOST_NAME, "Host Name", Text(1), True, False, (_M.SCCRQ, _M.SCCRP)),
    AvpRow(_A.VENDOR_NAME, "Vendor Name", Text(), False, True, may=(_M.SCCRQ, _M.SCCRP)),
    AvpRow(
        _A.ASSIGNED_TUNNEL_ID,
        "Assigned Tunnel ID",
        _ID,
        True,
        True,
        (_M.SCCRQ, _M.SCCRP, _M.STOPCCN),
    ),
    AvpRow(
        _A.RECEIVE_WINDOW_SIZE,
        "Receive Window Size",
        Unsigned(2, lowest=1, highest=0xFFFF),
        True,
        False,
        may=(_M.SCCRQ, _M.SCCRP),
    ),
    AvpRow(_A.CHALLENGE, "Challenge", Octets(1), True, True, may=(_M.SCCRQ, _M.SCCRP)),
    AvpRow(_A.Q931_CAUSE_CODE, "Q.931 Cause Code", Q931CauseCodec(), True, False, may=(_M.CDN,)),
    AvpRow(
        _A.CHALLENGE_RESPONSE,
        "Challenge Response",
        Octets(16, 16),
        True,
        True,
        may=(_M.SCCRP, _M.SCCCN),
    ),
    AvpRow(
        _A.ASSIGNED_SESSION_ID,
        "Assigned Session ID",
        _ID,
        True,
        True,
        (_M.OCRQ, _M.OCRP, _M.ICRQ, _M.ICRP, _M.CDN),
    ),
    AvpRow(_A.CALL_SERIAL_NUMBER, "Call Serial Number", _U32, True, True, (_M.OCRQ, _M.ICRQ)),
    AvpRow(_A.MINIMUM_BPS, "Minimum BPS", _U32, True, True, (_M.OCRQ,)),
    AvpRow(_A.MAXIMUM_BPS, "Maximum BPS", _U32, True, True, (_M.OCRQ,)),
    AvpRow(_A.BEARER_TYPE, "Bearer Type", _U32, True, True, (_M.OCRQ,), (_M.ICRQ,)),
    AvpRow(_A.FRAMING_TYPE, "Framing Type", _U32, True, True, (_M.OCRQ, _M.OCCN, _M.ICCN)),
    AvpRow(_A.CALLED_NUMBER, "Called Number", Text(), True, True, (_M.OCRQ,), (_M.ICRQ,)),
    AvpRow(_A.CALLING_NUMBER, "Calling Number", Text(), True, True, may=(_M.ICRQ,)),
    AvpRow(_A.SUB_ADDRESS, "Sub-Address", Text(), True, True, may=(_M.OCRQ, _M.ICRQ)),
    AvpRow(_A.TX_CONNECT_SPEED, "(Tx) Connect Speed", _U32, True, True, (_M.OCCN, _M.ICCN)),
    AvpRow(
        _A.PHYSICAL_CHANNEL_ID, "Physical Channel ID", _U32, False, True, may=(_M.OCRP, _M.ICRQ)
    ),
    AvpRow(
        _A.INITIAL_RECEIVED_CONFREQ,
        "Initial Received LCP CONFREQ",
        Octets(),
        False,
        True,
        may=(_M.ICCN,),
    ),
    AvpRow(_A.LAST_SENT_CONFREQ, "Last Sent LCP CONFREQ", Octets(), False, True, may=(_M.ICCN,)),
    AvpRow(
        _A.LAST_RECEIVED_CONFREQ, "Last Received LCP CONFREQ", Octets(), False, True, may=(_M.ICCN,)
    ),
    AvpRow(_A.PROXY_AUTHEN_TYPE, "Proxy Authen Type", _U16, False, True, may=(_M.ICCN,)),
    AvpRow(_A.PROXY_AUTHEN_NAME, "Proxy Authen Name", Octets(), False, True, may=(_M.ICCN,)),
    AvpRow(
        _A.PROXY_AUTHEN_CHALLENGE, "Proxy Authen Challenge", Octets(1), False, True, may=(_M.ICCN,)
    ),
    AvpRow(
        _A.PROXY_AUTHEN_ID,
        "Proxy Authen ID",
        Unsigned(2, highest=0xFF),
        False,
        True,
        may=(_M.ICCN,),
    ),
    AvpRow(
        _A.PROXY_AUTHEN_RESPONSE,
        "Proxy Authen Response",
        Octets(),
        False,
        True,
        may=(_M.ICCN,),
        secret=True,
    ),
    AvpRow(_A.CALL_ERRORS, "Call Errors", CallErrorsCodec(), True, True, (_M.WEN,)),
    AvpRow(_A.ACCM, "ACCM", AccmCodec(), True, True, (_M.SLI,)),
    AvpRow(_A.RANDOM_VECTOR, "Random Vector", Octets(), True, False, may=_ALL),
    AvpRow(_A.PRIVATE_GROUP_ID, "Private Group ID", Octets(), False, True, may=(_M.ICCN,)),
    AvpRow(_A.RX_CONNECT_SPEED, "Rx Connect Speed", _U32, False, True, may=(_M.OCCN, _M.ICCN)),
    AvpRow(
        _A.SEQUENCING_REQUIRED, "Sequencing Required", Empty(), True, False, may=(_M.OCCN, _M.ICCN)
    ),
    AvpRow(
        _A.DISCONNECT_CAUSE,
        "PPP Disconnect Cause Code",
        DisconnectCauseCodec(),
        False,
        True,
        may=(_M.CDN,),
    ),
)

AVPS: Final = MappingProxyType({(row.vendor, int(row.attribute)): row for row in ROWS})
"""Rows by (vendor, attribute type)."""

REQUIRED: Final = MappingProxyType(
    {kind: tuple(row.attribute for row in ROWS if kind in row.must) for kind in MessageType}
)
"""AVPs a message must carry (RFC 2661 6.1 to 6.14)."""

SESSION_MESSAGES: Final = frozenset(kind for kind in MessageType if kind >= MessageType.OCRQ)
"""Messages about one call; the others are about the tunnel."""
