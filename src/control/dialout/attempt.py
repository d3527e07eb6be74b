"""One dial-out attempt: from RADIUS's grant through the LACs it named to the end of the call.

Specification 1.9: candidates by preference, patience, lockout, what a CDN means (2.3). The PPP
part is link_phase.py; which session state follows from an outcome is the manager's business.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from control.dataplane import NextHop, SessionSpec
from control.deadlines import earliest
from control.dialout import failure as failures
from control.dialout.accounting import Governor
from control.dialout.events import CallAnswered, CallFailed
from control.dialout.failure import LastFailure, Verdict
from control.dialout.in_service import CallFacts, InService
from control.dialout.link_owner import OwnName
from control.dialout.link_phase import LinkPhase, PhaseEnd, PhaseOutcome
from control.dialout.placed_call import PlacedCall, place
from control.dialout.services import Services
from control.dialout.session import Session
from control.dialout.terminate_cause import TerminateCause, of_stage
from control.errors import DialoutError
from control.l2tp import events as l2tp
from control.l2tp.avp_value import DisconnectCause
from control.radius.events import DialoutGrant, SessionGrant, TunnelCandidate
from control.unlocked import unlocked

_BY_PEOPLE = TerminateCause.ADMIN_RESET
_LIMITS = {"idle": "idle", "session": "session time is over"}


class Outcome(Enum):
    CANDIDATES_FAILED = "all LACs failed"
    PPP_FAILED = "PPP failed"
    CALL_LOST = "the call closed"
    VERIFIED = "the access routes are in service"
    UNFIT = "the access routes do not fit"
    EXPIRED = "idle or session time is over"


@unlocked
@dataclass(frozen=True, slots=True)
class AttemptEnd:
    """An outcome and, if it is a failure, why."""

    outcome: Outcome
    failure: LastFailure | None = None


class Attempt:
    """Its owner hands in what comes for it and then takes every `next_outcome`."""

    __slots__ = (
        "_call",
        "_candidates",
        "_ended_by",
        "_governor",
        "_grant",
        "_in_service",
        "_last_failure",
        "_outcomes",
        "_phase",
        "_retry",
        "_service",
        "_services",
        "_session",
        "number",
        "raise_backoff",
    )

    def __init__(
        self,
        services: Services,
        session: Session,
        grant: DialoutGrant,
        governor: Governor | None = None,
    ) -> None:
        """`governor`: by which RADIUS may end and change the call."""
        self._services = services
        self._governor = governor
        self._session = session
        self._grant: DialoutGrant | None = grant
        """Until a call is answered: then nobody else is called."""
        self.number = grant.number
        self._candidates: tuple[TunnelCandidate, ...] = ()
        self._call: PlacedCall | None = None
        self._phase: LinkPhase | None = None
        self._outcomes: tuple[AttemptEnd, ...] = ()
        self._retry: float | None = None
        self._last_failure: LastFailure | None = None
        self._in_service: float | None = None
        self._ended_by: LastFailure | None = None
        """What the latest outcome was for."""
        self._service: InService | None = None
        self.raise_backoff = False
        """A LAC said that calling again soon is of no use."""

    # What it shows.

    @property
    def nh(self) -> NextHop | None:
        """The session's adjacency, once there is one."""
        return self._phase.nh if self._phase is not None else None

    @property
    def network_open(self) -> bool:
        """Packets for the destination may be sent over `nh`."""
        return self._phase is not None and self._phase.network_open

    @property
    def in_service_since(self) -> float | None:
        return self._in_service

    @property
    def lac(self) -> str:
        return self._call.lac if self._call is not None else ""

    @property
    def call(self) -> tuple[str, int] | None:
        """Local address and handle of the call under way."""
        return (self._call.local, self._call.handle) if self._call is not None else None

    @property
    def connected(self) -> l2tp.CallConnected | None:
        """The answered call: its tunnel and session ids."""
        return self._phase.call if self._phase is not None else None

    @property
    def spec(self) -> SessionSpec | None:
        """What the data plane puts before packets, once there is a session in it."""
        return self._phase.spec if self._phase is not None else None

    def next_outcome(self) -> AttemptEnd | None:
        if not self._outcomes:
            return None
        first, *rest = self._outcomes
        self._outcomes = tuple(rest)
        return first

    # What comes in.

    def start(self, now: float) -> None:
        if self._grant is not None:
            self._candidates = tuple(self._services.lacs.order(self._grant.candidates, now))
        self._try_next(now)

    def call_requested(self, event: l2tp.CallAsked) -> None:
        """OCRQ goes out."""
        if self._call is not None:
            self._call.requested(self._services, self._session, event.link)

    def call_accepted(self, now: float) -> None:
        """OCRP: the LAC is dialing."""
        if self._call is not None:
            self._call.accepted = True
            self._services.lacs.answered(self._call.lac, now)

    def call_connected(self, event: l2tp.CallConnected, now: float) -> None:
        """OCCN: PPP begins."""
        call, grant = self._call, self._grant
        if call is None or grant is None:
            return
        self._grant, self._candidates = None, ()
        services, session = self._services, self._session
        call.connected(services, session, now)
        services.timeline.add(
            CallAnswered(
                *session.fact(now), call.lac, event.tunnel, event.session, event.connect_speed
            )
        )
        try:
            self._phase = LinkPhase(
                services,
                session,
                OwnName(grant.ppp_username, grant.ppp_password, grant.answer_protocols),
                event,
                now,
                call.early,
                tos=grant.tunnel_tos,
                called_number=self.number,
            )
            call.early = None
        except DialoutError as error:
            self._end(Outcome.PPP_FAILED, LastFailure(now, "resources", str(error), call.lac))
        else:
            self._follow(now)

    def call_closed(self, failure: l2tp.Failure, now: float) -> None:
        call = self._call
        if call is None:
            return
        what = failures.from_l2tp(failure, call.lac, now)
        self._leave_service(of_stage(what.stage), now, failure.disconnect_cause)
        if self._phase is not None:
            self._phase.close(now, "", carrier=False)
            self._phase = None
            self._release_call(what.stage, what, now)
            self._end(Outcome.CALL_LOST, what)
            return
        self._release_call(what.stage, what, now)
        if failures.no_answer(failure, accepted=call.accepted):
            self._services.lacs.lock_out(call.lac, now)
        elif failure.stage == "cdn":
            self._services.lacs.answered(call.lac, now)
        self._candidate_failed(what)
        self._judge(failures.verdict(failure), call.lac)
        self._try_next(now)

    def receive_ppp(self, frame: bytes, now: float) -> None:
        if self._phase is not None:
            self._phase.receive_frame(frame, now)
            self._follow(now)
        elif self._call is not None and self._call.early is not None:
            self._call.early.receive_frame(frame)

    def authenticated(self, request: tuple[str, int], grant: SessionGrant, now: float) -> None:
        if self._phase is not None:
            self._phase.authenticated(request, grant, now)
            self._follow(now)

    def not_authenticated(
        self, request: tuple[str, int], reason: str, now: float, *, answered: bool = True
    ) -> None:
        if self._phase is not None:
            self._last_failure = LastFailure(now, "aaa", reason, self.lac)
            self._phase.not_authenticated(request, now, answered=answered)
            self._follow(now)

    def handle_timer(self, now: float) -> None:
        if self._phase is not None:
            self._phase.handle_timer(now)
            self._follow(now)
        if self._retry is not None and self._retry <= now:
            self._try_next(now)
        limit = self._service.handle_timer(now) if self._service is not None else ""
        if limit:
            self._end(Outcome.EXPIRED, LastFailure(now, limit, _LIMITS[limit], self.lac))

    def get_timer(self) -> float | None:
        phase = self._phase.get_timer() if self._phase is not None else None
        service = self._service.get_timer() if self._service is not None else None
        return earliest(phase, self._retry, service)

    def close(self, now: float, reason: str, cause: DisconnectCause | None = None) -> None:
        """Ends link and call, if there still is one, and forgets everything. The LAC is told
        reason and cause."""
        self._outcomes = ()
        self._retry = None
        ended_by = self._ended_by
        self._leave_service(of_stage(ended_by.stage) if ended_by else _BY_PEOPLE, now, cause)
        if self._phase is not None:
            self._phase.close(now, reason, carrier=self._call is not None)
            self._phase = None
        call = self._call
        if call is not None:
            ended = self._ended_by
            why = f"{ended.stage}: {ended.reason}" if ended is not None else reason
            self._release_call(why, ended, now)
            self._services.endpoints[call.local].close_call(
                call.handle, now, message=reason, disconnect_cause=cause
            )

    # Candidates.

    def _try_next(self, now: float) -> None:
        """Places a call through the next LAC that can take one, or ends the attempt."""
        self._retry = None
        services, target, grant = self._services, self._session.target, self._grant
        waiting: list[str] = []
        for candidate in self._candidates:
            assert grant is not None  # both go when a call is answered
            refusal = target.refusal or services.budget.refusal(target.name, self.number, now)
            if refusal:
                self._last_failure = LastFailure(now, "budget", refusal)
                self._candidates = ()
                break
            if services.budget.next_token((candidate.server_endpoint,), now) != now:
                waiting.append(candidate.server_endpoint)
                continue
            self._candidates = tuple(c for c in self._candidates if c is not candidate)
            last = not self._candidates
            placed = place(services, self._session, grant, candidate, last=last, now=now)
            if isinstance(placed, PlacedCall):
                self._call = placed
                return
            self._candidate_failed(placed)
        self._retry = services.budget.next_token(tuple(waiting), now) if self._candidates else None
        if self._retry is None:
            self._end(
                Outcome.CANDIDATES_FAILED,
                self._last_failure or LastFailure(now, "candidates", "no LAC could be called"),
            )

    def _judge(self, verdict: Verdict, lac: str) -> None:
        if verdict is Verdict.STOP:
            self._candidates = ()
        elif verdict is Verdict.SKIP_LAC:
            self.raise_backoff = True
            self._candidates = tuple(c for c in self._candidates if c.server_endpoint != lac)

    def _candidate_failed(self, failure: LastFailure) -> None:
        self._last_failure = failure
        self._services.timeline.add(CallFailed(*self._session.fact(failure.time), failure))

    def _release_call(self, why: str, failure: LastFailure | None, now: float) -> None:
        call, self._call = self._call, None
        if call is not None:
            call.release(self._services, why, failure, now)

    # PPP.

    def _follow(self, now: float) -> None:
        while self._phase is not None and (end := self._phase.next_outcome()) is not None:
            self._on_phase(end, now)

    def _on_phase(self, end: PhaseEnd, now: float) -> None:
        if end.outcome is PhaseOutcome.VERIFIED:
            if self._in_service is None and self._phase is not None:
                self._in_service = now
                self._enter_service(self._phase, now)
            self._end(Outcome.VERIFIED)
            return
        what = LastFailure(now, end.stage, end.reason, self.lac, kind=end.kind)
        if end.stage == "authentication" and self._last_failure is not None:
            # What RADIUS said is the reason behind what the link reports.
            reason = f"{end.reason}: {self._last_failure.reason}"
            what = replace(what, reason=reason)
        self._end(Outcome.UNFIT if end.outcome is PhaseOutcome.UNFIT else Outcome.PPP_FAILED, what)

    def _enter_service(self, phase: LinkPhase, now: float) -> None:
        services, session, call = self._services, self._session, self._call
        assert call is not None
        candidate = call.candidate
        facts = CallFacts(
            candidate.client_auth_id or services.chassis.name,
            candidate.server_auth_id,
            candidate.assignment_id,
            called_number=self.number,
            multi_session=session.number,
        )
        self._service = InService(services, session, phase, facts, self._governor, now)

    def _leave_service(
        self, cause: TerminateCause, now: float, told: DisconnectCause | None
    ) -> None:
        if self._service is not None:
            self._service.stop(cause, now, told)
            self._service = None

    def _end(self, outcome: Outcome, failure: LastFailure | None = None) -> None:
        self._ended_by = failure
        # A candidate's failure was told already, and an expired call has not failed.
        if failure is not None and outcome not in (Outcome.CANDIDATES_FAILED, Outcome.EXPIRED):
            self._services.timeline.add(CallFailed(*self._session.fact(failure.time), failure))
        self._outcomes += (AttemptEnd(outcome, failure),)
