"""Who is told what the FIB routes: the dial-out and access routes, and each committed change.

For what has to follow the FIB outside of it, as the kernel's table and what steers packets to us.
Changes of one transaction come together, each prefix once; a transaction that fails tells nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from control.dataplane import NextHop

Kind = Literal["dial-out", "access"]
"""Of a route: to a target that is called, or into a session."""
RouteChange = tuple[int, str, Kind | None]
"""Table number, canonical prefix, and what its route is now; None: none, or a plain one."""
Observer = Callable[[list[RouteChange]], None]


class FibObservers:
    """What a data plane's transactions have committed, by kind."""

    def __init__(self) -> None:
        self._kinds: dict[NextHop, Kind] = {}
        """Of the adjacencies that there are; plain ones are not in it."""
        self._routes: dict[tuple[int, str], Kind] = {}
        self._observers: list[Observer] = []

    def observe(self, observer: Observer) -> Callable[[], None]:
        """Tells `observer` all routes there are, in one list, now, and from now on each change
        behind its commit. What it returns ends that. An observer raises nothing and starts no
        transaction."""
        self._observers.append(observer)
        observer([(table, prefix, kind) for (table, prefix), kind in self._routes.items()])
        return lambda: self._observers.remove(observer)

    def is_session(self, nh: NextHop) -> bool:
        """Whether a next hop is a session that has been committed."""
        return self._kinds.get(nh) == "access"

    def committed(
        self,
        made: Iterable[tuple[NextHop, Kind]],
        routes: dict[tuple[int, str], NextHop | None],
        gone: Iterable[NextHop],
    ) -> None:
        """A transaction has made adjacencies, set or deleted routes, deleted adjacencies."""
        self._kinds.update(made)
        changes: list[RouteChange] = []
        for key, nh in routes.items():
            kind = None if nh is None else self._kinds.get(nh)
            if kind == self._routes.get(key):
                continue
            if kind is None:
                del self._routes[key]
            else:
                self._routes[key] = kind
            changes.append((*key, kind))
        for nh in gone:
            self._kinds.pop(nh, None)
        if changes:
            for observer in tuple(self._observers):
                observer(changes)
