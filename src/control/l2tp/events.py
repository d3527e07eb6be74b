"""What an L2TP endpoint tells its user, and what its user asks of it. Field names are those of RFC
2661 4.4."""

from __future__ import annotations

from dataclasses import dataclass, field

from control.l2tp.avp_value import Accm, CallErrors, DisconnectCause
from control.unlocked import unlocked

SocketAddress = tuple[str, int]
"""IP address in canonical text form, UDP port."""


@unlocked
@dataclass(frozen=True, slots=True)
class Datagram:
    """One UDP payload to send."""

    data: bytes
    local: SocketAddress
    peer: SocketAddress


@unlocked
@dataclass(frozen=True, slots=True)
class TunnelParameters:
    """With whom to open a tunnel. Equal values share one tunnel (RFC 2868 3.7)."""

    local: SocketAddress
    peer: SocketAddress
    host_name: str
    """Our Host Name AVP (7)."""
    peer_host_name: str = ""
    """Host name the peer must show; empty: any."""
    secret: bytes = field(default=b"", repr=False)
    require_tunnel_auth: bool = True
    """The peer must answer our Challenge (and so there must be a secret)."""
    hide_avps: bool = False
    assignment_id: str = ""
    hello_interval: float = 60.0
    """Seconds of silence after which HELLO is sent."""
    receive_window: int = 0
    """Receive Window Size (AVP 10) to announce, 0: the endpoint's."""


@unlocked
@dataclass(frozen=True, slots=True)
class OutgoingCall:
    """Content of an OCRQ (RFC 2661 6.7)."""

    called_number: str
    minimum_bps: int = 64000
    maximum_bps: int = 64000
    bearer_type: int | None = None
    """AVP 18 bits wanted (1 digital, 2 analog); None: all that the LAC announced."""
    ignore_bearer_caps: bool = False
    """Ask even when AVP 4 announces no wanted bearer."""
    sub_address: str = ""
    serial: int = 0
    """Call Serial Number; 0: the endpoint numbers it. On the LAC's side as received."""
    framing_type: int = 3


@unlocked
@dataclass(frozen=True, slots=True)
class IncomingCall:
    """Content of an ICRQ (RFC 2661 6.9)."""

    called_number: str = ""
    calling_number: str = ""
    sub_address: str = ""
    serial: int = 0
    """Call Serial Number; 0: the endpoint numbers it. On the LNS's side as received."""
    bearer_type: int | None = None
    """AVP 18 bits (1 digital, 2 analog); None: not told, as of a line that is no telephone's."""
    physical_channel: int | None = None


@unlocked
@dataclass(frozen=True, slots=True)
class AnsweredLine:
    """Content of an ICCN (RFC 2661 6.11) but for the proxy AVPs, which are never sent, and are
    read and not used on receipt: LCP always starts afresh."""

    connect_speed: int = 64000
    framing_type: int = 1
    sequencing: bool = False


@unlocked
@dataclass(frozen=True, slots=True)
class Failure:
    """Why a tunnel or call ended."""

    stage: str
    """`local`, `timeout`, `stopccn`, `cdn`, `protocol`, `authentication`, `capability`, `tunnel`.
    """
    result: int = 0
    """RFC 2661 Result Code of the StopCCN or CDN, received or sent; 0 if there was none."""
    error: int = 0
    message: str = ""
    q931_cause: int | None = None
    disconnect_cause: DisconnectCause | None = None
    """RFC 3145 AVP 46: what PPP had to do with it."""


@unlocked
@dataclass(frozen=True, slots=True)
class TunnelOpened:
    tunnel: int
    """Local tunnel id."""
    peer_tunnel: int
    local: SocketAddress
    peer: SocketAddress
    """As pinned by the first valid SCCRP (or SCCRQ): its port may differ from the one we sent to.
    """
    peer_host_name: str


@unlocked
@dataclass(frozen=True, slots=True)
class TunnelClosed:
    tunnel: int
    peer: SocketAddress
    failure: Failure


@unlocked
@dataclass(frozen=True, slots=True)
class CallRequested:
    """LAC role: a good OCRQ arrived."""

    call: int
    request: OutgoingCall
    local: SocketAddress
    peer: SocketAddress


@unlocked
@dataclass(frozen=True, slots=True)
class CallArrived:
    """LNS role: a good ICRQ arrived; `accept_call` or `close_call` answers it."""

    call: int
    request: IncomingCall
    local: SocketAddress
    peer: SocketAddress
    peer_host_name: str


@unlocked
@dataclass(frozen=True, slots=True)
class CallConnected:
    """OCCN or ICCN was received (LNS) or sent (LAC): PPP may start."""

    call: int
    local: SocketAddress
    peer: SocketAddress
    tunnel: int
    session: int
    """Local tunnel and session id: what the peer puts into data headers."""
    peer_tunnel: int
    peer_session: int
    connect_speed: int = 0
    """AVP 24, bits a second: from the LAC to the site, and back unless AVP 38 says otherwise."""
    framing_type: int = 1
    sequencing_required: bool = False
    rx_connect_speed: int = 0
    """AVP 38: from the site to the LAC; 0: not told."""


@unlocked
@dataclass(frozen=True, slots=True)
class CallAsked:
    """LNS role: OCRQ goes out. From now on the peer may send to our session id, which `link` has;
    the peer's is not known yet, 0."""

    call: int
    link: CallConnected


@unlocked
@dataclass(frozen=True, slots=True)
class CallAccepted:
    """LNS role: OCRP arrived; the LAC is dialing."""

    call: int
    """What will be connected, as far as OCRP tells: ids and addresses. None: it is not known."""


@unlocked
@dataclass(frozen=True, slots=True)
class CallClosed:
    call: int
    failure: Failure


@unlocked
@dataclass(frozen=True, slots=True)
class LineErrors:
    """LNS role: WEN arrived (RFC 2661 6.13)."""

    call: int
    errors: CallErrors
    """Totals of the call so far."""


@unlocked
@dataclass(frozen=True, slots=True)
class LinkInfo:
    """LAC role: SLI arrived (RFC 2661 6.14): what to escape on an asynchronous line."""

    call: int
    accm: Accm


Event = (
    TunnelOpened
    | TunnelClosed
    | CallRequested
    | CallArrived
    | CallAsked
    | CallAccepted
    | CallConnected
    | CallClosed
    | LineErrors
    | LinkInfo
)
