"""`show routes`: what the RIBs hold, in the order of their trees, a bounded piece at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from control.dialout.virtual_router import VirtualRouter
from control.operation.answer import Asked
from control.operation.router import Router
from control.operation.schema import plain
from control.operation.views import RouteView
from control.operation.within import Within
from control.rib import ACCESS_DISTANCE, DIALOUT_DISTANCE, Route

_KINDS: Final = {ACCESS_DISTANCE: "access", DIALOUT_DISTANCE: "dial-out"}


def routes(
    router: Router, asked: Asked, routers: Sequence[VirtualRouter]
) -> Iterator[dict[str, Any] | None]:
    told = asked.arguments
    within = Within(told["destination"])
    for owner in routers:
        for known in owner.rib.walk():
            if not within.has(known[0].prefix):
                yield None
                continue
            for one in known if told["backup"] else known[:1]:
                view = route_view(router, owner, one, active=one is known[0])
                yield plain(view) if told["kind"] in (None, view.kind) else None


def route_view(
    router: Router, owner: VirtualRouter, route: Route, *, active: bool = True
) -> RouteView:
    kind, _, number = route.owner.partition(" ")
    destination = ""
    if kind == "session" and number.isdecimal():
        session = router.lns.manager.sessions.get(int(number))
        destination = "" if session is None else session.destination
    return RouteView(
        owner.config.name,
        owner.config.table,
        route.prefix,
        _KINDS.get(route.distance, "other"),
        route.owner,
        destination,
        route.nh,
        route.distance,
        route.metric,
        active,
    )
