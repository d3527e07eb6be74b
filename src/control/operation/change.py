"""What an operator orders: sessions, targets, freezes, LACs (specification 1.12).

Each order is one of Lns; here is what it says to whom gave it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from control.config import Target
from control.config_keys import ROOT
from control.config_values import Refused
from control.errors import LocalProtocolError
from control.operation.answer import Answer, Asked, Handler
from control.operation.protocol import BadRequest, Code
from control.operation.router import NotFound, Router, router_name
from control.operation.schema import plain
from control.operation.views import Changed

NOT_IN_THE_FILE: Final = "this is not in the configuration file: the next reload undoes it"


def _told(changed: int, text: str) -> Answer:
    found: dict[str, Any] = plain(Changed(changed, text))
    return found


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _session(order: str, done: str) -> Handler:
    def handler(router: Router, asked: Asked) -> Answer:
        name = router_name(router, asked.arguments["virtual_router"])
        destination = asked.arguments["destination"]
        found = getattr(router.lns, order)(name, destination, router.now)
        if not found:
            raise NotFound(f"{name} has no session to {destination}")
        router.settle()
        return _told(found, f"{_count(found, 'session')} {done}")

    return handler


def _add_target(router: Router, asked: Asked) -> Answer:
    """By the way of a reload whose only difference is this target."""
    wanted = _target(router, asked)
    old = router.lns.config
    router.lns.reload(replace(old, target=(*old.target, wanted)), router.now)
    router.settle()
    return _told(1, f"target {wanted.virtual_router} {wanted.prefix} added; {NOT_IN_THE_FILE}")


def _target(router: Router, asked: Asked) -> Target:
    """Raises what says that there can be no such target."""
    told = dict(asked.arguments)
    told["virtual_router"] = name = router_name(router, told["virtual_router"])
    values = {key: value for key, value in told.items() if value is not None}
    for key, value in values.items():
        check = ROOT.children["target"].keys[key]
        try:
            values[key] = check.parse(value)
        except Refused as error:
            why = str(error) or f"must be {check.allowed}"
            raise BadRequest(Code.BAD_ARGUMENT, f"{key} = {value!r}: {why}") from None
    config = router.lns.config
    wanted = Target(**values)
    if all(profile.name != wanted.profile for profile in config.profile):
        raise NotFound(f"there is no profile {wanted.profile!r}")
    if wanted.classifier and all(c.name != wanted.classifier for c in config.classifier):
        raise NotFound(f"there is no classifier {wanted.classifier!r}")
    targets = router.lns.manager.targets
    if targets.find(name, wanted.prefix) is not None:
        raise LocalProtocolError(f"{name} has a target {wanted.prefix} already")
    owner = targets.router(name)
    if len(owner.targets) >= owner.config.max_targets:
        raise LocalProtocolError(f"{name} has {len(owner.targets)} targets, as many as it may")
    return wanted


def _remove_target(router: Router, asked: Asked) -> Answer:
    name, prefix = _known_target(router, asked)
    old = router.lns.config
    target = router.lns.manager.targets.find(name, prefix)
    closed = 0 if target is None else len(target.sessions)
    kept = tuple(
        t for t in old.target if target is None or (t.virtual_router, t) != (name, target.config)
    )
    router.lns.reload(replace(old, target=kept), router.now)
    router.settle()
    text = f"target {name} {prefix} removed with {_count(closed, 'session')}"
    return _told(1, f"{text}; {NOT_IN_THE_FILE}")


def _known_target(router: Router, asked: Asked) -> tuple[str, str]:
    name = router_name(router, asked.arguments["virtual_router"])
    prefix: str = asked.arguments["prefix"]
    if router.lns.manager.targets.find(name, prefix) is None:
        raise NotFound(f"{name} has no target {prefix}")
    return name, prefix


def _freeze_target(on: bool) -> Handler:
    def handler(router: Router, asked: Asked) -> Answer:
        name, prefix = _known_target(router, asked)
        return _freeze(router, asked, on, f"target {name} {prefix}", name, prefix)

    return handler


def _freeze_all(on: bool) -> Handler:
    def handler(router: Router, asked: Asked) -> Answer:
        name = asked.arguments["virtual_router"]
        if name is None:
            return _freeze(router, asked, on, "the whole router")
        router_name(router, name)
        return _freeze(router, asked, on, f"virtual router {name}", name)

    return handler


def _freeze(
    router: Router, asked: Asked, on: bool, what: str, name: str = "", prefix: str = ""
) -> Answer:
    hangup = bool(asked.arguments.get("hangup"))
    lns = router.lns
    closed = lns.freeze(on, router.now, virtual_router=name, prefix=prefix, hangup=hangup)
    router.settle()
    text = f"{what}: " + ("no new calls" if on else "calls again")
    return _told(closed, f"{text}, {_count(closed, 'call')} closed" if hangup else text)


def _lac(order: Callable[[Router, str], None], done: str) -> Handler:
    def handler(router: Router, asked: Asked) -> Answer:
        address = asked.arguments["address"]
        if all(lac.address != address for lac in router.lns.lacs(router.now)):
            raise NotFound(f"there is no LAC {address}")
        order(router, address)
        router.settle()
        calls = router.lns.manager.services.lacs.calls(address)
        return _told(calls, f"LAC {address}: {done}, it has {_count(calls, 'call')}")

    return handler


HANDLERS: Final[Mapping[str, Handler]] = {
    "session reset": _session("reset", "reset"),
    "session delete": _session("delete", "deleted"),
    "target add": _add_target,
    "target remove": _remove_target,
    "target freeze": _freeze_target(True),
    "target unfreeze": _freeze_target(False),
    "freeze": _freeze_all(True),
    "unfreeze": _freeze_all(False),
    "lac drain": _lac(lambda r, lac: r.lns.drain(lac, r.now), "no new calls"),
    "lac undrain": _lac(lambda r, lac: r.lns.drain(lac, r.now, on=False), "calls again"),
    "lac shutdown": _lac(lambda r, lac: r.lns.shutdown_lac(lac, r.now), "its calls are closed"),
}
