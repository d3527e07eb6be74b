"""What RADIUS tells its user: answers, and the answers' meaning for dial-out."""

from __future__ import annotations

from dataclasses import dataclass, field

from control.unlocked import unlocked

SocketAddress = tuple[str, int]


@unlocked
@dataclass(frozen=True, slots=True)
class RadiusDatagram:
    """One UDP payload to or from a server."""

    data: bytes
    server: SocketAddress
    socket: int
    """Which of the client's sockets (source ports): identifiers are unique per (server, socket)."""
    source: str = ""
    """Local address of that socket, the same for all its datagrams; empty: any. Of no importance in
    what was received."""


@unlocked
@dataclass(frozen=True, slots=True)
class TunnelCandidate:
    """One tag of an Access-Accept: one LAC that may place the call (RFC 2868)."""

    tag: int
    server_endpoint: str
    """Tunnel-Server-Endpoint (67): the LAC's address."""
    client_endpoint: str = ""
    """Tunnel-Client-Endpoint (66): our address; empty: the virtual router's local_address."""
    password: bytes = field(default=b"", repr=False)
    """Tunnel-Password (69, decrypted) or 26-9."""
    assignment_id: str = ""
    preference: int = 0
    """Tunnel-Preference (83): lower is tried first."""
    client_auth_id: str = ""
    server_auth_id: str = ""
    maximum_sessions: int = 0
    """26-33; 0: none given."""
    receive_window: int = 0
    """L2TP Receive Window Size to announce (26-54); 0: none given."""


@unlocked
@dataclass(frozen=True, slots=True)
class DialoutGrant:
    """Meaning of the first Access-Accept (specification 1.8)."""

    candidates: tuple[TunnelCandidate, ...]
    """Usable ones, by preference, then tag. Never empty."""
    number: str
    """Dial-Out-Number (26-35)."""
    ppp_username: str = ""
    ppp_password: bytes = field(default=b"", repr=False)
    answer_protocols: tuple[str, ...] | None = None
    """Methods we answer the peer with, of `pap` and `chap`, in order (26-38); () never; None: not
    given."""
    minimum_bps: int | None = None
    maximum_bps: int | None = None
    bearer_type: int | None = None
    """AVP 18 bits (1 digital, 2 analog); None: not given."""
    tunnel_tos: int | None = None
    """TOS octet of the outer packets (26-32); None: as the inner packet's."""
    unusable: tuple[str, ...] = ()
    """One sentence for each tag that could not be used."""
    ignored: tuple[str, ...] = ()
    """One sentence for each other attribute that could not be used."""


@unlocked
@dataclass(frozen=True, slots=True)
class FramedRoute:
    prefix: str
    metric: int = 1


@unlocked
@dataclass(frozen=True, slots=True)
class SessionGrant:
    """Meaning of the second Access-Accept, the one for the peer's PPP authentication."""

    framed_address: str = ""
    """Framed-IP-Address; empty: none, or 255.255.255.254/255 (we choose / the peer chooses)."""
    framed_netmask: str = ""
    framed_routes: tuple[FramedRoute, ...] = ()
    framed_mtu: int | None = None
    dns: tuple[str, ...] = ()
    """IPv4 name servers for the peer (26-4, 26-5); empty: the profile's."""
    filter_id: str = ""
    """The first Filter-Id (RFC 2865 5.11); empty: none."""
    ingress_policy: str = ""
    """26-10: for what comes from the peer, before `filter_id`; empty: none."""
    egress_policy: str = ""
    """26-11: for what goes to it."""
    idle_timeout: int | None = None
    session_timeout: int | None = None
    reply_message: str = ""
    state_class: tuple[bytes, ...] = ()
    acct_interim_interval: int | None = None
    """Seconds (RFC 2869 5.16)."""
    framed_pool: str = ""
    """Framed-Pool, or 26-2: the name of a local address pool."""
    framed_ipv6_prefixes: tuple[str, ...] = ()
    """Framed-IPv6-Prefix: networks of the link itself, which Router Advertisements name."""
    framed_ipv6_addresses: tuple[str, ...] = ()
    framed_ipv6_routes: tuple[FramedRoute, ...] = ()
    delegated_ipv6_prefixes: tuple[str, ...] = ()
    """Networks behind the peer; routed, and not told to it."""
    framed_interface_id: str = ""
    """Interface identifier the peer has to use, as four groups of hexadecimal digits."""
    ipv6_dns: tuple[str, ...] = ()
    framed_ipv6_pool: str = ""
    delegated_ipv6_pool: str = ""
    """Names of local pools (RFC 3162 2.6, RFC 6911 3.5); empty: none."""
    mschap_success: bytes = field(default=b"", repr=False)
    """MS-CHAP2-Success (RFC 2548 2.3.3): an identifier and the message for the peer."""
    ignored: tuple[str, ...] = ()
    """One sentence for each attribute that could not be used."""

    @property
    def has_ipv6(self) -> bool:
        """Something of it needs IPV6CP."""
        return bool(
            self.framed_ipv6_prefixes
            or self.framed_ipv6_addresses
            or self.framed_ipv6_routes
            or self.delegated_ipv6_prefixes
            or self.framed_interface_id
        )


@unlocked
@dataclass(frozen=True, slots=True)
class DialoutGranted:
    request: int
    grant: DialoutGrant


@unlocked
@dataclass(frozen=True, slots=True)
class SessionGranted:
    request: int
    grant: SessionGrant


@unlocked
@dataclass(frozen=True, slots=True)
class Denied:
    """Access-Reject, Access-Challenge, or an Accept that grants nothing usable."""

    request: int
    reason: str


@unlocked
@dataclass(frozen=True, slots=True)
class TimedOut:
    """No valid answer from any server."""

    request: int


Event = DialoutGranted | SessionGranted | Denied | TimedOut
