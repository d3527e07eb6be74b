"""A network in which everybody cheats: LACs that answer as they like, a RADIUS path that repeats
and swaps replies, sites that spoil frames and speak into other sessions, and strangers.

All of it follows one seed. `check` says what must hold after every step, `drain` what must be left
when all of it is over: nothing.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter, deque
from collections.abc import Callable

from dialout_network import LNS, RADIUS, LacPeer, Network, tunnels
from raw_l2tp import (
    BODIES,
    CDN,
    HELLO,
    ICRQ,
    OCCN,
    OCRP,
    OCRQ,
    OUR_TUNNEL,
    SCCCN,
    SCCRP,
    SCCRQ,
    SLI,
    STOPCCN,
    WEN,
    Heard,
    avp,
    control,
    parse,
    response,
    start_body,
    u16,
    u32,
)

from control.config import SimUser
from control.dataplane import SessionSpec
from control.dialout.events import CallPlaced, SessionStateChanged
from control.dialout.session_table import SessionState as S
from control.l2tp import events as l2tp
from control.radius.events import RadiusDatagram

TUNNEL_SECRET = b"tunnel-secret"
LACS = ("10.9.0.1", "10.9.0.2", "10.9.0.3")
TIMERS = {"connecting_timer": 30, "dormant_timer": 60, "max_connecting": 40, "max_pending": 60}
LIMITS = {
    S.AUTHENTICATING: 8.0,
    S.CONNECTING: 30.0,
    S.INHIBITED: 240.0,
    S.POST_INHIBITED: 60.0,
    S.DORMANT: 60.0,
    S.IN_SERVICE: 400.0,
}
"""Longest stay in a state, seconds; of RADIUS three tries of 2 s and a tenth."""


class Rogue:
    """A LAC that knows its secret and the header, and for the rest does what comes to its mind.
    Looks like control.l2tp.endpoint.Endpoint to the network around it."""

    def __init__(self, address: str, rng: random.Random, honesty: float) -> None:
        self.address = (address, 1701)
        self._rng = rng
        self._honesty = honesty
        self._out: list[l2tp.Datagram] = []
        self._events: deque[l2tp.Event] = deque()
        self._later: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = self._calls = 0
        self._forget()

    def _forget(self) -> None:
        self._tunnel = self._ns = self._nr = 0
        self._sessions: dict[int, int] = {}
        """Our session id by the LNS's."""

    # As an endpoint.

    def get_timer(self) -> float | None:
        return self._later[0][0] if self._later else None

    def handle_timer(self, now: float) -> None:
        while self._later and self._later[0][0] <= now:
            heapq.heappop(self._later)[2](now)

    def next_event(self) -> l2tp.Event | None:
        return self._events.popleft() if self._events else None

    def datagrams_to_send(self) -> list[l2tp.Datagram]:
        out, self._out = self._out, []
        return out

    def calls(self) -> list[int]:
        return list(self._sessions)

    def receive_datagram(self, data: bytes, local: object, peer: object, now: float) -> None:
        one = parse(data)
        if one.kind == SCCRQ:
            self._forget()
            self._tunnel = one.number(9)
        if one.kind and one.ns == self._nr:
            self._nr = (self._nr + 1) & 0xFFFF
        if one.kind == STOPCCN:
            self._sessions.clear()
        elif one.kind == CDN:
            self._sessions.pop(one.number(14), None)
        elif one.kind == SCCRQ:
            self._open(one)
        elif one.kind == OCRQ:
            self._take_call(one, now)
        if one.kind and self._rng.random() < 0.95:
            self._put(0, b"")

    # What it says.

    def _put(self, session: int, body: bytes, ahead: int = 0, tunnel: int | None = None) -> None:
        number = (self._ns + ahead) & 0xFFFF
        to = self._tunnel if tunnel is None else tunnel
        data = control(to, session, number, self._nr, body)
        self._out.append(l2tp.Datagram(data, self.address, (LNS, 1701)))

    def _say(self, kind: int, session: int = 0, body: bytes | None = None) -> None:
        self._put(session, BODIES[kind] if body is None else body)
        self._ns = (self._ns + 1) & 0xFFFF

    def _soon(self, now: float, what: Callable[[float], None]) -> None:
        self._order += 1
        when = now + self._rng.choice((0.01, 0.2, 1.0, 4.0))
        heapq.heappush(self._later, (when, self._order, what))

    def _open(self, one: Heard) -> None:
        proof = response(2, one.values[11], TUNNEL_SECRET)
        if self._rng.random() < self._honesty:
            window = avp(10, u16(self._rng.choice((1, 4, 16))))
            self._say(SCCRP, body=start_body(SCCRP, proof, window))
            return
        odd = [
            start_body(SCCRP, response(3, one.values[11], TUNNEL_SECRET)),
            start_body(SCCRP),
            start_body(SCCRP, proof, avp(11, one.values[11])),
            start_body(SCCRP, proof, avp(10, u16(0))),
            start_body(SCCRP, proof, bearer=b""),
            start_body(SCCRP, proof, version=0x0101),
            start_body(SCCRP, proof, avp(99, b"?")),
            start_body(SCCRP, proof, proof),
            BODIES[SCCCN],
            BODIES[STOPCCN],
            start_body(SCCRQ, avp(5, self._rng.randbytes(8))),
            b"",
        ]
        self._say(SCCRP, body=self._rng.choice(odd))

    def _take_call(self, one: Heard, now: float) -> None:
        theirs = one.number(14)
        ours = self._sessions.setdefault(theirs, self._rng.randrange(1, 65536))
        good = avp(0, u16(OCRP)) + avp(14, u16(ours))
        if self._rng.random() < self._honesty:
            self._say(OCRP, theirs, good)
            self._soon(now, lambda _: self._connect(theirs, ours))
            return
        other = self._rng.choice([*self._sessions, 0, self._rng.randrange(65536)])
        match self._rng.randrange(8):
            case 0:
                self._connect(theirs, ours)
                self._say(OCRP, theirs, good)
            case 1:
                self._say(OCRP, theirs, good)
                self._say(OCRP, theirs, good)
            case 2:
                self._say(OCRP, other, good)
                self._connect(other, ours)
            case 3:
                taken = self._rng.choice(list(self._sessions.values()))
                self._say(OCRP, theirs, avp(0, u16(OCRP)) + avp(14, u16(taken)))
            case 4:
                result = u16(self._rng.randrange(1, 13)) + u16(self._rng.randrange(9))
                code = avp(1, result) + avp(14, u16(ours))
                self._say(CDN, self._rng.choice((theirs, 0)), avp(0, u16(CDN)) + code)
            case 5:
                self._storm(CDN, 1000)
            case 6:
                self._say(OCRP, theirs, good)
                self._put(theirs, BODIES[OCCN], ahead=self._rng.choice((1, 15, 16, 32768, 65535)))
            case _:
                pass

    def _connect(self, theirs: int, ours: int) -> None:
        self._calls += 1
        self._say(OCCN, theirs)
        there = (LNS, 1701)
        event = l2tp.CallConnected(
            self._calls, self.address, there, OUR_TUNNEL, ours, self._tunnel, theirs
        )
        self._events.append(event)

    def _storm(self, kind: int, count: int) -> None:
        for _ in range(count):
            session = self._rng.choice([*self._sessions, 0, self._rng.randrange(65536)])
            assigned = avp(14, u16(self._rng.randrange(1, 65536)))
            body = avp(0, u16(kind)) + avp(1, u16(1)) + assigned if kind == CDN else BODIES[kind]
            self._say(kind, 0 if kind == ICRQ else session, body)

    def misbehave(self) -> None:
        """Something nobody asked for."""
        session = self._rng.choice([*self._sessions, 0, self._rng.randrange(65536)])
        kind = self._rng.choice(list(BODIES))
        match self._rng.randrange(9):
            case 0:
                self._put(session, BODIES[kind], ahead=self._rng.randrange(-40, 40))
            case 1:
                self._put(session, BODIES[kind], tunnel=self._rng.randrange(65536))
            case 2:
                self._storm(self._rng.choice((HELLO, WEN, SLI, ICRQ)), 30)
            case 3:
                self._say(self._rng.choice((OCRP, OCCN, CDN, OCRQ)), session)
            case 4:
                octets = bytearray(BODIES[kind])
                octets[self._rng.randrange(len(octets))] = self._rng.randrange(256)
                self._say(kind, session, bytes(octets))
            case 5:
                self._put(0, self._rng.randbytes(self._rng.randrange(40)))
            case 6:
                self._nr = (self._nr + self._rng.choice((-1, 1))) & 0xFFFF
            case 7:
                odd = avp(0, u16(self._rng.randrange(30)), m=0) + avp(77, u32(1), m=0)
                self._say(HELLO, body=odd)
            case _:
                self._say(self._rng.choice((STOPCCN, SCCCN, SCCRP, SCCRQ, HELLO, HELLO, HELLO)))


class HostileNetwork(Network):
    def __init__(self, seed: int, *, honesty: float = 0.6, **chassis: int) -> None:
        self.rng = random.Random(f"hostile {seed}")
        site = SimUser("site", b"site-secret", (("Session-Timeout", "400"),))
        super().__init__(tunnels(*LACS), site=site, seed=seed, **{**TIMERS, **chassis})
        self.honesty = honesty
        self.octets: Counter[str] = Counter()
        self.most_tunnels = 0
        self.replies: list[RadiusDatagram] = []
        self.placed = 0
        self.in_service = 0
        self.entered: dict[tuple[str, str], tuple[S, float]] = {}
        for address in LACS[:2]:
            rogue = Rogue(address, self.rng, honesty)
            self.lacs[address] = LacPeer(address, rogue, lambda number: 0)  # type: ignore[arg-type]
        self.add_lac(LACS[2])

    # Where others pass things on, these change them.

    def _to_lac(self, lac: LacPeer, datagram: l2tp.Datagram) -> None:
        self.octets["l2tp out"] += len(datagram.data)
        super()._to_lac(lac, datagram)

    def _to_lns(self, datagram: l2tp.Datagram) -> None:
        self.octets["l2tp in"] += len(datagram.data)
        super()._to_lns(datagram)

    def _to_site(self, spec: SessionSpec, frame: bytes) -> None:
        self.octets["ppp out"] += len(frame)
        super()._to_site(spec, frame)

    def _on_lac(self, lac: LacPeer, event: l2tp.Event) -> None:
        if isinstance(event, l2tp.CallConnected):
            # The site that was called has the address that was triggered.
            for key, (session, _) in self.lns.manager.services.calls._owners.items():
                infos = self.lns.endpoints[LNS].calls()
                if any((c.call, c.session) == (key[1], event.peer_session) for c in infos):
                    self.site_address = session.destination
        super()._on_lac(lac, event)

    def _from_site(self, session: int, frame: bytes) -> None:
        sessions = list(self.plane.sessions.items())
        frames = [frame]
        if self.rng.random() > self.honesty:
            spoiled = bytearray(frame)
            spoiled[self.rng.randrange(len(spoiled))] = self.rng.randrange(256)
            odd = self.rng.randbytes(self.rng.randrange(30))
            flood = [frame] * self.rng.choice((2, 3, 100))
            frames = self.rng.choice(([], [bytes(spoiled)], flood, [odd, frame]))
        for one in frames:
            own = [nh for nh, spec in sessions if spec.session == session]
            if self.rng.random() < 0.1 and sessions:
                own = [self.rng.choice(sessions)[0]]
            for nh in own[:1]:
                self.octets["ppp in"] += len(one)
                self.lns.receive_ppp(nh, one, self.now)

    def _send(self) -> None:
        for answer in self.radius.datagrams_to_send():
            reply = RadiusDatagram(answer.data, (RADIUS, 1812), answer.destination[1] - 20000)
            self.replies = [*self.replies[-50:], reply]
            if self.rng.random() < 0.95:
                self._lossy(lambda r=reply: self.lns.receive_radius("r", r, self.now))
        super()._send()

    def radius_noise(self) -> None:
        """Replies again, changed, or from elsewhere: none of them counts."""
        client = self.lns.clients["r"]
        if self.replies:
            old = self.rng.choice(self.replies)
            data = bytearray(old.data)
            data[self.rng.choice((0, 1, 1, 1, 4, -1))] = self.rng.randrange(256)
            server = self.rng.choice((old.server, (RADIUS, 1813), ("10.8.0.2", 1812)))
            before = client.counters.accepted
            self.lns.receive_radius("r", RadiusDatagram(bytes(data), server, old.socket), self.now)
            assert bytes(data) == old.data or client.counters.accepted == before
            self.lns.receive_radius("r", old, self.now)

    def strangers(self, count: int) -> None:
        endpoint = self.lns.endpoints[LNS]
        before = (len(endpoint.tunnels()), len(endpoint.calls()))
        for _ in range(count):
            body = self.rng.choice([*BODIES.values(), b"", self.rng.randbytes(20)])
            data = control(self.rng.choice((0, self.rng.randrange(65536))), 0, 0, 0, body)
            peer = (f"203.0.113.{self.rng.randrange(256)}", self.rng.randrange(65536))
            self.lns.receive_l2tp(data, (LNS, 1701), peer, self.now)
        assert (len(endpoint.tunnels()), len(endpoint.calls())) == before
        assert self.lns.l2tp_to_send() == []

    # One step of everything.

    def step(self, destinations: int) -> None:
        rng = self.rng
        for _ in range(rng.randrange(4)):
            self.packet(f"10.1.{rng.randrange(destinations)}.3")
        for address in LACS[:2]:
            if rng.random() > self.honesty:
                self.lacs[address].endpoint.misbehave()  # type: ignore[attr-defined]
        self.radius_noise()
        if rng.random() < 0.02:
            address = f"10.1.{rng.randrange(destinations)}.3"
            act = rng.choice((self.lns.manager.reset_session, self.lns.manager.delete_session))
            act("home", address, self.now)
        self.settle()
        self.strangers(rng.choice((0, 0, 5)))
        self.run(rng.choice((0.0, 0.01, 0.1, 0.5, 2.0)))
        self.check()

    def check(self) -> None:
        lns, manager = self.lns, self.lns.manager
        for fact in self.timeline:
            if isinstance(fact, CallPlaced):
                self.placed += 1
            elif isinstance(fact, SessionStateChanged):
                self.in_service += fact.new is S.IN_SERVICE
        self.timeline.clear()
        endpoint = lns.endpoints[LNS]
        calls = endpoint.calls()
        owners = [owner for owner, _ in manager.services.calls._owners.values()]
        assert len(calls) == len(owners), "a call nobody owns, or an owner without a call"
        assert len({owner.destination for owner in owners}) == len(owners), "called twice at once"
        assert all(owner.state in (S.CONNECTING, S.IN_SERVICE) for owner in owners)
        assert lns.budget.as_dict(self.now)["calls_today"] == self.placed, "a call without budget"
        assert len(self.plane.sessions) <= len(owners)
        for session in manager.sessions.values():
            stay = self.now - session.since
            assert stay <= LIMITS.get(session.state, 1e9) + 0.01, (session.state, stay)
        self.most_tunnels = max(self.most_tunnels, len(endpoint.tunnels()))
        assert len(endpoint.tunnels()) <= 60
        gauges = manager.chassis
        assert gauges.connecting <= TIMERS["max_connecting"]
        assert len(gauges.pending) <= TIMERS["max_pending"]

    def drain(self) -> None:
        """All that is left goes by itself, but for failed sessions, which are reset."""
        for lac in self.lacs.values():
            lac.silent = True
        self.loss = 1.0
        for session in list(self.lns.manager.sessions.values()):
            if session.state is S.FAILED:
                self.lns.manager.reset_session("home", session.destination, self.now)
        self.run(1500.0)
        manager, services = self.lns.manager, self.lns.manager.services
        self.check()
        assert {s.state for s in manager.sessions.values()} <= {S.FAILED}
        assert self.lns.tunnels() == []
        assert [len(services.calls), len(services.requests), len(services.adjacencies)] == [0] * 3
        assert self.lns.clients["r"].pending == 0
        assert self.plane.sessions == {}
        assert list(self.plane.routes[1]) == ["10.1.0.0/16"]
        assert all(services.lacs.calls(address) == 0 for address in LACS)
