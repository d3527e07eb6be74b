"""The configuration as a typed tree: one dataclass a section, one field a key, its docstring the
manual.

Specification 1.12. Reading and checking a TOML file is config_file.py; nothing here opens one.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Chassis:
    """Limits and timers of the whole router."""

    name: str = "lns"
    """Our Host Name toward LACs and NAS-Identifier toward RADIUS, 1 to 63 characters."""
    max_sessions: int = 65536
    """Dial-out sessions in any state, 1 to 65536."""
    max_connecting: int = 512
    """Sessions authenticating or connecting at once, 1 to 65536."""
    max_pending: int = 4096
    """Sessions that wait for a connecting slot, 0 to 65536."""
    connecting_timer: int = 60
    """Seconds a call may take from RADIUS grant to route, 30 to 3600."""
    dormant_timer: int = 300
    """Seconds a session without a call is kept, 0 to 3600; 0 deletes it at once."""
    fail_fast: bool = True
    """Leave connecting as soon as every LAC has failed, not when the timer ends."""
    flush_delay: int = 100
    """Milliseconds between the route's commit and the flush of buffered triggers, 0 to 1000."""


@dataclass(frozen=True, slots=True)
class VirtualRouter:
    name: str
    table: int = 0
    """Routing table number, 0 to 4095; each virtual router has its own."""
    rd: str = ""
    """MPLS route distinguisher put before the trigger address in User-Name, as `0.0.0.0:65000`."""
    max_buffered_triggers: int = 16
    """Trigger packets held in this virtual router, 0 to 4096; 64 KiB at the most."""
    radius: str = ""
    """Name of the [[radius]] group that is asked whom to call."""
    local_address: str = ""
    """Our IPv4 address of tunnels and toward RADIUS."""


@dataclass(frozen=True, slots=True)
class Target:
    prefix: str
    """IPv4 prefix whose packets are triggers."""
    virtual_router: str
    domain: str
    """Domain of User-Name, 1 to 63 printable ASCII characters."""
    profile: str
    max_sessions: int = 65536
    """Sessions of this target in any state, 1 to 65536."""
    classifier: str = ""
    """Not supported yet: must be absent."""


@dataclass(frozen=True, slots=True)
class Profile:
    """How PPP and the IP interface of a session are built."""

    name: str
    authentication: tuple[str, ...] = ("chap",)
    """What the peer must prove itself with, of `chap` and `pap`, in order; empty: nothing."""
    mru: int = 1460
    """Our Maximum-Receive-Unit and the largest inner packet, octets, 128 to 1500."""
    acfc: bool = False
    pfc: bool = False
    echo_interval: float = 30.0
    """Seconds between LCP Echo-Requests, 0 to 3600; 0: none."""
    echo_failures: int = 3
    """Unanswered Echo-Requests after which the link is dead, 1 to 100."""
    ip_address: str = ""
    """Our address of the PPP link; empty: the virtual router's local_address."""
    accept_peer_address: bool = True
    """Without Framed-IP-Address and Framed-Route, route the address the peer names itself."""
    dns: tuple[str, ...] = ()
    """Up to two DNS servers the peer may ask for (RFC 1877)."""
    idle_timeout: int = 300
    """Seconds without forwarded traffic after which the call is closed; 0: never."""
    session_timeout: int = 86400
    """Seconds after which the call is closed in any case; 0: never."""
    mss_clamp: bool = False
    """Not supported yet: must be false."""
    sequencing: bool = False
    """Put sequence numbers on data messages even when the LAC does not require it."""
    udp_checksum: bool = True
    minimum_bps: int = 64000
    maximum_bps: int = 64000


@dataclass(frozen=True, slots=True)
class Lac:
    """What we know of a LAC beforehand; RADIUS names those that are called."""

    address: str
    host_name: str = ""
    """Host name it must show; empty: as RADIUS says, or any."""
    secret: bytes = field(default=b"", repr=False)
    """Tunnel secret, if RADIUS gives none (secret or secret_file)."""
    require_tunnel_auth: bool = True
    ignore_bearer_caps: bool = False
    """Call it even if it does not announce the bearer in AVP 4."""
    hide_avps: bool = False
    hello_interval: float = 60.0
    max_sessions: int = 65535
    """Calls at once over this LAC, 1 to 65535."""
    lockout: float = 60.0
    """Seconds a LAC is not tried after it did not answer, 0 to 3600."""


@dataclass(frozen=True, slots=True)
class RadiusServer:
    address: str
    port: int = 1812
    secret: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Radius:
    name: str
    servers: tuple[RadiusServer, ...]
    retries: int = 3
    """Transmissions to one server before the next is tried, 1 to 10."""
    timeout: float = 2.0
    """Seconds between two transmissions, 0.1 to 60."""
    require_message_authenticator: bool = True
    password_mode: str = "empty"
    """User-Password of the first request: `empty`, `none` or `configured`."""
    password: bytes = field(default=b"", repr=False)
    """The `configured` one (password or password_file)."""
    accounting: bool = False
    """Not supported yet: must be false."""
    dynamic_authorization: bool = False
    """Not supported yet: must be false."""


@dataclass(frozen=True, slots=True)
class Port:
    name: str
    url: str
    """`pcap:` (what replay reads) or `mem:`."""
    side: str
    """`home` or `tunnel`."""
    virtual_router: str
    networks: tuple[str, ...] = ()
    """Prefixes that are behind a home port: packets to them are delivered there."""
    mtu: int = 1500
    """Largest IP packet that it sends, octets, 576 to 9216."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Safety against runaway cost, on by default (specification 1.5)."""

    calls_per_day: int = 2000
    """All targets together; 0: none at all."""
    target_calls_per_day: int = 200
    target_minutes_per_day: int = 1440
    minutes_per_day: int = 0
    """All targets together; 0: not limited."""
    dial_rate: float = 10.0
    """Calls a second, all LACs together."""
    dial_burst: int = 50
    lac_dial_rate: float = 2.0
    """Calls a second to one LAC; its burst is a fifth of dial_burst, at least 1."""
    allow_numbers: tuple[str, ...] = ()
    """Prefixes of numbers that may be called; empty: all."""
    deny_numbers: tuple[str, ...] = ()
    """Prefixes that may not, checked first."""


@dataclass(frozen=True, slots=True)
class SimLac:
    address: str
    host_name: str = "lac"
    secret: bytes = field(default=b"", repr=False)
    modems: int = 30
    """Calls at once; one more is answered with CDN 4 (no facilities for now)."""
    dial_delay: float = 2.0
    """Seconds from OCRQ to the CPE's answer."""
    outcome: str = "answer"
    """What a call meets: `answer`, `busy`, `no-carrier`, `no-dial-tone`, `no-answer`, `reject`,
    `silent` (OCRQ gets no answer)."""
    outcomes: tuple[tuple[str, str], ...] = ()
    """(Called number, outcome) pairs that come before `outcome`; a number may end in `*`, and
    `reject:RESULT` or `reject:RESULT/ERROR` gives its own codes."""
    result_code: int = 4
    """CDN Result Code of `reject`, 1 to 11."""
    error_code: int = 0
    early_data: bool = False
    """Let the first PPP frames overtake OCCN."""
    new_port: bool = False
    """Answer SCCRQ from another UDP port."""
    sequencing: bool = False
    """Require sequence numbers on data messages (AVP 39)."""
    delay: float = 0.01
    """One-way delay of the line between us and it, seconds."""
    loss: float = 0.0
    """Share of datagrams lost, 0 to 1; the four below likewise."""
    duplicate: float = 0.0
    reorder: float = 0.0
    corrupt: float = 0.0
    jitter: float = 0.0
    """Up to this much is added to the delay, seconds."""


@dataclass(frozen=True, slots=True)
class SimCpe:
    number: str
    """The number it is called at; `*` for every other number."""
    username: str = "cpe"
    """Its name and secret when we demand authentication."""
    password: bytes = field(default=b"", repr=False)
    authentication: tuple[str, ...] = ("chap",)
    """What it demands of us; empty: nothing."""
    peer_username: str = ""
    peer_password: bytes = field(default=b"", repr=False)
    """Name and secret it expects of us."""
    address: str = ""
    """Its own address; empty: the one it is given."""
    echo: bool = True
    """Answer pings, and UDP with the same payload."""
    delay: float = 0.02
    """Seconds to an answer (the slow line behind the modem)."""


@dataclass(frozen=True, slots=True)
class SimUser:
    """One entry of the simulated RADIUS server's user table."""

    name: str
    """User-Name it matches; may end or begin with `*`."""
    password: bytes = field(default=b"", repr=False)
    reply: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Attributes of the Access-Accept: (`Name` or `Name:tag`, value). Empty with `reject`."""
    reject: bool = False


@dataclass(frozen=True, slots=True)
class SimRadius:
    address: str
    port: int = 1812
    secret: bytes = field(default=b"", repr=False)
    delay: float = 0.005
    """Seconds to an answer."""
    users: tuple[SimUser, ...] = ()


@dataclass(frozen=True, slots=True)
class Sim:
    """The simulated other side of `demo` and `replay`."""

    seed: int = 1
    drain: float = 10.0
    """Virtual seconds that a replay goes on after its last packet."""
    lac: tuple[SimLac, ...] = ()
    cpe: tuple[SimCpe, ...] = ()
    radius: tuple[SimRadius, ...] = ()


@dataclass(frozen=True, slots=True)
class Config:
    chassis: Chassis = field(default_factory=Chassis)
    virtual_router: tuple[VirtualRouter, ...] = ()
    target: tuple[Target, ...] = ()
    profile: tuple[Profile, ...] = ()
    lac: tuple[Lac, ...] = ()
    radius: tuple[Radius, ...] = ()
    port: tuple[Port, ...] = ()
    budget: Budget = field(default_factory=Budget)
    sim: Sim = field(default_factory=Sim)


__all__ = [
    "Budget",
    "Chassis",
    "Config",
    "Lac",
    "Port",
    "Profile",
    "Radius",
    "RadiusServer",
    "Sim",
    "SimCpe",
    "SimLac",
    "SimRadius",
    "SimUser",
    "Target",
    "VirtualRouter",
]
