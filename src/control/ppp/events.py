"""What a PPP link tells its user."""

from __future__ import annotations

from dataclasses import dataclass, field

from control.unlocked import unlocked


@unlocked
@dataclass(frozen=True, slots=True)
class LcpOpened:
    """LCP is Opened (again); what was negotiated."""

    peer_mru: int
    """Largest PPP information field the peer takes: limits what we send."""
    send_acfc: bool
    """We may leave out FF 03 (the peer asked for compression and we agreed)."""
    send_pfc: bool
    """We may send one-octet protocol numbers."""
    peer_accm: int = 0xFFFFFFFF
    """Control characters the peer wants escaped on an asynchronous line (RFC 1662 7.1)."""


@unlocked
@dataclass(frozen=True, slots=True)
class AuthenticationRequested:
    """The peer authenticated itself to us; `Link.authentication_result(request, ...)` answers."""

    request: int
    protocol: str
    """`pap`, `chap` or `mschapv2`."""
    username: str
    password: bytes = field(default=b"", repr=False)
    """PAP only."""
    chap_identifier: int = 0
    chap_challenge: bytes = b""
    chap_response: bytes = b""
    """16 octets; of `mschapv2` the whole value of 49 (RFC 2759 4)."""
    again: bool = False
    """The peer was accepted before and has been asked again."""


@unlocked
@dataclass(frozen=True, slots=True)
class PeerAuthenticated:
    """The peer has proved itself to us (our demand is met)."""

    username: str


@unlocked
@dataclass(frozen=True, slots=True)
class AuthenticatedToPeer:
    """The peer has accepted our own name and secret."""

    protocol: str


@unlocked
@dataclass(frozen=True, slots=True)
class NetworkOpened:
    """IPCP is Opened. Addresses in text form."""

    local_address: str
    peer_address: str


@unlocked
@dataclass(frozen=True, slots=True)
class NetworkClosed:
    """IPCP left Opened while the link stays."""


@unlocked
@dataclass(frozen=True, slots=True)
class Ipv6Opened:
    """IPV6CP is Opened. Interface identifiers as four groups of hexadecimal digits; the link-local
    address is fe80:: and the identifier (RFC 5072 5)."""

    local_identifier: str
    peer_identifier: str


@dataclass(frozen=True, slots=True)
class Ipv6Closed:
    """IPV6CP left Opened while the link stays."""


@dataclass(frozen=True, slots=True)
class NetworkRefused:
    """A network protocol that the link can do without does not come up, or not again."""

    stage: str
    """`ipcp` or `ipv6cp`."""
    reason: str


@dataclass(frozen=True, slots=True)
class PeerIdentified:
    """The peer's first Identification (RFC 1570 2.1); others are only counted."""

    text: str
    """At most 64 characters, printable."""


@dataclass(frozen=True, slots=True)
class LinkClosed:
    """The link is down for good; no further event follows."""

    stage: str
    """`lcp`, `authentication`, `ipcp`, `ipv6cp`, `echo`, `peer`, `local`."""
    reason: str
    """One sentence."""
    kind: str = ""
    """What it was, where a stage can end in several ways: `looped`; `silent`, the peer was never
    heard; `timeout`; `method`, it does not prove itself as it has to; `rejected`, it does not know
    the protocol; `address`. Empty: what the stage says."""


Event = (
    LcpOpened
    | AuthenticationRequested
    | PeerAuthenticated
    | AuthenticatedToPeer
    | NetworkOpened
    | NetworkClosed
    | Ipv6Opened
    | Ipv6Closed
    | NetworkRefused
    | PeerIdentified
    | LinkClosed
)
