"""What the parts of a dial-out share: protocol objects, data plane, tables of who owns what.

The protocols here are the narrow view dial-out has of l2tp.Endpoint, ppp.Link and radius.Client.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from control import config
from control.dataplane import Dataplane, NextHop
from control.dialout.accounting import Accounting
from control.dialout.budget import Budget
from control.dialout.call_record import CallRecords
from control.dialout.events import MOST_UNUSED, AnswerUnused, Event
from control.dialout.lacs import Lacs
from control.dialout.link_owner import LinkOwner, Owner
from control.dialout.pools import Pools
from control.dialout.session import Session
from control.l2tp import events as l2tp
from control.l2tp.avp_value import DisconnectCause
from control.ppp import events as ppp
from control.ppp.config import LinkConfig
from control.radius.accounting import AccountingRequest
from control.radius.requests import DialoutRequest, SessionRequest

TIMELINE = 65536
"""Facts kept for a reader; the oldest go first if nobody reads."""

RETIRED = 1024
"""Keys a directory remembers after their end."""

K = TypeVar("K")
Who = TypeVar("Who", bound=Owner)


class CallControl(Protocol):
    """Of l2tp.endpoint.Endpoint."""

    def place_call(
        self,
        tunnel: l2tp.TunnelParameters,
        call: l2tp.OutgoingCall,
        now: float,
        *,
        tunnel_patience: float | None = None,
        call_patience: float | None = None,
    ) -> int: ...
    def close_call(
        self,
        call: int,
        now: float,
        *,
        result: int = 3,
        error: int = 0,
        message: str = "",
        q931_cause: int | None = None,
        disconnect_cause: DisconnectCause | None = None,
    ) -> None: ...
    def accept_call(self, call: int, now: float) -> None: ...
    def drain_peer(self, address: str, now: float, *, drained: bool = True) -> None: ...
    def close_peer(self, address: str, now: float, *, message: str = "") -> None: ...
    def set_link_info(
        self, call: int, now: float, *, send: int = 0xFFFFFFFF, receive: int = 0xFFFFFFFF
    ) -> None: ...


class RadiusClient(Protocol):
    """Of radius.client.Client."""

    def request_dialout(self, request: DialoutRequest, now: float) -> int: ...
    def request_session(self, request: SessionRequest, now: float) -> int: ...
    def cancel(self, request: int) -> None: ...
    def account(self, request: AccountingRequest, now: float) -> None: ...


class PppLink(Protocol):
    """Of ppp.link.Link."""

    def open(self, now: float) -> None: ...
    def close(self, now: float, reason: str = "") -> None: ...
    def lower_down(self, now: float) -> None: ...
    def receive_frame(self, frame: bytes, now: float) -> None: ...
    def authentication_result(
        self,
        request: int,
        accepted: bool | None,
        now: float,
        *,
        message: str = "",
        peer_address: str = "",
        ipv6: bool = False,
        peer_identifier: str = "",
        dns: tuple[str, ...] = (),
    ) -> None: ...
    def handle_timer(self, now: float) -> None: ...
    def get_timer(self) -> float | None: ...
    def next_event(self) -> ppp.Event | None: ...
    def frames_to_send(self) -> list[bytes]: ...


@dataclass(frozen=True, slots=True)
class RadiusGroup:
    config: config.Radius
    client: RadiusClient


class Directory(Generic[K, Who]):
    """Which attempt of which owner something outside belongs to."""

    def __init__(self) -> None:
        self._owners: dict[K, tuple[Who, int]] = {}
        self._retired: dict[K, tuple[Who, int]] = {}

    def __len__(self) -> int:
        return len(self._owners)

    def add(self, key: K, owner: Who) -> None:
        self._owners[key] = (owner, owner.attempt_id)

    def remove(self, key: K) -> None:
        self._owners.pop(key, None)
        self._retired.pop(key, None)

    def retire(self, key: K) -> None:
        """Nothing is expected for this key any more, but something may be on its way."""
        owner = self._owners.pop(key, None)
        if owner is not None:
            self._retired[key] = owner
        if len(self._retired) > RETIRED:
            del self._retired[next(iter(self._retired))]

    def find(self, key: K) -> tuple[Who, int] | None:
        """The owner, and the attempt for which the key was added."""
        return self._owners.get(key) or self._retired.get(key)


class Timeline:
    """FIFO of facts."""

    def __init__(self) -> None:
        self._facts: deque[Event] = deque(maxlen=TIMELINE)
        self.lost = 0

    def add(self, fact: Event) -> None:
        self.lost += len(self._facts) == TIMELINE
        self._facts.append(fact)

    def next(self) -> Event | None:
        return self._facts.popleft() if self._facts else None


@dataclass(slots=True)
class Services:
    chassis: config.Chassis
    dataplane: Dataplane
    endpoints: Mapping[str, CallControl]
    """By local address."""
    radius: dict[str, RadiusGroup]
    """By name of the group."""
    new_link: Callable[[LinkConfig], PppLink]
    budget: Budget
    lacs: Lacs
    boot: str
    """Differs between two starts of the process: makes Acct-Session-Id unique."""
    wall: Callable[[], float] = lambda: 0.0
    """Seconds since 1970, UTC: what accounting records are stamped with."""
    random: Callable[[], float] = lambda: 0.5
    """From 0 to 1: spreads what all calls do regularly."""
    timeline: Timeline = field(default_factory=Timeline)
    records: CallRecords = field(default_factory=CallRecords)
    calls: Directory[tuple[str, int], Session] = field(default_factory=Directory)
    """By local address and call handle."""
    requests: Directory[tuple[str, int], LinkOwner] = field(default_factory=Directory)
    """By RADIUS group and request."""
    adjacencies: Directory[NextHop, LinkOwner] = field(default_factory=Directory)
    attempts: int = 0
    """Attempts so far, incoming calls among them."""
    pools: Pools = field(default_factory=lambda: Pools(()))
    accounting: Accounting = field(init=False)

    def __post_init__(self) -> None:
        self.accounting = Accounting(self.radius, self.dataplane, self.boot, self.wall, self.random)
        self.budget.tell = self.lacs.tell = self.timeline.add

    def next_attempt(self) -> int:
        """A number for an owner's attempt that no other has."""
        self.attempts += 1
        return self.attempts

    def tell_unused(self, owner: LinkOwner, group: str, what: tuple[str, ...], now: float) -> None:
        """Something of an Access-Accept is of no use: operators should see why."""
        if what:
            self.timeline.add(AnswerUnused(*owner.fact(now), group, what[:MOST_UNUSED]))

    def acct_session_id(self, owner: Owner) -> str:
        """Acct-Session-Id (RFC 2866 5.5) of an owner's present attempt."""
        return f"{self.boot}{owner.attempt_id:08X}"
