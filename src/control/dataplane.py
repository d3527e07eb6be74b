"""What the control plane needs of a data plane: a narrow protocol that fastpath_dataplane
implements."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from control.config import Classifier, VirtualRouter
from control.l2tp.events import SocketAddress
from control.unlocked import unlocked

NextHop = int
"""Index of an adjacency in the data plane."""


@unlocked
@dataclass(frozen=True, slots=True)
class TriggerEvent:
    """First packet of a (table, target prefix, destination): somebody wants to be connected."""

    key: int
    """Names the data plane's entry in hold, discard, flush and forget. Never reused for another
    destination."""
    table: int
    glean: NextHop
    """The target's adjacency, as add_glean returned it."""
    destination: str
    source: str
    protocol: int
    source_port: int
    destination_port: int


@unlocked
@dataclass(frozen=True, slots=True)
class SessionSpec:
    """An L2TP session for the data plane: how to encapsulate and what to accept."""

    table: int
    """Routing table of the inner packets."""
    local: SocketAddress
    peer: SocketAddress
    tunnel: int
    session: int
    peer_tunnel: int
    peer_session: int
    mtu: int = 1460
    """Largest inner packet, octets."""
    clamp_mss: bool = False
    """Cut the MSS of TCP connections, both ways, to what `mtu` has room for."""
    acfc: bool = False
    pfc: bool = False
    sequencing: bool = False
    udp_checksum: bool = True
    drop_old: bool = False
    """Drop numbered data messages that come behind newer ones. Never changes."""
    tos: int | None = None
    """Outer TOS octet; None: copied from the inner packet."""
    df: bool = True
    """Don't Fragment on the outer packet."""


class Transaction(Protocol):
    """Changes that become visible together when the block ends, or not at all if it raises."""

    def add_route(self, table: int, prefix: str, nh: NextHop) -> None: ...
    def delete_route(self, table: int, prefix: str) -> None: ...
    def add_glean(self, table: int, prefix: str) -> NextHop:
        """A dial-out target's adjacency (its route is added apart)."""
        ...

    def add_session(self, spec: SessionSpec) -> NextHop: ...
    def update_session(self, nh: NextHop, spec: SessionSpec) -> None: ...
    def delete_adjacency(self, nh: NextHop) -> None: ...
    def set_sources(self, nh: NextHop, prefixes: Sequence[str]) -> None:
        """What the session's peer may send from, even while another session has the route."""
        ...

    def set_filter(self, nh: NextHop, classifier: str, *, inbound: str = "") -> None:
        """A classifier that packets pass: to be triggers, or into a session; `inbound`: out of it.
        Empty: none. ResourceError: there is none of this name."""
        ...

    def hold(self, nh: NextHop, key: int) -> None:
        """From the commit on packets for this session join the tail of `key`'s buffer, until
        flush."""
        ...

    def resolve(self, table: int, destination: str) -> NextHop:
        """Longest match, this transaction's changes included. 0 = no route."""
        ...


@unlocked
@dataclass(frozen=True, slots=True)
class SessionCounters:
    packets_in: int
    octets_in: int
    packets_out: int
    octets_out: int
    last_activity: float
    """Engine time in seconds of the last forwarded packet, either way."""


class Dataplane(Protocol):
    def transaction(self) -> AbstractContextManager[Transaction]: ...
    def resolve(self, table: int, destination: str) -> NextHop:
        """Longest match. ResourceError: there is no such table."""
        ...

    def trigger_discard(self, key: int) -> None:
        """Later triggers of this key are discarded; what is buffered stays."""
        ...

    def trigger_drop(self, key: int) -> int:
        """Drops the buffer, keeps the key and discards its later triggers. Returns how many were
        dropped."""
        ...

    def trigger_hold(self, key: int) -> None: ...
    def trigger_flush(self, key: int, nh: NextHop) -> int:
        """Sends the buffer over `nh` in arrival order, ends its hold, forgets the key. Returns how
        many were sent."""
        ...

    def trigger_forget(self, key: int) -> int:
        """Drops the buffer and the key: the next packet is a new event. Returns how many were
        dropped."""
        ...

    def send_ppp(self, nh: NextHop, frame: bytes) -> None:
        """Sends a PPP frame (address and control octets included if wanted) inside a session."""
        ...

    def session_counters(self, nh: NextHop) -> SessionCounters: ...
    def set_table(self, router: VirtualRouter) -> None:
        """A virtual router came, or its limit of buffered triggers changed. ResourceError: there is
        no room."""
        ...

    def set_classifiers(self, classifiers: Sequence[Classifier]) -> None:
        """There are these from now on. RuleError or ResourceError: nothing has changed."""
        ...
