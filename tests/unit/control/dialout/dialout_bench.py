"""A dial-out manager between fakes: every answer from outside is one call of the test."""

from __future__ import annotations

from dataclasses import dataclass, field

from dialout_model import ModelDataplane

from control.config import (
    Budget,
    Chassis,
    Config,
    Lac,
    Profile,
    Radius,
    RadiusServer,
    Target,
    VirtualRouter,
)
from control.dataplane import TriggerEvent
from control.dialout import budget, lacs
from control.dialout.events import Event
from control.dialout.manager import Manager
from control.dialout.services import RadiusGroup, Services
from control.dialout.session import Session
from control.dialout.session_table import SessionState
from control.errors import LocalProtocolError
from control.l2tp import events as l2tp
from control.ppp import events as ppp
from control.radius import events as radius

LOCAL = "10.0.0.1"
LAC1, LAC2, LAC3 = "10.9.0.1", "10.9.0.2", "10.9.0.3"
SITE = "10.1.2.3"
LOOSE = Budget(
    calls_per_day=10**9,
    target_calls_per_day=10**9,
    target_minutes_per_day=10**9,
    dial_rate=1e9,
    dial_burst=10**9,
    lac_dial_rate=1e9,
)


@dataclass
class FakeEndpoint:
    placed: list[tuple[l2tp.TunnelParameters, l2tp.OutgoingCall, float | None, float | None]] = (
        field(default_factory=list)
    )
    closed: list[int] = field(default_factory=list)
    causes: list = field(default_factory=list)
    """Disconnect causes, one a close."""
    link_infos: list = field(default_factory=list)
    refuse: bool = False
    drained: set[str] = field(default_factory=set)
    shut: list[str] = field(default_factory=list)

    def drain_peer(self, address, now, *, drained=True) -> None:
        (self.drained.add if drained else self.drained.discard)(address)

    def close_peer(self, address, now, *, message="") -> None:
        self.shut.append(address)

    def place_call(self, tunnel, call, now, *, tunnel_patience=None, call_patience=None) -> int:
        if self.refuse:
            raise LocalProtocolError("no tunnel can be opened")
        self.placed.append((tunnel, call, tunnel_patience, call_patience))
        return len(self.placed)

    def close_call(
        self,
        call,
        now,
        *,
        result=3,
        error=0,
        message="",
        q931_cause=None,
        disconnect_cause=None,
    ) -> None:
        self.closed.append(call)
        self.causes.append(disconnect_cause)

    def set_link_info(self, call, now, *, send=0xFFFFFFFF, receive=0xFFFFFFFF) -> None:
        self.link_infos.append((call, send, receive))


@dataclass
class FakeRadius:
    dialout: list = field(default_factory=list)
    session: list = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)
    accounted: list = field(default_factory=list)
    number: int = 0
    refuse: bool = False

    def account(self, request, now) -> None:
        self.accounted.append((request.status.name, dict(request.rows)))

    def request_dialout(self, request, now) -> int:
        if self.refuse:
            raise LocalProtocolError("no identifier is free")
        self.dialout.append(request)
        self.number += 1
        return self.number

    def request_session(self, request, now) -> int:
        self.session.append(request)
        self.number += 1
        return self.number

    def cancel(self, request) -> None:
        self.cancelled.append(request)


@dataclass
class FakeLink:
    config: object
    events: list[ppp.Event] = field(default_factory=list)
    results: list[tuple[int, bool, str]] = field(default_factory=list)
    received: list[bytes] = field(default_factory=list)
    timer: float | None = None
    name_servers: tuple[str, ...] = ()
    opened: bool = False
    closed: bool = False
    down: bool = False
    received: list[bytes] = field(default_factory=list)

    def open(self, now) -> None:
        self.opened = True

    def close(self, now, reason="") -> None:
        self.closed = True

    def lower_down(self, now) -> None:
        self.down = True

    def receive_frame(self, frame, now) -> None:
        self.received.append(frame)

    def authentication_result(
        self,
        request,
        accepted,
        now,
        *,
        message="",
        peer_address="",
        ipv6=False,
        peer_identifier="",
        dns=(),
    ):
        self.results.append((request, accepted, peer_address))
        self.name_servers = dns

    def handle_timer(self, now) -> None:
        self.timer = None

    def get_timer(self) -> float | None:
        return self.timer

    def next_event(self) -> ppp.Event | None:
        return self.events.pop(0) if self.events else None

    def frames_to_send(self) -> list[bytes]:
        return [b"bye"] if self.closed and not self.down else []


def candidate(lac: str = LAC1, tag: int = 1, preference: int = 0, **more) -> radius.TunnelCandidate:
    return radius.TunnelCandidate(tag, lac, password=b"tunnel", preference=preference, **more)


def grant_of(
    *candidates: radius.TunnelCandidate, number: str = "49301234", **more
) -> radius.DialoutGrant:
    return radius.DialoutGrant(
        candidates or (candidate(),), number, ppp_username="lns", ppp_password=b"ppp", **more
    )


def configuration(
    *,
    targets: tuple[Target, ...] = (),
    budget: Budget = LOOSE,
    profile: Profile | None = None,
    lac: tuple[Lac, ...] = (),
    accounting: bool = False,
    interim: int = 0,
    **chassis,
) -> Config:
    return Config(
        chassis=Chassis(**{"flush_delay": 0, **chassis}),
        virtual_router=(
            VirtualRouter("home", 1, radius="r", local_address=LOCAL),
            VirtualRouter("other", 2, radius="r", local_address=LOCAL),
        ),
        target=targets or (Target("10.1.0.0/16", "home", "example.org", "p"),),
        profile=(profile or Profile("p"),),
        lac=lac,
        radius=(
            Radius(
                "r",
                (RadiusServer("10.8.0.1"),),
                accounting=accounting,
                interim_interval=interim,
            ),
        ),
        budget=budget,
    )


class Bench:
    def __init__(
        self,
        config: Config | None = None,
        *,
        start: bool = True,
        store: budget.BudgetStore | None = None,
    ) -> None:
        self.config = config or configuration()
        self.now = 1000.0
        self.wall = 1_700_000_000.0
        self.plane = ModelDataplane()
        self.endpoint = FakeEndpoint()
        self.radius = FakeRadius()
        self.links: list[FakeLink] = []
        self.services = Services(
            chassis=self.config.chassis,
            dataplane=self.plane,
            endpoints={LOCAL: self.endpoint},
            radius={g.name: RadiusGroup(g, self.radius) for g in self.config.radius},
            new_link=self._new_link,
            budget=budget.Budget(self.config.budget, lambda: self.wall, store),
            lacs=lacs.Lacs(
                self.config.lac,
                self.config.chassis.name,
                weighted=self.config.chassis.lac_selection == "weighted",
            ),
            boot="B",
            wall=lambda: self.wall,
        )
        self.manager = Manager(self.config, self.services)
        if start:
            self.manager.start(self.now)

    def _new_link(self, config) -> FakeLink:
        self.links.append(FakeLink(config))
        return self.links[-1]

    # Time and traffic.

    def pass_time(self, seconds: float) -> None:
        """Runs every timer that is due on the way."""
        end = self.now + seconds
        while (when := self.manager.get_timer()) is not None and when <= end:
            self._at(max(when, self.now))
            self.manager.handle_timer(self.now)
        self._at(end)

    def _at(self, when: float) -> None:
        self.wall += when - self.now
        self.now = self.plane.now = when

    def packet(
        self, destination: str = SITE, payload: str = "p", table: int = 1
    ) -> TriggerEvent | None:
        event = self.plane.packet(table, destination, payload)
        if event is not None:
            self.manager.on_trigger(event, self.now)
        return event

    # Answers.

    def grant(self, *candidates: radius.TunnelCandidate, **more) -> None:
        self.answer(radius.DialoutGranted(self.radius.number, grant_of(*candidates, **more)))

    def answer(self, event: radius.Event) -> None:
        self.manager.on_radius("r", event, self.now)

    def connected(self, call: int | None = None) -> None:
        call = len(self.endpoint.placed) if call is None else call
        lac = self.endpoint.placed[call - 1][0].peer[0]
        self.l2tp(
            l2tp.CallConnected(
                call, (LOCAL, 1701), (lac, 2701), 11, 100 + call, 12, 200 + call, 64000
            )
        )

    def closed(self, call: int | None = None, **failure) -> None:
        call = len(self.endpoint.placed) if call is None else call
        self.l2tp(l2tp.CallClosed(call, l2tp.Failure(**{"stage": "cdn", "result": 1, **failure})))

    def l2tp(self, event: l2tp.Event) -> None:
        self.manager.on_l2tp(LOCAL, event, self.now)

    def link(self, *events: ppp.Event, at: int = -1) -> None:
        """The PPP link reports something."""
        self.links[at].events += events
        nh = self.nh(at)
        self.manager.on_ppp(nh, b"", self.now)

    def nh(self, at: int = -1) -> int:
        """Adjacency of the session whose link is the one at this place."""
        owners = self.services.adjacencies._owners
        for nh, (session, _) in owners.items():
            if session.attempt._phase._link is self.links[at]:
                return nh
        raise AssertionError("no such adjacency")

    def network(
        self, grant: radius.SessionGrant | None = None, at: int = -1, peer: str = SITE
    ) -> None:
        """LCP, authentication by RADIUS and IPCP."""
        self.link(
            ppp.LcpOpened(1500, False, False),
            ppp.AuthenticationRequested(7, "chap", "site", b"", 1, b"c" * 16, b"r" * 16),
            at=at,
        )
        self.answer(radius.SessionGranted(self.radius.number, grant or radius.SessionGrant(SITE)))
        self.link(ppp.NetworkOpened(LOCAL, peer), at=at)

    # Whole ways to a state.

    def to(self, state: SessionState, destination: str = SITE) -> Session:
        """A session in this state, on the shortest way there is."""
        S = SessionState
        self.packet(destination)
        session = self.session(destination)
        if state is S.PENDING:
            assert session.state is S.PENDING, "needs a configuration without slots"
        elif state is S.DORMANT:
            self.manager.reset_session("home", destination, self.now)
        elif state in (S.INHIBITED, S.POST_INHIBITED):
            self.answer(radius.Denied(self.radius.number, "no"))
            if state is S.POST_INHIBITED:
                self.pass_time(self.config.chassis.connecting_timer)
        elif state is not S.AUTHENTICATING:
            self.grant()
            if state is not S.CONNECTING:
                self.connected()
                fits = state is S.IN_SERVICE
                self.network(radius.SessionGrant(destination if fits else "10.1.99.99"))
        assert session.state is state, session
        return session

    def session(self, destination: str = SITE) -> Session:
        found = self.manager.targets.sessions_to("home", destination)
        assert len(found) == 1
        return found[0]

    def state(self, destination: str = SITE) -> SessionState:
        found = self.manager.targets.sessions_to("home", destination)
        return found[0].state if found else SessionState.NONE

    def timeline(self) -> list[Event]:
        found = []
        while (fact := self.manager.next_event()) is not None:
            found.append(fact)
        return found


def pending_bench():
    """Its only slot is taken, so that SITE has to wait."""
    bench = Bench(configuration(max_connecting=1))
    bench.packet("10.1.0.9")
    return bench


def bench_in(state):
    bench = pending_bench() if state is SessionState.PENDING else Bench()
    session = bench.to(state)
    bench.timeline()
    return bench, session
