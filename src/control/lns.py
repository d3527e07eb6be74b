"""The LNS put together: dial-out manager, one L2TP endpoint a local address, RADIUS clients.

Sans-IO like its parts: the shell that owns sockets, data plane loop and clock hands in what
arrives and sends what `*_to_send` returns. Local addresses and plain routes of the data plane are
not installed here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import chain
from random import Random
from typing import Any

from control import config, reload
from control.config_warnings import warnings
from control.dataplane import Dataplane, NextHop, TriggerEvent
from control.dialout import snapshot
from control.dialout.accounting import Accounting
from control.dialout.authorization import carry_out
from control.dialout.budget import Budget, BudgetStore
from control.dialout.events import AuthorizationAsked, Event, SettingWarned
from control.dialout.incoming import IncomingCalls
from control.dialout.incoming_session import IncomingView
from control.dialout.lacs import Lacs
from control.dialout.manager import Manager
from control.dialout.pools import Pools
from control.dialout.services import RadiusGroup, Services
from control.difference import Difference
from control.l2tp.config import DeadCall, DeadTunnel, EndpointConfig, TunnelInfo
from control.l2tp.endpoint import Endpoint
from control.l2tp.events import Datagram, SocketAddress
from control.ppp.link import Link
from control.radius.client import Client
from control.radius.dynauth import AuthorizationDatagram, AuthorizationServer
from control.radius.events import RadiusDatagram
from control.radius_settings import authorization_clients, client_config, nas_names

GENERATION = "\n"
"""Divides a group's name from the number of the client that its change made."""
RETIRED_PATIENCE = 300.0
"""Seconds a client has to finish what it began, after its group has changed."""


class Lns:
    """`rng` is random for whom secrets depend on it; `wall` tells seconds since 1970 UTC; `store`
    keeps what was used of the budget: StoreError if it cannot be read."""

    def __init__(
        self,
        config: config.Config,
        dataplane: Dataplane,
        rng: Random,
        wall: Callable[[], float],
        store: BudgetStore | None = None,
    ) -> None:
        self.config = config
        """What is in force."""
        self.dataplane = dataplane
        self._rng = rng
        self._retiring: dict[str, float] = {}
        """Clients of groups that changed, by their key: until when they may finish."""
        self._generation = 0
        lacs = Lacs(
            config.lac, config.chassis.name, weighted=config.chassis.lac_selection == "weighted"
        )
        self.endpoints: dict[str, Endpoint] = {}
        """By local address, in the order of the virtual routers."""
        for router in config.virtual_router:
            for address in router.local_addresses:
                if address not in self.endpoints:
                    self.endpoints[address] = self._new_endpoint(address)
        self.clients = {
            group.name: Client(client_config(config, group, lacs.has_secret), rng)
            for group in config.radius
        }
        """By name of the RADIUS group, and behind GENERATION a number if the group has changed."""
        self.ppp_counters: Counter[str] = Counter()
        """Frames of all PPP links, and what was dropped of them, by reason."""
        self.budget = Budget(config.budget, wall, store)
        self.manager = Manager(
            config,
            Services(
                chassis=config.chassis,
                dataplane=dataplane,
                endpoints=self.endpoints,
                radius={g.name: RadiusGroup(g, self.clients[g.name]) for g in config.radius},
                new_link=lambda link: Link(link, rng, self.ppp_counters),
                budget=self.budget,
                lacs=lacs,
                boot=f"{rng.getrandbits(32):08X}",
                wall=wall,
                random=rng.random,
                pools=Pools(config.pool),
            ),
        )
        self.accounting = self.manager.services.accounting
        self.incoming = IncomingCalls(self.manager.services, self.manager.chassis.routers, config)
        self._allow_incoming()
        self.authorization = AuthorizationServer((), (), wall)
        """Takes CoA and Disconnect requests of RADIUS."""
        self._let_authorize(config)
        self.not_local = 0
        """L2TP datagrams for an address that is none of ours; dropped."""

    def start(self, now: float) -> None:
        """Installs the dial-out routes; from now on triggers are accepted."""
        for text in warnings(self.config):
            self.manager.services.timeline.add(SettingWarned(now, text))
        self.accounting.on(now)
        self.manager.start(now)

    def stop(self, now: float) -> None:
        """CDN for every call, StopCCN for every tunnel, all routes removed. What is to be sent
        still has to be, and LACs may ask for it again for a while."""
        self.accounting.leaving = True
        self.manager.shutdown(now)
        self.incoming.shutdown(now)
        self.accounting.off(now)
        for endpoint in self.endpoints.values():
            endpoint.shutdown(now)
        self._settle(now)

    @property
    def stopped(self) -> bool:
        """After `stop`: every LAC has heard of it, and every RADIUS server."""
        return all(e.acknowledged for e in self.endpoints.values()) and not any(
            len(client.accounting) for client in self.clients.values()
        )

    def reset(self, virtual_router: str, destination: str, now: float) -> int:
        """Brings the sessions to a destination to dormant, their calls closed. How many there
        were."""
        found = self.manager.reset_session(virtual_router, destination, now)
        self._settle(now)
        return found

    def delete(self, virtual_router: str, destination: str, now: float) -> int:
        """Closes the calls to a destination and forgets the sessions. How many there were."""
        found = self.manager.delete_session(virtual_router, destination, now)
        self._settle(now)
        return found

    def freeze(
        self,
        on: bool,
        now: float,
        *,
        virtual_router: str = "",
        prefix: str = "",
        hangup: bool = False,
    ) -> int:
        """No new calls of anything, of a virtual router or of one target, or again. Calls stay,
        unless `hangup`. How many were closed. Raises LocalProtocolError for a name that is not
        there."""
        closed = self.manager.freeze(
            on, now, virtual_router=virtual_router, prefix=prefix, hangup=hangup
        )
        self._settle(now)
        return closed

    def drain(self, lac: str, now: float, *, on: bool = True) -> None:
        """A LAC gets no new calls, its tunnels are closed behind the last one; or it gets calls
        again."""
        self.manager.drain_lac(lac, on, now)
        self._settle(now)

    def shutdown_lac(self, lac: str, now: float) -> None:
        """Drains a LAC and closes its tunnels and calls."""
        self.manager.shutdown_lac(lac, now)
        self._settle(now)

    def reload(self, config: config.Config, now: float, *, dry_run: bool = False) -> Difference:
        """Puts another configuration in force, or tells what that would do. Sessions that a
        difference does not concern stay. Raises ConfigurationError for what needs a restart,
        RuleError or ResourceError for what cannot be: then nothing has changed."""
        found = reload.plan(self, config)
        if not dry_run:
            self.put_in_force(found, config, now)
        return found

    def put_in_force(self, found: Difference, config: config.Config, now: float) -> None:
        """What a dry run of `reload` has just found. Raises RuleError or ResourceError."""
        reload.apply(self, config, found, now)
        self.config = config
        self.incoming.configure(config)
        self._allow_incoming()
        self._let_authorize(config)
        self._settle(now)

    def set_radius(self, config: config.Config, group: config.Radius, now: float) -> None:
        """A RADIUS group came or changed: requests under way end with the servers they began
        with."""
        services = self.manager.services
        old = self._retire(group.name, now)
        self._generation += 1
        # Its own key, hence its own sockets: answers to the old one's requests still find that.
        key = f"{group.name}{GENERATION}{self._generation}"
        settings = client_config(config, group, services.lacs.has_secret)
        first = 0 if old is None else old.last_number
        self.clients[key] = Client(settings, self._rng, last_number=first)
        services.radius[group.name] = RadiusGroup(group, self.clients[key])

    def remove_radius(self, name: str, now: float) -> None:
        """Of a group that no virtual router names."""
        self._retire(name, now)
        del self.manager.services.radius[name]

    def radius_clients(self) -> dict[str, Client]:
        """By group, the client that it has now."""
        return {
            key.partition(GENERATION)[0]: client
            for key, client in self.clients.items()
            if key not in self._retiring
        }

    def _let_authorize(self, config: config.Config) -> None:
        self.authorization.configure(authorization_clients(config), nas_names(config))

    def _retire(self, name: str, now: float) -> Client | None:
        """The group's client takes no more requests."""
        for key, client in self.clients.items():
            if key.partition(GENERATION)[0] == name and key not in self._retiring:
                self._retiring[key] = now + RETIRED_PATIENCE
                return client
        return None

    def _drop_retired(self, now: float) -> None:
        for key, until in list(self._retiring.items()):
            client = self.clients[key]
            if until <= now or not (client.pending or len(client.accounting)):
                del self._retiring[key], self.clients[key]

    def on_trigger(self, event: TriggerEvent, now: float) -> None:
        self.manager.on_trigger(event, now)
        self._settle(now)

    def receive_l2tp(
        self, data: bytes, local: SocketAddress, peer: SocketAddress, now: float
    ) -> None:
        """A UDP payload for one of our addresses whose T bit is set."""
        endpoint = self.endpoints.get(local[0])
        if endpoint is None:
            self.not_local += 1
            return
        endpoint.receive_datagram(data, local, peer, now)
        self._settle(now)

    def receive_radius(self, group: str, datagram: RadiusDatagram, now: float) -> None:
        """A datagram for a socket of this group's client; ignored if the client is gone."""
        client = self.clients.get(group)
        if client is not None:
            client.receive_datagram(datagram, now)
            self._settle(now)

    def receive_dynauth(
        self, data: bytes, local: SocketAddress, peer: SocketAddress, now: float
    ) -> None:
        """A datagram for an address of `radius_settings.authorization_addresses`."""
        self.authorization.receive_datagram(data, local, peer, now)
        self._settle(now)

    def receive_ppp(self, nh: NextHop, frame: bytes, now: float) -> None:
        """A frame of a session that is no IP packet."""
        if not self.incoming.on_ppp(nh, frame, now):
            self.manager.on_ppp(nh, frame, now)
        self._settle(now)

    def handle_timer(self, now: float) -> None:
        for endpoint in self.endpoints.values():
            endpoint.handle_timer(now)
        for client in self.clients.values():
            client.handle_timer(now)
        # Answers that are due now go before the timers that would give them up.
        self._settle(now)
        self.manager.handle_timer(now)
        self.incoming.handle_timer(now)
        self.accounting.handle_timer(now)
        self._settle(now)

    def get_timer(self) -> float | None:
        earliest = self.manager.get_timer()
        parts: Iterable[Endpoint | Client | Accounting | IncomingCalls] = chain(
            self.endpoints.values(), self.clients.values(), (self.accounting, self.incoming)
        )
        for part in parts:
            when = part.get_timer()
            if when is not None and (earliest is None or when < earliest):
                earliest = when
        return earliest

    def l2tp_to_send(self) -> list[Datagram]:
        found: list[Datagram] = []
        for endpoint in self.endpoints.values():
            found += endpoint.datagrams_to_send()
        return found

    def radius_to_send(self) -> list[tuple[str, RadiusDatagram]]:
        """Group and datagram."""
        found: list[tuple[str, RadiusDatagram]] = []
        for group, client in self.clients.items():
            found += [(group, datagram) for datagram in client.datagrams_to_send()]
        return found

    def dynauth_to_send(self) -> list[AuthorizationDatagram]:
        return self.authorization.datagrams_to_send()

    def next_event(self) -> Event | None:
        """The timeline."""
        return self.manager.next_event()

    # What `show` and reports see.

    def chassis(self, now: float) -> snapshot.ChassisView:
        return snapshot.chassis(self.manager, now)

    def virtual_routers(self, now: float) -> list[snapshot.VirtualRouterView]:
        return snapshot.virtual_routers(self.manager, now)

    def targets(self, now: float) -> list[snapshot.TargetView]:
        return snapshot.targets(self.manager, now)

    def sessions(self, now: float) -> list[snapshot.SessionView]:
        return snapshot.sessions(self.manager, now)

    def calls(self) -> list[snapshot.CallView]:
        return snapshot.calls(self.manager)

    def call_records(self, most: int = 100) -> list[dict[str, Any]]:
        return snapshot.call_records(self.manager, most)

    def lacs(self, now: float) -> list[snapshot.LacView]:
        return snapshot.lacs(self.manager, now)

    def incoming_calls(self, now: float) -> list[IncomingView]:
        return self.incoming.views(now)

    def tunnels(self) -> list[TunnelInfo]:
        return [info for endpoint in self.endpoints.values() for info in endpoint.tunnels()]

    def dead_tunnels(self, now: float) -> list[DeadTunnel]:
        """Those that ended within the destruct timeout."""
        return [dead for endpoint in self.endpoints.values() for dead in endpoint.dead_tunnels(now)]

    def dead_calls(self, now: float) -> list[DeadCall]:
        return [dead for endpoint in self.endpoints.values() for dead in endpoint.dead_calls(now)]

    def _new_endpoint(self, address: str) -> Endpoint:
        chassis = self.config.chassis
        settings = EndpointConfig(
            "lns",
            chassis.name,
            incoming=lambda name, peer: self.incoming.policy(address, name, peer),
            tunnel_idle=chassis.tunnel_idle,
            destruct_timeout=chassis.destruct_timeout,
        )
        return Endpoint(settings, self._rng)

    def _allow_incoming(self) -> None:
        for address, endpoint in self.endpoints.items():
            endpoint.allow_incoming(self.incoming.wanted(address))

    def _settle(self, now: float) -> None:
        """Hands events to the manager until there are none: an event may cause others."""
        while (request := self.authorization.next_event()) is not None:
            cause = carry_out(request, self.accounting, now)
            self.manager.services.timeline.add(
                AuthorizationAsked(
                    now,
                    request.group,
                    "disconnect" if request.changes is None else "change",
                    "done" if cause is None else cause.name.lower().replace("_", " "),
                )
            )
            self.authorization.answer(request.number, cause, now)
        busy = True
        while busy:
            busy = False
            for local, endpoint in self.endpoints.items():
                while (event := endpoint.next_event()) is not None:
                    if not self.incoming.on_l2tp(local, event, now):
                        self.manager.on_l2tp(local, event, now)
                    busy = True
            for group, client in self.clients.items():
                while (answer := client.next_event()) is not None:
                    name = group.partition(GENERATION)[0]
                    if not self.incoming.on_radius(name, answer, now):
                        self.manager.on_radius(name, answer, now)
                    busy = True
        if self._retiring:
            self._drop_retired(now)
