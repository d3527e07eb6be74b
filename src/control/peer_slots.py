"""Which neighbour of its port the sessions toward each peer leave by, and the sessions it has."""

from __future__ import annotations

from control.dataplane import NextHop

Toward = tuple[int, str]
"""Port of the engine, and the peer's address."""


class _Sessions(set[NextHop]):
    """Those toward one peer, which share one key."""

    def __init__(self, toward: Toward) -> None:
        super().__init__()
        self.toward = toward


class PeerSlots:
    def __init__(self) -> None:
        self.slots: dict[Toward, int] = {}
        """What is not in it is slot 0: the port finds out."""
        self._sessions: dict[Toward, _Sessions] = {}
        self._of: dict[NextHop, Toward] = {}

    def came(self, nh: NextHop, toward: Toward) -> None:
        """A session was committed."""
        sessions = self._sessions.get(toward)
        if sessions is None:
            sessions = self._sessions[toward] = _Sessions(toward)
        sessions.add(nh)
        self._of[nh] = sessions.toward

    def left(self, nh: NextHop) -> None:
        """An adjacency was deleted, of a session or another."""
        toward = self._of.pop(nh, None)
        if toward is not None:
            self._sessions[toward].discard(nh)
            if not self._sessions[toward]:
                del self._sessions[toward]

    def sessions(self, toward: Toward) -> list[NextHop]:
        return list(self._sessions.get(toward, ()))
