"""Timer arithmetic of a dial-out session (specification 1.4.5). Knows no clock."""

from __future__ import annotations

MAXIMUM_FACTOR = 8
"""The inhibited timer grows to this many times the connecting timer (M449)."""
_MAXIMUM_STEP = MAXIMUM_FACTOR.bit_length() - 1


class BackOff:
    """How long a session stays inhibited, postInhibited and dormant. All values in seconds."""

    __slots__ = ("_last", "_post_inhibited", "_step")

    def __init__(self) -> None:
        self._step = 0
        self._last = 0.0
        self._post_inhibited = 0.0

    @property
    def step(self) -> int:
        """Doublings that the next inhibited time has, 0 to 3."""
        return self._step

    def inhibited(self, connecting_timer: float) -> float:
        """Time of a stay in inhibited that begins now; the next one lasts twice as long."""
        self._last = connecting_timer * (1 << self._step)
        self.raise_step()
        return self._last

    def raise_step(self) -> None:
        """The next inhibited time doubles once more, up to the maximum."""
        self._step = min(self._step + 1, _MAXIMUM_STEP)

    def post_inhibited(self, dormant_timer: float) -> float:
        """As long as the inhibited time just used, never longer than the dormant timer."""
        return min(self._last, dormant_timer)

    def leave_post_inhibited(self, spent: float) -> None:
        """Keeps what the dormant time that follows is shortened by."""
        self._post_inhibited = max(spent, 0.0)

    def dormant(self, dormant_timer: float) -> float:
        """Dormant timer minus the time just spent in postInhibited, at least 0."""
        remaining = max(dormant_timer - self._post_inhibited, 0.0)
        self._post_inhibited = 0.0
        return remaining

    def forgive(self) -> None:
        """The next inhibited time is a first one again."""
        self._step = 0
