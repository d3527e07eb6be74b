"""The PPP part of a call: data-plane session, link, authentication by RADIUS, access routes.

Begins with OCCN (specification 1.10, 1.11) and lasts as long as the call. Knows no call control and
nothing of dial-out: who owns the call, attempt.py for one, reads `next_outcome`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from control.dataplane import SessionSpec
from control.dialout import access_route
from control.dialout.access_route import RouteDoesNotFit
from control.dialout.early_session import EarlySession, largest_inner_packet
from control.dialout.events import LinkProgress, RadiusAsked
from control.dialout.link_filters import changed, filters_of
from control.dialout.link_owner import LinkOwner, OwnName
from control.dialout.link_routes import LinkRoutes
from control.dialout.link_settings import link_config
from control.dialout.pools import Lease
from control.dialout.router_advertisement import RouterAdvertisement, is_solicitation
from control.dialout.services import Services
from control.errors import DialoutError, ResourceError
from control.l2tp.events import CallConnected
from control.ppp import events as ppp
from control.radius.dynauth import Changes
from control.radius.events import SessionGrant
from control.radius.requests import SessionRequest
from control.unlocked import unlocked

ASYNCHRONOUS = 2
"""Framing Type bit (RFC 2661 4.4.4)."""
DEFAULT_ACCM = 0xFFFFFFFF
"""What a LAC escapes until it is told otherwise."""


class PhaseOutcome(Enum):
    VERIFIED = "the access routes are committed and fit"
    UNFIT = "the access routes do not fit; nothing is committed"
    FAILED = "the link is down"


@unlocked
@dataclass(frozen=True, slots=True)
class PhaseEnd:
    outcome: PhaseOutcome
    stage: str = ""
    reason: str = ""
    kind: str = ""
    """As in ppp.events.LinkClosed."""


class LinkPhase:
    """Raises DialoutError from its constructor if data plane or link cannot be had."""

    __slots__ = (
        "_accm",
        "_advertisement",
        "_call",
        "_called_number",
        "_family",
        "_leases",
        "_link",
        "_outcomes",
        "_owner",
        "_requests",
        "_routes",
        "_services",
        "_spec",
        "grant",
        "nh",
        "peer_address",
        "peer_identifier",
        "user_name",
    )

    def __init__(
        self,
        services: Services,
        owner: LinkOwner,
        own_name: OwnName,
        call: CallConnected,
        now: float,
        early: EarlySession | None = None,
        *,
        tos: int | None = None,
        called_number: str = "",
    ) -> None:
        """`early`: the call's session, if it is in the data plane already; `tos`: of the outer
        packets, None: as the inner one's; `called_number`: what was dialed, for RADIUS to know."""
        self._services = services
        self._called_number = called_number
        self._owner = owner
        self._family = owner.family
        self._call = call
        # Tuples: of 65,535 calls nearly all have nothing in these.
        self._outcomes: tuple[PhaseEnd, ...] = ()
        self._requests: tuple[tuple[tuple[str, int], ppp.AuthenticationRequested], ...] = ()
        self.grant: SessionGrant | None = None
        """What RADIUS said of the peer; None until it did."""
        self._accm = DEFAULT_ACCM
        self._leases: tuple[Lease, ...] = ()
        self.user_name = ""
        """As the peer has proved; empty: it has not."""
        self.peer_address = ""
        """As agreed by IPCP."""
        self.peer_identifier = ""
        """As agreed by IPV6CP."""
        self._link = services.new_link(
            link_config(
                owner.profile,
                own_name,
                self._family,
                services.chassis.name,
                owner.router.config.local_address,
                services.chassis.connecting_timer,
            )
        )
        early = early or EarlySession(services, owner, call)
        frames = early.connect(call)
        self._spec, self.nh = early.spec, early.nh
        self._routes = LinkRoutes(services, owner, self.nh, (call.peer[0], call.local[0]))
        self._advertisement: RouterAdvertisement | None = None
        if tos is not None:
            self._respecify(replace(self._spec, tos=tos), now)
        self._link.open(now)
        self._pump(now)
        for frame in frames:
            self.receive_frame(frame, now)

    @property
    def call(self) -> CallConnected:
        return self._call

    @property
    def spec(self) -> SessionSpec:
        return self._spec

    @property
    def network_open(self) -> bool:
        """The access routes that the trigger needs are in the FIB."""
        return self._family in self._routes.open

    def next_outcome(self) -> PhaseEnd | None:
        if not self._outcomes:
            return None
        first, *rest = self._outcomes
        self._outcomes = tuple(rest)
        return first

    def receive_frame(self, frame: bytes, now: float) -> None:
        if self._advertisement is not None and is_solicitation(frame):
            answer = self._advertisement.solicited(now)
            if answer is not None:
                self._services.dataplane.send_ppp(self.nh, answer)
            return
        self._link.receive_frame(frame, now)
        self._pump(now)

    def authenticated(self, request: tuple[str, int], grant: SessionGrant, now: float) -> None:
        """RADIUS accepts the peer."""
        asked = self._take(request)
        if asked is None:
            return
        self._services.tell_unused(self._owner, request[0], grant.ignored, now)
        message = grant.reply_message
        if asked.protocol == "mschapv2":
            # The message is the server's own proof (RFC 2548 2.3.3), and the peer insists on it.
            message = grant.mschap_success[1:].decode("ascii", "replace")
        if not asked.again:
            # What a session gets is decided once; later RADIUS changes it by a CoA-Request.
            try:
                grant, self._leases = self._services.pools.fill(grant)
            except ResourceError as error:
                self._outcomes += (PhaseEnd(PhaseOutcome.FAILED, "resources", str(error)),)
                return
            self.grant = grant
        self._link.authentication_result(
            asked.request,
            asked.protocol != "mschapv2" or message.startswith("S="),
            now,
            message=message,
            peer_address=grant.framed_address,
            ipv6=grant.has_ipv6,
            peer_identifier=grant.framed_interface_id,
            dns=grant.dns,
        )
        self._pump(now)

    def not_authenticated(
        self, request: tuple[str, int], now: float, *, answered: bool = True
    ) -> None:
        """RADIUS rejects the peer, or does not answer: that ends no call of a peer it has accepted
        before. The peer is not told why."""
        asked = self._take(request)
        if asked is not None:
            verdict = None if asked.again and not answered else False
            self._link.authentication_result(asked.request, verdict, now)
            self._pump(now)

    def set_filters(self, changes: Changes) -> None:
        """Other classifiers for the session's packets, as a CoA-Request wants. Raises DialoutError
        if there is none of this name; then nothing has changed."""
        grant = changed(self.grant or SessionGrant(), changes)
        into, out_of = filters_of(grant, self._owner.profile)
        with self._services.dataplane.transaction() as transaction:
            transaction.set_filter(self.nh, into, inbound=out_of)
        self.grant = grant

    def handle_timer(self, now: float) -> None:
        self._link.handle_timer(now)
        self._pump(now)
        self._advertise(now)

    def get_timer(self) -> float | None:
        link = self._link.get_timer()
        if self._advertisement is None:
            return link
        due = self._advertisement.get_timer()
        return due if link is None else min(link, due)

    def close(self, now: float, reason: str, *, carrier: bool) -> None:
        """Ends link, routes and adjacency. `carrier`: the call still carries a farewell."""
        for (group, number), _ in self._requests:
            self._services.radius[group].client.cancel(number)
            self._services.requests.remove((group, number))
        self._requests = ()
        if carrier:
            self._link.close(now, reason)
            self._send()
        self._link.lower_down(now)
        self._advertisement = None
        self._routes.withdraw(now, 4, 6, delete_adjacency=True)
        self._services.adjacencies.remove(self.nh)
        self._services.pools.give_back(self._leases)
        self._leases = ()

    def _pump(self, now: float) -> None:
        """Sends what the link has to say, then does what it reports."""
        self._send()
        while (event := self._link.next_event()) is not None:
            self._on_link(event, now)
            self._send()

    def _send(self) -> None:
        for frame in self._link.frames_to_send():
            self._services.dataplane.send_ppp(self.nh, frame)

    def _on_link(self, event: ppp.Event, now: float) -> None:
        match event:
            case ppp.LcpOpened():
                self._lcp_opened(event, now)
            case ppp.AuthenticationRequested():
                self._ask_radius(event, now)
            case ppp.PeerAuthenticated():
                self.user_name = event.username
                self._progress(now, "peer authenticated", event.username)
            case ppp.AuthenticatedToPeer():
                self._progress(now, "authenticated to peer", event.protocol)
            case ppp.NetworkOpened():
                self._progress(now, "ipcp", f"{event.local_address} - {event.peer_address}")
                self.peer_address = event.peer_address
                self._ipv4_opened(event.peer_address, now)
            case ppp.Ipv6Opened():
                self._progress(now, "ipv6cp", f"{event.local_identifier} - {event.peer_identifier}")
                self.peer_identifier = event.peer_identifier
                self._ipv6_opened(event.local_identifier, now)
            case ppp.NetworkClosed():
                # The peer renegotiates. Until it has proved itself again it gets no packets.
                self._routes.withdraw(now, 4)
            case ppp.Ipv6Closed():
                self._advertisement = None
                self._routes.withdraw(now, 6)
            case ppp.NetworkRefused():
                self._progress(now, f"no {event.stage}", event.reason)
            case ppp.PeerIdentified():
                self._progress(now, "identified", event.text)
            case ppp.LinkClosed():
                end = PhaseEnd(PhaseOutcome.FAILED, event.stage, event.reason, event.kind)
                self._outcomes += (end,)

    def _lcp_opened(self, event: ppp.LcpOpened, now: float) -> None:
        mtu = min(event.peer_mru, self._owner.profile.mru, largest_inner_packet(self._call))
        spec = self._spec
        if (mtu, event.send_acfc, event.send_pfc) != (spec.mtu, spec.acfc, spec.pfc):
            changed = replace(spec, mtu=mtu, acfc=event.send_acfc, pfc=event.send_pfc)
            self._respecify(changed, now)
        self._progress(now, "lcp", f"mtu {mtu}")
        self._tell_lac(event.peer_accm, now)

    def _tell_lac(self, accm: int, now: float) -> None:
        """What the LAC has to escape where it turns our frames into characters (RFC 2661 6.14)."""
        if accm != self._accm and self._call.framing_type & ASYNCHRONOUS:
            self._accm = accm
            endpoint = self._services.endpoints[self._call.local[0]]
            endpoint.set_link_info(self._call.call, now, send=accm)

    def _respecify(self, spec: SessionSpec, now: float) -> None:
        if spec == self._spec:
            return
        try:
            with self._services.dataplane.transaction() as transaction:
                transaction.update_session(self.nh, spec)
        except DialoutError as error:
            self._outcomes += (PhaseEnd(PhaseOutcome.FAILED, "resources", str(error)),)
        else:
            self._spec = spec

    def _ask_radius(self, event: ppp.AuthenticationRequested, now: float) -> None:
        owner, services = self._owner, self._services
        group = owner.router.config.radius
        pap = event.protocol == "pap"
        request = SessionRequest(
            user_name=event.username,
            session_id=services.acct_session_id(owner),
            password=event.password if pap else None,
            chap_identifier=event.chap_identifier,
            chap_challenge=event.chap_challenge,
            chap_response=event.chap_response,
            called_station_id=self._called_number,
            sources=owner.router.config.sources,
        )
        number = services.radius[group].client.request_session(request, now)
        self._requests += (((group, number), event),)
        services.requests.add((group, number), owner)
        services.timeline.add(RadiusAsked(*owner.fact(now), group, "session"))

    def _take(self, request: tuple[str, int]) -> ppp.AuthenticationRequested | None:
        self._services.requests.remove(request)
        found = next((event for asked, event in self._requests if asked == request), None)
        self._requests = tuple(each for each in self._requests if each[0] != request)
        return found

    def _ipv4_opened(self, peer_address: str, now: float) -> None:
        accepted = self._owner.profile.accept_peer_address

        def prefixes() -> tuple[str, ...]:
            return access_route.access_prefixes(
                self.grant, peer_address, accept_peer_address=accepted
            )

        self._install(4, prefixes, now)

    def _ipv6_opened(self, identifier: str, now: float) -> None:
        grant = self.grant
        if self._install(6, lambda: access_route.access_prefixes_ipv6(grant), now):
            self._advertisement = RouterAdvertisement(
                identifier,
                grant.framed_ipv6_prefixes if grant is not None else (),
                grant.ipv6_dns if grant is not None else (),
                self._spec.mtu,
                now,
            )
            self._advertise(now)

    def _install(self, family: int, prefixes: Callable[[], tuple[str, ...]], now: float) -> bool:
        """Brings the routes of one family into service. Only those of the trigger's decide what
        becomes of the call."""
        grant, wanted = self.grant, family == self._family
        try:
            if grant is not None and grant.framed_mtu:
                mtu = min(self._spec.mtu, grant.framed_mtu)
                self._respecify(replace(self._spec, mtu=mtu), now)
            filters = filters_of(grant, self._owner.profile)
            routes = (*grant.framed_routes, *grant.framed_ipv6_routes) if grant is not None else ()
            metrics = {route.prefix: route.metric for route in routes}
            self._routes.install(family, prefixes(), filters, now, metrics)
        except DialoutError as error:
            if not wanted:
                self._progress(now, f"ipv{family} not routed", str(error))
            elif isinstance(error, RouteDoesNotFit):
                self._outcomes += (PhaseEnd(PhaseOutcome.UNFIT, "route", str(error)),)
            else:
                self._outcomes += (PhaseEnd(PhaseOutcome.FAILED, "resources", str(error)),)
            return False
        if wanted:
            self._outcomes += (PhaseEnd(PhaseOutcome.VERIFIED),)
        return True

    def _advertise(self, now: float) -> None:
        if self._advertisement is not None:
            frame = self._advertisement.take_due(now)
            if frame is not None:
                self._services.dataplane.send_ppp(self.nh, frame)

    def _progress(self, now: float, stage: str, detail: str) -> None:
        self._services.timeline.add(LinkProgress(*self._owner.fact(now), stage, detail))
