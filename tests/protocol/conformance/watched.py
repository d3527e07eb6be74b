"""The simulated network with a configuration of one's own, a RADIUS server that keeps books too,
and a way to count."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from dialout_network import LNS, RADIUS, Network, site_user

from control.config import Config, Profile, SimRadius, SimUser
from control.dialout.events import CallPlaced
from control.dialout.session_table import SessionState
from control.lns import Lns
from control.radius.events import RadiusDatagram
from control.sim.radius import SimRadiusServer

START, STOP, INTERIM, ON, OFF = 1, 2, 3, 7, 8
SECRET = b"radius-secret"


def sites(count: int) -> list[str]:
    return [f"10.1.{n // 200}.{n % 200 + 1}" for n in range(count)]


def any_site(**reply: str) -> SimUser:
    """Without an address of RADIUS the site's own is taken, if it covers the trigger."""
    return site_user(**(reply or {"Framed_Route": "10.1.0.0/16 0.0.0.0 1"}))


class Watched(Network):
    """`change` is what the configuration has instead; `accounting` the group's keys."""

    def __init__(
        self,
        first: tuple[tuple[str, str], ...],
        *,
        accounting: dict[str, Any] | None = None,
        change: dict[str, Any] | None = None,
        wall: float = 1.7e9,
        users: tuple[SimUser, ...] = (),
        **more: Any,
    ) -> None:
        more.setdefault("profile", Profile("p", idle_timeout=0))
        super().__init__(first, **more)
        group = replace(self.config.radius[0], **(accounting or {}))
        self.config = replace(self.config, **{"radius": (group,), **(change or {})})
        site = more.get("site") or site_user()
        table = (*users, SimUser("*@example.org", reply=first), site)
        self.radius = SimRadiusServer(SimRadius(RADIUS, secret=SECRET, users=table), Random(7))
        self.books = self.radius.for_accounting()
        self.books_silent = False
        self.wall = wall
        self.lns = self.restarted()
        self.lns.start(self.now)
        self.settle()

    def restarted(self, config: Config | None = None, store: Any = None) -> Lns:
        """Another LNS in the place of this one, which is forgotten as by a kill."""
        self.config = config or self.config
        self.plane.routes.clear()
        self.plane.sessions.clear()
        self.plane.gleans.clear()
        return Lns(self.config, self.plane, Random(3), lambda: self.wall + self.now, store)

    def _objects(self) -> list[Any]:
        return [*super()._objects(), *([self.books] if hasattr(self, "books") else [])]

    def _send(self) -> None:
        if hasattr(self, "books"):
            for answer in self.books.datagrams_to_send():
                reply = RadiusDatagram(answer.data, (RADIUS, 1813), answer.destination[1] - 20000)
                self._lossy(lambda r=reply: self._from_radius("r", r))
        super()._send()

    def _to_radius(self, datagram: RadiusDatagram, source: tuple[str, int]) -> None:
        if datagram.server[1] != 1813:
            super()._to_radius(datagram, source)
        elif not self.books_silent:
            self.books.receive_datagram(datagram.data, (LNS, 20000 + datagram.socket), self.now)

    # What is asked of it.

    def told(self, status: int) -> list[dict[str, Any]]:
        """Accounting records of a kind, in order."""
        return [dict(r.values) for r in self.radius.records if r.status == status]

    def placed(self) -> list[tuple[str, str]]:
        """LAC and destination of each call."""
        return [(f.lac, f.destination) for f in self.timeline if isinstance(f, CallPlaced)]

    def dial(self, destination: str = "10.1.2.3", seconds: float = 5.0) -> SessionState:
        self.packet(destination)
        self.run(seconds)
        return self.state(destination)

    def hang_up_all(self) -> None:
        for lac in self.lacs.values():
            for call in list(lac.calls.values()):
                lac.endpoint.close_call(call, self.now, result=1)
            lac.calls.clear()
        self.settle()
        self.run(1.0)

    def counters(self) -> list[dict[str, int]]:
        """System, the sum of virtual routers, of targets."""
        lns, now = self.lns, self.now
        sums: list[dict[str, int]] = [lns.chassis(now).counters]
        for views in (lns.virtual_routers(now), lns.targets(now)):
            total: dict[str, int] = {}
            for view in views:
                for name, value in view.counters.items():
                    total[name] = total.get(name, 0) + value
            sums.append(total)
        return sums
