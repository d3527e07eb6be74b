"""The whole LNS against real L2TP, PPP and RADIUS peers, in memory and in virtual time.

Every hop takes 10 ms. Lines may lose datagrams. The data plane is the model.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from random import Random

from dialout_model import ModelDataplane

from control.config import (
    Budget,
    Chassis,
    Config,
    Lac,
    Profile,
    Radius,
    RadiusServer,
    SimRadius,
    SimUser,
    Target,
    VirtualRouter,
)
from control.dataplane import SessionSpec
from control.dialout.events import Event, SessionStateChanged
from control.dialout.session_table import SessionState
from control.l2tp import events as l2tp
from control.l2tp.config import EndpointConfig
from control.l2tp.endpoint import Endpoint
from control.lns import Lns
from control.ppp import events as ppp
from control.ppp import mschap_proof
from control.ppp.config import LinkConfig
from control.ppp.link import Link
from control.radius.events import RadiusDatagram
from control.sim.radius import SimRadiusServer

LNS, RADIUS = "10.0.0.1", "10.8.0.1"
HOP = 0.01
LOOSE = Budget(dial_rate=1000.0, dial_burst=5000, lac_dial_rate=1000.0)


@dataclass
class Site:
    """The remote router behind a LAC: a PPP link of its own, and what it got."""

    link: Link
    payloads: list[str] = field(default_factory=list)
    closed: ppp.LinkClosed | None = None
    packets: list[bytes] = field(default_factory=list)
    """IP packets that came as PPP frames of the control plane's."""
    deaf: bool = False
    """Nothing that is sent to it arrives any more."""


@dataclass
class LacPeer:
    address: str
    endpoint: Endpoint
    outcome: Callable[[str], int]
    """CDN Result Code for a number; 0: the call is answered."""
    dial_delay: float = 1.0
    silent: bool = False
    sites: dict[int, Site] = field(default_factory=dict)
    """By the LNS's session id."""
    requests: list[l2tp.OutgoingCall] = field(default_factory=list)
    calls: dict[int, int] = field(default_factory=dict)
    """Call handle of each LNS session id."""


def tunnels(*lacs: str, number: str = "4930", **more: str) -> tuple[tuple[str, str], ...]:
    """Reply of the first Access-Accept that names these LACs, the first one preferred."""
    rows = [
        ("ERX-Dial-Out-Number", number),
        ("ERX-PPP-Username", "lns"),
        ("ERX-PPP-Password", "lns-secret"),
    ]
    for tag, lac in enumerate(lacs, 1):
        rows += [
            (f"Tunnel-Type:{tag}", "L2TP"),
            (f"Tunnel-Medium-Type:{tag}", "IPv4"),
            (f"Tunnel-Server-Endpoint:{tag}", lac),
            (f"Tunnel-Password:{tag}", "tunnel-secret"),
            (f"Tunnel-Preference:{tag}", str(tag)),
        ]
    return (*rows, *more.items())


def site_user(**reply: str) -> SimUser:
    rows = tuple((name.replace("_", "-"), value) for name, value in reply.items())
    return SimUser("site", b"site-secret", rows or (("Framed-IP-Address", "10.1.2.3"),))


class Network:
    def __init__(
        self,
        first: tuple[tuple[str, str], ...],
        *,
        site: SimUser | None = None,
        profile: Profile | None = None,
        prefix: str = "10.1.0.0/16",
        loss: float = 0.0,
        seed: int = 1,
        **chassis: int,
    ) -> None:
        self.now = 0.0
        self.random = Random(seed)
        self.loss = loss
        self.plane = ModelDataplane()
        self.lacs: dict[str, LacPeer] = {}
        self.timeline: list[Event] = []
        self.authenticate_us = ("chap",)
        self.site_protocols: tuple[str, ...] = ("chap", "pap")
        self.site_address = "10.1.2.3"
        self.our_name = "lns"
        self.site_more: dict[str, object] = {}
        """Further settings of a site's link."""
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = count()
        self._groups: list[str] = []
        """Those whose requests came, in the order of their ports."""
        self.config = Config(
            chassis=Chassis(**chassis),
            virtual_router=(VirtualRouter("home", 1, radius="r", local_address=LNS),),
            target=(Target(prefix, "home", "example.org", "p"),),
            profile=(profile or Profile("p"),),
            lac=(Lac("10.9.0.9", require_tunnel_auth=False),),
            radius=(Radius("r", (RadiusServer(RADIUS, secret=b"radius-secret"),)),),
            budget=LOOSE,
        )
        self.radius = SimRadiusServer(
            SimRadius(
                RADIUS,
                secret=b"radius-secret",
                users=(SimUser("*@example.org", reply=first), site or site_user()),
            ),
            Random(seed + 1),
        )
        self.lns = Lns(self.config, self.plane, Random(seed + 2), lambda: 1.7e9 + self.now)
        self.lns.start(0.0)

    def add_lac(self, address: str, outcome: Callable[[str], int] = lambda number: 0) -> LacPeer:
        tunnel = l2tp.TunnelParameters((address, 1701), (LNS, 1701), "lac", secret=b"tunnel-secret")
        config = EndpointConfig(
            "lac", "lac", bearer_capabilities=3, incoming=lambda host, peer: tunnel
        )
        lac = LacPeer(address, Endpoint(config, Random(address)), outcome)
        self.lacs[address] = lac
        return lac

    # Driving.

    def packet(self, destination: str = "10.1.2.3", payload: str = "p") -> None:
        event = self.plane.packet(1, destination, payload)
        if event is not None:
            self.lns.on_trigger(event, self.now)
        self._settle()

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while (when := self._next()) is not None and when <= end:
            self.now = self.plane.now = max(when, self.now)
            while self._heap and self._heap[0][0] <= self.now:
                heapq.heappop(self._heap)[2]()
            self._timers()
            self._settle()
        self.now = self.plane.now = end

    def hang_up(self, lac: LacPeer) -> None:
        """The site's line breaks."""
        lac.endpoint.close_call(next(iter(lac.calls.values())), self.now, result=1)
        self._settle()

    def shutdown(self) -> None:
        self.lns.stop(self.now)
        self._settle()

    def close_ppp(self) -> None:
        """The site ends the link."""
        self.site().link.close(self.now)
        self._settle()

    def settle(self) -> None:
        """Carries away what came of something done to the LNS directly."""
        self._settle()

    def state(self, destination: str = "10.1.2.3") -> SessionState:
        found = self.lns.manager.targets.sessions_to("home", destination)
        return found[0].state if found else SessionState.NONE

    def states(self) -> list[SessionState]:
        """States entered, in order."""
        return [f.new for f in self.timeline if isinstance(f, SessionStateChanged)]

    def site(self) -> Site:
        return next(reversed([s for lac in self.lacs.values() for s in lac.sites.values()]))

    # Inside.

    def _later(self, delay: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (self.now + delay, next(self._serial), what))

    def _lossy(self, what: Callable[[], None]) -> None:
        if self.random.random() >= self.loss:
            self._later(HOP, what)

    def _objects(self) -> list[Lns | Endpoint | Link | SimRadiusServer]:
        found: list[Lns | Endpoint | Link | SimRadiusServer] = [self.lns, self.radius]
        for lac in self.lacs.values():
            found += [lac.endpoint, *(site.link for site in lac.sites.values())]
        return found

    def _next(self) -> float | None:
        times = [each.get_timer() for each in self._objects()]
        times += [self._heap[0][0]] if self._heap else []
        return min((when for when in times if when is not None), default=None)

    def _timers(self) -> None:
        for each in self._objects():
            when = each.get_timer()
            if when is not None and when <= self.now:
                each.handle_timer(self.now)

    def _settle(self) -> None:
        for lac in self.lacs.values():
            while (event := lac.endpoint.next_event()) is not None:
                self._on_lac(lac, event)
            for session, site in lac.sites.items():
                self._on_site(lac, session, site)
        self._send()
        while (fact := self.lns.next_event()) is not None:
            self.timeline.append(fact)

    def _send(self) -> None:
        for datagram in self.lns.l2tp_to_send():
            lac = self.lacs.get(datagram.peer[0])
            if lac is not None and not lac.silent:
                self._lossy(lambda lac=lac, d=datagram: self._to_lac(lac, d))
        for lac in self.lacs.values():
            for datagram in lac.endpoint.datagrams_to_send():
                if lac.silent:
                    continue
                self._lossy(lambda d=datagram: self._to_lns(d))
        for group, request in self.lns.radius_to_send():
            if group not in self._groups:
                self._groups.append(group)
            source = (LNS, 20000 + 256 * self._groups.index(group) + request.socket)
            self._lossy(lambda d=request, s=source: self._to_radius(d, s))
        for answer in self.radius.datagrams_to_send():
            index, socket = divmod(answer.destination[1] - 20000, 256)
            reply = RadiusDatagram(answer.data, (RADIUS, 1812), socket)
            self._lossy(lambda r=reply, g=self._groups[index]: self._from_radius(g, r))
        frames, self.plane.ppp = self.plane.ppp, []
        for spec, frame in frames:
            self._lossy(lambda s=spec, f=frame: self._to_site(s, f))

    def _to_lac(self, lac: LacPeer, datagram: l2tp.Datagram) -> None:
        lac.endpoint.receive_datagram(datagram.data, datagram.peer, datagram.local, self.now)

    def _to_lns(self, datagram: l2tp.Datagram) -> None:
        self.lns.receive_l2tp(datagram.data, datagram.peer, datagram.local, self.now)

    def _to_radius(self, datagram: RadiusDatagram, source: tuple[str, int]) -> None:
        self.radius.receive_datagram(datagram.data, source, self.now)

    def _from_radius(self, group: str, reply: RadiusDatagram) -> None:
        self.lns.receive_radius(group, reply, self.now)

    def _to_site(self, spec: SessionSpec, frame: bytes) -> None:
        site = self.lacs[spec.peer[0]].sites.get(spec.session)
        if site is not None and not site.deaf:
            if frame.startswith(b"\xff\x03\x00\x57"):
                site.packets.append(frame[4:])
            site.link.receive_frame(frame, self.now)

    def _on_lac(self, lac: LacPeer, event: l2tp.Event) -> None:
        if isinstance(event, l2tp.CallRequested):
            lac.requests.append(event.request)
            result = lac.outcome(event.request.called_number)
            lac.endpoint.accept_call(event.call, self.now)
            self._later(lac.dial_delay, lambda: self._dialled(lac, event.call, result))
        elif isinstance(event, l2tp.CallConnected):
            link = Link(
                LinkConfig(
                    authenticate_peer=self.authenticate_us,
                    answer_protocols=self.site_protocols,
                    username="site",
                    password=b"site-secret",
                    local_address=self.site_address,
                    **self.site_more,
                ),
                Random(event.session),
            )
            lac.calls[event.peer_session] = event.call
            lac.sites[event.peer_session] = Site(link)
            link.open(self.now)
        elif isinstance(event, l2tp.CallClosed):
            for session, call in lac.calls.items():
                if call == event.call:
                    lac.sites[session].link.lower_down(self.now)

    def _dialled(self, lac: LacPeer, call: int, result: int) -> None:
        if result:
            lac.endpoint.close_call(call, self.now, result=result)
        else:
            lac.endpoint.connect_call(call, self.now)

    def _on_site(self, lac: LacPeer, session: int, site: Site) -> None:
        while (event := site.link.next_event()) is not None:
            if isinstance(event, ppp.AuthenticationRequested):
                # A site knows nothing of digests: its demand is met if the name is right.
                good = event.username == self.our_name
                message = ""
                if event.protocol == "mschapv2":
                    message = mschap_proof.verify(
                        b"lns", b"lns-secret", event.chap_challenge, event.chap_response
                    )
                    good = bool(message)
                site.link.authentication_result(event.request, good, self.now, message=message)
            elif isinstance(event, ppp.LinkClosed):
                site.closed = event
        for frame in site.link.frames_to_send():
            self._lossy(lambda f=frame: self._from_site(session, f))

    def _from_site(self, session: int, frame: bytes) -> None:
        for nh, spec in self.plane.sessions.items():
            if spec.session == session:
                self.lns.receive_ppp(nh, frame, self.now)
                return
