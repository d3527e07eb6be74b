"""Who may do what: the three roles of operators, and how the kernel's word for who asks leads to
one.

Sans-IO: names of users and groups are looked up by the shell, which also asks the kernel.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Role(IntEnum):
    """Each may do what those before it may."""

    NONE = 0
    READ = 1
    OPERATE = 2
    ADMIN = 3


class Peer(NamedTuple):
    """Who is at the other end of a connection, as the kernel says (SO_PEERCRED)."""

    pid: int
    uid: int
    groups: frozenset[int]
    """The primary one among them."""


class Members(NamedTuple):
    """Users and groups of one role, by number."""

    users: frozenset[int] = frozenset()
    groups: frozenset[int] = frozenset()

    def has(self, peer: Peer) -> bool:
        return peer.uid in self.users or not self.groups.isdisjoint(peer.groups)


class Access(NamedTuple):
    """Who has which role. Root and the user of the process itself are administrators."""

    own_uid: int
    read: Members = Members()
    operate: Members = Members()
    admin: Members = Members()

    def role(self, peer: Peer) -> Role:
        """The highest that is theirs."""
        if peer.uid in (0, self.own_uid) or self.admin.has(peer):
            return Role.ADMIN
        if self.operate.has(peer):
            return Role.OPERATE
        return Role.READ if self.read.has(peer) else Role.NONE
