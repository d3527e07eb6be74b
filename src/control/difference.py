"""What differs between two configurations, and what each difference does when it is loaded into a
router that runs.

Pure: reload.py carries it out, `dialout check --against` prints it. No secret is shown: a secret
that changed is said to have changed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from control.config import Config
from control.config_keys import ROOT


class Kind(Enum):
    ADDED = "+"
    CHANGED = "~"
    REMOVED = "-"


class Effect(Enum):
    """What a difference does to sessions, from the least to the most."""

    NOTHING = "nothing that runs uses it"
    AT_ONCE = "counts at once, sessions stay"
    NEXT_CALL = "counts for calls placed from now on, sessions stay"
    ROUTE = "its dial-out route comes or goes"
    SESSIONS = "its sessions are closed"
    RESTART = "needs a restart"


_ORDER: Final = tuple(Effect)

ADDING: Final[Mapping[str, Effect]] = {
    "virtual_router": Effect.AT_ONCE,
    "target": Effect.ROUTE,
    "profile": Effect.AT_ONCE,
    "classifier": Effect.AT_ONCE,
    "lac": Effect.NEXT_CALL,
    "radius": Effect.AT_ONCE,
    "pool": Effect.NEXT_CALL,
    "port": Effect.RESTART,
}
REMOVING: Final[Mapping[str, Effect]] = {
    **ADDING,
    "virtual_router": Effect.SESSIONS,
    "target": Effect.SESSIONS,
}
CHANGING: Final[Mapping[str, Effect]] = {
    "chassis": Effect.AT_ONCE,
    "virtual_router": Effect.RESTART,
    "target": Effect.SESSIONS,
    "profile": Effect.NEXT_CALL,
    "classifier": Effect.AT_ONCE,
    "lac": Effect.NEXT_CALL,
    "radius": Effect.AT_ONCE,
    "pool": Effect.NEXT_CALL,
    "port": Effect.RESTART,
    "budget": Effect.AT_ONCE,
    "metrics": Effect.AT_ONCE,
    "control": Effect.AT_ONCE,
    "workers": Effect.RESTART,
    "sim": Effect.NOTHING,
}
"""By section. A target's domain and profile can be set only when it is created (specification
1.2): another one is a deletion and a creation."""
KEYS: Final[Mapping[tuple[str, str], Effect]] = {
    ("chassis", "name"): Effect.RESTART,
    ("chassis", "kernel_protocol"): Effect.RESTART,
    ("chassis", "lac_selection"): Effect.NEXT_CALL,
    ("virtual_router", "rd"): Effect.NEXT_CALL,
    ("virtual_router", "radius"): Effect.NEXT_CALL,
    ("virtual_router", "max_buffered_triggers"): Effect.AT_ONCE,
    ("virtual_router", "max_targets"): Effect.AT_ONCE,
    ("target", "max_sessions"): Effect.AT_ONCE,
    ("metrics", "listen"): Effect.RESTART,
    ("control", "socket"): Effect.RESTART,
    ("control", "group"): Effect.RESTART,
    ("radius", "dynamic_authorization"): Effect.RESTART,
    ("radius", "dynamic_authorization_port"): Effect.RESTART,
}
"""Keys whose change does something else than those of their section do."""

_NAMES: Final[Mapping[str, Callable[[Any], str]]] = {
    "target": lambda entry: f"{entry.virtual_router} {entry.prefix}",
    "lac": lambda entry: str(entry.address),
}
_PORT_KEYS: Final = ("url", "networks", "mtu")
LONGEST: Final = 120
"""Characters of a value that are shown."""


@dataclass(frozen=True, slots=True)
class KeyChange:
    key: str
    old: str
    new: str
    """Both empty if what changed is a secret, or not to be seen."""

    def __str__(self) -> str:
        if not self.old and not self.new:
            return f"{self.key} changed"
        return f"{self.key} {self.old} -> {self.new}"


@dataclass(frozen=True, slots=True)
class Change:
    """One table of the file that came, went or is another now."""

    kind: Kind
    section: str
    name: str
    """Which of its section; empty if there can be one only."""
    effect: Effect
    keys: tuple[KeyChange, ...] = ()
    old: Any = dataclasses.field(default=None, repr=False)
    new: Any = dataclasses.field(default=None, repr=False)

    def __str__(self) -> str:
        what = " ".join(part for part in (self.kind.value, self.section, self.name) if part)
        details = "; ".join(map(str, self.keys))
        return ": ".join(part for part in (what, details, self.effect.value) if part)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "change": self.kind.name.lower(),
            "section": self.section,
            "name": self.name,
            "effect": self.effect.name.lower(),
            "keys": {key.key: [key.old, key.new] for key in self.keys},
        }


@dataclass(frozen=True, slots=True)
class Difference:
    changes: tuple[Change, ...]

    def __bool__(self) -> bool:
        return bool(self.changes)

    def of(self, section: str, kind: Kind) -> Iterator[Change]:
        return (c for c in self.changes if c.section == section and c.kind is kind)

    @property
    def refused(self) -> tuple[Change, ...]:
        """What cannot be loaded into a router that runs."""
        return tuple(c for c in self.changes if c.effect is Effect.RESTART)

    def lines(self) -> Iterator[str]:
        """A line for each change, in the order of the sections."""
        return map(str, self.changes)


def difference(old: Config, new: Config) -> Difference:
    """Every change that leads from one configuration to the other."""
    changes: list[Change] = []
    for section, rows in ROOT.children.items():
        before, after = getattr(old, section), getattr(new, section)
        if rows.array:
            changes += _entries(section, before, after)
        else:
            changes += _changed(section, "", before, after)
    return Difference(tuple(changes))


def _entries(section: str, before: Any, after: Any) -> Iterator[Change]:
    name_of = _NAMES.get(section, lambda entry: str(entry.name))
    was = {name_of(entry): entry for entry in before}
    comes = {name_of(entry): entry for entry in after}
    for name, entry in was.items():
        if name not in comes:
            effect = _of_side(section, entry, REMOVING[section])
            yield Change(Kind.REMOVED, section, name, effect, old=entry)
        else:
            yield from _changed(section, name, entry, comes[name])
    for name, entry in comes.items():
        if name not in was:
            effect = _of_side(section, entry, ADDING[section])
            yield Change(Kind.ADDED, section, name, effect, new=entry)


def _of_side(section: str, entry: Any, effect: Effect) -> Effect:
    """Ports of the home side come and go; at those of the other side tunnels end."""
    return Effect.AT_ONCE if section == "port" and entry.side == "home" else effect


def _changed(section: str, name: str, old: Any, new: Any) -> Iterator[Change]:
    if old == new:  # nearly always, of many targets
        return
    keys: list[KeyChange] = []
    effect = Effect.NOTHING
    for field in dataclasses.fields(old):
        was, comes = getattr(old, field.name), getattr(new, field.name)
        if was == comes:
            continue
        keys.append(_key_change(field, was, comes))
        of_key = KEYS.get((section, field.name), CHANGING[section])
        if field.name in _PORT_KEYS:
            of_key = _of_side(section, old, of_key)
        effect = max(effect, of_key, key=_ORDER.index)
    if keys:
        yield Change(Kind.CHANGED, section, name, effect, tuple(keys), old, new)


def _key_change(field: dataclasses.Field[Any], was: Any, comes: Any) -> KeyChange:
    old, new = _shown(was), _shown(comes)
    if not field.repr or old == new:  # equal: what differs is not to be seen
        return KeyChange(field.name, "", "")
    return KeyChange(field.name, _cut(old), _cut(new))


def _shown(value: Any) -> str:
    """As the file has it, secrets left out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = (field for field in dataclasses.fields(value) if field.repr)
        text = ", ".join(f"{f.name} = {_shown(getattr(value, f.name))}" for f in fields)
        text = "{ " + text + " }"
    elif isinstance(value, tuple):
        text = "[" + ", ".join(_shown(item) for item in value) + "]"
    elif isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, str):
        text = f'"{value}"'
    else:
        text = str(value)
    return text


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
