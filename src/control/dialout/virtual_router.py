"""Virtual router: a routing table with its targets, its counters and its state.

Specification 1.4.2. What is counted of targets and sessions stays when they are deleted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from control import config
from control.dialout.counters import Counters
from control.dialout.levels import TargetState, VirtualRouterEvent, VirtualRouterState
from control.dialout.session_table import SessionState
from control.rib import Rib

if TYPE_CHECKING:
    from control.dialout.target import Target


def gauges() -> list[int]:
    """Sessions in each state, by the state's value."""
    return [0] * len(SessionState)


@dataclass(slots=True, eq=False)
class VirtualRouter:
    config: config.VirtualRouter
    counters: Counters
    rib: Rib = field(repr=False)
    state: VirtualRouterState = VirtualRouterState.INIT_PENDING
    targets: dict[str, Target] = field(default_factory=dict, repr=False)
    """By canonical prefix."""
    states: list[int] = field(default_factory=gauges)
    target_states: list[int] = field(default_factory=lambda: [0] * len(TargetState))
    """Targets by their own state's value."""
    sessions: int = 0
    sessions_seen: int = 0
    """Most at once."""
    frozen: bool = False
    """No call is placed for its targets."""
    down: bool = False
    """Administratively down."""
    triggers_missed: int = 0
    """Trigger events that came while no trigger was accepted."""
    trigger_route_unknown: int = 0
    """Trigger events whose target is gone."""
    triggers_discarded: int = 0
    """Triggers for which no session could be made, those of deleted targets too."""
    targets_created: int = 0
    targets_removed: int = 0
    targets_up: int = 0
    """Those whose dial-out route is in the data plane."""

    def judge(self, *, ready: bool, hooked: bool, has_radius: bool) -> VirtualRouterEvent:
        """What its facts come to. `ready`: the chassis is in service; `hooked`: the data plane has
        its routing table."""
        if not ready:
            return VirtualRouterEvent.STOPPED
        if not hooked or (self.targets and not self.targets_up):
            return VirtualRouterEvent.HOOK_FAILED
        if self.down:
            return VirtualRouterEvent.DISABLED
        return VirtualRouterEvent.READY if has_radius else VirtualRouterEvent.NO_RADIUS
