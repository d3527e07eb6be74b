"""Incoming calls: what a LAC brings over a tunnel that it opened, where its section says
`incoming_calls` (RFC 2661 7.4; off otherwise, and then nobody opens a tunnel to us).

PPP, RADIUS, access routes, limits and accounting are those of a dial-out (link_phase.py,
in_service.py). There is no trigger, no target and no budget: the other side pays. What the LAC has
negotiated in our place (proxy AVPs of ICCN) is not used: LCP and authentication start afresh.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import astuple

from control import config
from control.dataplane import NextHop
from control.deadlines import Deadlines
from control.dialout import failure as failures
from control.dialout.disconnect import ADMINISTRATIVE, of_failure
from control.dialout.events import CallFailed, IncomingCallChanged, LineErrorsTold
from control.dialout.failure import LastFailure
from control.dialout.in_service import CallFacts, InService
from control.dialout.incoming_session import (
    IncomingCounters,
    IncomingSession,
    IncomingView,
    view,
)
from control.dialout.lacs import L2TP_PORT
from control.dialout.link_owner import OwnName
from control.dialout.link_phase import LinkPhase, PhaseOutcome
from control.dialout.services import Services
from control.dialout.terminate_cause import of_stage
from control.dialout.virtual_router import VirtualRouter
from control.errors import DialoutError
from control.l2tp import events as l2tp
from control.radius import events as radius

NO_FACILITIES = 4
"""CDN result for a call there is no room for (RFC 2661 4.4.2)."""


class _Governor:
    """By which RADIUS ends and changes an incoming call (accounting.Governor)."""

    __slots__ = ("_end", "_follow", "_session")

    def __init__(self, session: IncomingSession, end: _Done, follow: _Done) -> None:
        self._session = session
        self._end = end
        self._follow = follow

    @property
    def network_open(self) -> bool:
        phase = self._session.phase
        return phase is not None and phase.network_open

    def disconnect(self, now: float) -> None:
        self._end(self._session, now)

    def limits_changed(self, now: float) -> None:
        self._follow(self._session, now)


_Done = Callable[[IncomingSession, float], None]


class IncomingCalls:
    """Takes the events that are about its calls; of each method that is asked to, the answer says
    whether it was."""

    def __init__(
        self, services: Services, routers: Mapping[str, VirtualRouter], config: config.Config
    ) -> None:
        """`routers` by name, as they come and go."""
        self.counters = IncomingCounters()
        self._services = services
        self._routers = routers
        self._numbers = 0
        self._by_call: dict[tuple[str, int], IncomingSession] = {}
        self._timers: Deadlines[IncomingSession] = Deadlines()
        self.configure(config)

    def __len__(self) -> int:
        return len(self._by_call)

    def configure(self, config: config.Config) -> None:
        """For the calls that come from now on."""
        self._profiles = {profile.name: profile for profile in config.profile}
        self._lacs = [lac for lac in config.lac if lac.incoming_calls]

    # Who may come.

    def wanted(self, local: str) -> bool:
        """Whether any LAC may open a tunnel to this address of ours."""
        return any(local in self._locals(lac) for lac in self._lacs)

    def policy(
        self, local: str, host_name: str, peer: l2tp.SocketAddress
    ) -> l2tp.TunnelParameters | None:
        """The tunnel for a LAC of that name and address; None: it may not open one."""
        lac = self._services.lacs.known(peer[0])
        named = lac.host_name in ("", host_name)
        if not (lac.incoming_calls and named and local in self._locals(lac)):
            return None
        return l2tp.TunnelParameters(
            local=(local, L2TP_PORT),
            peer=peer,
            host_name=self._services.chassis.name,
            secret=lac.secret,
            require_tunnel_auth=lac.require_tunnel_auth,
            hide_avps=lac.hide_avps,
            hello_interval=lac.hello_interval,
            receive_window=lac.receive_window,
        )

    # What comes in.

    def on_l2tp(self, local: str, event: l2tp.Event, now: float) -> bool:
        if isinstance(event, l2tp.CallArrived):
            self._arrived(local, event, now)
            return True
        if not self._by_call or not isinstance(
            event, l2tp.CallConnected | l2tp.CallClosed | l2tp.LineErrors
        ):
            return False
        session = self._by_call.get((local, event.call))
        if session is None:
            return False
        match event:
            case l2tp.CallConnected():
                self._connected(session, event, now)
            case l2tp.CallClosed():
                what = failures.from_l2tp(event.failure, session.lac.address, now)
                self._over(session, what, now, closed=event.failure)
            case l2tp.LineErrors():
                counts = astuple(event.errors)
                self._services.timeline.add(LineErrorsTold(*session.fact(now), *counts))
        return True

    def on_radius(self, group: str, event: radius.Event, now: float) -> bool:
        if not self._by_call:  # most routers take none
            return False
        request = (group, event.request)
        found = self._services.requests.find(request)
        if found is None or not isinstance(found[0], IncomingSession):
            return False
        session = found[0]
        self._services.requests.remove(request)
        if session.phase is not None:
            if isinstance(event, radius.SessionGranted):
                session.phase.authenticated(request, event.grant, now)
            else:
                timed_out = isinstance(event, radius.TimedOut)
                session.denied = "no answer from RADIUS" if timed_out else "RADIUS denies"
                session.phase.not_authenticated(request, now, answered=not timed_out)
            self._follow(session, now)
        return True

    def on_ppp(self, nh: NextHop, frame: bytes, now: float) -> bool:
        if not self._by_call:
            return False
        found = self._services.adjacencies.find(nh)
        if found is None or not isinstance(found[0], IncomingSession):
            return False
        if found[0].phase is not None:
            found[0].phase.receive_frame(frame, now)
            self._follow(found[0], now)
        return True

    def handle_timer(self, now: float) -> None:
        while (session := self._timers.pop_due(now)) is not None:
            if session.phase is not None:
                session.phase.handle_timer(now)
            limit = session.service.handle_timer(now) if session.service is not None else ""
            if limit:
                self._over(session, LastFailure(now, limit, limit, session.lac.address), now)
            else:
                self._follow(session, now)

    def get_timer(self) -> float | None:
        return self._timers.next()

    def close(self, number: int, now: float) -> bool:
        """An administrator ends a call. False: there is none of this number."""
        for session in self._by_call.values():
            if session.number == number:
                self._by_people(session, now)
                return True
        return False

    def shutdown(self, now: float) -> None:
        """Ends all calls."""
        for session in list(self._by_call.values()):
            failure = LastFailure(now, "shutdown", "shutting down", session.lac.address)
            self._over(session, failure, now)

    def views(self, now: float) -> list[IncomingView]:
        return [view(session, now) for session in self._by_call.values()]

    # Steps of a call.

    def _arrived(self, local: str, event: l2tp.CallArrived, now: float) -> None:
        self.counters.arrived += 1
        lac = self._services.lacs.known(event.peer[0])
        router = self._routers.get(lac.incoming_router)
        profile = self._profiles.get(lac.incoming_profile)
        endpoint = self._services.endpoints[local]
        problem = "this LAC may not bring calls"
        if lac.incoming_calls and router is not None and profile is not None:
            problem = self._no_room() or self._services.lacs.admit(lac.address, now)
        if problem or router is None or profile is None:
            self.counters.refused += 1
            result = NO_FACILITIES if lac.incoming_calls else failures.ADMINISTRATIVE
            endpoint.close_call(event.call, now, result=result, message=problem)
            return
        self._numbers += 1
        session = IncomingSession(
            self._numbers,
            lac,
            router,
            profile,
            event.request,
            (local, event.call),
            event.peer_host_name,
            self._services.next_attempt(),
        )
        self._by_call[session.call] = session
        self._enter(session, "arrived", now, event.request.calling_number)
        endpoint.accept_call(event.call, now)

    def _connected(self, session: IncomingSession, event: l2tp.CallConnected, now: float) -> None:
        self._enter(session, "connecting", now, "answered")
        try:
            lac = session.lac
            ours = OwnName(lac.incoming_username, lac.incoming_password)
            session.phase = LinkPhase(self._services, session, ours, event, now)
        except DialoutError as error:
            failure = LastFailure(now, "resources", str(error), session.lac.address)
            self._over(session, failure, now)
        else:
            self._follow(session, now)

    def _follow(self, session: IncomingSession, now: float) -> None:
        """Takes what the link has come to, and its next deadline."""
        while session.phase is not None and (end := session.phase.next_outcome()) is not None:
            if end.outcome is PhaseOutcome.VERIFIED:
                if session.service is None:
                    self._enter_service(session, session.phase, now)
                continue
            reason = end.reason
            if end.stage == "authentication" and session.denied:
                reason = f"{reason}: {session.denied}"
            lac = session.lac.address
            self._over(session, LastFailure(now, end.stage, reason, lac, kind=end.kind), now)
        times = [each.get_timer() for each in (session.phase, session.service) if each is not None]
        self._timers.set(session, min((t for t in times if t is not None), default=None))

    def _enter_service(self, session: IncomingSession, phase: LinkPhase, now: float) -> None:
        facts = CallFacts(
            self._services.chassis.name,
            session.peer_host_name,
            called_number=session.request.called_number,
            calling_number=session.request.calling_number,
        )
        self.counters.established += 1
        governor = _Governor(session, self._by_people, self._follow)
        session.service = InService(self._services, session, phase, facts, governor, now)
        self._enter(session, "inService", now, "the access routes are in service")

    def _by_people(self, session: IncomingSession, now: float) -> None:
        failure = LastFailure(now, "reset", "administrator", session.lac.address)
        self._over(session, failure, now)

    def _over(
        self,
        session: IncomingSession,
        failure: LastFailure,
        now: float,
        *,
        closed: l2tp.Failure | None = None,
    ) -> None:
        """Ends a call once. `closed`: how the LAC or the tunnel ended it; None: they do not know
        yet."""
        if self._by_call.pop(session.call, None) is None:
            return
        services, (local, handle) = self._services, session.call
        told = closed.disconnect_cause if closed else of_failure(failure) or ADMINISTRATIVE
        self._timers.set(session, None)
        if session.service is None:
            self.counters.failed += 1
            services.timeline.add(CallFailed(*session.fact(now), failure))
        else:
            self.counters.torn_down += 1
            session.service.stop(of_stage(failure.stage), now, told)
        if session.phase is not None:
            session.phase.close(now, failure.stage, carrier=closed is None)
        session.phase = session.service = None
        services.lacs.release(session.lac.address, now)
        if closed is None:
            services.endpoints[local].close_call(
                handle, now, message=failure.stage, disconnect_cause=told
            )
        self._enter(session, "closed", now, str(failure))

    def _enter(self, session: IncomingSession, state: str, now: float, why: str) -> None:
        session.state, session.since = state, now
        self._services.timeline.add(
            IncomingCallChanged(*session.fact(now), session.lac.address, state, why)
        )

    def _locals(self, lac: config.Lac) -> tuple[str, ...]:
        """Our addresses to which the LAC may come."""
        router = self._routers.get(lac.incoming_router)
        return router.config.local_addresses if router is not None else ()

    def _no_room(self) -> str:
        full = len(self) >= self._services.chassis.max_sessions
        return "as many calls as may be are in service" if full else ""
