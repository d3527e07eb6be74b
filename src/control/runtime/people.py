"""Users and groups: their numbers by their names, and who is at the other end of a connection."""

from __future__ import annotations

import grp
import os
import pwd
import socket
import struct
from collections.abc import Sequence
from typing import Final

from control.config import Control
from control.errors import ConfigurationError
from control.operation.roles import Access, Members, Peer

_UCRED: Final = struct.Struct("3i")
_SO_PEERGROUPS: Final = 59
"""Linux 4.13; Python has no name for it."""
_LONGEST: Final = 1024
"""Octets that getsockopt of Python takes: 256 groups."""


def access(settings: Control) -> Access:
    """Who has which role. Raises ConfigurationError for a name that nobody has."""
    roles = {}
    for role in ("read", "operate", "admin"):
        names: Sequence[str] = getattr(settings, role)
        roles[role] = Members(
            frozenset(
                user_number(name, f"control.{role}") for name in names if not name.startswith("%")
            ),
            frozenset(group(role, name[1:]) for name in names if name.startswith("%")),
        )
    return Access(os.geteuid(), roles["read"], roles["operate"], roles["admin"])


def group(key: str, name: str) -> int:
    """The number of a group. Raises ConfigurationError."""
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise ConfigurationError(f"control.{key} {name}: there is no such group") from None


def user_number(name: str, key: str = "--user") -> int:
    """The number of a user. Raises ConfigurationError."""
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise ConfigurationError(f"{key} {name}: there is no such user") from None


def peer(connection: socket.socket) -> Peer:
    """Who connected, as they were then. Raises OSError."""
    octets = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    pid, uid, gid = _UCRED.unpack(octets)
    try:
        found = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _LONGEST)
    except OSError:
        # More groups than there is room for, or an old kernel: the primary one has to do.
        found = b""
    groups = struct.unpack(f"{len(found) // 4}I", found[: len(found) // 4 * 4])
    return Peer(pid, uid, frozenset((gid, *groups)))
