"""Classifiers by name on an engine's filters by number: who uses which, so that rules may change
while packets flow.

A filter's number stands for the same rules as long as it is given out (fastpath/filters.pxd). So a
classifier that changes becomes another number, everything that named the old one is moved in one
transaction, and the old one is given back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from control.config import Classifier as Settings
from control.dataplane import NextHop
from control.errors import ResourceError
from fastpath.acl import Classifier
from fastpath.engine import Engine
from fastpath.rules import RuleSet


class Filters:
    """Raises RuleError for a classifier that is too complex, ResourceError beyond 4,095."""

    def __init__(self, engine: Engine, classifiers: Iterable[Settings] = ()) -> None:
        self._engine = engine
        self._rules: dict[str, tuple[str, ...]] = {}
        """Of the classifiers there are."""
        self._numbers: dict[str, int] = {}
        """Of these, and of those that are gone and still used."""
        self._users: dict[NextHop, tuple[str, str]] = {}
        """What packets pass into an adjacency, and out of it."""
        self.load(classifiers)

    def number(self, name: str) -> int:
        """0: no filter, of an empty name. ResourceError: there is none of this name."""
        if not name:
            return 0
        if name not in self._rules:
            raise ResourceError(f"there is no [[classifier]] {name[:63]!r}")
        return self._numbers[name]

    def use(self, nh: NextHop, name: str, inbound: str = "") -> None:
        """An adjacency has these filters from now on, and no others."""
        self.release(nh)
        self._users[nh] = (name, inbound)

    def uses_inbound(self, nh: NextHop) -> bool:
        """Packets out of it pass a filter: only sessions can have one."""
        return bool(self._users.get(nh, ("", ""))[1])

    def release(self, nh: NextHop) -> None:
        """An adjacency is gone."""
        for name in set(self._users.pop(nh, ("", ""))):
            if name and name not in self._rules and not self._used(name):
                self._engine.filters.remove(self._numbers.pop(name))

    def load(self, classifiers: Iterable[Settings]) -> None:
        """These there are from now on, and no others. Packets see the old rules or the new ones; a
        session keeps the rules of a classifier that is gone. If it raises, nothing has changed."""
        rules = {item.name: item.rules for item in classifiers}
        known = {name: self._rules.get(name) for name in self._numbers}
        made = self._compile({n: r for n, r in rules.items() if known.get(n) != r})
        replaced = {n: number for n, number in self._numbers.items() if n in made}
        self._numbers.update(made)
        with self._engine.transaction() as transaction:
            for nh, (name, inbound) in self._users.items():
                if name in made:
                    transaction.set_filter(nh, made[name])
                if inbound in made:
                    transaction.set_filter(nh, made[inbound], inbound=True)
        gone = [n for n in self._numbers if n not in rules and not self._used(n)]
        for number in (*replaced.values(), *(self._numbers.pop(name) for name in gone)):
            self._engine.filters.remove(number)
        self._rules = rules

    def _used(self, name: str) -> bool:
        return any(name in names for names in self._users.values())

    def _compile(self, rules: Mapping[str, tuple[str, ...]]) -> dict[str, int]:
        made: dict[str, int] = {}
        try:
            for name, lines in rules.items():
                compiled = Classifier(RuleSet.parse(lines, name=name))
                made[name] = self._engine.filters.add(compiled)
        except Exception as error:
            for number in made.values():
                self._engine.filters.remove(number)
            if isinstance(error, MemoryError):
                raise ResourceError(str(error)) from None
            raise
        return made
