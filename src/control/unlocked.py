"""Frozen dataclasses that cost no more to make than plain ones, for those that come by the million.

A frozen dataclass sets each field through object.__setattr__, ten times the price of an assignment:
of a call's signalling that was a seventh. With `@unlocked` above `@dataclass(frozen=True)` the type
checker still holds that nobody assigns to a field; while the program runs, nothing does.
"""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

T = TypeVar("T")


def unlocked(cls: type[T]) -> type[T]:
    """For dataclasses all of whose fields are arguments of __init__."""
    values: dict[str, Any] = {"_factory": object()}
    arguments, lines = ["self"], []
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        if not field.init or field.kw_only:
            raise TypeError(f"{cls.__name__}.{field.name} is no plain argument")
        default, value = f"_default_{field.name}", field.name
        if field.default is not dataclasses.MISSING:
            values[default] = field.default
            arguments.append(f"{field.name}={default}")
        elif field.default_factory is not dataclasses.MISSING:
            values[default] = field.default_factory
            arguments.append(f"{field.name}=_factory")
            value = f"{default}() if {field.name} is _factory else {field.name}"
        else:
            arguments.append(field.name)
        lines.append(f"    self.{field.name} = {value}")
    if hasattr(cls, "__post_init__"):
        lines.append("    self.__post_init__()")
    body = "\n".join(lines) or "    pass"
    exec(f"def __init__({', '.join(arguments)}):\n{body}", values)
    made = values["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    made.__module__ = cls.__module__
    made.__annotations__ = cls.__init__.__annotations__
    for name, method in (("__init__", made), ("__setattr__", None), ("__delattr__", None)):
        if method is None:
            type.__delattr__(cls, name)
        else:
            setattr(cls, name, method)
    return cls
