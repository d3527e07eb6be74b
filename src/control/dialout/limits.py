"""What a call in service may do: how long it may last, and be idle (RFC 2865 5.27, 5.28;
specification 1.14), at first as the Access-Accept or the profile says, then as a CoA-Request does.
"""

from __future__ import annotations

from typing import Protocol

from control.config import Profile
from control.dataplane import Dataplane, NextHop
from control.radius.dynauth import Changes
from control.radius.events import SessionGrant


class FilteredLink(Protocol):
    """Of link_phase.LinkPhase."""

    nh: NextHop

    def set_filters(self, changes: Changes) -> None:
        """Raises DialoutError for a classifier that there is not; then nothing has changed."""


class Limits:
    """Times out once, with a stage of terminate_cause.CAUSES."""

    __slots__ = ("_begun", "_dataplane", "_expires", "_idle", "_idle_check", "_link")

    def __init__(
        self,
        profile: Profile,
        grant: SessionGrant | None,
        link: FilteredLink,
        dataplane: Dataplane,
        now: float,
    ) -> None:
        idle = grant.idle_timeout if grant is not None else None
        session = grant.session_timeout if grant is not None else None
        self._link = link
        self._dataplane = dataplane
        self._begun = now
        self._idle = profile.idle_timeout if idle is None else idle
        self._idle_check = now + self._idle if self._idle else None
        limit = profile.session_timeout if session is None else session
        self._expires = now + limit if limit else None

    def change(self, changes: Changes, now: float) -> None:
        """All of it, or nothing and DialoutError."""
        if changes.has_filters:
            self._link.set_filters(changes)
        if changes.session_timeout is not None:
            self._expires = now + changes.session_timeout if changes.session_timeout else None
        if changes.idle_timeout is not None:
            self._idle = changes.idle_timeout
            self._idle_check = self._idle_due() if self._idle else None

    def handle_timer(self, now: float) -> str:
        """The stage of the limit that is reached, empty if none is."""
        if self._expires is not None and self._expires <= now:
            self._expires = self._idle_check = None
            return "session"
        if self._idle_check is not None and self._idle_check <= now:
            due = self._idle_due()
            self._idle_check = due if due > now else None
            if self._idle_check is None:
                self._expires = None
                return "idle"
        return ""

    def get_timer(self) -> float | None:
        times = (self._expires, self._idle_check)
        return min((when for when in times if when is not None), default=None)

    def _idle_due(self) -> float:
        seen = self._dataplane.session_counters(self._link.nh).last_activity
        return max(seen, self._begun) + self._idle
