"""L2TP control messages by hand (RFC 2661 3.1, 4.1), and one end of a control connection that sends
exactly what it is told. Shares no codec with the product."""

from __future__ import annotations

import hashlib
import random
import struct
from dataclasses import dataclass, field

from control.l2tp.config import EndpointConfig
from control.l2tp.endpoint import Endpoint
from control.l2tp.events import Event, OutgoingCall, TunnelParameters

LNS, LAC = ("192.0.2.1", 1701), ("192.0.2.9", 1701)
SECRET = b"conformance"
SCCRQ, SCCRP, SCCCN, STOPCCN, HELLO = 1, 2, 3, 4, 6
OCRQ, OCRP, OCCN, ICRQ, ICRP, ICCN, CDN, WEN, SLI = 7, 8, 9, 10, 11, 12, 14, 15, 16
ZLB = 0
OUR_TUNNEL, OUR_SESSION = 0x4D4D, 0x5E5E
"""Ids that the scripted end assigns."""


def u16(value: int) -> bytes:
    return struct.pack(">H", value)


def u32(value: int) -> bytes:
    return struct.pack(">I", value)


def avp(kind: int, value: bytes = b"", *, m: int = 1, vendor: int = 0, reserved: int = 0) -> bytes:
    word = m << 15 | reserved << 10 | 6 + len(value)
    return struct.pack(">HHH", word, vendor, kind) + value


def control(tunnel: int, session: int, ns: int, nr: int, body: bytes = b"") -> bytes:
    return struct.pack(">HHHHHH", 0xC802, 12 + len(body), tunnel, session, ns, nr) + body


def response(carrier: int, challenge: bytes, secret: bytes = SECRET) -> bytes:
    """AVP 13 for a challenge, in a message of type `carrier` (RFC 2661 5.1.1)."""
    return avp(13, hashlib.md5(bytes((carrier,)) + secret + challenge).digest())


def start_body(
    kind: int, *more: bytes, version: int = 0x0100, bearer: bytes | None = None
) -> bytes:
    """SCCRQ or SCCRP with what 6.1 and 6.2 require."""
    bearer = avp(4, u32(3)) if bearer is None else bearer
    return b"".join(
        (
            avp(0, u16(kind)),
            avp(2, u16(version)),
            avp(3, u32(3)),
            avp(7, b"scripted"),
            avp(9, u16(OUR_TUNNEL)),
            bearer,
            *more,
        )
    )


BODIES = {
    SCCRQ: start_body(SCCRQ),
    SCCRP: start_body(SCCRP),
    SCCCN: avp(0, u16(SCCCN)),
    STOPCCN: avp(0, u16(STOPCCN)) + avp(9, u16(OUR_TUNNEL)) + avp(1, u16(1)),
    HELLO: avp(0, u16(HELLO)),
    OCRQ: avp(0, u16(OCRQ))
    + avp(14, u16(OUR_SESSION))
    + avp(15, u32(7))
    + avp(16, u32(9600))
    + avp(17, u32(64000))
    + avp(18, u32(1))
    + avp(19, u32(1))
    + avp(21, b"5551000"),
    OCRP: avp(0, u16(OCRP)) + avp(14, u16(OUR_SESSION)),
    OCCN: avp(0, u16(OCCN)) + avp(24, u32(64000)) + avp(19, u32(1)),
    ICRQ: avp(0, u16(ICRQ)) + avp(14, u16(OUR_SESSION)) + avp(15, u32(7)),
    ICRP: avp(0, u16(ICRP)) + avp(14, u16(OUR_SESSION)),
    ICCN: avp(0, u16(ICCN)) + avp(24, u32(64000)) + avp(19, u32(1)),
    CDN: avp(0, u16(CDN)) + avp(1, u16(8)) + avp(14, u16(OUR_SESSION)),
    WEN: avp(0, u16(WEN)) + avp(34, bytes(26)),
    SLI: avp(0, u16(SLI)) + avp(35, bytes(10)),
}
"""A good message of every type."""


@dataclass(frozen=True)
class Heard:
    """A datagram as it came."""

    tunnel: int
    session: int
    ns: int
    nr: int
    kind: int
    values: dict[int, bytes] = field(default_factory=dict)
    size: int = 12
    peer: tuple[str, int] = LAC

    @property
    def result(self) -> tuple[int, int]:
        """Result and error code of AVP 1."""
        code = self.values[1]
        return int.from_bytes(code[:2], "big"), int.from_bytes(code[2:4], "big")

    def number(self, kind: int) -> int:
        return int.from_bytes(self.values[kind], "big")


def parse(data: bytes, peer: tuple[str, int] = LAC) -> Heard:
    word, length, *numbers = struct.unpack_from(">HHHHHH", data)
    assert word == 0xC802
    assert length == len(data)
    values: dict[int, bytes] = {}
    at = 12
    while at < length:
        flags, vendor, kind = struct.unpack_from(">HHH", data, at)
        size = flags & 0x3FF
        assert 6 <= size <= length - at
        assert vendor == 0
        assert not flags & 0x3C00
        values[kind] = data[at + 6 : at + size]
        if at == 12:
            assert (kind, size) == (0, 8), "Message Type comes first"
        at += size
    kind = int.from_bytes(values[0], "big") if values else ZLB
    return Heard(*numbers, kind, values, length, peer)


class Far:
    """The far end of an endpoint under test, at `address`."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        address: tuple[str, int] = LAC,
        toward: tuple[str, int] = LNS,
    ) -> None:
        self.endpoint = endpoint
        self.address, self.toward = address, toward
        self.now = 0.0
        self.ns = self.nr = 0
        self.tunnel = 0
        """The endpoint's tunnel id."""
        self.session = 0
        """The session id of the endpoint's newest call."""
        self.events: list[Event] = []

    def hear(self) -> list[Heard]:
        """Everything the endpoint has sent since, ZLBs included."""
        heard = []
        for datagram in self.endpoint.datagrams_to_send():
            one = parse(datagram.data, datagram.peer)
            heard.append(one)
            if one.kind != ZLB and one.ns == self.nr:
                self.nr = (self.nr + 1) & 0xFFFF
            if one.kind in (SCCRQ, SCCRP):
                self.tunnel = one.number(9)
            if one.kind in (OCRQ, OCRP):
                self.session = one.number(14)
        while (event := self.endpoint.next_event()) is not None:
            self.events.append(event)
        return heard

    def put(self, data: bytes, source: tuple[str, int] | None = None) -> list[Heard]:
        self.endpoint.receive_datagram(data, self.toward, source or self.address, self.now)
        return self.hear()

    def say(self, kind: int, *, session: int = 0, body: bytes | None = None) -> list[Heard]:
        """One message in order; what comes back at once, and the acknowledgement due later."""
        data = control(
            0 if kind == SCCRQ and not self.tunnel else self.tunnel,
            session,
            self.ns,
            self.nr,
            BODIES[kind] if body is None else body,
        )
        self.ns = (self.ns + 1) & 0xFFFF
        return self.put(data)

    def acknowledge(self) -> list[Heard]:
        return self.put(control(self.tunnel, 0, self.ns, self.nr))

    def wait(self, seconds: float) -> list[Heard]:
        """Serves every timer on the way; acknowledges nothing."""
        end, heard = self.now + seconds, []
        while (when := self.endpoint.get_timer()) is not None and when <= end:
            self.now = max(self.now, when)
            self.endpoint.handle_timer(self.now)
            heard += self.hear()
        self.now = end
        return heard

    def names(self) -> list[str]:
        """Events so far."""
        return [type(event).__name__ for event in self.events]


def kinds(heard: list[Heard]) -> list[int]:
    """Message types, ZLBs left out."""
    return [one.kind for one in heard if one.kind != ZLB]


PARAMETERS = TunnelParameters(LNS, LAC, "lns", require_tunnel_auth=False, hello_interval=0.0)


def lns_end(parameters: TunnelParameters = PARAMETERS, calls: int = 1, **settings: object) -> Far:
    """An LNS that has been asked to place calls; its SCCRQ is not heard yet."""
    endpoint = Endpoint(EndpointConfig("lns", "lns", **settings), random.Random(1))
    for number in range(calls):
        endpoint.place_call(parameters, OutgoingCall(str(5550 + number)), 0.0)
    return Far(endpoint)


def lac_end(policy: TunnelParameters = PARAMETERS, **settings: object) -> Far:
    """A LAC that everybody may open a tunnel to."""
    config = EndpointConfig("lac", "lac", bearer_capabilities=3, incoming={"": policy}, **settings)
    return Far(Endpoint(config, random.Random(2)), address=LNS, toward=LAC)
