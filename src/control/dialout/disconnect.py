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
IPV6CP: Final = 0x8057
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
        "ipv6cp": DisconnectCause(17, IPV6CP),
        "route": DisconnectCause(20, IPCP, AT_PEER),  # an address it may not use
        "resources": DisconnectCause(0),
    }
)
"""By stage of the failure that ends the call (LastFailure.stage)."""

KINDS: Mapping[tuple[str, str], DisconnectCause] = MappingProxyType(
    {
        ("lcp", "silent"): DisconnectCause(6, LCP),  # no LCP packet came
        ("lcp", "looped"): DisconnectCause(7, LCP),
        ("authentication", "timeout"): DisconnectCause(13),
        ("authentication", "method"): DisconnectCause(15, 0, AT_PEER),
        ("ipcp", "rejected"): DisconnectCause(18, IPCP),
        ("ipcp", "address"): DisconnectCause(19, IPCP),
        ("ipv6cp", "rejected"): DisconnectCause(18, IPV6CP),
        ("ipv6cp", "address"): DisconnectCause(19, IPV6CP),
    }
)
"""What goes before CAUSES: by stage and kind."""

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
    return of_failure(failure) if failure is not None else None


def of_failure(failure: LastFailure) -> DisconnectCause | None:
    return KINDS.get((failure.stage, failure.kind)) or CAUSES.get(failure.stage)
