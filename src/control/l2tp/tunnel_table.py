"""The control connection's state machine (RFC 2661 7.2.1), both for the side that opens and the
side that accepts. The table only: tunnel.py tells the events apart and performs the actions.

Beyond the RFC's table: the outcomes of a tie (4.4.3), a fault in a message (4.2, 7.1), a peer that
does not acknowledge (5.8), and closing before the peer has answered.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from control.fsm import ILLEGAL, Row, Table, cells


class State(Enum):
    IDLE = auto()
    """Before opening, and after closing while acknowledgements are still given."""
    WAIT_CTL_REPLY = auto()
    WAIT_CTL_CONN = auto()
    ESTABLISHED = auto()


OPENING: Final = (State.WAIT_CTL_REPLY, State.WAIT_CTL_CONN)
"""States that wait for the peer, and not for ever."""


class Event(Enum):
    LOCAL_OPEN = auto()
    """The first call, or one more, wants the tunnel."""
    SCCRQ_GOOD = auto()
    SCCRQ_BAD = auto()
    TIE_WON = auto()
    """Our SCCRQ crossed the peer's, which is dropped."""
    TIE_LOST = auto()
    """The peer's SCCRQ makes the tunnel; ours is dropped silently."""
    TIE_EQUAL = auto()
    """Both are dropped."""
    TIE_NONE = auto()
    """Nobody sent a tie breaker: two tunnels."""
    SCCRP_GOOD = auto()
    SCCRP_BAD = auto()
    SCCCN_GOOD = auto()
    SCCCN_BAD = auto()
    STOPCCN = auto()
    FAULT = auto()
    """A message that ends the tunnel: undecodable, unknown mandatory AVP or type, out of place."""
    LOCAL_CLOSE = auto()
    PEER_DEAD = auto()


class Action(Enum):
    SEND_SCCRQ = auto()
    SEND_SCCRP = auto()
    SEND_SCCCN = auto()
    SEND_STOPCCN = auto()
    REPORT_OPEN = auto()
    OPEN_WAITING = auto()
    """Tunnel-open to the calls that wait."""
    HAND_OVER = auto()
    """The calls that wait go to the tunnel that won."""
    CLEAN_UP = auto()
    """Close what calls there are, report, keep acknowledging for a full cycle."""
    VANISH = auto()
    """As CLEAN_UP, but the tunnel is gone at once and nothing more is sent."""


_S = State
_E = Event
_A = Action

_REFUSE: Final = Row(_S.IDLE, (_A.SEND_STOPCCN, _A.CLEAN_UP))
_CLEAN: Final = Row(_S.IDLE, (_A.CLEAN_UP,))
_GONE: Final = Row(_S.IDLE, (_A.VANISH,))

TUNNEL: Final = Table[State, Event, Action](
    "control connection",
    State,
    Event,
    {
        **cells(
            _S.IDLE,
            [
                (_E.LOCAL_OPEN, Row(_S.WAIT_CTL_REPLY, (_A.SEND_SCCRQ,))),
                (_E.SCCRQ_GOOD, Row(_S.WAIT_CTL_CONN, (_A.SEND_SCCRP,))),
                (_E.SCCRQ_BAD, _REFUSE),
                (_E.TIE_WON, ILLEGAL),
                (_E.TIE_LOST, ILLEGAL),
                (_E.TIE_EQUAL, ILLEGAL),
                (_E.TIE_NONE, ILLEGAL),
                (_E.SCCRP_GOOD, _REFUSE),
                (_E.SCCRP_BAD, _REFUSE),
                (_E.SCCCN_GOOD, _CLEAN),
                (_E.SCCCN_BAD, _CLEAN),
                (_E.STOPCCN, _CLEAN),
                (_E.FAULT, _CLEAN),
                (_E.LOCAL_CLOSE, _CLEAN),
                (_E.PEER_DEAD, _GONE),
            ],
        ),
        **cells(
            _S.WAIT_CTL_REPLY,
            [
                (_E.LOCAL_OPEN, Row(_S.WAIT_CTL_REPLY)),
                (_E.SCCRQ_GOOD, _REFUSE),
                (_E.SCCRQ_BAD, _REFUSE),
                (_E.TIE_WON, Row(_S.WAIT_CTL_REPLY)),
                (_E.TIE_LOST, Row(_S.IDLE, (_A.HAND_OVER, _A.VANISH))),
                (_E.TIE_EQUAL, _GONE),
                (_E.TIE_NONE, Row(_S.WAIT_CTL_REPLY)),
                (
                    _E.SCCRP_GOOD,
                    Row(_S.ESTABLISHED, (_A.SEND_SCCCN, _A.REPORT_OPEN, _A.OPEN_WAITING)),
                ),
                (_E.SCCRP_BAD, _REFUSE),
                (_E.SCCCN_GOOD, _REFUSE),
                (_E.SCCCN_BAD, _REFUSE),
                (_E.STOPCCN, _CLEAN),
                (_E.FAULT, _REFUSE),
                (_E.LOCAL_CLOSE, _REFUSE),
                (_E.PEER_DEAD, _GONE),
            ],
        ),
        **cells(
            _S.WAIT_CTL_CONN,
            [
                (_E.LOCAL_OPEN, Row(_S.WAIT_CTL_CONN)),
                (_E.SCCRQ_GOOD, _REFUSE),
                (_E.SCCRQ_BAD, _REFUSE),
                (_E.TIE_WON, ILLEGAL),
                (_E.TIE_LOST, ILLEGAL),
                (_E.TIE_EQUAL, ILLEGAL),
                (_E.TIE_NONE, ILLEGAL),
                (_E.SCCRP_GOOD, _REFUSE),
                (_E.SCCRP_BAD, _REFUSE),
                (_E.SCCCN_GOOD, Row(_S.ESTABLISHED, (_A.REPORT_OPEN, _A.OPEN_WAITING))),
                (_E.SCCCN_BAD, _REFUSE),
                (_E.STOPCCN, _CLEAN),
                (_E.FAULT, _REFUSE),
                (_E.LOCAL_CLOSE, _REFUSE),
                (_E.PEER_DEAD, _GONE),
            ],
        ),
        **cells(
            _S.ESTABLISHED,
            [
                (_E.LOCAL_OPEN, Row(_S.ESTABLISHED, (_A.OPEN_WAITING,))),
                (_E.SCCRQ_GOOD, _REFUSE),
                (_E.SCCRQ_BAD, _REFUSE),
                (_E.TIE_WON, ILLEGAL),
                (_E.TIE_LOST, ILLEGAL),
                (_E.TIE_EQUAL, ILLEGAL),
                (_E.TIE_NONE, ILLEGAL),
                (_E.SCCRP_GOOD, _REFUSE),
                (_E.SCCRP_BAD, _REFUSE),
                (_E.SCCCN_GOOD, _REFUSE),
                (_E.SCCCN_BAD, _REFUSE),
                (_E.STOPCCN, _CLEAN),
                (_E.FAULT, _REFUSE),
                (_E.LOCAL_CLOSE, _REFUSE),
                (_E.PEER_DEAD, _GONE),
            ],
        ),
    },
)
