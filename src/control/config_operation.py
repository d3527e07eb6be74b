"""The part of the configuration's tree that says who may see and command a running router."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Control:
    """The control socket, by which operators see and command a running router. Root and the user of
    the process may do everything; nobody else anything, unless it is said here.
    """

    socket: str = ""
    """Path of the socket, whose mode is 0660; empty: `/run/dialout/control.sock`, or, of a user who
    may not write there, `/run/user/UID/dialout/control.sock`; `none`: there is none."""
    group: str = ""
    """Group that owns the socket and may connect to it; empty: that of the process."""
    read: tuple[str, ...] = ()
    """Users, and groups as `%group`, who may look."""
    operate: tuple[str, ...] = ()
    """Likewise who may also reset, freeze and drain, and see numbers dialed."""
    admin: tuple[str, ...] = ()
    """Likewise who may also add and remove targets and reload."""
