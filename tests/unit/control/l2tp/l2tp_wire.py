"""Two L2TP endpoints on a simulated wire with a clock of its own, for the tests of this folder."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, replace

from control.l2tp.avp import Avp, encode_avps, make
from control.l2tp.avp_table import Attribute, MessageType
from control.l2tp.avp_value import AvpValue
from control.l2tp.config import EndpointConfig
from control.l2tp.endpoint import Endpoint
from control.l2tp.events import (
    CallAsked,
    CallRequested,
    Datagram,
    Event,
    OutgoingCall,
    TunnelParameters,
)
from control.l2tp.message import Header, Message, decode, join

LNS = ("192.0.2.1", 1701)
LAC = ("192.0.2.2", 1701)
SECRET = b"wire-secret"
CALL = OutgoingCall("5551234")

OPEN = TunnelParameters(LNS, LAC, "lns", require_tunnel_auth=False, hello_interval=0.0)
PROVEN = replace(OPEN, secret=SECRET, require_tunnel_auth=True)


def lns(seed: int = 1, **settings: object) -> Endpoint:
    return Endpoint(replace(EndpointConfig(host_name="lns"), **settings), random.Random(seed))


def lac(seed: int = 2, policy: TunnelParameters = OPEN, **settings: object) -> Endpoint:
    incoming = {"": replace(policy, host_name="lac")}
    config = EndpointConfig(role="lac", host_name="lac", bearer_capabilities=3, incoming=incoming)
    return Endpoint(replace(config, **settings), random.Random(seed))


def events(endpoint: Endpoint) -> list[Event]:
    """All but CallAsked, which comes with every OCRQ and says nothing that is not in there."""
    result = []
    while (event := endpoint.next_event()) is not None:
        if not isinstance(event, CallAsked):
            result.append(event)
    return result


@dataclass
class Fault:
    loss: float = 0.0
    duplication: float = 0.0
    jitter: float = 0.0
    """Seconds; more than the time between two datagrams reorders them."""


class Wire:
    """`answer` makes the LAC accept and connect every call at once."""

    def __init__(
        self,
        a: Endpoint,
        b: Endpoint,
        *,
        fault: Fault | None = None,
        seed: int = 0,
        answer: bool = True,
        delay: float = 0.0,
    ) -> None:
        self.a, self.b = a, b
        self.now = 0.0
        self.sent: list[tuple[float, Datagram]] = []
        self.events: dict[Endpoint, list[Event]] = {a: [], b: []}
        self._fault = fault or Fault()
        self._rng = random.Random(seed)
        self._answer = answer
        self._delay = delay
        self._flying: list[tuple[float, int, Endpoint, Datagram]] = []
        self._order = 0

    def settle(self) -> None:
        """Runs until nothing more happens without time going by."""
        self.run(self.now)

    def run(self, until: float) -> None:
        while True:
            self._collect()
            times = [t for t in (self.a.get_timer(), self.b.get_timer()) if t is not None]
            if self._flying:
                times.append(self._flying[0][0])
            if not times or min(times) > until:
                break
            self.now = max(self.now, min(times))
            while self._flying and self._flying[0][0] <= self.now:
                _, _, target, datagram = heapq.heappop(self._flying)
                target.receive_datagram(datagram.data, datagram.peer, datagram.local, self.now)
            self.a.handle_timer(self.now)
            self.b.handle_timer(self.now)
        self.now = max(self.now, until)

    def types(self, source: tuple[str, int] = LNS) -> list[str]:
        """Names of the messages sent from an address, retransmissions included."""
        return [name(d.data) for _, d in self.sent if d.local == source]

    def _collect(self) -> None:
        for source in (self.a, self.b):
            for event in events(source):
                self.events[source].append(event)
                if self._answer and isinstance(event, CallRequested):
                    source.accept_call(event.call, self.now)
                    source.connect_call(event.call, self.now)
        for source, target in ((self.a, self.b), (self.b, self.a)):
            for datagram in source.datagrams_to_send():
                self.sent.append((self.now, datagram))
                self._fly(target, datagram)

    def _fly(self, target: Endpoint, datagram: Datagram) -> None:
        copies = 2 if self._rng.random() < self._fault.duplication else 1
        for _ in range(copies):
            if self._rng.random() < self._fault.loss:
                continue
            when = self.now + self._delay + self._rng.random() * self._fault.jitter
            self._order += 1
            heapq.heappush(self._flying, (when, self._order, target, datagram))


def name(data: bytes) -> str:
    message = decode(data, SECRET)
    return "ZLB" if message.type is None else MessageType(message.type).name


class Peer:
    """A peer scripted message by message against one endpoint."""

    def __init__(
        self, endpoint: Endpoint, address: tuple[str, int] = LAC, ours: tuple[str, int] = LNS
    ) -> None:
        self.endpoint = endpoint
        self.address = address
        self.ours = ours
        self.tunnel = 77
        """The tunnel id it assigns."""
        self.their_tunnel = 0
        self.ns = 0
        self.nr = 0
        self.received: list[Message] = []
        self.secret = SECRET

    def read(self) -> list[Message]:
        """What the endpoint has sent to us, acknowledgements left out."""
        messages = []
        for datagram in self.endpoint.datagrams_to_send():
            message = decode(datagram.data, self.secret)
            if message.type is None:
                continue
            if message.ns == self.nr:
                self.nr = (self.nr + 1) % 65536
                messages.append(message)
            assigned = message.value(Attribute.ASSIGNED_TUNNEL_ID, int)
            if assigned:
                self.their_tunnel = assigned
        self.received += messages
        return messages

    def raw(self, body: bytes, session: int = 0, now: float = 0.0, **change: int) -> None:
        header = Header(self.their_tunnel, session, self.ns, self.nr)
        self.endpoint.receive_datagram(
            join(replace(header, **change), body), self.ours, self.address, now
        )
        if body:
            self.ns = (self.ns + 1) % 65536

    def send(
        self,
        kind: MessageType,
        *avps: tuple[Attribute, AvpValue] | Avp,
        session: int = 0,
        now: float = 0.0,
        **change: int,
    ) -> None:
        self.raw(body(kind, *avps), session, now, **change)

    def start(
        self,
        kind: MessageType,
        *more: tuple[Attribute, AvpValue],
        now: float = 0.0,
        bearer: int | None = 3,
        version: int = 0x0100,
        host: str = "lac",
        framing: int = 3,
        **change: int,
    ) -> None:
        """SCCRQ or SCCRP with what it must carry."""
        avps: list[tuple[Attribute, AvpValue]] = [
            (Attribute.PROTOCOL_VERSION, version),
            (Attribute.FRAMING_CAPABILITIES, framing),
            (Attribute.HOST_NAME, host),
            (Attribute.ASSIGNED_TUNNEL_ID, self.tunnel),
        ]
        if bearer is not None:
            avps.append((Attribute.BEARER_CAPABILITIES, bearer))
        self.send(kind, *avps, *more, now=now, **change)

    def establish(self, now: float = 0.0, **start: object) -> list[Message]:
        """Answers the endpoint's SCCRQ; returns what follows SCCCN."""
        assert [m.type for m in self.read()] == [MessageType.SCCRQ]
        self.start(MessageType.SCCRP, now=now, **start)
        first, *rest = self.read()
        assert first.type == MessageType.SCCCN
        return rest

    def cdn(self, session: int, assigned: int, result: int = 8, now: float = 0.0) -> None:
        from control.l2tp.avp_value import ResultCode

        self.send(
            MessageType.CDN,
            (Attribute.RESULT_CODE, ResultCode(result)),
            (Attribute.ASSIGNED_SESSION_ID, assigned),
            session=session,
            now=now,
        )


def body(kind: int, *avps: tuple[Attribute, AvpValue] | Avp) -> bytes:
    made = [avp if isinstance(avp, Avp) else make(*avp) for avp in avps]
    return encode_avps([make(Attribute.MESSAGE_TYPE, int(kind)), *made])
