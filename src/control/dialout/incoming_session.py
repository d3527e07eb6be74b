"""One call that a LAC brings: what is kept of it, and what of it is shown. incoming.py moves it."""

from __future__ import annotations

from dataclasses import dataclass

from control import config
from control.dataplane import NextHop
from control.dialout.in_service import InService
from control.dialout.link_phase import LinkPhase
from control.dialout.virtual_router import VirtualRouter
from control.l2tp import events as l2tp


@dataclass(slots=True)
class IncomingCounters:
    arrived: int = 0
    refused: int = 0
    """Answered with CDN at once."""
    established: int = 0
    """Came into service."""
    failed: int = 0
    """Ended before that, refused ones apart."""
    torn_down: int = 0
    """Ended after it."""


@dataclass(frozen=True, slots=True)
class IncomingView:
    """One call, for show."""

    number: int
    virtual_router: str
    lac: str
    called_number: str
    calling_number: str
    state: str
    age: float
    """Seconds in the state."""
    user_name: str
    access_routes: tuple[str, ...]
    tunnel: int | None
    call_session: int | None
    nh: NextHop | None


@dataclass(slots=True, eq=False)
class IncomingSession:
    """One call, from ICRQ to its end: a link's owner (link_owner.py)."""

    number: int
    lac: config.Lac
    router: VirtualRouter
    profile: config.Profile
    request: l2tp.IncomingCall
    call: tuple[str, int]
    """Local address and handle."""
    peer_host_name: str
    attempt_id: int
    state: str = "arrived"
    """`arrived`, `connecting`, `inService`, `closed`."""
    since: float = 0.0
    phase: LinkPhase | None = None
    service: InService | None = None
    denied: str = ""
    """What RADIUS said, if it was no."""

    @property
    def owner(self) -> str:
        return f"incoming {self.number}"

    @property
    def destination(self) -> str:
        return ""

    @property
    def family(self) -> int:
        """Of what has to come up: IPv6 where the profile wants nothing else."""
        return 6 if self.profile.ipv6 and not self.profile.ipv4 else 4

    @property
    def key(self) -> int | None:
        return None

    def fact(self, now: float) -> tuple[float, str, str, str]:
        return now, self.router.config.name, "", self.owner


def view(session: IncomingSession, now: float) -> IncomingView:
    phase = session.phase
    return IncomingView(
        number=session.number,
        virtual_router=session.router.config.name,
        lac=session.lac.address,
        called_number=session.request.called_number,
        calling_number=session.request.calling_number,
        state=session.state,
        age=now - session.since,
        user_name=phase.user_name if phase is not None else "",
        access_routes=session.router.rib.prefixes(session.owner),
        tunnel=phase.call.tunnel if phase is not None else None,
        call_session=phase.call.session if phase is not None else None,
        nh=phase.nh if phase is not None else None,
    )
