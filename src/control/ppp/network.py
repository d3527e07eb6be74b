"""The network protocols of a link: which NCP each has, what it tells the owner, and whether the
link is any use without it (RFC 1661 3.6, RFC 1332, RFC 5072)."""

from __future__ import annotations

from typing import Protocol as Interface

from control.ppp.config import LinkConfig, read_identifier, write_identifier
from control.ppp.events import (
    Event,
    Ipv6Closed,
    Ipv6Opened,
    LinkClosed,
    NetworkClosed,
    NetworkOpened,
)
from control.ppp.frame import Protocol
from control.ppp.ipcp import UNKNOWN, IpcpPolicy
from control.ppp.ipv6cp import Ipv6cpPolicy
from control.ppp.negotiation import Negotiation
from control.ppp.outbox import Outbox
from control.ppp.policy import Policy
from control.ppp.randomness import Randomness


class NetworkPolicy(Policy, Interface):
    def check(self) -> None:
        """The NCP is open: set `failure` if something is missing."""


class Network:
    """One NCP. `name` is that of LinkConfig.required."""

    __slots__ = ("is_open", "name", "negotiation", "policy")

    protocol: Protocol
    stage: str

    def __init__(self, name: str, config: LinkConfig, policy: NetworkPolicy, box: Outbox) -> None:
        self.name = name
        self.policy = policy
        self.negotiation = Negotiation(self.stage, self.protocol, config, policy, box)
        self.is_open = False

    def opened(self) -> Event:
        """What the owner is told when the NCP opens."""
        raise NotImplementedError

    def closed(self) -> Event:
        """And when it is no longer open."""
        raise NotImplementedError


class Ipv4(Network):
    __slots__ = ("addresses",)

    protocol = Protocol.IPCP
    stage = "ipcp"

    def __init__(self, config: LinkConfig, box: Outbox) -> None:
        self.addresses = IpcpPolicy(config, box)
        super().__init__("ipv4", config, self.addresses, box)

    @property
    def local_address(self) -> str:
        """Empty: not known yet."""
        address = self.addresses.local_address
        return "" if address == UNKNOWN else address

    def opened(self) -> Event:
        return NetworkOpened(self.local_address, self.addresses.peer_address)

    def closed(self) -> Event:
        return NetworkClosed()


class Ipv6(Network):
    __slots__ = ("identifiers",)

    protocol = Protocol.IPV6CP
    stage = "ipv6cp"

    def __init__(self, config: LinkConfig, rng: Randomness, box: Outbox) -> None:
        self.identifiers = Ipv6cpPolicy(config, rng, box)
        super().__init__("ipv6", config, self.identifiers, box)

    def opened(self) -> Event:
        policy = self.identifiers
        return Ipv6Opened(write_identifier(policy.local), write_identifier(policy.peer))

    def closed(self) -> Event:
        return Ipv6Closed()


class Networks:
    """All network protocols of one link that are still wanted."""

    __slots__ = ("_box", "_config", "_rng", "all")

    def __init__(self, config: LinkConfig, rng: Randomness, box: Outbox) -> None:
        self._config = config
        self._rng = rng
        self._box = box
        self.all: list[Network] = []
        if config.ipv4:
            self.all.append(Ipv4(config, box))
        if config.ipv6:
            self.all.append(Ipv6(config, rng, box))

    @property
    def is_up(self) -> bool:
        """Whether the link is of use: the required networks are open, or any if none is."""
        open_ones = [network.name for network in self.all if network.is_open]
        return bool(open_ones) and all(name in open_ones for name in self._config.required)

    @property
    def configured_identifier(self) -> int:
        """What the peer has to use if nobody says otherwise; 0: its choice."""
        text = self._config.peer_interface_identifier
        return read_identifier(text) if text else 0

    def named(self, name: str) -> Network | None:
        return next((network for network in self.all if network.name == name), None)

    def of_protocol(self, protocol: int) -> Network | None:
        for network in self.all:
            if network.protocol == protocol:
                return network
        return None

    def failed(self) -> tuple[Network, LinkClosed] | None:
        """One whose negotiation is pointless, and why."""
        for network in self.all:
            if network.policy.failure is not None:
                return network, network.policy.failure
        return None

    def dispensable(self, network: Network) -> bool:
        """Whether the link may still come to be of use without it."""
        return network.name not in self._config.required and len(self.all) > 1

    def remove(self, network: Network) -> None:
        self.all = [other for other in self.all if other is not network]

    def open(self, now: float) -> None:
        for network in self.all:
            network.negotiation.open(now)

    def up(self, now: float) -> None:
        for network in self.all:
            network.negotiation.up(now)

    def down(self, now: float) -> None:
        """LCP is down: what the NCPs have to say of it is no news to anybody."""
        for network in self.all:
            network.negotiation.down(now)
        self._box.signals[:] = [one for one in self._box.signals if one[0] == Protocol.LCP]

    def set_peer_mru(self, mru: int) -> None:
        for network in self.all:
            network.negotiation.peer_mru = mru

    def handle_timer(self, now: float) -> None:
        for network in self.all:
            network.negotiation.handle_timer(now)

    def forget_assigned(self) -> None:
        """What an earlier authentication assigned no longer holds."""
        self.assign(self._config.peer_address, self.configured_identifier, ())

    def assign(self, address: str, identifier: int, dns: tuple[str, ...]) -> None:
        """What the peer has to use; empty and 0: nothing in particular. `dns`: its name servers,
        empty: the configured ones."""
        for network in self.all:
            if isinstance(network, Ipv4):
                network.addresses.assigned = address
                network.addresses.dns = dns or self._config.dns
            elif isinstance(network, Ipv6):
                network.identifiers.assigned = identifier

    def want_ipv6(self, now: float) -> None:
        if self.named("ipv6") is None:
            self.all.append(Ipv6(self._config, self._rng, self._box))
            self.all[-1].negotiation.open(now)

    def missing(self) -> str:
        """The stage of the first that is not open."""
        return next((network.stage for network in self.all if not network.is_open), "ipcp")
