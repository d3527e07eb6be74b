"""The timeline: what the dial-out manager tells the outside, one value a fact.

Read by the demo's timeline, logs and reports. Times are seconds of the clock that drives the
manager. Numbers and destinations are in here and so never become names or labels of metrics
(threat T32); secrets are in none of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from control.dialout.failure import LastFailure
from control.dialout.session_table import SessionState
from control.l2tp.events import SocketAddress
from control.unlocked import unlocked


@unlocked
@dataclass(frozen=True, slots=True)
class SessionFact:
    """What every fact about one session begins with."""

    time: float
    virtual_router: str
    target: str
    """Prefix of the dial-out route."""
    destination: str


@unlocked
@dataclass(frozen=True, slots=True)
class TriggerReceived(SessionFact):
    """A trigger event that made a session or came to one."""

    source: str
    protocol: int
    source_port: int
    destination_port: int


@unlocked
@dataclass(frozen=True, slots=True)
class SessionStateChanged(SessionFact):
    old: SessionState
    new: SessionState
    why: str


@unlocked
@dataclass(frozen=True, slots=True)
class RadiusAsked(SessionFact):
    """An Access-Request went out."""

    group: str
    purpose: str
    """`dial-out` (whom to call) or `session` (is the peer who it says it is)."""


@unlocked
@dataclass(frozen=True, slots=True)
class AnswerUnused(SessionFact):
    """Parts of an Access-Accept that are of no use here."""

    group: str
    what: tuple[str, ...]
    """One sentence each, MOST_UNUSED at the most."""


MOST_UNUSED = 8
"""Sentences told of one answer: it may hold a thousand attributes."""


@unlocked
@dataclass(frozen=True, slots=True)
class CallPlaced(SessionFact):
    number: str
    lac: str


@unlocked
@dataclass(frozen=True, slots=True)
class CallAnswered(SessionFact):
    """OCCN arrived: PPP starts."""

    lac: str
    tunnel: int
    session: int
    connect_speed: int


@unlocked
@dataclass(frozen=True, slots=True)
class CallFailed(SessionFact):
    """One candidate, PPP, the access route or the call itself failed."""

    failure: LastFailure


@unlocked
@dataclass(frozen=True, slots=True)
class LinkProgress(SessionFact):
    """PPP came one step further."""

    stage: str
    """`lcp`, `peer authenticated`, `authenticated to peer`, `ipcp`, `ipv6cp`, `identified`; and
    what a session goes on without: `no ipcp`, `no ipv6cp`, `ipv4 not routed`, `ipv6 not routed`."""
    detail: str


@unlocked
@dataclass(frozen=True, slots=True)
class AccessRouteInstalled(SessionFact):
    """Committed and verified."""

    prefixes: tuple[str, ...]
    nh: int


@unlocked
@dataclass(frozen=True, slots=True)
class AccessRouteRemoved(SessionFact):
    prefixes: tuple[str, ...]


@unlocked
@dataclass(frozen=True, slots=True)
class TriggersFlushed(SessionFact):
    packets: int


@unlocked
@dataclass(frozen=True, slots=True)
class TriggersDropped(SessionFact):
    """Buffered triggers that were not forwarded."""

    packets: int


@unlocked
@dataclass(frozen=True, slots=True)
class IncomingCallChanged(SessionFact):
    """A call that a LAC brings came one state further; its destination is `incoming` and its
    number."""

    lac: str
    state: str
    """`arrived`, `connecting`, `inService`, `closed`."""
    why: str


@dataclass(frozen=True, slots=True)
class LineErrorsTold(SessionFact):
    """What a LAC counted on the line, since the call began (RFC 2661 6.13)."""

    crc: int
    framing: int
    hardware_overruns: int
    buffer_overruns: int
    timeouts: int
    alignment: int


@dataclass(frozen=True, slots=True)
class TunnelUp:
    time: float
    peer: SocketAddress
    tunnel: int
    peer_tunnel: int
    host_name: str


@unlocked
@dataclass(frozen=True, slots=True)
class TunnelDown:
    time: float
    lac: str
    tunnel: int
    why: str


@unlocked
@dataclass(frozen=True, slots=True)
class TargetStateChanged:
    """A target's state: `down`, `inhibited`, `inService` (specification 1.4.3), or `removed`."""

    time: float
    virtual_router: str
    target: str
    state: str
    why: str


@dataclass(frozen=True, slots=True)
class VirtualRouterStateChanged:
    """Names of states as the MIB writes them (specification 1.4.2)."""

    time: float
    virtual_router: str
    old: str
    new: str
    why: str


@dataclass(frozen=True, slots=True)
class ChassisStateChanged:
    """Names of states as the MIB writes them (specification 1.4.1)."""

    time: float
    old: str
    new: str
    why: str


@dataclass(frozen=True, slots=True)
class PendingQueueChanged:
    """While it is full all targets are inhibited (specification 1.5)."""

    time: float
    full: bool
    pending: int


@dataclass(frozen=True, slots=True)
class FreezeChanged:
    """An administrator stopped new calls, or allows them again."""

    time: float
    scope: str
    """`chassis`, the name of a virtual router, or a virtual router and a prefix."""
    on: bool


@dataclass(frozen=True, slots=True)
class BudgetAlarm:
    """A share of a day's budget is used: told once a day each."""

    time: float
    scope: str
    """`all`, or a virtual router and a prefix."""
    what: str
    """`calls` or `minutes`."""
    share: int
    """Percent: 50, 80 or 100."""
    used: int
    limit: int


@dataclass(frozen=True, slots=True)
class BudgetStoreChanged:
    """While the store does not work no call is placed."""

    time: float
    works: bool
    why: str


@dataclass(frozen=True, slots=True)
class SettingWarned:
    """The configuration allows something dangerous: told at each start."""

    time: float
    text: str


@dataclass(frozen=True, slots=True)
class AuthorizationAsked:
    """A genuine CoA or Disconnect request of RADIUS (RFC 5176)."""

    time: float
    group: str
    what: str
    """`change` or `disconnect`."""
    result: str
    """`done`, or the Error-Cause."""


@dataclass(frozen=True, slots=True)
class LacStateChanged:
    """A LAC went in or out of lockout (lac_state.py), or an administrator drains it."""

    time: float
    lac: str
    state: str
    why: str


@dataclass(frozen=True, slots=True)
class KernelTold:
    """Something of the kernel's routing that somebody should know."""

    time: float
    text: str


RouterFact = (
    VirtualRouterStateChanged
    | ChassisStateChanged
    | PendingQueueChanged
    | FreezeChanged
    | BudgetAlarm
    | BudgetStoreChanged
    | SettingWarned
    | AuthorizationAsked
    | LacStateChanged
    | KernelTold
)
"""What concerns more than one call."""

Event = (
    TriggerReceived
    | SessionStateChanged
    | RadiusAsked
    | AnswerUnused
    | CallPlaced
    | CallAnswered
    | CallFailed
    | LinkProgress
    | AccessRouteInstalled
    | AccessRouteRemoved
    | TriggersFlushed
    | TriggersDropped
    | IncomingCallChanged
    | LineErrorsTold
    | TunnelUp
    | TunnelDown
    | TargetStateChanged
    | RouterFact
)
