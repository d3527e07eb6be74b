"""Which neighbour of its port the sessions toward each peer leave by, and the sessions it has."""

from __future__ import annotations

from control.dataplane import NextHop

Toward = tuple[int, str]
"""Port of the engine, and the peer's address."""


class PeerSlots:
    def __init__(self) -> None:
        self.slots: dict[Toward, int] = {}
        """What is not in it is slot 0: the port finds out."""
        self._sessions: dict[Toward, set[NextHop]] = {}
        self._of: dict[NextHop, Toward] = {}

    def came(self, nh: NextHop, toward: Toward) -> None:
        """A session was committed."""
        self._of[nh] = toward
        self._sessions.setdefault(toward, set()).add(nh)

    def left(self, nh: NextHop) -> None:
        """An adjacency was deleted, of a session or another."""
        toward = self._of.pop(nh, None)
        if toward is not None:
            self._sessions[toward].discard(nh)
            if not self._sessions[toward]:
                del self._sessions[toward]

    def sessions(self, toward: Toward) -> list[NextHop]:
        return list(self._sessions.get(toward, ()))
