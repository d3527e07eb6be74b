"""The LNS's state machine of an outgoing call (RFC 2661 7.5.2). The table only: lns_call.py
performs the actions.

Beyond the RFC's table: a tunnel that fails, patience that ends, and a LAC that did not announce
what the call needs (4.4.3).
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from control.fsm import ILLEGAL, Row, Table, cells


class State(Enum):
    IDLE = auto()
    WAIT_TUNNEL = auto()
    WAIT_REPLY = auto()
    WAIT_CONNECT = auto()
    ESTABLISHED = auto()


class Event(Enum):
    LOCAL_OPEN = auto()
    TUNNEL_OPEN = auto()
    """The tunnel is up and its LAC can place this call."""
    INCAPABLE = auto()
    """The tunnel is up; its LAC did not announce the bearer or framing, or there is no session
    id left."""
    OCRP_GOOD = auto()
    OCRP_BAD = auto()
    OCCN_GOOD = auto()
    OCCN_BAD = auto()
    OCRQ = auto()
    CDN = auto()
    FAULT = auto()
    """Another message for this call that cannot be understood."""
    LOCAL_CLOSE = auto()
    PATIENCE_OVER = auto()
    TUNNEL_DOWN = auto()


class Action(Enum):
    SEND_OCRQ = auto()
    REPORT_ACCEPTED = auto()
    REPORT_CONNECTED = auto()
    SEND_CDN = auto()
    CLEAN_UP = auto()


_S = State
_E = Event
_A = Action

_HANG_UP: Final = Row(_S.IDLE, (_A.SEND_CDN, _A.CLEAN_UP))
_CLEAN: Final = Row(_S.IDLE, (_A.CLEAN_UP,))
_NOTHING: Final[Row[State, Action]] = Row(_S.IDLE)

LNS_CALL: Final = Table[State, Event, Action](
    "LNS outgoing call",
    State,
    Event,
    {
        **cells(
            _S.IDLE,
            [
                (_E.LOCAL_OPEN, Row(_S.WAIT_TUNNEL)),
                (_E.TUNNEL_OPEN, ILLEGAL),
                (_E.INCAPABLE, ILLEGAL),
                (_E.OCRP_GOOD, _NOTHING),
                (_E.OCRP_BAD, _NOTHING),
                (_E.OCCN_GOOD, _NOTHING),
                (_E.OCCN_BAD, _NOTHING),
                (_E.OCRQ, _NOTHING),
                (_E.CDN, _NOTHING),
                (_E.FAULT, _NOTHING),
                (_E.LOCAL_CLOSE, _NOTHING),
                (_E.PATIENCE_OVER, ILLEGAL),
                (_E.TUNNEL_DOWN, ILLEGAL),
            ],
        ),
        # No message can be for a call whose session id has not been sent yet.
        **cells(
            _S.WAIT_TUNNEL,
            [
                (_E.LOCAL_OPEN, ILLEGAL),
                (_E.TUNNEL_OPEN, Row(_S.WAIT_REPLY, (_A.SEND_OCRQ,))),
                (_E.INCAPABLE, _CLEAN),
                (_E.OCRP_GOOD, ILLEGAL),
                (_E.OCRP_BAD, ILLEGAL),
                (_E.OCCN_GOOD, ILLEGAL),
                (_E.OCCN_BAD, ILLEGAL),
                (_E.OCRQ, ILLEGAL),
                (_E.CDN, ILLEGAL),
                (_E.FAULT, ILLEGAL),
                (_E.LOCAL_CLOSE, _CLEAN),
                (_E.PATIENCE_OVER, _CLEAN),
                (_E.TUNNEL_DOWN, _CLEAN),
            ],
        ),
        **cells(
            _S.WAIT_REPLY,
            [
                (_E.LOCAL_OPEN, ILLEGAL),
                (_E.TUNNEL_OPEN, ILLEGAL),
                (_E.INCAPABLE, ILLEGAL),
                (_E.OCRP_GOOD, Row(_S.WAIT_CONNECT, (_A.REPORT_ACCEPTED,))),
                (_E.OCRP_BAD, _HANG_UP),
                (_E.OCCN_GOOD, _HANG_UP),
                (_E.OCCN_BAD, _HANG_UP),
                (_E.OCRQ, _HANG_UP),
                (_E.CDN, _CLEAN),
                (_E.FAULT, _HANG_UP),
                (_E.LOCAL_CLOSE, _HANG_UP),
                (_E.PATIENCE_OVER, _HANG_UP),
                (_E.TUNNEL_DOWN, _CLEAN),
            ],
        ),
        **cells(
            _S.WAIT_CONNECT,
            [
                (_E.LOCAL_OPEN, ILLEGAL),
                (_E.TUNNEL_OPEN, ILLEGAL),
                (_E.INCAPABLE, ILLEGAL),
                (_E.OCRP_GOOD, _HANG_UP),
                (_E.OCRP_BAD, _HANG_UP),
                (_E.OCCN_GOOD, Row(_S.ESTABLISHED, (_A.REPORT_CONNECTED,))),
                (_E.OCCN_BAD, _HANG_UP),
                (_E.OCRQ, _HANG_UP),
                (_E.CDN, _CLEAN),
                (_E.FAULT, _HANG_UP),
                (_E.LOCAL_CLOSE, _HANG_UP),
                (_E.PATIENCE_OVER, ILLEGAL),
                (_E.TUNNEL_DOWN, _CLEAN),
            ],
        ),
        **cells(
            _S.ESTABLISHED,
            [
                (_E.LOCAL_OPEN, ILLEGAL),
                (_E.TUNNEL_OPEN, ILLEGAL),
                (_E.INCAPABLE, ILLEGAL),
                (_E.OCRP_GOOD, _HANG_UP),
                (_E.OCRP_BAD, _HANG_UP),
                (_E.OCCN_GOOD, _HANG_UP),
                (_E.OCCN_BAD, _HANG_UP),
                (_E.OCRQ, _HANG_UP),
                (_E.CDN, _CLEAN),
                (_E.FAULT, _HANG_UP),
                (_E.LOCAL_CLOSE, _HANG_UP),
                (_E.PATIENCE_OVER, ILLEGAL),
                (_E.TUNNEL_DOWN, _CLEAN),
            ],
        ),
    },
)
