"""Questions that are neither a list nor an order: who answers, counters again and again, reload."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from control.operation.answer import Answer, Asked, Handler, Later, Repeat
from control.operation.counters import counters
from control.operation.router import Router
from control.operation.schema import plain
from control.operation.table import COMMANDS
from control.operation.top import top_view
from control.operation.views import HelloView, ReloadView
from control.version import __version__


def _hello(router: Router, asked: Asked) -> Answer:
    may = tuple(name for name, row in COMMANDS.items() if row.role <= asked.role)
    name = router.lns.config.chassis.name
    view = HelloView(name, __version__, os.getpid(), asked.role.name.lower(), may)
    found: dict[str, Any] = plain(view)
    return found


def _counters(router: Router, asked: Asked) -> Answer:
    return Repeat(asked.arguments["watch"], lambda: plain(counters(router)))


def _top(router: Router, asked: Asked) -> Answer:
    look = top_view(router)
    return Repeat(asked.arguments["watch"], lambda: plain(look()))


def _reload(router: Router, asked: Asked) -> Answer:
    return Later(partial(_load, router, asked.arguments["dry_run"]))


async def _load(router: Router, dry_run: bool) -> Any:
    found = await router.reload(dry_run=dry_run)
    changes = tuple(change.as_dict() for change in found.changes)
    return plain(ReloadView(not dry_run, changes, tuple(found.lines())))


HANDLERS: Final[Mapping[str, Handler]] = {
    "hello": _hello,
    "counters": _counters,
    "reload": _reload,
    "top": _top,
}
