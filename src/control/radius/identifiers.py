"""Identifiers of pending requests to one server (RFC 2865 3: one octet, so 256 for each source
port). No packet is made or sent here."""

from __future__ import annotations

from typing import Final

from control.radius.codec import RandomSource

_MAXIMUM_SOCKETS: Final = 256
"""65,536 pending requests: one for each session that there can be."""


class IdentifierSpace:
    """Hands out (socket, identifier) at random, none twice while it is pending.

    A socket has one source address. A further one is opened only when the 256 identifiers of each
    before that has the same source are pending.
    """

    def __init__(self, rng: RandomSource) -> None:
        self._rng = rng
        self._free: list[list[int]] = []
        self._sources: list[str] = []

    def take(self, source: str = "") -> tuple[int, int] | None:
        """A free pair, or None when all of all sockets are pending."""
        for socket, free in enumerate(self._free):
            if free and self._sources[socket] == source:
                return socket, self._draw(free)
        if len(self._free) == _MAXIMUM_SOCKETS:
            return None
        self._free.append(list(range(256)))
        self._sources.append(source)
        return len(self._free) - 1, self._draw(self._free[-1])

    def release(self, socket: int, identifier: int) -> None:
        """Makes a taken pair free again."""
        self._free[socket].append(identifier)

    def _draw(self, free: list[int]) -> int:
        at = self._rng.randrange(len(free))
        free[at], free[-1] = free[-1], free[at]
        return free.pop()
