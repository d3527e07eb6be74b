"""A small LNS for tests: control.l2tp and control.ppp behind the tunnel port of a SimNetwork."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

from control import config as settings
from control.l2tp import events as l2tp
from control.l2tp.config import EndpointConfig
from control.l2tp.endpoint import Endpoint
from control.ppp import events as ppp
from control.ppp.config import LinkConfig
from control.ppp.link import Link
from control.sim import host
from control.sim.clock import Alarm, VirtualClock
from control.sim.cpe import credentials_match
from control.sim.data_header import DataHeader, decode, encode
from control.sim.network import SimNetwork

LNS = ("192.0.2.1", 1701)
LAC = "192.0.2.9"
SECRET = b"tunnel secret"
NUMBER = "5551000"
LOCAL_ADDRESS = "10.0.0.1"
SITE_ADDRESS = "10.9.0.1"
HOME = "10.1.0.5"
REMOTE = "10.9.3.4"

GOOD_CPE = settings.SimCpe(
    number="*",
    username="site",
    password=b"site secret",
    peer_username="home",
    peer_password=b"home secret",
    address=SITE_ADDRESS,
)
GOOD_PPP = LinkConfig(
    authenticate_peer=("chap",),
    answer_protocols=("chap", "pap"),
    username="home",
    password=b"home secret",
    local_name="home",
    local_address=LOCAL_ADDRESS,
)


@dataclass
class Session:
    """One call as the test LNS sees it."""

    call: int
    events: list[l2tp.Event | ppp.Event] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    packets: list[bytes] = field(default_factory=list)
    """IP packets that came back."""
    headers: list[DataHeader] = field(default_factory=list)
    connected: l2tp.CallConnected | None = None
    link: Link | None = None
    alarm: Alarm | None = None
    ns: int = 0

    def last(self, kind: type) -> object:
        """The latest event of a kind."""
        return [event for event in self.events if isinstance(event, kind)][-1]

    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.events]

    @property
    def is_open(self) -> bool:
        return "NetworkOpened" in self.kinds() and "CallClosed" not in self.kinds()


class Lns:
    """Places calls, speaks PPP on them and checks the peer's name and secret itself."""

    def __init__(
        self,
        lac: settings.SimLac | None = None,
        cpe: settings.SimCpe = GOOD_CPE,
        ppp_config: LinkConfig = GOOD_PPP,
        *,
        seed: int = 1,
        site_secret: bytes = b"site secret",
    ) -> None:
        clock = VirtualClock()
        lac = lac or settings.SimLac(LAC, secret=SECRET)
        self.network = SimNetwork(
            settings.Sim(lac=(lac,), cpe=(cpe,)), clock, seed, to_router=self.receive_packet
        )
        self.lac = self.network.lac(LAC)
        self.site = self.network.sites[0]
        self._begin(clock, LNS, (LAC, 1701), ppp_config, seed, site_secret)

    def _begin(
        self,
        clock: VirtualClock,
        local: tuple[str, int],
        peer: tuple[str, int],
        ppp_config: LinkConfig,
        seed: int,
        site_secret: bytes,
    ) -> None:
        self.clock, self.local, self.peer = clock, local, peer
        self.rng = random.Random(f"test lns {seed}")
        self.endpoint = Endpoint(EndpointConfig(role="lns", host_name="lns"), self.rng)
        self.alarm = Alarm(self.clock, self.ring)
        self.ppp_config = ppp_config
        self.site_secret = site_secret
        self.sessions: dict[int, Session] = {}
        self.by_ids: dict[tuple[int, int], Session] = {}
        self.trace: list[tuple[float, str, bytes]] = []
        self.junk = 0

    def place(self, number: str = NUMBER) -> Session:
        tunnel = l2tp.TunnelParameters(self.local, self.peer, "lns", secret=SECRET)
        request = l2tp.OutgoingCall(number)
        call = self.endpoint.place_call(tunnel, request, self.clock.now)
        session = self.sessions[call] = Session(call)
        self.pump()
        return session

    def run(self, seconds: float) -> None:
        self.clock.run_until(self.clock.now + seconds)

    def run_until_open(self, session: Session, limit: float = 60.0) -> None:
        end = self.clock.now + limit
        while not session.is_open and self.clock.now < end and self.clock.run_next():
            assert "CallClosed" not in session.kinds(), session.events
        assert session.is_open, session.events

    def send_ip(self, session: Session, packet: bytes) -> None:
        self.send_frame(session, b"\xff\x03\x00\x21" + packet)

    def hang_up(self, session: Session) -> None:
        assert session.link is not None
        session.link.close(self.clock.now, "done")
        self.pump_link(session)

    # In

    def receive_packet(self, packet: bytes) -> None:
        self.trace.append((self.clock.now, "in", packet))
        try:
            udp = host.parse_udp(packet)
        except host.DecodeError:
            self.junk += 1
            return
        if udp.destination != LNS:
            # Two flipped bits can leave a checksum as it was.
            self.junk += 1
            return
        self.receive_datagram(udp.payload, udp.source)

    def receive_datagram(self, payload: bytes, source: tuple[str, int]) -> None:
        if payload[0] & 0x80:
            self.endpoint.receive_datagram(payload, self.local, source, self.clock.now)
            self.pump()
            return
        header, frame = decode(payload)
        session = self.by_ids.get((header.tunnel, header.session))
        if session is None:
            self.junk += 1
            return
        assert session.connected is not None
        assert source == session.connected.peer
        session.headers.append(header)
        self.receive_frame(session, frame)

    def receive_frame(self, session: Session, frame: bytes) -> None:
        for prefix in (b"\xff\x03\x00\x21", b"\x00\x21", b"\x21", b"\xff\x03\x21"):
            if frame.startswith(prefix):
                session.packets.append(frame[len(prefix) :])
                return
        assert session.link is not None
        session.link.receive_frame(frame, self.clock.now)
        self.pump_link(session)

    def ring(self) -> None:
        self.endpoint.handle_timer(self.clock.now)
        self.pump()

    # Out

    def pump(self) -> None:
        while (event := self.endpoint.next_event()) is not None:
            self.on_l2tp(event)
        for datagram in self.endpoint.datagrams_to_send():
            self.send_datagram(datagram.peer, datagram.data)
        self.alarm.set(self.endpoint.get_timer())

    def on_l2tp(self, event: l2tp.Event) -> None:
        call = getattr(event, "call", None)
        if call is None or isinstance(event, l2tp.CallAsked):
            return
        session = self.sessions[call]
        session.events.append(event)
        session.times.append(self.clock.now)
        if isinstance(event, l2tp.CallConnected):
            session.connected = event
            self.by_ids[event.tunnel, event.session] = session
            session.link = Link(self.ppp_config, self.rng)
            session.alarm = Alarm(self.clock, lambda: self.ring_link(session))
            session.link.open(self.clock.now)
            self.pump_link(session)
        elif isinstance(event, l2tp.CallClosed) and session.link is not None:
            session.link.lower_down(self.clock.now)
            self.pump_link(session)

    def ring_link(self, session: Session) -> None:
        assert session.link is not None
        session.link.handle_timer(self.clock.now)
        self.pump_link(session)

    def pump_link(self, session: Session) -> None:
        link = session.link
        assert link is not None
        assert session.alarm is not None
        closed = False
        while (event := link.next_event()) is not None:
            session.events.append(event)
            session.times.append(self.clock.now)
            if isinstance(event, ppp.AuthenticationRequested):
                good = self.credentials_are_good(event)
                link.authentication_result(event.request, good, self.clock.now)
            closed = closed or isinstance(event, ppp.LinkClosed)
        for frame in link.frames_to_send():
            self.send_frame(session, frame)
        session.alarm.set(link.get_timer())
        if closed:
            self.endpoint.close_call(session.call, self.clock.now)
            self.pump()

    def credentials_are_good(self, event: ppp.AuthenticationRequested) -> bool:
        return credentials_match(event, "site", self.site_secret)

    def send_frame(self, session: Session, frame: bytes) -> None:
        connected = session.connected
        assert connected is not None
        ns = None
        if connected.sequencing_required:
            ns = session.ns
            session.ns = (ns + 1) & 0xFFFF
        header = DataHeader(connected.peer_tunnel, connected.peer_session, ns)
        self.send_datagram(connected.peer, encode(header, frame))

    def send_datagram(self, peer: tuple[str, int], data: bytes) -> None:
        packet = host.udp_packet(*LNS, *peer, data)
        self.trace.append((self.clock.now, "out", packet))
        self.network.from_router(packet)


def lac(**changes: object) -> settings.SimLac:
    return replace(settings.SimLac(LAC, secret=SECRET), **changes)


def assert_traffic_flows(lns: Lns, session: Session) -> None:
    before = len(session.packets)
    lns.send_ip(session, host.ping_packet(HOME, REMOTE, data=b"ping"))
    lns.send_ip(session, host.udp_packet(HOME, 4000, REMOTE, 53, b"question"))
    lns.run(1.0)
    ping, echo = session.packets[before:]
    assert ping[16:20] == host.pack_address(HOME)
    assert host.parse_udp(echo).source == (REMOTE, 53)
    assert host.parse_udp(echo).destination == (HOME, 4000)
    assert host.parse_udp(echo).payload == b"question"
