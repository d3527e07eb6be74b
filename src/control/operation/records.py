"""`show records`: calls that have ended, the newest first: why each was made, what became of it and
what it cost (threats T11, T32).

Those in memory, the latest few thousand; what a state directory keeps of older ones is not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any, Final

from control.dialout.call_record import CallRecord
from control.dialout.virtual_router import VirtualRouter
from control.operation.answer import Asked
from control.operation.record_view import RecordView
from control.operation.roles import Role
from control.operation.router import Router
from control.operation.schema import plain
from control.operation.within import Within


def records(
    router: Router, asked: Asked, routers: Sequence[VirtualRouter]
) -> Iterator[dict[str, Any] | None]:
    """Of those that there are at the beginning."""
    told = asked.arguments
    names = {one.config.name for one in routers} if told["virtual_router"] is not None else None
    within = Within(told["destination"])
    private = asked.role >= Role.OPERATE
    for one in reversed(list(router.lns.manager.services.records)):
        if (
            (names is not None and one.virtual_router not in names)
            or told["target"] not in (None, one.target)
            or told["lac"] not in (None, one.lac)
            or not within.has(one.destination)
        ):
            yield None
        else:
            yield plain(_record(one, private))


_SAME: Final = tuple(
    field.name for field in fields(RecordView) if field.name not in ("number", "closed")
)
"""Fields that a record has by the same name."""


def _record(record: CallRecord, private: bool) -> RecordView:
    return RecordView(
        number=record.called_number if private else None,
        closed=record.ended or 0.0,
        **{name: getattr(record, name) for name in _SAME},
    )
