"""Dial-out target: a virtual router and a prefix; its dial-out route is a glean adjacency.

Specification 1.2 and 1.4.3. A target's state is computed, never stored. A target at its own
max-sessions refuses new destinations only: those it has need no new resource.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from control.config import Profile
from control.config import Target as TargetConfig
from control.dataplane import NextHop
from control.dialout.counters import Counters

if TYPE_CHECKING:
    from control.dialout.chassis import VirtualRouter
    from control.dialout.session import Session


class TargetState(Enum):
    """Values of the MIB."""

    DOWN = 0
    INHIBITED = 1
    IN_SERVICE = 2


@dataclass(slots=True, eq=False)
class Target:
    number: int
    """Unique for the life of the manager."""
    config: TargetConfig
    prefix: str
    """Canonical form of the configured one."""
    profile: Profile
    router: VirtualRouter
    counters: Counters
    glean: NextHop | None = None
    """The dial-out route's adjacency; None: the data plane had no room for it."""
    sessions: dict[str, Session] = field(default_factory=dict, repr=False)
    """By trigger destination."""
    triggers_discarded: int = 0
    """Triggers for which no session could be made."""

    @property
    def full(self) -> bool:
        return len(self.sessions) >= self.config.max_sessions

    @property
    def name(self) -> str:
        """Names the target among those of all virtual routers."""
        return f"{self.router.config.name} {self.prefix}"

    @property
    def owner(self) -> str:
        """Who owns the dial-out route in the RIB."""
        return f"target {self.number}"

    def state(self, queue_full: Callable[[], bool]) -> TargetState:
        """`queue_full` tells whether a trigger could neither start a call nor wait."""
        if self.glean is None:
            return TargetState.DOWN
        if self.full or queue_full():
            return TargetState.INHIBITED
        return TargetState.IN_SERVICE
