"""Dead tunnels and calls, kept for a while so that somebody can see how they ended (the destruct
timeout of the specification, 1.14). Bounded in time and in number."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from control.l2tp.config import DeadCall, DeadTunnel
from control.l2tp.events import Failure

if TYPE_CHECKING:
    from control.l2tp.call import Call
    from control.l2tp.tunnel import Tunnel

MOST_DEAD: Final = 1024
"""Of each kind; the oldest go first. 0.5 MB for both."""


class Graveyard:
    __slots__ = ("_calls", "_timeout", "_tunnels")

    def __init__(self, timeout: float) -> None:
        """`timeout`: seconds for which the dead are kept."""
        self._timeout = timeout
        self._tunnels: deque[DeadTunnel] = deque(maxlen=MOST_DEAD)
        self._calls: deque[DeadCall] = deque(maxlen=MOST_DEAD)

    def bury_tunnel(self, tunnel: Tunnel, failure: Failure, now: float) -> None:
        _expire(self._tunnels, now - self._timeout)
        self._tunnels.append(DeadTunnel(tunnel.info(), failure, now))

    def bury_call(self, call: Call, failure: Failure, now: float) -> None:
        """Before the call is taken from its tunnel."""
        _expire(self._calls, now - self._timeout)
        self._calls.append(DeadCall(call.info(), call.carrier.peer, failure, now))

    def tunnels(self, now: float) -> list[DeadTunnel]:
        """Oldest first."""
        _expire(self._tunnels, now - self._timeout)
        return list(self._tunnels)

    def calls(self, now: float) -> list[DeadCall]:
        """Oldest first."""
        _expire(self._calls, now - self._timeout)
        return list(self._calls)


def _expire(dead: deque[DeadTunnel] | deque[DeadCall], before: float) -> None:
    while dead and dead[0].ended <= before:
        dead.popleft()
