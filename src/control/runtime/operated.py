"""A process as the handlers of the control socket see it: control.operation.router's protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from control.difference import Difference
from control.health import Condition
from control.lns import Lns
from control.metrics.facts import Facts
from control.operation.router import OpenPort
from control.runtime.looking import Looking
from control.runtime.observation import Observation
from control.runtime.process import Process


class Load(Protocol):
    """Reads the configuration file and puts it in force, or only tries."""

    async def __call__(self, *, dry_run: bool) -> Difference: ...


class Operated:
    def __init__(self, process: Process, observation: Observation, load: Load) -> None:
        self._process = process
        self._observation = observation
        self._load = load
        self.looking = Looking(process)
        self.capture = self.looking.capture
        self.trace = self.looking.trace

    @property
    def lns(self) -> Lns:
        return self._process.lns

    @property
    def engine(self) -> Any:
        return self._process.engine

    @property
    def ports(self) -> Sequence[OpenPort]:
        return self._process.ports

    @property
    def now(self) -> float:
        return self._process.now

    def facts(self) -> Facts:
        return self._observation.facts()

    def conditions(self) -> list[Condition]:
        return self._observation.conditions()

    def settle(self) -> None:
        self._process.settle()

    async def reload(self, *, dry_run: bool) -> Difference:
        return await self._load(dry_run=dry_run)
