"""Dial-out session: the control entity of one triggered destination (specification 1.4.4)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from control.config import Profile
from control.dataplane import TriggerEvent
from control.dialout.backoff import BackOff
from control.dialout.counters import Counters
from control.dialout.failure import LastFailure
from control.dialout.session_table import SessionEvent, SessionState
from control.radius.events import DialoutGrant

if TYPE_CHECKING:
    from control.dialout.attempt import Attempt
    from control.dialout.target import Target
    from control.dialout.virtual_router import VirtualRouter


@dataclass(slots=True, eq=False)
class Session:
    """One triggered destination of one target."""

    number: int
    """Unique for the life of the manager."""
    target: Target
    destination: str
    counters: Counters
    backoff: BackOff
    profile: Profile
    """Of the present call, or of the latest: a reload does not change it under the call."""
    state: SessionState = SessionState.NONE
    since: float = 0.0
    """When the state was entered."""
    event: SessionEvent | None = None
    """Of the latest step."""
    why: str = ""
    """What the latest step was made for."""
    attempt_id: int = 0
    """The attempt whose events count; 0: none is under way."""
    attempt: Attempt | None = field(default=None, repr=False)
    request: tuple[str, int] | None = None
    """The outstanding RADIUS request: group and number."""
    key: int | None = None
    """The data plane's trigger key, while it knows this destination."""
    trigger: TriggerEvent | None = field(default=None, repr=False)
    """What the present attempt is made for, or the latest was."""
    triggered: float = 0.0
    """When it arrived."""
    asked: float = 0.0
    """When RADIUS was asked whom to call, and when it answered."""
    answered: float = 0.0
    last_failure: LastFailure | None = None
    grant: DialoutGrant | None = field(default=None, repr=False)
    """RADIUS's answer, until the attempt that it starts takes it."""

    @property
    def family(self) -> int:
        return 6 if ":" in self.destination else 4

    @property
    def router(self) -> VirtualRouter:
        return self.target.router

    @property
    def owner(self) -> str:
        """Who owns the access routes in the RIB."""
        return f"session {self.number}"

    def fact(self, now: float) -> tuple[float, str, str, str]:
        """The first fields of every fact about this session."""
        target = self.target
        return now, target.router.config.name, target.prefix, self.destination
