"""The phases of a PPP link (RFC 1661 3.2) as a table."""

from __future__ import annotations

from enum import Enum
from typing import Final

from control.fsm import ILLEGAL, Row, Table, cells


class Phase(Enum):
    DEAD = "dead"
    ESTABLISH = "establish"
    AUTHENTICATE = "authenticate"
    NETWORK = "network"
    TERMINATE = "terminate"


class Change(Enum):
    """What moves a link from phase to phase."""

    UP = "the line carries packets"
    OPENED = "LCP is open"
    AUTHENTICATED = "both directions, or nothing to do"
    RENEGOTIATE = "LCP left Opened to negotiate again"
    CLOSE = "either end terminates the link"
    DOWN = "the link is finished"


class Work(Enum):
    START_AUTHENTICATION = "start authentication"
    START_NETWORK = "start the NCPs"
    STOP = "stop authentication and the NCPs"


_UP = (Change.UP, ILLEGAL)
_OPENED = (Change.OPENED, ILLEGAL)
_AUTHENTICATED = (Change.AUTHENTICATED, ILLEGAL)
_RENEGOTIATE = (Change.RENEGOTIATE, ILLEGAL)
_STOPPING = (
    (Change.RENEGOTIATE, Row(Phase.ESTABLISH, (Work.STOP,))),
    (Change.CLOSE, Row(Phase.TERMINATE, (Work.STOP,))),
    (Change.DOWN, Row(Phase.DEAD, (Work.STOP,))),
)

PHASES: Final = Table(
    "ppp-phase",
    Phase,
    Change,
    cells(
        Phase.DEAD,
        [
            (Change.UP, Row(Phase.ESTABLISH)),
            _OPENED,
            _AUTHENTICATED,
            _RENEGOTIATE,
            (Change.CLOSE, Row(Phase.DEAD)),
            (Change.DOWN, Row(Phase.DEAD)),
        ],
    )
    | cells(
        Phase.ESTABLISH,
        [
            _UP,
            (Change.OPENED, Row(Phase.AUTHENTICATE, (Work.START_AUTHENTICATION,))),
            _AUTHENTICATED,
            _RENEGOTIATE,
            (Change.CLOSE, Row(Phase.TERMINATE)),
            (Change.DOWN, Row(Phase.DEAD)),
        ],
    )
    | cells(
        Phase.AUTHENTICATE,
        [
            _UP,
            _OPENED,
            (Change.AUTHENTICATED, Row(Phase.NETWORK, (Work.START_NETWORK,))),
            *_STOPPING,
        ],
    )
    | cells(Phase.NETWORK, [_UP, _OPENED, _AUTHENTICATED, *_STOPPING])
    | cells(
        Phase.TERMINATE,
        [
            _UP,
            _OPENED,
            _AUTHENTICATED,
            _RENEGOTIATE,
            (Change.CLOSE, Row(Phase.TERMINATE)),
            (Change.DOWN, Row(Phase.DEAD)),
        ],
    ),
)
