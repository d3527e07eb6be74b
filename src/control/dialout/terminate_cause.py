"""Why a call ended, as accounting tells it: Acct-Terminate-Cause (RFC 2866 5.10).

One row a stage of a failure (specification 1.14); which stage it was, attempt.py and its like know.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum


class TerminateCause(IntEnum):
    USER_REQUEST = 1
    IDLE_TIMEOUT = 4
    SESSION_TIMEOUT = 5
    ADMIN_RESET = 6
    ADMIN_REBOOT = 7
    PORT_ERROR = 8
    NAS_ERROR = 9
    NAS_REQUEST = 10


C = TerminateCause

CAUSES: Mapping[str, TerminateCause] = {
    "peer": C.USER_REQUEST,  # the site ended its link
    "idle": C.IDLE_TIMEOUT,
    "session": C.SESSION_TIMEOUT,
    "reset": C.ADMIN_RESET,  # an administrator, or a Disconnect-Request
    "shutdown": C.ADMIN_REBOOT,
    "resources": C.PORT_ERROR,  # the data plane had no room
    "lcp": C.NAS_ERROR,  # negotiation, or a new one, failed; likewise the four below
    "authentication": C.NAS_ERROR,
    "ipcp": C.NAS_ERROR,
    "ipv6cp": C.NAS_ERROR,
    "route": C.NAS_ERROR,
    "echo": C.NAS_REQUEST,  # the keepalive got no answer
    "cdn": C.NAS_REQUEST,  # the LAC ended the call, or the tunnel went; likewise below
    "stopccn": C.NAS_REQUEST,
    "timeout": C.NAS_REQUEST,
    "tunnel": C.NAS_REQUEST,
    "protocol": C.NAS_REQUEST,
    "capability": C.NAS_REQUEST,
    "local": C.NAS_REQUEST,
}
"""By stage, as in failure.LastFailure; `idle` and `session` are limits, `reset` and `shutdown` are
what people do."""


def of_stage(stage: str) -> TerminateCause:
    """A stage without a row is our own fault."""
    return CAUSES.get(stage, C.NAS_ERROR)
