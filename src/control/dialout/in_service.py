"""A call in service, dial-out or incoming: its limits and its accounting, from verified routes to
the end of the call (specification 1.14)."""

from __future__ import annotations

from dataclasses import dataclass

from control.dialout.accounting import AccountedSession, Governor
from control.dialout.limits import Limits
from control.dialout.link_owner import LinkOwner
from control.dialout.link_phase import LinkPhase
from control.dialout.services import Services
from control.dialout.terminate_cause import TerminateCause
from control.l2tp.avp_value import DisconnectCause
from control.radius.accounting import SessionFacts, TunnelFacts
from control.unlocked import unlocked


@unlocked
@dataclass(frozen=True, slots=True)
class CallFacts:
    """What accounting tells of the call itself."""

    client_auth_id: str = ""
    """Our Host Name toward the LAC."""
    server_auth_id: str = ""
    assignment_id: str = ""
    called_number: str = ""
    calling_number: str = ""
    multi_session: int = 0
    """The same for all calls that belong together; 0: this one stands alone."""


class InService:
    """Its owner ends the call when `handle_timer` names a limit, and calls `stop` before anything
    of the call is taken down."""

    __slots__ = ("_call", "_limits", "_phase", "_services", "_session_id")

    def __init__(
        self,
        services: Services,
        owner: LinkOwner,
        phase: LinkPhase,
        call: CallFacts,
        governor: Governor | None,
        now: float,
    ) -> None:
        """`governor`: for CoA and Disconnect requests; None: there are none for this call."""
        grant = phase.grant
        self._services = services
        self._phase = phase
        self._call = call
        self._session_id = services.acct_session_id(owner)
        self._limits = Limits(owner.profile, grant, phase, services.dataplane, now)
        router = owner.router.config
        session = AccountedSession(
            session_id=self._session_id,
            group=router.radius,
            told=self,
            nh=phase.nh,
            sources=router.sources,
            interim=grant.acct_interim_interval if grant is not None else None,
            limits=self._limits,
            governor=governor,
        )
        services.accounting.start(session, now)

    def handle_timer(self, now: float) -> str:
        """The limit that is reached, `idle` or `session`; empty if none is."""
        return self._limits.handle_timer(now)

    def get_timer(self) -> float | None:
        return self._limits.get_timer()

    def stop(self, cause: TerminateCause, now: float, told: DisconnectCause | None = None) -> None:
        """The call ends, and why; `told`: what a CDN says of PPP, theirs or ours. A second time
        changes nothing."""
        self._services.accounting.stop(self._session_id, cause, now, told)

    def fact(self, name: str) -> object:
        """One of `facts`; those that name a session in RADIUS requests are at hand."""
        if name == "session_id":
            return self._session_id
        if name == "user_name":
            return self._phase.user_name
        if name == "framed_address":
            return self._phase.peer_address
        if name == "nas_port":
            return _nas_port(self._phase)
        if name == "called_number":
            return self._call.called_number
        if name == "calling_number":
            return self._call.calling_number
        return getattr(self.facts(), name)

    def facts(self) -> SessionFacts:
        """What accounting tells of the call: made when it is told, as most calls never are or twice
        in days."""
        call, number = self._call, self._call.multi_session
        multi = f"{self._services.boot}-{number:X}" if number else ""
        return _facts(self._session_id, self._phase, call, multi)


def _nas_port(phase: LinkPhase) -> int:
    return phase.call.tunnel << 16 | phase.call.session


def _facts(
    session_id: str, phase: LinkPhase, call: CallFacts, multi_session_id: str
) -> SessionFacts:
    grant, connected = phase.grant, phase.call
    place = f"{connected.tunnel}.{connected.session}"
    return SessionFacts(
        session_id,
        phase.user_name,
        multi_session_id=multi_session_id,
        authenticated=grant is not None,
        framed_address=phase.peer_address,
        framed_netmask=grant.framed_netmask if grant is not None else "",
        framed_routes=_routes(phase, 4),
        framed_ipv6_addresses=grant.framed_ipv6_addresses if grant is not None else (),
        framed_ipv6_prefixes=grant.framed_ipv6_prefixes if grant is not None else (),
        framed_ipv6_routes=_routes(phase, 6),
        delegated_ipv6_prefixes=grant.delegated_ipv6_prefixes if grant is not None else (),
        framed_interface_id=phase.peer_identifier,
        filter_id=grant.filter_id if grant is not None else "",
        ingress_policy=grant.ingress_policy if grant is not None else "",
        egress_policy=grant.egress_policy if grant is not None else "",
        state_class=grant.state_class if grant is not None else (),
        called_number=call.called_number,
        calling_number=call.calling_number,
        nas_port=_nas_port(phase),
        nas_port_id=f"l2tp {place}",
        tx_speed=connected.connect_speed,
        rx_speed=connected.rx_connect_speed or connected.connect_speed,
        tunnel=TunnelFacts(
            connected.local[0],
            connected.peer[0],
            call.client_auth_id,
            call.server_auth_id,
            call.assignment_id,
            place,
        ),
    )


def _routes(phase: LinkPhase, family: int) -> tuple[str, ...]:
    if phase.grant is None:
        return ()
    if family == 6:
        return tuple(f"{r.prefix} :: {r.metric}" for r in phase.grant.framed_ipv6_routes)
    return tuple(f"{r.prefix} 0.0.0.0 {r.metric}" for r in phase.grant.framed_routes)
