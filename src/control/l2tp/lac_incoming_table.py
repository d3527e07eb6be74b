"""The LAC's state machine of an incoming call (RFC 2661 7.4.1). The table only: lac_incoming.py
performs the actions.

Beyond the RFC's table: a tunnel that fails, and an LNS whose ICRP does not come. A message about a
call in idle never comes here: tunnel_calls.py finds no call for it, and the RFC's clean-up is
nothing.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from control.fsm import ILLEGAL, Row, Table, cells


class State(Enum):
    IDLE = auto()
    WAIT_TUNNEL = auto()
    WAIT_REPLY = auto()
    ESTABLISHED = auto()


class Event(Enum):
    RING = auto()
    """A line rings, or is ready to be told of."""
    TUNNEL_OPEN = auto()
    INCAPABLE = auto()
    """The tunnel is up; there is no session id left."""
    ICRP_GOOD = auto()
    ICRP_BAD = auto()
    ICRQ = auto()
    ICCN = auto()
    CDN = auto()
    FAULT = auto()
    LOCAL_CLOSE = auto()
    """Line drop, or the owner's wish."""
    PATIENCE_OVER = auto()
    TUNNEL_DOWN = auto()


class Action(Enum):
    SEND_ICRQ = auto()
    SEND_ICCN = auto()
    REPORT_CONNECTED = auto()
    SEND_CDN = auto()
    CLEAN_UP = auto()


_S = State
_E = Event
_A = Action

_HANG_UP: Final = Row(_S.IDLE, (_A.SEND_CDN, _A.CLEAN_UP))
_CLEAN: Final = Row(_S.IDLE, (_A.CLEAN_UP,))
_NOTHING: Final[Row[State, Action]] = Row(_S.IDLE)

LAC_INCOMING: Final = Table[State, Event, Action](
    "LAC incoming call",
    State,
    Event,
    {
        **cells(
            _S.IDLE,
            [
                (_E.RING, Row(_S.WAIT_TUNNEL)),
                (_E.TUNNEL_OPEN, ILLEGAL),
                (_E.INCAPABLE, ILLEGAL),
                (_E.ICRP_GOOD, _NOTHING),
                (_E.ICRP_BAD, _NOTHING),
                (_E.ICRQ, _NOTHING),
                (_E.ICCN, _NOTHING),
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
                (_E.RING, ILLEGAL),
                (_E.TUNNEL_OPEN, Row(_S.WAIT_REPLY, (_A.SEND_ICRQ,))),
                (_E.INCAPABLE, _CLEAN),
                (_E.ICRP_GOOD, ILLEGAL),
                (_E.ICRP_BAD, ILLEGAL),
                (_E.ICRQ, ILLEGAL),
                (_E.ICCN, ILLEGAL),
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
                (_E.RING, ILLEGAL),
                (_E.TUNNEL_OPEN, ILLEGAL),
                (_E.INCAPABLE, ILLEGAL),
                (_E.ICRP_GOOD, Row(_S.ESTABLISHED, (_A.SEND_ICCN, _A.REPORT_CONNECTED))),
                (_E.ICRP_BAD, _HANG_UP),
                (_E.ICRQ, _HANG_UP),
                (_E.ICCN, _CLEAN),
                (_E.CDN, _CLEAN),
                (_E.FAULT, _HANG_UP),
                (_E.LOCAL_CLOSE, _HANG_UP),
                (_E.PATIENCE_OVER, _HANG_UP),
                (_E.TUNNEL_DOWN, _CLEAN),
            ],
        ),
        **cells(
            _S.ESTABLISHED,
            [
                (_E.RING, ILLEGAL),
                (_E.TUNNEL_OPEN, ILLEGAL),
                (_E.INCAPABLE, ILLEGAL),
                (_E.ICRP_GOOD, _HANG_UP),
                (_E.ICRP_BAD, _HANG_UP),
                (_E.ICRQ, _HANG_UP),
                (_E.ICCN, _HANG_UP),
                (_E.CDN, _CLEAN),
                (_E.FAULT, _HANG_UP),
                (_E.LOCAL_CLOSE, _HANG_UP),
                (_E.PATIENCE_OVER, ILLEGAL),
                (_E.TUNNEL_DOWN, _CLEAN),
            ],
        ),
    },
)
