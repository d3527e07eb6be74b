"""The option negotiation automaton that LCP and every NCP run (RFC 1661 4), as a table.

Footnotes of the table in the RFC, and what is done here:
[p] passive option: not used; TO- always finishes the layer, a switched circuit needs that.
[r] restart option: not used; a second Open in an open state changes nothing.
[x] crossed connection: only a reply to the outstanding request makes an event (negotiation.py), so
    a duplicate reply never reaches these cells; they are as the RFC has them.

The table sends nothing and holds no timer: negotiation.py performs the actions.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from control.fsm import ILLEGAL, Row, Table, cells


class State(Enum):
    """RFC 1661 4.2; the value is the column number of the RFC's table."""

    INITIAL = 0
    STARTING = 1
    CLOSED = 2
    STOPPED = 3
    CLOSING = 4
    STOPPING = 5
    REQ_SENT = 6
    ACK_RCVD = 7
    ACK_SENT = 8
    OPENED = 9


class Event(Enum):
    """RFC 1661 4.3; the value is the RFC's short name."""

    UP = "Up"
    DOWN = "Down"
    OPEN = "Open"
    CLOSE = "Close"
    TO_PLUS = "TO+"
    TO_MINUS = "TO-"
    RCR_PLUS = "RCR+"
    RCR_MINUS = "RCR-"
    RCA = "RCA"
    RCN = "RCN"
    RTR = "RTR"
    RTA = "RTA"
    RUC = "RUC"
    RXJ_PLUS = "RXJ+"
    RXJ_MINUS = "RXJ-"
    RXR = "RXR"


class Action(Enum):
    """RFC 1661 4.4; the value is the RFC's short name."""

    TLU = "tlu"
    TLD = "tld"
    TLS = "tls"
    TLF = "tlf"
    IRC = "irc"
    ZRC = "zrc"
    SCR = "scr"
    SCA = "sca"
    SCN = "scn"
    STR = "str"
    STA = "sta"
    SCJ = "scj"
    SER = "ser"


# Tuples: a set would hash the state, which Python computes for members of an enum.
TIMED: Final = (State.CLOSING, State.STOPPING, State.REQ_SENT, State.ACK_RCVD, State.ACK_SENT)
"""States in which the restart timer runs: those with TO events."""

NEGOTIATING: Final = (State.REQ_SENT, State.ACK_RCVD, State.ACK_SENT)

_Cell = Row[State, Action] | None


def _go(state: State, *actions: Action) -> Row[State, Action]:
    return Row(state, actions)


def _column(state: State, *column: _Cell) -> dict[tuple[State, Event], _Cell]:
    return cells(state, zip(Event, column, strict=True))


_S, _A = State, Action
_UNAVAILABLE: Final = (ILLEGAL,) * 12
"""TO+ to RXR of a state whose lower layer is down."""

# Each column lists the cells in the order of Event, as the RFC's table reads from top to bottom.
TABLE: Final = Table(
    "ppp-automaton",
    State,
    Event,
    _column(
        _S.INITIAL,
        _go(_S.CLOSED),
        ILLEGAL,
        _go(_S.STARTING, _A.TLS),
        _go(_S.INITIAL),
        *_UNAVAILABLE,
    )
    | _column(
        _S.STARTING,
        _go(_S.REQ_SENT, _A.IRC, _A.SCR),
        ILLEGAL,
        _go(_S.STARTING),
        _go(_S.INITIAL, _A.TLF),
        *_UNAVAILABLE,
    )
    | _column(
        _S.CLOSED,
        ILLEGAL,
        _go(_S.INITIAL),
        _go(_S.REQ_SENT, _A.IRC, _A.SCR),
        _go(_S.CLOSED),
        ILLEGAL,
        ILLEGAL,
        _go(_S.CLOSED, _A.STA),
        _go(_S.CLOSED, _A.STA),
        _go(_S.CLOSED, _A.STA),
        _go(_S.CLOSED, _A.STA),
        _go(_S.CLOSED, _A.STA),
        _go(_S.CLOSED),
        _go(_S.CLOSED, _A.SCJ),
        _go(_S.CLOSED),
        _go(_S.CLOSED, _A.TLF),
        _go(_S.CLOSED),
    )
    | _column(
        _S.STOPPED,
        ILLEGAL,
        _go(_S.STARTING, _A.TLS),
        _go(_S.STOPPED),
        _go(_S.CLOSED),
        ILLEGAL,
        ILLEGAL,
        _go(_S.ACK_SENT, _A.IRC, _A.SCR, _A.SCA),
        _go(_S.REQ_SENT, _A.IRC, _A.SCR, _A.SCN),
        _go(_S.STOPPED, _A.STA),
        _go(_S.STOPPED, _A.STA),
        _go(_S.STOPPED, _A.STA),
        _go(_S.STOPPED),
        _go(_S.STOPPED, _A.SCJ),
        _go(_S.STOPPED),
        _go(_S.STOPPED, _A.TLF),
        _go(_S.STOPPED),
    )
    | _column(
        _S.CLOSING,
        ILLEGAL,
        _go(_S.INITIAL),
        _go(_S.STOPPING),
        _go(_S.CLOSING),
        _go(_S.CLOSING, _A.STR),
        _go(_S.CLOSED, _A.TLF),
        _go(_S.CLOSING),
        _go(_S.CLOSING),
        _go(_S.CLOSING),
        _go(_S.CLOSING),
        _go(_S.CLOSING, _A.STA),
        _go(_S.CLOSED, _A.TLF),
        _go(_S.CLOSING, _A.SCJ),
        _go(_S.CLOSING),
        _go(_S.CLOSED, _A.TLF),
        _go(_S.CLOSING),
    )
    | _column(
        _S.STOPPING,
        ILLEGAL,
        _go(_S.STARTING),
        _go(_S.STOPPING),
        _go(_S.CLOSING),
        _go(_S.STOPPING, _A.STR),
        _go(_S.STOPPED, _A.TLF),
        _go(_S.STOPPING),
        _go(_S.STOPPING),
        _go(_S.STOPPING),
        _go(_S.STOPPING),
        _go(_S.STOPPING, _A.STA),
        _go(_S.STOPPED, _A.TLF),
        _go(_S.STOPPING, _A.SCJ),
        _go(_S.STOPPING),
        _go(_S.STOPPED, _A.TLF),
        _go(_S.STOPPING),
    )
    | _column(
        _S.REQ_SENT,
        ILLEGAL,
        _go(_S.STARTING),
        _go(_S.REQ_SENT),
        _go(_S.CLOSING, _A.IRC, _A.STR),
        _go(_S.REQ_SENT, _A.SCR),
        _go(_S.STOPPED, _A.TLF),
        _go(_S.ACK_SENT, _A.SCA),
        _go(_S.REQ_SENT, _A.SCN),
        _go(_S.ACK_RCVD, _A.IRC),
        _go(_S.REQ_SENT, _A.IRC, _A.SCR),
        _go(_S.REQ_SENT, _A.STA),
        _go(_S.REQ_SENT),
        _go(_S.REQ_SENT, _A.SCJ),
        _go(_S.REQ_SENT),
        _go(_S.STOPPED, _A.TLF),
        _go(_S.REQ_SENT),
    )
    | _column(
        _S.ACK_RCVD,
        ILLEGAL,
        _go(_S.STARTING),
        _go(_S.ACK_RCVD),
        _go(_S.CLOSING, _A.IRC, _A.STR),
        _go(_S.REQ_SENT, _A.SCR),
        _go(_S.STOPPED, _A.TLF),
        _go(_S.OPENED, _A.SCA, _A.TLU),
        _go(_S.ACK_RCVD, _A.SCN),
        _go(_S.REQ_SENT, _A.SCR),
        _go(_S.REQ_SENT, _A.SCR),
        _go(_S.REQ_SENT, _A.STA),
        _go(_S.REQ_SENT),
        _go(_S.ACK_RCVD, _A.SCJ),
        _go(_S.REQ_SENT),
        _go(_S.STOPPED, _A.TLF),
        _go(_S.ACK_RCVD),
    )
    | _column(
        _S.ACK_SENT,
        ILLEGAL,
        _go(_S.STARTING),
        _go(_S.ACK_SENT),
        _go(_S.CLOSING, _A.IRC, _A.STR),
        _go(_S.ACK_SENT, _A.SCR),
        _go(_S.STOPPED, _A.TLF),
        _go(_S.ACK_SENT, _A.SCA),
        _go(_S.REQ_SENT, _A.SCN),
        _go(_S.OPENED, _A.IRC, _A.TLU),
        _go(_S.ACK_SENT, _A.IRC, _A.SCR),
        _go(_S.REQ_SENT, _A.STA),
        _go(_S.ACK_SENT),
        _go(_S.ACK_SENT, _A.SCJ),
        _go(_S.ACK_SENT),
        _go(_S.STOPPED, _A.TLF),
        _go(_S.ACK_SENT),
    )
    | _column(
        _S.OPENED,
        ILLEGAL,
        _go(_S.STARTING, _A.TLD),
        _go(_S.OPENED),
        _go(_S.CLOSING, _A.TLD, _A.IRC, _A.STR),
        ILLEGAL,
        ILLEGAL,
        _go(_S.ACK_SENT, _A.TLD, _A.SCR, _A.SCA),
        _go(_S.REQ_SENT, _A.TLD, _A.SCR, _A.SCN),
        _go(_S.REQ_SENT, _A.TLD, _A.SCR),
        _go(_S.REQ_SENT, _A.TLD, _A.SCR),
        _go(_S.STOPPING, _A.TLD, _A.ZRC, _A.STA),
        _go(_S.REQ_SENT, _A.TLD, _A.SCR),
        _go(_S.OPENED, _A.SCJ),
        _go(_S.OPENED),
        _go(_S.STOPPING, _A.TLD, _A.IRC, _A.STR),
        _go(_S.OPENED, _A.SER),
    ),
)
