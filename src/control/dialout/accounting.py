"""Accounting of calls: Start, Interim-Update and Stop of each, On and Off of the LNS (RFC 2866 4,
RFC 2869 2.1).

Dial-out and incoming calls alike: whoever owns a call starts and stops it here. It is also the list
of calls in service, which authorization.py searches. What the records hold is radius/accounting.py;
that they arrive is the RADIUS client's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from control.dataplane import Dataplane, NextHop
from control.deadlines import Deadlines
from control.dialout.terminate_cause import TerminateCause
from control.l2tp.avp_value import DisconnectCause
from control.radius import accounting as records
from control.radius.accounting import SessionFacts, Status, Usage

if TYPE_CHECKING:
    from control.dialout.limits import Limits
    from control.dialout.services import RadiusGroup

LEAST_INTERIM = 60
"""Seconds: an Acct-Interim-Interval below is raised to this (RFC 2869 5.16)."""
_JITTER = 0.1


class Governor(Protocol):
    """What RADIUS may do to a call in service."""

    @property
    def network_open(self) -> bool:
        """Its access routes are in the FIB."""

    def disconnect(self, now: float) -> None:
        """Ends the call, as an administrator would."""

    def limits_changed(self, now: float) -> None:
        """Its limits have other deadlines now."""


class Told(Protocol):
    """What there is to tell of a call, of in_service.InService."""

    def facts(self) -> SessionFacts:
        """Not kept: 65,535 of them would weigh more than what they are made of."""

    def fact(self, name: str) -> object:
        """The field of this name."""


@dataclass(slots=True, eq=False)
class AccountedSession:
    """A call in service."""

    session_id: str
    """Acct-Session-Id."""
    group: str
    """Name of the RADIUS group."""
    told: Told = field(repr=False)
    nh: NextHop
    sources: tuple[str, str] = ("", "")
    """Our addresses toward IPv4 and IPv6 servers."""
    interim: int | None = None
    """Acct-Interim-Interval of the Access-Accept."""
    limits: Limits | None = field(default=None, repr=False)
    """What a CoA-Request may change; None: nothing."""
    governor: Governor | None = field(default=None, repr=False)
    """None: RADIUS cannot end or change it."""
    started: float = 0.0

    @property
    def facts(self) -> SessionFacts:
        """What records tell of it. See Told.facts."""
        return self.told.facts()


class Accounting:
    def __init__(
        self,
        groups: Mapping[str, RadiusGroup],
        dataplane: Dataplane,
        boot: str,
        wall: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        """`boot` names this run of the LNS; `wall`: seconds since 1970, UTC; `random`: 0 to 1."""
        self._groups = groups
        self._dataplane = dataplane
        self._boot = boot
        self._wall = wall
        self._random = random
        self._sessions: dict[str, AccountedSession] = {}
        self._timers: Deadlines[str] = Deadlines()
        self.leaving = False
        """The LNS is being shut down: that is why calls end from now on."""

    def __len__(self) -> int:
        """Calls in service."""
        return len(self._sessions)

    def __iter__(self) -> Iterator[AccountedSession]:
        return iter(self._sessions.values())

    def find(self, session_id: str) -> AccountedSession | None:
        """The call with this Acct-Session-Id."""
        return self._sessions.get(session_id)

    def on(self, now: float) -> None:
        """Accounting-On to every group: calls of an earlier run are over, however that ended."""
        self._tell_all(Status.ON, now)

    def off(self, now: float) -> None:
        """Accounting-Off, behind the Stops of all calls."""
        self._tell_all(Status.OFF, now)

    def start(self, session: AccountedSession, now: float) -> None:
        """The call is in service."""
        session.started = now
        self._sessions[session.session_id] = session
        if self._told(session):
            timestamp = int(self._wall())
            self._send(session, records.start(session.facts, timestamp, session.sources), now)
            self._schedule(session, now)

    def stop(
        self,
        session_id: str,
        cause: TerminateCause,
        now: float,
        told: DisconnectCause | None = None,
    ) -> None:
        """The call is over; its adjacency must still be there. One that never was in service, or
        is over already, is no error. `told`: what a CDN says of PPP."""
        session = self._sessions.pop(session_id, None)
        if session is None:
            return
        self._timers.set(session_id, None)
        if self.leaving and cause is TerminateCause.ADMIN_RESET:
            cause = TerminateCause.ADMIN_REBOOT
        if self._told(session):
            usage, timestamp = self.usage(session, now), int(self._wall())
            what = "" if told is None else str(told)
            request = records.stop(
                session.facts, usage, int(cause), timestamp, session.sources, what
            )
            self._send(session, request, now)

    def change_interim(self, session: AccountedSession, seconds: int, now: float) -> None:
        """A CoA-Request names another Acct-Interim-Interval."""
        session.interim = seconds
        if self._told(session):
            self._schedule(session, now)

    def usage(self, session: AccountedSession, now: float) -> Usage:
        """Octets are those of the inner IP packets."""
        counters = self._dataplane.session_counters(session.nh)
        return Usage(
            seconds=int(now - session.started),
            input_octets=counters.octets_in,
            output_octets=counters.octets_out,
            input_packets=counters.packets_in,
            output_packets=counters.packets_out,
        )

    def handle_timer(self, now: float) -> None:
        """Sends the Interim-Updates that are due."""
        while (session_id := self._timers.pop_due(now)) is not None:
            session = self._sessions[session_id]
            usage, timestamp = self.usage(session, now), int(self._wall())
            request = records.interim(session.facts, usage, timestamp, session.sources)
            self._send(session, request, now)
            self._schedule(session, now)

    def get_timer(self) -> float | None:
        return self._timers.next()

    def _schedule(self, session: AccountedSession, now: float) -> None:
        # What is configured here goes before what the server says (RFC 2869 2.1).
        wanted = self._groups[session.group].config.interim_interval or session.interim or 0
        if not wanted:
            self._timers.set(session.session_id, None)
            return
        share = 1 + _JITTER * (2 * self._random() - 1)  # or all calls report in one second
        due = now + max(wanted, LEAST_INTERIM) * share
        self._timers.set(session.session_id, due)

    def _told(self, session: AccountedSession) -> bool:
        group = self._groups.get(session.group)
        return group is not None and group.config.accounting

    def _send(
        self, session: AccountedSession, request: records.AccountingRequest, now: float
    ) -> None:
        self._groups[session.group].client.account(request, now)

    def _tell_all(self, status: Status, now: float) -> None:
        for group in self._groups.values():
            if group.config.accounting:
                request = records.on_off(status, self._boot, int(self._wall()))
                group.client.account(request, now)
