"""Settings of an L2TP endpoint, and the snapshots it gives of its tunnels and calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from control.l2tp.avp_value import CallErrors
from control.l2tp.events import Failure, SocketAddress, TunnelParameters
from control.l2tp.transport import ChannelConfig

IncomingPolicy = (
    Mapping[str, TunnelParameters] | Callable[[str, SocketAddress], TunnelParameters | None]
)
"""How to treat a peer that opens a tunnel to us: by its Host Name ("" is any other), or asked with
(host name, address). Of the answer local, peer and peer_host_name are not used. No answer: the
tunnel is refused."""


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    role: str = "lns"
    """`lns` places outgoing calls, `lac` is asked to dial."""
    host_name: str = "dialout"
    """Host Name toward a peer whose parameters name none."""
    vendor_name: str = "dialout"
    firmware_revision: int = 0x0100
    framing_capabilities: int = 3
    """AVP 3: 1 synchronous, 2 asynchronous."""
    bearer_capabilities: int | None = None
    """AVP 4: 1 digital, 2 analog. None leaves it out, as an LNS that cannot dial should
    (RFC 2661 4.4.3); a LAC must announce what it can dial over."""
    receive_window: int = 16
    """AVP 10, 1 to 65535."""
    accept_tunnels: bool | None = None
    """Let peers open tunnels. None: a LAC does, an LNS does not."""
    incoming: IncomingPolicy = field(default_factory=dict, repr=False)
    """Policy for tunnels that peers open; it holds their secrets."""
    incoming_calls: bool = False
    """An LNS takes ICRQ too: a tunnel that is accepted may bring calls."""
    tie_breaker: bool = True
    """Send AVP 5, so that two crossing SCCRQ make one tunnel."""
    rto_initial: float = 1.0
    rto_cap: float = 8.0
    max_retransmissions: int = 5
    ack_delay: float = 0.05
    tunnel_idle: float = 60.0
    """Seconds a tunnel we opened is kept without a call."""
    id_quarantine: float = 60.0
    """Seconds before a tunnel or session id is used again."""
    destruct_timeout: float = 600.0
    """Seconds for which dead tunnels and calls are still shown."""

    @property
    def accepts(self) -> bool:
        return self.role == "lac" if self.accept_tunnels is None else self.accept_tunnels

    def channel(self) -> ChannelConfig:
        return ChannelConfig(
            receive_window=self.receive_window,
            rto_initial=self.rto_initial,
            rto_cap=self.rto_cap,
            max_retransmissions=self.max_retransmissions,
            ack_delay=self.ack_delay,
        )


@dataclass(frozen=True, slots=True)
class TunnelInfo:
    tunnel: int
    peer_tunnel: int
    local: SocketAddress
    peer: SocketAddress
    peer_host_name: str
    state: str
    calls: int
    opened_by_us: bool
    draining: bool = False
    """It takes no new call and is closed after its last one."""


@dataclass(frozen=True, slots=True)
class CallInfo:
    call: int
    tunnel: int
    session: int
    peer_session: int
    state: str
    called_number: str
    serial: int
    incoming: bool = False
    """Placed by the LAC (ICRQ)."""
    errors: CallErrors | None = None
    """Of the line, as of the newest WEN (RFC 2661 6.13)."""


@dataclass(frozen=True, slots=True)
class DeadTunnel:
    """A tunnel as it was when it ended, and why."""

    tunnel: TunnelInfo
    failure: Failure
    ended: float


@dataclass(frozen=True, slots=True)
class DeadCall:
    """A call as it was when it ended, and why."""

    call: CallInfo
    peer: SocketAddress
    failure: Failure
    ended: float
