"""PPP frames by hand (RFC 1661 2 and 5), and the far end of a link that sends what it is told.
Shares no codec with the product."""

from __future__ import annotations

import hashlib
import random
import struct
from dataclasses import dataclass

from control.ppp.config import LinkConfig
from control.ppp.events import AuthenticationRequested, Event
from control.ppp.link import Link

LCP, IPCP, PAP, CHAP = 0xC021, 0x8021, 0xC023, 0xC223
REQ, ACK, NAK, REJ, TERM_REQ, TERM_ACK, CODE_REJ = range(1, 8)
PROTO_REJ, ECHO_REQ, ECHO_REP, DISCARD, IDENT = range(8, 13)
PAP_OPTION, CHAP_OPTION = b"\x03\x04\xc0\x23", b"\x03\x05\xc2\x23\x05"
ADDRESS = b"\x03\x06\x0a\x09\x09\x09"


def option(kind: int, value: bytes = b"") -> bytes:
    return bytes((kind, 2 + len(value))) + value


def packet(code: int, identifier: int, data: bytes = b"") -> bytes:
    return struct.pack(">BBH", code, identifier, 4 + len(data)) + data


def frame(protocol: int, code: int, identifier: int, data: bytes = b"") -> bytes:
    return b"\xff\x03" + struct.pack(">H", protocol) + packet(code, identifier, data)


@dataclass(frozen=True)
class Got:
    protocol: int
    code: int
    identifier: int
    data: bytes


def parse(octets: bytes) -> Got:
    """A frame of a link that was not allowed to compress anything."""
    assert octets[:2] == b"\xff\x03"
    protocol, code, identifier, length = struct.unpack_from(">HBBH", octets, 2)
    assert length == len(octets) - 4
    return Got(protocol, code, identifier, octets[8:])


def md5(identifier: int, secret: bytes, challenge: bytes) -> bytes:
    return hashlib.md5(bytes((identifier,)) + secret + challenge).digest()


class FarPpp:
    def __init__(self, seed: int = 1, *, opened: bool = True, **config: object) -> None:
        settings = {"local_address": "10.0.0.1", "mru": 1500, "local_name": "lns"} | config
        self.link = Link(LinkConfig(**settings), random.Random(seed))
        self.now = 0.0
        self.events: list[Event] = []
        self.got: list[Got] = []
        if opened:
            self.link.open(0.0)
            self.hear()

    def hear(self) -> list[Got]:
        got = [parse(octets) for octets in self.link.frames_to_send()]
        self.got += got
        while (event := self.link.next_event()) is not None:
            self.events.append(event)
        return got

    def put(self, octets: bytes) -> list[Got]:
        self.link.receive_frame(octets, self.now)
        return self.hear()

    def say(self, protocol: int, code: int, identifier: int = 1, data: bytes = b"") -> list[Got]:
        return self.put(frame(protocol, code, identifier, data))

    def wait(self, seconds: float) -> list[Got]:
        end, got = self.now + seconds, []
        while (when := self.link.get_timer()) is not None and when <= end:
            self.now = when
            self.link.handle_timer(when)
            got += self.hear()
        self.now = end
        return got

    def last(self, protocol: int, code: int) -> Got:
        return [one for one in self.got if (one.protocol, one.code) == (protocol, code)][-1]

    def acknowledge(self, protocol: int = LCP) -> list[Got]:
        """A Configure-Ack of the newest request."""
        request = self.last(protocol, REQ)
        return self.say(protocol, ACK, request.identifier, request.data)

    def open_lcp(self, options: bytes = b"") -> list[Got]:
        return self.acknowledge() + self.say(LCP, REQ, 200, options)

    def open_network(self) -> None:
        """IPCP of a link whose authentication is over."""
        self.acknowledge(IPCP)
        self.say(IPCP, REQ, 201, ADDRESS)

    def decide(self, accepted: bool, address: str = "") -> list[Got]:
        """Answers the newest question of the link."""
        asked = [e for e in self.events if isinstance(e, AuthenticationRequested)][-1]
        self.link.authentication_result(asked.request, accepted, self.now, peer_address=address)
        return self.hear()

    def names(self) -> list[str]:
        return [type(event).__name__ for event in self.events]


def codes(got: list[Got], protocol: int = LCP) -> list[int]:
    return [one.code for one in got if one.protocol == protocol]
