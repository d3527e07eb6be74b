"""The LNS's state machine of an incoming call (RFC 2661 7.4.2). The table only: lns_incoming.py
performs the actions.

The RFC answers a good ICRQ with ICRP in one step. Here the owner of the endpoint decides, so
WAIT_ACCEPT stands between the two. Beyond the RFC's table: a tunnel that fails, and a LAC whose
ICCN does not come.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from control.fsm import ILLEGAL, Row, Table, cells


class State(Enum):
    IDLE = auto()
    WAIT_ACCEPT = auto()
    WAIT_CONNECT = auto()
    ESTABLISHED = auto()


class Event(Enum):
    ICRQ_GOOD = auto()
    ICRQ_BAD = auto()
    ICRP = auto()
    ICCN_GOOD = auto()
    ICCN_BAD = auto()
    CDN = auto()
    FAULT = auto()
    """Another message for this call that cannot be understood."""
    LOCAL_ACCEPT = auto()
    LOCAL_CLOSE = auto()
    PATIENCE_OVER = auto()
    TUNNEL_DOWN = auto()


class Action(Enum):
    REPORT_ARRIVED = auto()
    SEND_ICRP = auto()
    REPORT_CONNECTED = auto()
    SEND_CDN = auto()
    CLEAN_UP = auto()


_S = State
_E = Event
_A = Action

_HANG_UP: Final = Row(_S.IDLE, (_A.SEND_CDN, _A.CLEAN_UP))
_CLEAN: Final = Row(_S.IDLE, (_A.CLEAN_UP,))

LNS_INCOMING: Final = Table[State, Event, Action](
    "LNS incoming call",
    State,
    Event,
    {
        **cells(
            _S.IDLE,
            [
                (_E.ICRQ_GOOD, Row(_S.WAIT_ACCEPT, (_A.REPORT_ARRIVED,))),
                (_E.ICRQ_BAD, _HANG_UP),
                (_E.ICRP, _HANG_UP),
                (_E.ICCN_GOOD, _CLEAN),
                (_E.ICCN_BAD, _CLEAN),
                (_E.CDN, _CLEAN),
                (_E.FAULT, _CLEAN),
                (_E.LOCAL_ACCEPT, ILLEGAL),
                (_E.LOCAL_CLOSE, ILLEGAL),
                (_E.PATIENCE_OVER, ILLEGAL),
                (_E.TUNNEL_DOWN, ILLEGAL),
            ],
        ),
        **cells(
            _S.WAIT_ACCEPT,
            [
                (_E.ICRQ_GOOD, _HANG_UP),
                (_E.ICRQ_BAD, _HANG_UP),
                (_E.ICRP, _HANG_UP),
                (_E.ICCN_GOOD, _HANG_UP),
                (_E.ICCN_BAD, _HANG_UP),
                (_E.CDN, _CLEAN),
                (_E.FAULT, _HANG_UP),
                (_E.LOCAL_ACCEPT, Row(_S.WAIT_CONNECT, (_A.SEND_ICRP,))),
                (_E.LOCAL_CLOSE, _HANG_UP),
                (_E.PATIENCE_OVER, _HANG_UP),
                (_E.TUNNEL_DOWN, _CLEAN),
            ],
        ),
        **cells(
            _S.WAIT_CONNECT,
            [
                (_E.ICRQ_GOOD, _HANG_UP),
                (_E.ICRQ_BAD, _HANG_UP),
                (_E.ICRP, _HANG_UP),
                (_E.ICCN_GOOD, Row(_S.ESTABLISHED, (_A.REPORT_CONNECTED,))),
                (_E.ICCN_BAD, _HANG_UP),
                (_E.CDN, _CLEAN),
                (_E.FAULT, _HANG_UP),
                (_E.LOCAL_ACCEPT, ILLEGAL),
                (_E.LOCAL_CLOSE, _HANG_UP),
                (_E.PATIENCE_OVER, _HANG_UP),
                (_E.TUNNEL_DOWN, _CLEAN),
            ],
        ),
        **cells(
            _S.ESTABLISHED,
            [
                (_E.ICRQ_GOOD, _HANG_UP),
                (_E.ICRQ_BAD, _HANG_UP),
                (_E.ICRP, _HANG_UP),
                (_E.ICCN_GOOD, _HANG_UP),
                (_E.ICCN_BAD, _HANG_UP),
                (_E.CDN, _CLEAN),
                (_E.FAULT, _HANG_UP),
                (_E.LOCAL_ACCEPT, ILLEGAL),
                (_E.LOCAL_CLOSE, _HANG_UP),
                (_E.PATIENCE_OVER, ILLEGAL),
                (_E.TUNNEL_DOWN, _CLEAN),
            ],
        ),
    },
)
