"""First PPP frames that came before their session: they wait until control has set it up.

A LAC begins PPP behind the message that brings a call up, and a worker does not wait for control
between the two. Without its first frame a link would come up a restart timer later, three seconds.
"""

from __future__ import annotations

from typing import Final

from fastpath.engine import Engine

PATIENCE: Final = 0.5
"""Seconds that a frame may wait."""
MOST: Final = 256
"""Frames that wait at the most; then the oldest is given up."""
RATE: Final = 256
"""Such frames a second, and at once, that a worker hands on: a flood of them is dropped there."""


class EarlyFrames:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: list[tuple[float, bytes]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, packet: bytes, now: float) -> None:
        """As a punt has it."""
        if len(self._waiting) == MOST:
            self._engine.early_frame(self._waiting.pop(0)[1], last=True)
        self._waiting.append((now + PATIENCE, packet))

    def take(self, now: float) -> list[tuple[int, bytes]]:
        """Next hop and frame of those whose session is there. What waited too long is dropped, and
        counted as of an unknown session."""
        found: list[tuple[int, bytes]] = []
        kept = []
        for until, packet in self._waiting:
            frame = self._engine.early_frame(packet, last=until <= now)
            if frame is not None:
                found.append(frame)
            elif until > now:
                kept.append((until, packet))
        self._waiting = kept
        return found
