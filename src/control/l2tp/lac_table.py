"""The LAC's state machine of an outgoing call (RFC 2661 7.5.1). The table only: lac_call.py
performs the actions.

The RFC answers a good OCRQ with OCRP in one step. Here the owner of the endpoint decides, so
WAIT_ACCEPT stands between the two.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from control.fsm import ILLEGAL, Row, Table, cells


class State(Enum):
    IDLE = auto()
    WAIT_ACCEPT = auto()
    WAIT_CS_ANSWER = auto()
    ESTABLISHED = auto()


class Event(Enum):
    OCRQ_GOOD = auto()
    OCRQ_BAD = auto()
    OCRP = auto()
    OCCN = auto()
    CDN = auto()
    FAULT = auto()
    LOCAL_ACCEPT = auto()
    """The owner has a channel and dials."""
    BEARER_ANSWER = auto()
    """The called party answered and framing was detected."""
    LOCAL_CLOSE = auto()
    """Bearer failure, line drop, timer, or the owner's wish."""
    TUNNEL_DOWN = auto()


class Action(Enum):
    REPORT_REQUEST = auto()
    SEND_OCRP = auto()
    SEND_OCCN = auto()
    REPORT_CONNECTED = auto()
    SEND_CDN = auto()
    CLEAN_UP = auto()


_S = State
_E = Event
_A = Action

_HANG_UP: Final = Row(_S.IDLE, (_A.SEND_CDN, _A.CLEAN_UP))
_CLEAN: Final = Row(_S.IDLE, (_A.CLEAN_UP,))

LAC_CALL: Final = Table[State, Event, Action](
    "LAC outgoing call",
    State,
    Event,
    {
        **cells(
            _S.IDLE,
            [
                (_E.OCRQ_GOOD, Row(_S.WAIT_ACCEPT, (_A.REPORT_REQUEST,))),
                (_E.OCRQ_BAD, _HANG_UP),
                (_E.OCRP, _HANG_UP),
                (_E.OCCN, _CLEAN),
                (_E.CDN, _CLEAN),
                (_E.FAULT, _CLEAN),
                (_E.LOCAL_ACCEPT, ILLEGAL),
                (_E.BEARER_ANSWER, ILLEGAL),
                (_E.LOCAL_CLOSE, ILLEGAL),
                (_E.TUNNEL_DOWN, ILLEGAL),
            ],
        ),
        **cells(
            _S.WAIT_ACCEPT,
            [
                (_E.OCRQ_GOOD, _HANG_UP),
                (_E.OCRQ_BAD, _HANG_UP),
                (_E.OCRP, _HANG_UP),
                (_E.OCCN, _HANG_UP),
                (_E.CDN, _CLEAN),
                (_E.FAULT, _HANG_UP),
                (_E.LOCAL_ACCEPT, Row(_S.WAIT_CS_ANSWER, (_A.SEND_OCRP,))),
                (_E.BEARER_ANSWER, ILLEGAL),
                (_E.LOCAL_CLOSE, _HANG_UP),
                (_E.TUNNEL_DOWN, _CLEAN),
            ],
        ),
        **cells(
            _S.WAIT_CS_ANSWER,
            [
                (_E.OCRQ_GOOD, _HANG_UP),
                (_E.OCRQ_BAD, _HANG_UP),
                (_E.OCRP, _HANG_UP),
                (_E.OCCN, _HANG_UP),
                (_E.CDN, _CLEAN),
                (_E.FAULT, _HANG_UP),
                (_E.LOCAL_ACCEPT, ILLEGAL),
                (
                    _E.BEARER_ANSWER,
                    Row(_S.ESTABLISHED, (_A.SEND_OCCN, _A.REPORT_CONNECTED)),
                ),
                (_E.LOCAL_CLOSE, _HANG_UP),
                (_E.TUNNEL_DOWN, _CLEAN),
            ],
        ),
        **cells(
            _S.ESTABLISHED,
            [
                (_E.OCRQ_GOOD, _HANG_UP),
                (_E.OCRQ_BAD, _HANG_UP),
                (_E.OCRP, _HANG_UP),
                (_E.OCCN, _HANG_UP),
                (_E.CDN, _CLEAN),
                (_E.FAULT, _HANG_UP),
                (_E.LOCAL_ACCEPT, ILLEGAL),
                (_E.BEARER_ANSWER, ILLEGAL),
                (_E.LOCAL_CLOSE, _HANG_UP),
                (_E.TUNNEL_DOWN, _CLEAN),
            ],
        ),
    },
)
