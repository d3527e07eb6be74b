"""What the handlers of requests see of a running router."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from control.config import Port
from control.difference import Difference
from control.errors import DialoutError
from control.health import Condition
from control.lns import Lns
from control.metrics.facts import Facts


class NotFound(DialoutError):
    """What a request names is not there."""


class OpenPort(Protocol):
    """Of runtime.ports.OpenPort."""

    @property
    def config(self) -> Port: ...
    @property
    def index(self) -> int: ...
    def counts(self) -> dict[str, int]: ...


class Watched(Protocol):
    """A capture under way."""

    def part(self) -> Any:
        """What came since the last one; None behind the last packet."""
        ...

    def close(self) -> None:
        """Ends it; again if it is over already."""
        ...


class Router(Protocol):
    """Everything is looked at and changed between two turns of the event loop."""

    @property
    def lns(self) -> Lns: ...
    @property
    def engine(self) -> Any:
        """fastpath.Engine."""
        ...

    @property
    def ports(self) -> Sequence[OpenPort]: ...
    @property
    def now(self) -> float:
        """Seconds since the start, of the clock of all times of Lns."""
        ...

    def facts(self) -> Facts:
        """What metrics and health are read from."""
        ...

    def conditions(self) -> list[Condition]:
        """What of the router somebody should know, the worst first."""
        ...

    def capture(
        self, expression: str, snaplen: int, count: int | None, port: str | None
    ) -> Watched:
        """Raises NotFound, ConfigurationError for a filter that is none, ResourceError."""
        ...

    async def trace(self, expression: str, count: int, patience: float) -> Any:
        """The next packets and what became of them; fewer if `patience` seconds are over. Raises
        as `capture`."""
        ...

    def settle(self) -> None:
        """Sends what a change gave control to say."""
        ...

    async def reload(self, *, dry_run: bool) -> Difference:
        """Reads the configuration file and puts it in force. Raises ConfigurationError and what
        Lns.reload does."""
        ...


def router_name(router: Router, wanted: str | None) -> str:
    """The virtual router that is meant. Raises NotFound, also if there are several to choose of."""
    names = list(router.lns.manager.chassis.routers)
    if wanted is not None:
        if wanted not in names:
            raise NotFound(f"there is no virtual router {wanted!r}")
        return wanted
    if len(names) != 1:
        raise NotFound(f"which virtual router? There are {', '.join(names) or 'none'}")
    return names[0]
