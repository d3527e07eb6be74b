"""One call asked of one LAC: what it occupies, what it costs, and its record.

Specification 1.9. Everything it took is given back by `release`, whatever happened meanwhile.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from sys import intern

from control.dialout.call_record import CallRecord
from control.dialout.counters import SessionCounter
from control.dialout.early_session import EarlySession
from control.dialout.events import CallPlaced
from control.dialout.failure import LastFailure
from control.dialout.services import Services
from control.dialout.session import Session
from control.dialout.usage import Meter
from control.errors import DialoutError, LocalProtocolError
from control.l2tp import events as l2tp
from control.radius.events import DialoutGrant, TunnelCandidate

SUCCESSOR_TUNNEL_PATIENCE = 7.0
"""Seconds after which SCCRQ is given up while there is another candidate."""
SUCCESSOR_CALL_PATIENCE = 5.0
"""Seconds after which an OCRQ without OCRP is given up while there is another candidate."""


@dataclass(slots=True)
class PlacedCall:
    """`local` and `handle` name the call in its endpoint."""

    local: str
    handle: int
    candidate: TunnelCandidate
    record: CallRecord
    accepted: bool = False
    """OCRP arrived."""
    meter: Meter | None = None
    early: EarlySession | None = None
    """Until OCCN."""

    @property
    def lac(self) -> str:
        return self.candidate.server_endpoint

    def requested(self, services: Services, session: Session, link: l2tp.CallConnected) -> None:
        """OCRQ goes out: PPP may come in one burst with all that the LAC answers."""
        # Without room for it the call fails when it is connected.
        with suppress(DialoutError):
            self.early = EarlySession(services, session, link)

    def connected(self, services: Services, session: Session, now: float) -> None:
        """OCCN: it costs from here on."""
        self.meter = services.budget.connected(session.target.name, now)
        self.record.connected(services.budget.wall(), now)

    def release(
        self, services: Services, why: str, failure: LastFailure | None, now: float
    ) -> None:
        """It is over."""
        if self.early is not None:
            self.early.drop()
            self.early = None
        services.calls.remove((self.local, self.handle))
        services.lacs.release(self.lac, now)
        if self.meter is not None:
            services.budget.disconnected(self.meter, now)
        self.record.end(why, failure, services.budget.wall(), now)
        services.records.add(self.record)
        services.budget.record(self.record)


def place(
    services: Services,
    session: Session,
    grant: DialoutGrant,
    candidate: TunnelCandidate,
    *,
    last: bool,
    now: float,
) -> PlacedCall | LastFailure:
    """Asks a LAC to call, or tells why it could not be asked. `last`: nobody else waits for an
    answer of this one. The budget is charged before anything is sent."""
    lac = candidate.server_endpoint
    router = session.target.router.config
    tunnel = services.lacs.parameters(candidate, router.local_address_toward(lac))
    problem = tunnel if isinstance(tunnel, str) else ""
    if not isinstance(tunnel, str) and tunnel.local[0] not in services.endpoints:
        problem = f"{tunnel.local[0]} is not a local address"
    elif not problem:
        problem = services.lacs.acquire(candidate, now)
    if problem or isinstance(tunnel, str):
        return LastFailure(now, "candidates", problem, lac)
    if not services.budget.take(session.target.name, lac, now):
        services.lacs.release(lac, now)
        return LastFailure(now, "budget", "the budget could not be charged", lac)
    try:
        handle = services.endpoints[tunnel.local[0]].place_call(
            tunnel,
            _outgoing_call(services, session, grant, lac),
            now,
            tunnel_patience=None if last else SUCCESSOR_TUNNEL_PATIENCE,
            call_patience=None if last else SUCCESSOR_CALL_PATIENCE,
        )
    except LocalProtocolError as error:
        services.lacs.release(lac, now)
        return LastFailure(now, "candidates", str(error), lac)
    call = PlacedCall(tunnel.local[0], handle, candidate, _record(services, session, grant, lac))
    services.calls.add((call.local, handle), session)
    session.counters.add(SessionCounter.CALLS_PLACED)
    services.timeline.add(CallPlaced(*session.fact(now), grant.number, lac))
    return call


def _outgoing_call(
    services: Services, session: Session, grant: DialoutGrant, lac: str
) -> l2tp.OutgoingCall:
    profile = session.profile
    minimum = profile.minimum_bps if grant.minimum_bps is None else grant.minimum_bps
    maximum = profile.maximum_bps if grant.maximum_bps is None else grant.maximum_bps
    return l2tp.OutgoingCall(
        called_number=grant.number,
        minimum_bps=minimum,
        maximum_bps=max(minimum, maximum),
        bearer_type=grant.bearer_type,
        ignore_bearer_caps=services.lacs.known(lac).ignore_bearer_caps,
    )


def _record(services: Services, session: Session, grant: DialoutGrant, lac: str) -> CallRecord:
    trigger, router = session.trigger, session.target.router.config
    return CallRecord(
        virtual_router=router.name,
        target=session.target.prefix,
        destination=session.destination,
        source=trigger.source if trigger is not None else "",
        protocol=trigger.protocol if trigger is not None else 0,
        source_port=trigger.source_port if trigger is not None else 0,
        destination_port=trigger.destination_port if trigger is not None else 0,
        radius_group=router.radius,
        radius_result=intern(f"granted, {len(grant.candidates)} LACs"),
        radius_seconds=session.answered - session.asked,
        lac=lac,
        called_number=grant.number,
        placed=services.budget.wall(),
    )
