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
    """`pap` or `chap`."""
    username: str
    password: bytes = field(default=b"", repr=False)
    """PAP only."""
    chap_identifier: int = 0
    chap_challenge: bytes = b""
    chap_response: bytes = b""


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
class LinkClosed:
    """The link is down for good; no further event follows."""

    stage: str
    """`lcp`, `authentication`, `ipcp`, `echo`, `peer`, `local`."""
    reason: str
    """One sentence."""


Event = (
    LcpOpened
    | AuthenticationRequested
    | PeerAuthenticated
    | AuthenticatedToPeer
    | NetworkOpened
    | NetworkClosed
    | LinkClosed
)
