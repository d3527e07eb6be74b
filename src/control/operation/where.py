"""Where the control socket is, if nothing else is said: for the router and for its operators.

Imports nothing that takes time.
"""

from __future__ import annotations

import os
from typing import Final

SYSTEM: Final = "/run/dialout/control.sock"


def of_user(uid: int) -> str:
    return f"/run/user/{uid}/dialout/control.sock"


def to_listen() -> str:
    """Where a router of this user listens."""
    if os.geteuid() == 0 or os.access(os.path.dirname(SYSTEM), os.W_OK):
        return SYSTEM
    return of_user(os.geteuid())


def to_ask() -> str:
    """Where this user finds a router: one of its own, else the system's."""
    own = of_user(os.geteuid())
    return own if os.geteuid() and os.path.exists(own) else SYSTEM
