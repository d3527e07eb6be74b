"""One link whose peer is written by hand, packet by packet."""

from __future__ import annotations

from random import Random
from typing import TypeVar

from control.ppp.config import LinkConfig
from control.ppp.events import Event, LinkClosed
from control.ppp.frame import Packet, decode_frame, decode_packet, encode_frame
from control.ppp.link import Link

LCP, IPCP, PAP, CHAP = 0xC021, 0x8021, 0xC023, 0xC223
E = TypeVar("E")

LNS = LinkConfig(local_address="10.0.0.1", mru=1500)
"""No demands at all."""


class Wire:
    def __init__(self, config: LinkConfig = LNS, seed: int = 1) -> None:
        self.now = 0.0
        self.link = Link(config, Random(seed))
        self.events: list[Event] = []
        self.kept: list[tuple[int, Packet]] = []
        self.request = Packet(0, 0)

    def open(self) -> Packet:
        """Open the link; its first Configure-Request."""
        self.link.open(self.now)
        ((_, request),) = self.sent()
        return request

    def open_lcp(self, options: bytes = b"") -> None:
        """Open the link and LCP, the peer asking for `options`."""
        self.agree(LCP, self.open(), options)

    def agree(self, protocol: int, request: Packet, options: bytes = b"") -> None:
        """Acknowledge a request of the link and make one that it has to take."""
        self.give(protocol, 2, request.identifier, request.data)
        self.give(protocol, 1, 1, options)
        assert (protocol, Packet(2, 1, options)) in self.sent_and_kept()

    def open_network(self, address: bytes = b"\x03\x06\x0a\x09\x09\x09") -> None:
        """Bring a link without authentication all the way up."""
        self.open_lcp()
        request = next(packet for protocol, packet in self.kept if protocol == IPCP)
        self.agree(IPCP, request, address)
        self.take_events()

    def give(self, protocol: int, code: int, identifier: int, data: bytes = b"") -> None:
        frame = encode_frame(protocol, Packet(code, identifier, data).encode())
        self.link.receive_frame(frame, self.now)

    def sent(self) -> list[tuple[int, Packet]]:
        """What the link has sent since it was last asked."""
        frames = [decode_frame(frame) for frame in self.link.frames_to_send()]
        return [(frame.protocol, decode_packet(frame.information)) for frame in frames]

    def sent_and_kept(self) -> list[tuple[int, Packet]]:
        self.kept = self.sent()
        return self.kept

    def codes(self) -> list[tuple[int, int]]:
        return [(protocol, packet.code) for protocol, packet in self.sent()]

    def wait(self, until: float) -> None:
        """Serve every timer up to `until`."""
        while (timer := self.link.get_timer()) is not None and timer <= until:
            self.now = timer
            self.link.handle_timer(timer)
            after = self.link.get_timer()
            assert after is None or after > timer
        self.now = until

    def take_events(self) -> list[Event]:
        while (event := self.link.next_event()) is not None:
            self.events.append(event)
        return self.events

    def last(self, kind: type[E]) -> E:
        event = self.take_events()[-1]
        assert isinstance(event, kind), event
        return event

    def closed(self) -> LinkClosed:
        return self.last(LinkClosed)
