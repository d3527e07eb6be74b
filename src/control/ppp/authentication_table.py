"""The two roles of an authentication as tables.

RFC 1994 2 and 4, RFC 1334 2. The *authenticator* wants proof, the *claimant* gives it; the RFCs
call the claimant "peer", which here is always the other end. Actions are authentication.py's.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from control.fsm import ILLEGAL, Row, Table, cells


class Authenticating(Enum):
    """States of the authenticator."""

    IDLE = "LCP is not open, or no demand"
    WAITING = "for the claimant's answer"
    CHECKING = "the owner decides"
    ACCEPTED = "the claimant has proved itself"
    RENEWING = "accepted, and challenged again"
    RECHECKING = "accepted, and the owner decides again"
    REFUSED = "it has not"


class Judging(Enum):
    """Events of the authenticator."""

    START = "LCP is open"
    STOP = "LCP is down"
    ANSWER = "name and proof arrived"
    ACCEPT = "the owner's yes"
    REFUSE = "the owner's no"
    UNKNOWN = "the owner cannot tell"
    TIMEOUT = "no answer to the last Challenge, or it is time for a new one"
    GIVE_UP = "no answer to the last of all Challenges"


class Judgement(Enum):
    """Actions of the authenticator."""

    CHALLENGE = "send a new Challenge"
    ASK = "ask the owner"
    RESULT = "send Success or Failure"
    GRANT = "tell the owner"
    KEEP = "set the time of the next Challenge"
    FAIL = "end the link"


_A, _J, _JA = Authenticating, Judging, Judgement

AUTHENTICATOR: Final = Table(
    "ppp-authenticator",
    Authenticating,
    Judging,
    cells(
        _A.IDLE,
        [
            (_J.START, Row(_A.WAITING, (_JA.CHALLENGE,))),
            (_J.STOP, Row(_A.IDLE)),
            (_J.ANSWER, Row(_A.IDLE)),
            (_J.ACCEPT, Row(_A.IDLE)),
            (_J.REFUSE, Row(_A.IDLE)),
            (_J.UNKNOWN, Row(_A.IDLE)),
            (_J.TIMEOUT, ILLEGAL),
            (_J.GIVE_UP, ILLEGAL),
        ],
    )
    | cells(
        _A.WAITING,
        [
            (_J.START, ILLEGAL),
            (_J.STOP, Row(_A.IDLE)),
            (_J.ANSWER, Row(_A.CHECKING, (_JA.ASK,))),
            (_J.ACCEPT, Row(_A.WAITING)),
            (_J.REFUSE, Row(_A.WAITING)),
            (_J.UNKNOWN, Row(_A.WAITING)),
            (_J.TIMEOUT, Row(_A.WAITING, (_JA.CHALLENGE,))),
            (_J.GIVE_UP, Row(_A.REFUSED, (_JA.FAIL,))),
        ],
    )
    | cells(
        _A.CHECKING,
        [
            (_J.START, ILLEGAL),
            (_J.STOP, Row(_A.IDLE)),
            (_J.ANSWER, Row(_A.CHECKING)),
            (_J.ACCEPT, Row(_A.ACCEPTED, (_JA.RESULT, _JA.GRANT, _JA.KEEP))),
            (_J.REFUSE, Row(_A.REFUSED, (_JA.RESULT, _JA.FAIL))),
            (_J.UNKNOWN, Row(_A.REFUSED, (_JA.RESULT, _JA.FAIL))),
            (_J.TIMEOUT, ILLEGAL),
            (_J.GIVE_UP, ILLEGAL),
        ],
    )
    | cells(
        _A.ACCEPTED,
        [
            (_J.START, ILLEGAL),
            (_J.STOP, Row(_A.IDLE)),
            # RFC 1994 4.1, RFC 1334 2.2.1: a repeated answer gets the same code again.
            (_J.ANSWER, Row(_A.ACCEPTED, (_JA.RESULT,))),
            (_J.ACCEPT, Row(_A.ACCEPTED)),
            (_J.REFUSE, Row(_A.ACCEPTED)),
            (_J.UNKNOWN, Row(_A.ACCEPTED)),
            (_J.TIMEOUT, Row(_A.RENEWING, (_JA.CHALLENGE,))),
            (_J.GIVE_UP, ILLEGAL),
        ],
    )
    | cells(
        _A.RENEWING,
        [
            (_J.START, ILLEGAL),
            (_J.STOP, Row(_A.IDLE)),
            (_J.ANSWER, Row(_A.RECHECKING, (_JA.ASK,))),
            (_J.ACCEPT, Row(_A.RENEWING)),
            (_J.REFUSE, Row(_A.RENEWING)),
            (_J.UNKNOWN, Row(_A.RENEWING)),
            (_J.TIMEOUT, Row(_A.RENEWING, (_JA.CHALLENGE,))),
            (_J.GIVE_UP, Row(_A.REFUSED, (_JA.FAIL,))),
        ],
    )
    | cells(
        _A.RECHECKING,
        [
            (_J.START, ILLEGAL),
            (_J.STOP, Row(_A.IDLE)),
            (_J.ANSWER, Row(_A.RECHECKING)),
            (_J.ACCEPT, Row(_A.ACCEPTED, (_JA.RESULT, _JA.KEEP))),
            (_J.REFUSE, Row(_A.REFUSED, (_JA.RESULT, _JA.FAIL))),
            # What the peer has proved stays proved; it is asked again in time.
            (_J.UNKNOWN, Row(_A.ACCEPTED, (_JA.KEEP,))),
            (_J.TIMEOUT, ILLEGAL),
            (_J.GIVE_UP, ILLEGAL),
        ],
    )
    | cells(
        _A.REFUSED,
        [
            (_J.START, ILLEGAL),
            (_J.STOP, Row(_A.IDLE)),
            (_J.ANSWER, Row(_A.REFUSED, (_JA.RESULT,))),
            (_J.ACCEPT, Row(_A.REFUSED)),
            (_J.REFUSE, Row(_A.REFUSED)),
            (_J.UNKNOWN, Row(_A.REFUSED)),
            (_J.TIMEOUT, ILLEGAL),
            (_J.GIVE_UP, ILLEGAL),
        ],
    ),
)


class Claiming(Enum):
    """States of the claimant."""

    IDLE = "LCP is not open, or no demand of the peer"
    WAITING = "for a Challenge"
    CLAIMED = "name and proof are sent"
    ACCEPTED = "the peer has accepted them"
    REFUSED = "it has not"


class Hearing(Enum):
    """Events of the claimant. PAP has no Challenge: its start is one."""

    START = "LCP is open"
    STOP = "LCP is down"
    CHALLENGE = "proof is wanted"
    SUCCESS = "the peer's yes"
    FAILURE = "the peer's no"
    TIMEOUT = "no reply to the last claim"
    GIVE_UP = "no reply to the last of all claims"


class Claim(Enum):
    """Actions of the claimant."""

    PROVE = "send name and proof"
    TELL = "tell the owner"
    FAIL = "end the link"


_C, _H, _CA = Claiming, Hearing, Claim

CLAIMANT: Final = Table(
    "ppp-claimant",
    Claiming,
    Hearing,
    cells(
        _C.IDLE,
        [
            (_H.START, Row(_C.WAITING)),
            (_H.STOP, Row(_C.IDLE)),
            (_H.CHALLENGE, Row(_C.IDLE)),
            (_H.SUCCESS, Row(_C.IDLE)),
            (_H.FAILURE, Row(_C.IDLE)),
            (_H.TIMEOUT, ILLEGAL),
            (_H.GIVE_UP, ILLEGAL),
        ],
    )
    | cells(
        _C.WAITING,
        [
            (_H.START, ILLEGAL),
            (_H.STOP, Row(_C.IDLE)),
            (_H.CHALLENGE, Row(_C.CLAIMED, (_CA.PROVE,))),
            (_H.SUCCESS, Row(_C.WAITING)),
            (_H.FAILURE, Row(_C.WAITING)),
            (_H.TIMEOUT, ILLEGAL),
            (_H.GIVE_UP, ILLEGAL),
        ],
    )
    | cells(
        _C.CLAIMED,
        [
            (_H.START, ILLEGAL),
            (_H.STOP, Row(_C.IDLE)),
            (_H.CHALLENGE, Row(_C.CLAIMED, (_CA.PROVE,))),
            (_H.SUCCESS, Row(_C.ACCEPTED, (_CA.TELL,))),
            (_H.FAILURE, Row(_C.REFUSED, (_CA.FAIL,))),
            (_H.TIMEOUT, Row(_C.CLAIMED, (_CA.PROVE,))),
            (_H.GIVE_UP, Row(_C.REFUSED, (_CA.FAIL,))),
        ],
    )
    | cells(
        _C.ACCEPTED,
        [
            (_H.START, ILLEGAL),
            (_H.STOP, Row(_C.IDLE)),
            # RFC 1994 4.1: the peer may challenge again at any time.
            (_H.CHALLENGE, Row(_C.ACCEPTED, (_CA.PROVE,))),
            (_H.SUCCESS, Row(_C.ACCEPTED)),
            (_H.FAILURE, Row(_C.REFUSED, (_CA.FAIL,))),
            (_H.TIMEOUT, ILLEGAL),
            (_H.GIVE_UP, ILLEGAL),
        ],
    )
    | cells(
        _C.REFUSED,
        [
            (_H.START, ILLEGAL),
            (_H.STOP, Row(_C.IDLE)),
            (_H.CHALLENGE, Row(_C.REFUSED)),
            (_H.SUCCESS, Row(_C.REFUSED)),
            (_H.FAILURE, Row(_C.REFUSED)),
            (_H.TIMEOUT, ILLEGAL),
            (_H.GIVE_UP, ILLEGAL),
        ],
    ),
)
