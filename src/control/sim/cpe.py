"""The remote site's router: a PPP peer that answers calls, pings and UDP.

SimCpe is the site with its configuration, Line one answered call. The PPP itself is control.ppp,
IPv6 is cpe_ipv6.py; it knows no L2TP: frames come and go through the LAC's modem. TCP and the rest
of IP is counted only.
"""

from __future__ import annotations

import hashlib
import hmac
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from control import config as settings
from control.errors import DecodeError
from control.ppp import mschap_proof
from control.ppp.config import LinkConfig
from control.ppp.events import (
    AuthenticationRequested,
    Ipv6Closed,
    Ipv6Opened,
    LcpOpened,
    LinkClosed,
    NetworkClosed,
    NetworkOpened,
)
from control.ppp.link import Link
from control.sim import cpe_ipv6, host
from control.sim.clock import Alarm, VirtualClock
from control.sim.fast_link import FastLink

if TYPE_CHECKING:
    from control.sim.device import TunDevice

SITE_MRU = 1500
PATIENCE = 120.0
"""Seconds a site waits for authentication and for an open network. Long, so that on a bad line the
side under test is the one that gives up."""
ANSWERS = ("chap", "pap", "mschapv2")
"""Methods it proves itself with; the last needs an extra."""
IP_PROTOCOL = 0x21
IP_PREFIXES = (b"\xff\x03\x00\x21", b"\x00\x21", b"\x21", b"\xff\x03\x21")
"""How an IP frame may begin (RFC 1661 6.5, 6.6), most frequent first."""


@dataclass(slots=True)
class CpeCounters:
    """All calls of one site together."""

    calls: int = 0
    """Lines answered."""
    opened: int = 0
    """Times IPCP was opened."""
    authentication_failures: int = 0
    """Names or secrets of the caller that were wrong."""
    frames_in: int = 0
    frames_out: int = 0
    packets: int = 0
    """IP packets received: the sum of the ten below."""
    pings: int = 0
    """Echo Requests answered."""
    echoes: int = 0
    """UDP packets answered."""
    ignored: int = 0
    """TCP, other protocols, and what is never answered: replies, multicast, another's echo."""
    advertisements: int = 0
    """Router Advertisements heard."""
    fragments: int = 0
    not_open: int = 0
    """Came while IPCP was not Opened."""
    bad_header: int = 0
    """IP header cut off, inconsistent or with a wrong checksum."""
    bad_payload: int = 0
    """UDP or ICMP that is cut off or has a wrong checksum."""
    too_big: int = 0
    """Answers that the caller's MRU does not allow."""
    to_hosts: int = 0
    """Given to the hosts of the site's device."""
    from_hosts: int = 0
    """Packets of those hosts that left by a call."""
    without_call: int = 0
    """Packets of those hosts that came while no call was up."""


class Line:
    """One call of a site, from the modem's answer to the end of its carrier."""

    def __init__(
        self,
        site: SimCpe,
        rng: random.Random,
        *,
        send: Callable[[bytes], object],
        hang_up: Callable[[str], object],
        on_open: Callable[[], object] | None = None,
    ) -> None:
        """`send` takes PPP frames to the caller, `hang_up` is called with the reason when this side
        ends the call, `on_open` each time IPCP is Opened. None is called after `drop`."""
        self._site = site
        self._config = site.config
        self._clock = site.clock
        self._counters = site.counters
        self._send = send
        self._hang_up = hang_up
        self._on_open = on_open
        self._link = site.new_link(rng)
        self._alarm = Alarm(site.clock, self._ring)
        self._carrier = True
        self._prefix = IP_PREFIXES[0]
        self._ipv6_prefix = cpe_ipv6.PREFIXES[0]
        self.ipv6 = cpe_ipv6.SiteIpv6()
        self._peer_mru = SITE_MRU
        self.open = False
        """IPCP is Opened."""

    def start(self) -> None:
        """The modems have trained: PPP begins."""
        self._link.open(self._clock.now)
        self._pump()

    def drop(self) -> None:
        """The carrier is gone; the caller's end did it."""
        if not self._carrier:
            return
        self._carrier = False
        self.open = False
        self._alarm.cancel()
        self._link.lower_down(self._clock.now)

    def close(self) -> None:
        """This side ends the call in good order: Terminate-Request first."""
        self._link.close(self._clock.now, "the site hangs up")
        self._pump()

    def receive_frame(self, frame: bytes) -> None:
        """One PPP frame as it stood in the L2TP payload."""
        if not self._carrier:
            return
        self._counters.frames_in += 1
        for prefix in IP_PREFIXES:
            if frame.startswith(prefix):
                self._receive_packet(frame[len(prefix) :])
                return
        for prefix in cpe_ipv6.PREFIXES:
            if frame.startswith(prefix):
                self._receive_ipv6(frame[len(prefix) :])
                return
        self._link.receive_frame(frame, self._clock.now)
        self._pump()

    def receive_quiet(self, count: int) -> None:
        """As receive_frame for `count` IP packets of which quiet.py says that none is answered."""
        if not self._carrier:
            return
        self._counters.frames_in += count
        self._counters.packets += count
        if self.open:
            self._counters.ignored += count
        else:
            self._counters.not_open += count

    def _ring(self) -> None:
        self._link.handle_timer(self._clock.now)
        self._pump()

    def _pump(self) -> None:
        """Takes out of the PPP link what it has to say, to us and to its peer."""
        link, ended = self._link, None
        while (event := link.next_event()) is not None:
            match event:
                case LcpOpened():
                    acfc, pfc = event.send_acfc, event.send_pfc
                    self._prefix = ip_prefix(acfc=acfc, pfc=pfc)
                    self._ipv6_prefix = cpe_ipv6.frame_prefix(acfc=acfc, pfc=pfc)
                    self._peer_mru = event.peer_mru
                case AuthenticationRequested():
                    self._check(event)
                case NetworkOpened():
                    self.open = True
                    self._site.line = self
                    self._counters.opened += 1
                    if self._on_open is not None:
                        self._on_open()
                case NetworkClosed():
                    self.open = False
                case Ipv6Opened():
                    self.ipv6.open = True
                    self.ipv6.identifier = event.local_identifier
                case Ipv6Closed():
                    self.ipv6.open = False
                case LinkClosed():
                    self.open = False
                    ended = event.reason
                case _:
                    pass
        for frame in link.frames_to_send():
            self._transmit(frame)
        if ended is not None:
            # Behind the last frame, which takes just as long.
            self._clock.call_later(self._config.delay, self._end, ended)
        self._alarm.set(link.get_timer() if self._carrier else None)

    def _check(self, event: AuthenticationRequested) -> None:
        name, secret = self._config.peer_username, self._config.peer_password
        if event.protocol == "mschapv2":
            message = mschap_success(event, name, secret)
            accepted = bool(message)
        else:
            accepted = credentials_match(event, name, secret)
            message = "welcome" if accepted else "unknown name or wrong secret"
        if not accepted:
            self._counters.authentication_failures += 1
        self._link.authentication_result(event.request, accepted, self._clock.now, message=message)

    def _transmit(self, frame: bytes) -> None:
        if not self._config.delay:
            self._leave(frame)
            return
        self._clock.call_later(self._config.delay, self._leave, frame)

    def _leave(self, frame: bytes) -> None:
        if self._carrier:
            self._counters.frames_out += 1
            self._send(frame)

    def _end(self, reason: str) -> None:
        if self._carrier:
            self.drop()
            self._hang_up(reason)

    def _receive_packet(self, packet: bytes) -> None:
        counters = self._counters
        counters.packets += 1
        if not self.open:
            counters.not_open += 1
            return
        if self._site.hosts is not None:
            counters.to_hosts += 1
            self._site.hosts.write(packet)
            return
        try:
            protocol, _, _ = host.read_ip(packet)
        except DecodeError:
            counters.bad_header += 1
            return
        if host.is_fragment(packet):
            counters.fragments += 1
        elif protocol in (host.ICMP, host.UDP) and self._config.echo and host.is_unicast(packet):
            self._answer(packet, protocol)
        else:
            counters.ignored += 1

    def send_packet(self, packet: bytes) -> bool:
        """A packet of the site's hosts. False: its family is not open."""
        six = packet[0] >> 4 == 6
        if not self._carrier or not (self.ipv6.open if six else self.open):
            return False
        self._transmit((self._ipv6_prefix if six else self._prefix) + packet)
        return True

    def _receive_ipv6(self, packet: bytes) -> None:
        if self._site.hosts is not None and self.ipv6.open:
            self._counters.packets += 1
            self._counters.to_hosts += 1
            self._site.hosts.write(packet)
            return
        echo = self._config.echo
        answer = self.ipv6.receive(packet, self._counters, echo=echo, mru=self._peer_mru)
        if answer is not None:
            self._transmit(self._ipv6_prefix + answer)

    def _answer(self, packet: bytes, protocol: int) -> None:
        counters = self._counters
        is_ping = protocol == host.ICMP
        if not host.is_ping(packet) if is_ping else host.is_udp_echo(packet):
            counters.ignored += 1
            return
        try:
            if is_ping:
                answer = host.ping_reply(packet, identification=self._site.next_identification())
            else:
                answer = host.udp_echo(packet)
        except DecodeError:
            counters.bad_payload += 1
            return
        if len(answer) > self._peer_mru:
            counters.too_big += 1
            return
        if is_ping:
            counters.pings += 1
        else:
            counters.echoes += 1
        self._transmit(self._prefix + answer)


class SimCpe:
    """One site. It answers any number of calls at once, each with its own Line."""

    def __init__(self, config: settings.SimCpe, clock: VirtualClock, rng: random.Random) -> None:
        self.config = config
        self.clock = clock
        self.counters = CpeCounters()
        self._rng = rng
        self._identification = 0
        self._link_config: LinkConfig | None = None
        self.hosts: TunDevice | None = None
        """None: the site itself answers pings and UDP."""
        self.line: Line | None = None
        """The call whose IPCP opened last."""

    @property
    def number(self) -> str:
        return self.config.number

    @property
    def delay(self) -> float:
        return self.config.delay

    def answer(
        self,
        *,
        send: Callable[[bytes], object],
        hang_up: Callable[[str], object],
        on_open: Callable[[], object] | None = None,
    ) -> Line:
        """Picks up: a line that `start` brings to life. See Line for the callbacks."""
        self.counters.calls += 1
        # A generator per call: what one call draws does not depend on the calls beside it. Lean
        # ones share one: to seed it takes as long as all the rest of their PPP.
        lean = self.config.answer == "fast"
        rng = self._rng if lean else random.Random(self._rng.getrandbits(64))
        return Line(self, rng, send=send, hang_up=hang_up, on_open=on_open)

    def receive_from_hosts(self, packet: bytes) -> None:
        """One packet of the site's hosts; it leaves by the call that came up last."""
        if packet and self.line is not None and self.line.send_packet(packet):
            self.counters.from_hosts += 1
        else:
            self.counters.without_call += 1

    def new_link(self, rng: random.Random) -> Link | FastLink:
        if self._link_config is None:
            self._link_config = self.link_config()
        make = FastLink if self.config.answer == "fast" else Link
        return make(self._link_config, rng)

    def link_config(self) -> LinkConfig:
        config = self.config
        return LinkConfig(
            mru=SITE_MRU,
            want_acfc=True,
            want_pfc=True,
            authenticate_peer=config.authentication,
            answer_protocols=ANSWERS if mschap_proof.available() else ANSWERS[:2],
            username=config.username,
            password=config.password,
            local_name=config.username,
            local_address=config.address,
            ipv6=config.ipv6,
            interface_identifier=config.interface_identifier,
            accept_peer_address=True,
            negotiation_deadline=PATIENCE,
            authentication_deadline=PATIENCE,
        )

    def next_identification(self) -> int:
        self._identification = self._identification % 0xFFFF + 1
        return self._identification

    def report(self) -> dict[str, object]:
        """What happened, for the replay's report."""
        return {"number": self.config.number, **asdict(self.counters)}


def credentials_match(event: AuthenticationRequested, username: str, password: bytes) -> bool:
    """Whether the caller showed this name and secret (RFC 1334 2.2.1, RFC 1994 4.1)."""
    if event.protocol == "pap":
        proof, expected = event.password, password
    else:
        secret = bytes((event.chap_identifier,)) + password + event.chap_challenge
        expected = hashlib.md5(secret, usedforsecurity=False).digest()
        proof = event.chap_response
    return event.username == username and hmac.compare_digest(proof, expected)


def mschap_success(event: AuthenticationRequested, username: str, password: bytes) -> str:
    """The Success message for a caller that proved this name and secret by MS-CHAPv2; or empty."""
    if event.username != username:
        return ""
    challenge, value = event.chap_challenge, event.chap_response
    return mschap_proof.verify(username.encode(), password, challenge, value)


def ip_prefix(*, acfc: bool, pfc: bool) -> bytes:
    """What stands before an IP packet in a frame (RFC 1661 6.5, 6.6)."""
    return (b"" if acfc else b"\xff\x03") + (b"\x21" if pfc else b"\x00\x21")
