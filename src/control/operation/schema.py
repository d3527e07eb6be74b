"""JSON schemas of results (draft 2020-12), made from the fields of the views.

A view is a frozen dataclass of plain values; its docstrings are the manual, its types the schema:
neither can say anything else than what is sent.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from operator import attrgetter
from typing import Any, Final

from control.dialout import snapshot
from control.operation import views
from control.operation.record_view import RecordView

VIEWS: Final[dict[str, type | types.UnionType]] = {
    "chassis": snapshot.ChassisView,
    "virtual-router": views.VirtualRouterLine | snapshot.VirtualRouterView,
    "target": views.TargetLine | snapshot.TargetView,
    "session": views.SessionLine | snapshot.SessionView,
    "tunnel": views.TunnelView,
    "route": views.RouteView,
    "trigger": views.TriggerView,
    "call": views.CallLine,
    "record": RecordView,
    "counters": views.CountersView,
    "health": views.HealthView,
    "lac": snapshot.LacView,
    "radius": views.RadiusView,
    "port": views.PortView,
    "changed": views.Changed,
    "reload": views.ReloadView,
    "explanation": views.ExplanationView,
    "trace": views.TraceView,
    "capture": views.CaptureView,
    "hello": views.HelloView,
    "top": views.TopView,
}
"""By the name that the table of commands gives. Of two, the first is a line of a list, the second
what `detail` shows."""

_PLAIN: Final[dict[Any, str]] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    types.NoneType: "null",
}


def schema(name: str) -> dict[str, Any]:
    """Of a result, or of each row of a list. Raises KeyError."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": name}
    return head | _of(VIEWS[name])


def _of(kind: Any) -> dict[str, Any]:
    if kind in _PLAIN:
        return {"type": _PLAIN[kind]}
    if kind is Any:
        return {}
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return {"anyOf": [_of(one) for one in inner]}
    if origin in (tuple, list):
        return {"type": "array", "items": _of(inner[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": _of(inner[1])}
    hints = typing.get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    return {
        "type": "object",
        "properties": {name: _of(hints[name]) for name in names},
        "required": names,
        "additionalProperties": False,
    }


def plain(view: Any) -> Any:
    """A view as values that JSON can hold. Quicker than dataclasses.asdict, which copies all that
    is in it: lists of sessions are long."""
    kind = type(view)
    getter = _GETTERS.get(kind)
    if getter is None:
        if not dataclasses.is_dataclass(kind):
            return view
        getter = _GETTERS[kind] = _getter(kind)
    return getter(view)


def _getter(kind: type) -> Any:
    names = tuple(field.name for field in dataclasses.fields(kind))
    values = attrgetter(*names) if len(names) > 1 else lambda view: (getattr(view, names[0]),)
    if not any(_holds_a_view(hint) for hint in typing.get_type_hints(kind).values()):
        return lambda view: dict(zip(names, values(view), strict=True))
    return lambda view: {
        name: [plain(item) for item in value] if isinstance(value, tuple) else plain(value)
        for name, value in zip(names, values(view), strict=True)
    }


def _holds_a_view(hint: Any) -> bool:
    inner = typing.get_args(hint)
    return dataclasses.is_dataclass(hint) or any(_holds_a_view(one) for one in inner)


_GETTERS: Final[dict[type, Any]] = {}
