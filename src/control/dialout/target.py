"""Dial-out target: a virtual router and a prefix; its dial-out route is a glean adjacency.

Specification 1.2 and 1.4.3. A target at its own max-sessions refuses new destinations only: those
it has need no new resource.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from control.config import Profile
from control.config import Target as TargetConfig
from control.dataplane import NextHop
from control.dialout.counters import Counters
from control.dialout.levels import TARGET, TargetEvent, TargetState

if TYPE_CHECKING:
    from control.dialout.session import Session
    from control.dialout.virtual_router import VirtualRouter


@dataclass(slots=True, eq=False)
class Target:
    number: int
    """Unique for the life of the manager."""
    config: TargetConfig
    prefix: str
    """Canonical form of the configured one."""
    profile: Profile
    """For calls placed from now on; a session keeps the one it was placed with."""
    router: VirtualRouter
    counters: Counters
    state: TargetState = TargetState.DOWN
    """By its own route and limit; Chassis.target_state adds the pending queue."""
    glean: NextHop | None = None
    """The dial-out route's adjacency; None: the data plane had no room for it."""
    sessions: dict[str, Session] = field(default_factory=dict, repr=False)
    """By trigger destination."""
    sessions_seen: int = 0
    """Most at once."""
    frozen: bool = False
    """No call is placed for it."""
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

    @property
    def refusal(self) -> str:
        """Why no call may be placed for it; empty if one may."""
        return "dialling is frozen" if self.frozen or self.router.frozen else ""

    def step(self, event: TargetEvent) -> TargetState:
        """Returns the state before."""
        old, self.state = self.state, TARGET.step(self.state, event).next
        return old

    def limit_event(self) -> TargetEvent:
        return TargetEvent.LIMIT_REACHED if self.full else TargetEvent.BELOW_LIMIT
