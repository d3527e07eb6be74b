"""A running router under observation: its facts for metrics and health, regular looks at it, and
the server that shows both.

`/metrics` is the text of control.metrics, `/health` the JSON of control.health: 200, or 503 while a
critical condition holds.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Final

from control import health
from control.config_values import tcp_address
from control.health import LOOK_INTERVAL, Condition, Severity, Watch
from control.log import Level
from control.metrics.exposition import CONTENT_TYPE
from control.metrics.facts import Facts, LogFacts, PortFacts
from control.metrics.http import Answer
from control.metrics.table import page
from control.runtime.kernel_routing import interface_of
from control.runtime.metrics_server import MetricsServer
from control.runtime.ports import OpenPort
from control.runtime.process import Process
from control.runtime.process_facts import process_facts

_LEVELS: Final = {Severity.WARNING: Level.WARNING, Severity.CRITICAL: Level.ERROR}


class Observation:
    """Made beside a Process that has started, and stopped before it.

    `note` takes a line for the log whenever a condition begins or ends; `log` tells what became of
    the lines so far; `state_kept`: there is a state directory.
    """

    def __init__(
        self,
        process: Process,
        *,
        note: Callable[[Level, str, str], None],
        log: Callable[[], LogFacts] = LogFacts,
        state_kept: bool = True,
    ) -> None:
        self._process = process
        self._note = note
        self._log = log
        self._state_kept = state_kept
        self._watch = Watch()
        self._told: dict[str, Condition] = {}
        self._due = 0.0
        self._late = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.server = MetricsServer({"/metrics": self._metrics, "/health": self._health})

    async def start(self) -> None:
        """Raises ResourceError if the server's address is not to be had."""
        listen = self._process.config.metrics.listen
        if listen:
            await self.server.open(*tcp_address(listen))
        self._watch.look(self.facts())
        self._wait()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.server.close()

    def facts(self) -> Facts:
        """The router now."""
        process = self._process
        down = process.health.down
        return Facts(
            lns=process.lns,
            engine=process.engine,
            now=process.now,
            wall=time.time(),
            ports=tuple(port_facts(port, port.config.name in down) for port in process.ports),
            process=process_facts(),
            log=self._log(),
            state_kept=self._state_kept,
            loop_delay=self._late,
            entries=process.lns.config.metrics.entries,
        )

    def conditions(self) -> list[Condition]:
        """What of the router somebody should know now, the worst first."""
        return self._watch.conditions(self.facts())

    def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        self._due = loop.time() + LOOK_INTERVAL
        self._timer = loop.call_at(self._due, self._look)

    def _look(self) -> None:
        self._late = max(asyncio.get_running_loop().time() - self._due, 0.0)
        facts = self.facts()
        self._watch.look(facts)
        self._tell(self._watch.conditions(facts))
        self._wait()

    def _tell(self, conditions: list[Condition]) -> None:
        """A line for each condition that was not there at the look before, or is not any more."""
        now = {condition.name: condition for condition in conditions}
        for name, condition in now.items():
            if name not in self._told:
                self._note(_LEVELS[condition.severity], "health", f"{name}: {condition.text}")
        for name in self._told.keys() - now.keys():
            self._note(Level.NOTICE, "health", f"{name}: over")
        self._told = now

    def _metrics(self) -> Answer:
        return Answer(200, page(self.facts()), CONTENT_TYPE)

    def _health(self) -> Answer:
        conditions = self.conditions()
        critical = health.status(conditions) == "critical"
        body = json.dumps(health.report(conditions), indent=1) + "\n"
        return Answer(503 if critical else 200, body.encode(), "application/json")


def port_facts(port: OpenPort, down: bool) -> PortFacts:
    """`down`: it gives no packets because of an error."""
    interface = interface_of(port.config)
    up = not down and (not interface or interface_is_up(interface))
    counts = port.counts()
    return PortFacts(port.config.name, port.config.side, port.index, counts, up)


def interface_is_up(name: str, folder: str = "/sys/class/net") -> bool:
    """Whether the kernel would send by it; a kind that does not say (a TUN) counts as up."""
    try:
        with open(f"{folder}/{name}/operstate", "rb") as file:
            return file.read().strip() in (b"up", b"unknown")
    except FileNotFoundError:
        return False
    except OSError:
        return True
