"""What `show` shows beside the views of control.dialout.snapshot: frozen rows of plain values, from
whose fields the schemas are made.

A list has lines: the columns that fit a terminal. The full views are for one thing looked at
closely, and for programs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class VirtualRouterLine:
    name: str
    table: int
    state: str
    targets: int
    sessions: int
    in_service: int
    """Sessions in service."""
    triggers_missed: int
    frozen: bool


@dataclass(frozen=True, slots=True)
class TargetLine:
    virtual_router: str
    prefix: str
    state: str
    domain: str
    profile: str
    sessions: int
    calls_today: int
    minutes_today: float
    frozen: bool


@dataclass(frozen=True, slots=True)
class SessionLine:
    virtual_router: str
    target: str
    destination: str
    state: str
    age: float
    """Seconds in this state."""
    timer: float | None
    """Seconds left on the state's timer."""
    lac: str
    """Of the call under way; empty: there is none."""
    why: str


@dataclass(frozen=True, slots=True)
class TunnelView:
    local: str
    peer: str
    host_name: str
    """Of the peer."""
    tunnel: int
    """Local id and the peer's."""
    peer_tunnel: int
    state: str
    calls: int
    opened_by_us: bool
    draining: bool
    ended: float | None
    """Seconds since it ended; null: it has not."""
    why: str
    """It ended."""


@dataclass(frozen=True, slots=True)
class RouteView:
    virtual_router: str
    table: int
    prefix: str
    kind: str
    """`access`, `dial-out` or `other`."""
    owner: str
    """Whose it is: `target N` or `session N`."""
    destination: str
    """Of the session; empty for other routes."""
    nh: int
    distance: int
    metric: int
    active: bool
    """It is in the FIB; else it stands behind another one of its prefix."""


@dataclass(frozen=True, slots=True)
class TriggerView:
    """Of one destination, from the first packet until the call is up or given up."""

    virtual_router: str
    target: str
    destination: str
    state: str
    """Of the session."""
    waiting: float
    """Seconds since the packet that the present attempt is made for."""
    buffered: int
    """Packets in the data plane's buffer."""
    source: str
    """Of that packet; likewise the three below."""
    protocol: int
    source_port: int
    destination_port: int


@dataclass(frozen=True, slots=True)
class CallLine:
    """A call, with numbers and names for those who may see them (threat T32)."""

    virtual_router: str
    direction: str
    """`out`: we had it placed; `in`: the LAC brought it."""
    destination: str
    """Of the dial-out session; of a call that came in, its access routes."""
    state: str
    lac: str
    tunnel: int | None
    """Local and the peer's ids, once the call is connected."""
    peer_tunnel: int | None
    call_session: int | None
    peer_session: int | None
    nh: int | None
    connect_speed: int | None
    number: str | None
    """Dialed; null for who may only read."""
    calling_number: str | None
    user: str | None
    """As whom the site of a call that came in has proved itself; null likewise."""


@dataclass(frozen=True, slots=True)
class CountersView:
    """Totals since the start, but for gauges and high waters."""

    time: float
    """Seconds since the start."""
    verdicts: dict[str, int]
    """Packets, by what became of them."""
    drops: dict[str, int]
    """Packets dropped, by reason."""
    data_plane: dict[str, int]
    triggers: dict[str, int]
    dial_out: dict[str, int]
    l2tp: dict[str, int]
    ppp: dict[str, int]
    radius: dict[str, dict[str, int]]
    """By group."""
    accounting: dict[str, dict[str, int]]
    """By group."""
    control: dict[str, int]
    """What the control plane itself had to drop."""


@dataclass(frozen=True, slots=True)
class RadiusView:
    group: str
    address: str
    port: int
    purpose: str
    """`authentication` or `accounting`."""
    dead: bool
    """It did not answer: it is asked last."""
    pending: int
    """Requests of the group that wait for an answer, or records that no server has yet."""


@dataclass(frozen=True, slots=True)
class PortView:
    name: str
    url: str
    side: str
    virtual_router: str
    mtu: int
    rx_packets: int
    rx_octets: int
    tx_packets: int
    tx_octets: int
    tx_refused: int
    """Packets that it would not take."""
    backend: dict[str, int]
    """What its kind counts itself."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be: a condition of control/health.py."""

    severity: str
    """`warning` or `critical`: the router does not do what it is for."""
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class HealthView:
    status: str
    """`ok`, or the worst of the findings."""
    uptime: float
    """Seconds."""
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class TopPort:
    """What a port carried since the start."""

    name: str
    side: str
    rx_packets: int
    rx_octets: int
    tx_packets: int
    tx_octets: int
    tx_refused: int


@dataclass(frozen=True, slots=True)
class TopTarget:
    virtual_router: str
    prefix: str
    state: str
    sessions: int
    triggers: int
    """Totals since it was made, as the two below."""
    calls: int
    established: int


@dataclass(frozen=True, slots=True)
class TopView:
    """What `dialout top` draws; rates are made of two of these."""

    time: float
    """Seconds since the start."""
    name: str
    """Of the chassis."""
    sessions: dict[str, int]
    """By state."""
    max_sessions: int
    targets: int
    tunnels: int
    calls_today: int
    calls_per_day: int
    dial_out: dict[str, int]
    """Totals since the start, as all that follows but for the health."""
    verdicts: dict[str, int]
    drops: dict[str, int]
    """Packets, by those reasons that occurred."""
    ports: tuple[TopPort, ...]
    hottest: tuple[TopTarget, ...]
    """A bounded number of targets: most triggers since the look before first."""
    health: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """What an order came to."""

    changed: int
    """Sessions, calls or targets that it concerned."""
    text: str


@dataclass(frozen=True, slots=True)
class ReloadView:
    applied: bool
    """False: it was only tried."""
    changes: tuple[dict[str, Any], ...]
    lines: tuple[str, ...]
    """The same for people."""


@dataclass(frozen=True, slots=True)
class HelloView:
    name: str
    """Of the chassis."""
    version: str
    pid: int
    role: str
    """Of the client: `none`, `read`, `operate`, `admin`."""
    commands: tuple[str, ...]
    """What it may ask."""


@dataclass(frozen=True, slots=True)
class TracedPacket:
    time: float
    """Seconds since the start."""
    port: str
    """By which it came."""
    link: str
    octets: int
    verdict: str
    reason: str
    """Drop reason, `none` for another verdict."""
    route: str | None
    kind: str
    """Of the adjacency that its route leads to."""
    nh: int
    frame: str
    """As received, hexadecimal; its first 1,920 octets."""
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TracedPath:
    """A way that packets went."""

    port: str
    route: str | None
    kind: str
    verdict: str
    reason: str
    packets: int


@dataclass(frozen=True, slots=True)
class TraceView:
    packets: tuple[TracedPacket, ...]
    paths: tuple[TracedPath, ...]
    """The most frequent first."""


@dataclass(frozen=True, slots=True)
class CaptureView:
    """What came since the last one."""

    header: str
    """What each file begins with, base64 of pcapng blocks; empty but for the first."""
    blocks: str
    """Packets, likewise."""
    packets: int
    seen: int
    """Of all that passed until now, of those that the filter took, and of those missed because
    nobody fetched them in time."""
    taken: int
    missed: int


@dataclass(frozen=True, slots=True)
class Header:
    """One header before the packet."""

    layer: str
    octets: int
    text: str


@dataclass(frozen=True, slots=True)
class Guard:
    """One thing that a call depends on."""

    what: str
    passes: bool
    text: str


@dataclass(frozen=True, slots=True)
class ExplanationView:
    virtual_router: str
    destination: str
    verdict: str
    """`forward`: into a session; `dial`: it would place a call; `wait`: it would be buffered or
    queued; `discard`; `deliver`: to a port or to us; `drop`."""
    text: str
    """Why, in a sentence."""
    route: RouteView | None
    target: str
    """Prefix of the dial-out target; empty if none is concerned."""
    session: SessionLine | None
    headers: tuple[Header, ...]
    """Put before the packet, outermost first."""
    mtu: int | None
    """Largest packet that goes into the session whole, octets."""
    guards: tuple[Guard, ...]
    """What a call for it depends on, in the order in which it is asked."""
