"""The configuration as a typed tree: one dataclass a section, one field a key, its docstring the
manual (docs/configuration.md is made from it).

Specification 1.12. Which values a key takes is config_keys.py, reading a TOML file config_file.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from control.config_operation import Control
from control.config_router import Port, Workers
from control.config_sim import Sim, SimCpe, SimLac, SimPhase, SimRadius, SimUser


@dataclass(frozen=True, slots=True)
class Chassis:
    """Limits and timers of the whole router."""

    name: str = "lns"
    """Our Host Name toward LACs and NAS-Identifier toward RADIUS."""
    max_sessions: int = 65536
    """Dial-out sessions in any state."""
    max_connecting: int = 512
    """Sessions authenticating or connecting at once."""
    max_pending: int = 4096
    """Sessions that wait for a connecting slot."""
    connecting_timer: int = 60
    """Seconds a call may take from RADIUS grant to route."""
    dormant_timer: int = 300
    """Seconds a session without a call is kept; 0 deletes it at once."""
    fail_fast: bool = True
    """Leave connecting as soon as every LAC has failed, not when the timer ends."""
    lac_selection: str = "round-robin"
    """How LACs of equal preference share calls: `round-robin`, or `weighted` by max_sessions and
    Tunnel-Maximum-Sessions."""
    flush_delay: int = 100
    """Milliseconds between the route's commit and the flush of buffered triggers."""
    tunnel_idle: float = 60.0
    """Seconds a tunnel that we opened is kept without a call."""
    destruct_timeout: int = 600
    """Seconds for which ended tunnels and calls are still shown, 1,024 of each at most."""
    kernel_protocol: int = 171
    """By which our routes in the kernel are told from others: what has this protocol and is not
    wanted is deleted. Two routers beside each other need two."""


@dataclass(frozen=True, slots=True)
class VirtualRouter:
    """A routing table with its dial-out limits and the RADIUS servers it asks."""

    name: str
    """What targets and ports call it."""
    table: int = 0
    """Routing table number; each virtual router has its own."""
    rd: str = ""
    """MPLS route distinguisher put before the trigger address in User-Name, as `0.0.0.0:65000`."""
    max_buffered_triggers: int = 16
    """Trigger packets held in this virtual router; 64 KiB at the most."""
    max_targets: int = 16384
    """Targets of this virtual router."""
    radius: str = ""
    """Name of the [[radius]] group that is asked whom to call."""
    local_address: str = ""
    """Our IPv4 address of tunnels and toward RADIUS."""
    local_address_ipv6: str = ""
    """Our IPv6 address, of tunnels to LACs that have an IPv6 address, and toward RADIUS servers
    that have one."""
    kernel_table: int = 0
    """The kernel's routing table that gets the dial-out routes (metric 252) and access routes
    (metric 2) of this one: 254 is `main`, a VRF has its own; 0: the kernel's routing is left alone.
    Routes lead to the `tun:` port of the home side, without one they are unreachable routes."""
    kernel_import: bool = True
    """Take the routes that others have put into `kernel_table` too, as those of FRR, BIRD or `ip
    route`: packets that they lead elsewhere are given to the kernel, and call nobody."""

    @property
    def local_addresses(self) -> tuple[str, ...]:
        """Both, as far as they are there."""
        return tuple(filter(None, (self.local_address, self.local_address_ipv6)))

    @property
    def sources(self) -> tuple[str, str]:
        """Our addresses toward IPv4 and IPv6 servers, empty where there is none."""
        return self.local_address, self.local_address_ipv6

    def local_address_toward(self, peer: str) -> str:
        """The one of the peer's family, empty if there is none."""
        return self.local_address_ipv6 if ":" in peer else self.local_address


@dataclass(frozen=True, slots=True)
class Target:
    """A dial-out route: a packet to the prefix places a call."""

    prefix: str
    """IPv4 or IPv6 prefix whose packets are triggers."""
    virtual_router: str
    """In whose table the dial-out route is installed."""
    domain: str
    """Domain of User-Name."""
    profile: str
    """How PPP is built once the call is answered."""
    max_sessions: int = 65536
    """Sessions of this target in any state."""
    classifier: str = ""
    """Name of the [[classifier]] that says which packets may place a call; empty: all."""


@dataclass(frozen=True, slots=True)
class Profile:
    """How PPP and the IP interface of a session are built."""

    name: str
    """What targets call it."""
    authentication: tuple[str, ...] = ("chap",)
    """What the peer must prove itself with, of `chap`, `pap` and `mschapv2` (which needs the extra
    `dialout[mschap]`), in order; empty: nothing."""
    rechallenge_interval: int = 0
    """Seconds after which a peer that answered a Challenge well gets another; 0: never."""
    mru: int = 1460
    """Our Maximum-Receive-Unit, octets. Packets to the site are no longer than this, 1460, and what
    the site takes."""
    acfc: bool = False
    """Negotiate Address-and-Control-Field-Compression: two octets less a packet."""
    pfc: bool = False
    """Negotiate Protocol-Field-Compression: one octet less a packet."""
    echo_interval: float = 30.0
    """Seconds between LCP Echo-Requests; 0: none."""
    echo_failures: int = 3
    """Unanswered Echo-Requests after which the link is dead."""
    identification: str = ""
    """What we are, told to the site in an LCP Identification; empty: nothing."""
    ipv4: bool = True
    """IPCP also on sessions that an IPv6 packet started. Where an IPv4 packet did, always."""
    ipv6: bool = False
    """IPV6CP on all sessions. Without it where an IPv6 packet started the session, or RADIUS names
    an IPv6 prefix, address or route."""
    interface_identifier: str = ""
    """Our interface identifier, as `0:0:0:1`; empty: a random one for each call."""
    ip_address: str = ""
    """Our address of the PPP link; empty: the virtual router's local_address."""
    peer_address: str = ""
    """Address that the peer gets, unless RADIUS names one; empty: none. It is the one site that is
    called with this profile and proves nothing."""
    accept_peer_address: bool = True
    """Without Framed-IP-Address and Framed-Route, route the address the peer names itself."""
    dns: tuple[str, ...] = ()
    """Up to two DNS servers the peer may ask for (RFC 1877)."""
    nbns: tuple[str, ...] = ()
    """Up to two NBNS servers the peer may ask for (RFC 1877)."""
    idle_timeout: int = 300
    """Seconds without forwarded traffic after which the call is closed; 0: never."""
    session_timeout: int = 86400
    """Seconds after which the call is closed in any case; 0: never."""
    classifier: str = ""
    """Name of the [[classifier]] that packets of a session pass, both ways, if RADIUS names none
    (Filter-Id); its traffic is what keeps the call up. Empty: all packets, all traffic."""
    mss_clamp: bool = False
    """Cut the MSS that TCP connections announce, both ways, to the link's MTU less 40."""
    sequencing: bool = False
    """Put sequence numbers on data messages even when the LAC does not require it."""
    out_of_order: str = "keep"
    """What becomes of numbered data messages that come behind newer ones: `keep`, or `drop`."""
    udp_checksum: bool = True
    """Compute the UDP checksum of data messages; control messages always have one."""
    minimum_bps: int = 64000
    """Least speed asked of the LAC if RADIUS names none (AVP 16)."""
    maximum_bps: int = 64000
    """Greatest speed asked of the LAC if RADIUS names none (AVP 17)."""


@dataclass(frozen=True, slots=True)
class Classifier:
    """Rules over packets. The first that fits decides; a packet that fits none is denied.

    `permit` lets pass; `interesting` lets pass and is traffic, which may place a call and keeps one
    up; `deny` drops; `counted` counts packets. Without an `interesting` rule all that passes is
    traffic."""

    name: str
    """What targets, profiles and Filter-Id (RFC 2865 5.11) call it."""
    rules: tuple[str, ...] = ()
    """The rules, if not in a file."""
    file: str = ""
    """File with one rule a line, or a ClassBench file, in the configuration file's directory."""


@dataclass(frozen=True, slots=True)
class Lac:
    """What we know of a LAC beforehand; RADIUS names those that are called."""

    address: str
    """The Tunnel-Server-Endpoint by which RADIUS names it."""
    host_name: str = ""
    """Host name it must show; empty: as RADIUS says, or any."""
    secret: bytes = field(default=b"", repr=False)
    """Tunnel secret, if RADIUS gives none (secret or secret_file)."""
    require_tunnel_auth: bool = True
    """It must prove that it knows the tunnel secret; without a secret it is not called."""
    ignore_bearer_caps: bool = False
    """Call it even if it does not announce the bearer in AVP 4."""
    hide_avps: bool = False
    """Hide what messages about calls say, numbers among it (RFC 2661 4.3)."""
    hello_interval: float = 60.0
    """Seconds of silence on the tunnel after which HELLO asks whether the LAC is there."""
    max_sessions: int = 65535
    """Calls at once over this LAC."""
    receive_window: int = 16
    """L2TP Receive Window Size (AVP 10) we announce: control messages it may send ahead."""
    incoming_calls: bool = False
    """It may open tunnels to us and bring calls; its host_name, if set, must agree."""
    incoming_router: str = ""
    """Virtual router of those calls."""
    incoming_profile: str = ""
    """How PPP is built on them."""
    incoming_username: str = ""
    """What we call ourselves where their sites want proof of us; empty: we prove nothing."""
    incoming_password: bytes = field(default=b"", repr=False)
    """Our password toward those sites (incoming_password or incoming_password_file)."""
    lockout: float = 60.0
    """Seconds a LAC is tried only as the last one after it did not answer."""
    lockout_test: bool = True
    """After the lockout one call at a time tries it, until it has answered."""


@dataclass(frozen=True, slots=True)
class RadiusServer:
    """One server of a group; the next is asked when it does not answer."""

    address: str
    """Where it listens."""
    port: int = 1812
    """Its UDP port."""
    secret: bytes = field(default=b"", repr=False)
    """Shared secret; may be absent only for a server that [[sim.radius]] simulates."""
    accounting_port: int = 1813
    """Its UDP port for accounting."""


@dataclass(frozen=True, slots=True)
class RadiusClient:
    """Who may send CoA and Disconnect requests for the calls of the group."""

    address: str
    """Where they come from."""
    secret: bytes = field(default=b"", repr=False)
    """Shared secret."""


@dataclass(frozen=True, slots=True)
class Radius:
    """A group of RADIUS servers, asked whom to call and who the peer is."""

    name: str
    """What virtual routers call it."""
    servers: tuple[RadiusServer, ...]
    """In the order in which they are asked."""
    retries: int = 3
    """Transmissions to one server before the next is tried."""
    timeout: float = 2.0
    """Seconds between two transmissions."""
    status_server: bool = True
    """Ask a server that did not answer with Status-Server (RFC 5997) whether it is back; until then
    it is asked last. Turn it off if the servers do not know Status-Server."""
    dead_time: float = 60.0
    """Without status_server: seconds for which a server that did not answer is asked last."""
    require_message_authenticator: bool = True
    """Drop answers without a Message-Authenticator (CVE-2024-3596); it is sent in any case."""
    password_mode: str = "empty"
    """User-Password of the first request: `empty`, `none` or `configured`."""
    password: bytes = field(default=b"", repr=False)
    """The `configured` one (password or password_file)."""
    accounting: bool = False
    """Tell the servers of every call: Start, Interim-Update, Stop, and On and Off of the LNS."""
    interim_interval: int = 0
    """Seconds between Interim-Updates, give or take a tenth; 0: as the Access-Accept says
    (Acct-Interim-Interval), or none."""
    accounting_queue: int = 16384
    """Accounting-Requests kept while no server answers; then the oldest are lost, and counted."""
    dynamic_authorization: bool = False
    """Take CoA and Disconnect requests (RFC 5176) for the group's calls, at the local_address of
    its virtual routers."""
    dynamic_authorization_port: int = 3799
    """UDP port for them."""
    require_event_timestamp: bool = True
    """Drop such requests without an Event-Timestamp, which may be somebody's replay. It may differ
    from our clock by 300 s."""
    clients: tuple[RadiusClient, ...] = ()
    """Who may send them; none: the servers."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Addresses that calls get when RADIUS names a pool (Framed-Pool, 26-2, Framed-IPv6-Pool)."""

    name: str
    """What RADIUS calls it."""
    addresses: tuple[str, ...]
    """Prefixes, of IPv4 or IPv6, and IPv4 ranges `first-last`. Of an IPv4 prefix the first and the
    last address are left out."""
    prefix_length: int = 64
    """Of what a call gets out of an IPv6 prefix."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Safety against runaway cost, on by default (specification 1.5)."""

    calls_per_day: int = 2000
    """All targets together; 0: none at all."""
    target_calls_per_day: int = 200
    """Of one target."""
    target_minutes_per_day: int = 1440
    """Of one target, connected time of all its calls; 0: none at all."""
    minutes_per_day: int = 0
    """All targets together; 0: not limited."""
    dial_rate: float = 10.0
    """Calls a second, all LACs together."""
    dial_burst: int = 50
    """Calls at once after a pause."""
    lac_dial_rate: float = 2.0
    """Calls a second to one LAC; its burst is a fifth of dial_burst, at least 1."""
    allow_numbers: tuple[str, ...] = ()
    """Prefixes of numbers that may be called; empty: all."""
    deny_numbers: tuple[str, ...] = ()
    """Prefixes that may not, checked first."""
    dial_prefixes: tuple[str, ...] = ()
    """What a LAC's exchange takes off the front of a number, outside line or carrier; denied
    prefixes are looked for behind them too."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """What a monitoring system may read of the router, by HTTP (docs/operations.md)."""

    listen: str = ""
    """Where `/metrics` and `/health` are served, as `127.0.0.1:9717` or `[::1]:9717`; empty:
    nowhere."""
    anywhere: bool = False
    """Allow an address that is not loopback: whoever reaches it may read, without a password."""
    entries: int = 100
    """Virtual routers, targets, LACs and RADIUS groups, each, that have metrics of their own."""


@dataclass(frozen=True, slots=True)
class Config:
    """The whole file."""

    chassis: Chassis = field(default_factory=Chassis)
    virtual_router: tuple[VirtualRouter, ...] = ()
    target: tuple[Target, ...] = ()
    profile: tuple[Profile, ...] = ()
    classifier: tuple[Classifier, ...] = ()
    lac: tuple[Lac, ...] = ()
    radius: tuple[Radius, ...] = ()
    pool: tuple[Pool, ...] = ()
    port: tuple[Port, ...] = ()
    budget: Budget = field(default_factory=Budget)
    metrics: Metrics = field(default_factory=Metrics)
    control: Control = field(default_factory=Control)
    workers: Workers = field(default_factory=Workers)
    sim: Sim = field(default_factory=Sim)


__all__ = [
    "Budget",
    "Chassis",
    "Classifier",
    "Config",
    "Control",
    "Lac",
    "Metrics",
    "Pool",
    "Port",
    "Profile",
    "Radius",
    "RadiusClient",
    "RadiusServer",
    "Sim",
    "SimCpe",
    "SimLac",
    "SimPhase",
    "SimRadius",
    "SimUser",
    "Target",
    "VirtualRouter",
    "Workers",
]
