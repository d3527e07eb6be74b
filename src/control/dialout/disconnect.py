"""What a CDN of ours says of PPP: PPP Disconnect Cause Codes (RFC 3145 3), one row a reason.

The L2TP result of every such CDN is 3, administrative: the line itself is well.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from control.dialout.failure import LastFailure
from control.dialout.session_table import SessionEvent
from control.l2tp.avp_value import DisconnectCause

LCP: Final = 0xC021
IPCP: Final = 0x8021
AT_PEER: Final = 1
AT_US: Final = 2

ADMINISTRATIVE: Final = DisconnectCause(1)

CAUSES: Mapping[str, DisconnectCause] = MappingProxyType(
    {
        "peer": DisconnectCause(3, LCP, AT_PEER),  # it sent Terminate-Request
        "local": DisconnectCause(3, LCP, AT_US),
        "idle": DisconnectCause(3, LCP, AT_US),
        "session": DisconnectCause(3, LCP, AT_US),  # its time is over
        "lcp": DisconnectCause(5, LCP),  # did not converge
        "echo": DisconnectCause(8, LCP, AT_PEER),  # keepalive
        "authentication": DisconnectCause(16, 0, AT_PEER),
        "aaa": DisconnectCause(16, 0, AT_PEER),  # RADIUS says no, or nothing
        "ipcp": DisconnectCause(17, IPCP),  # did not converge
        "route": DisconnectCause(20, IPCP, AT_PEER),  # an address it may not use
        "resources": DisconnectCause(0),
    }
)
"""By stage of the failure that ends the call (LastFailure.stage)."""

ORDERS: Mapping[SessionEvent, DisconnectCause] = MappingProxyType(
    {
        SessionEvent.RESET: ADMINISTRATIVE,
        SessionEvent.DELETE: ADMINISTRATIVE,
        SessionEvent.CONNECTING_TIMER: DisconnectCause(0),
    }
)
"""Events that end a call whatever the latest failure was."""


def cause_of(event: SessionEvent | None, failure: LastFailure | None) -> DisconnectCause | None:
    """Why a session's call is closed; None: nothing is known."""
    if event is not None and event in ORDERS:
        return ORDERS[event]
    return CAUSES.get(failure.stage) if failure is not None else None
