"""`capture` and `trace`: looking on at packets, for administrators, because packets are what people
say to each other."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from control.operation.answer import Answer, Asked, Handler, Later, Repeat
from control.operation.router import Router

INTERVAL: Final = 0.02
"""Seconds between two looks at a capture."""


def _capture(router: Router, asked: Asked) -> Answer:
    told = asked.arguments
    watched = router.capture(told["filter"] or "", told["snaplen"], told["count"], told["port"])
    return Repeat(INTERVAL, watched.part, watched.close)


def _trace(router: Router, asked: Asked) -> Answer:
    told = asked.arguments
    trace = partial(router.trace, told["filter"] or "", told["count"], told["patience"])
    return Later(trace)


HANDLERS: Final[Mapping[str, Handler]] = {"capture": _capture, "trace": _trace}
