"""Health of a running router: named conditions that somebody should know of, from a table.

Sans-IO: the owner of a Watch shows it the router now and then (`look`), so that what grows and what
jumps can be told from what is large. No condition is there while all is well. Texts name servers,
LACs, targets and ports; no number and no user (threat T32).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from control.dialout.chassis import Chassis
from control.dialout.levels import ChassisState, TargetState, VirtualRouterState, state_name
from control.metrics.facts import Facts

LOOK_INTERVAL: Final = 5.0
"""Seconds between two looks."""
WINDOW: Final = 60.0
"""Seconds for which something that grew is told."""
JUMP: Final = 2.0
"""Seconds by which the wall clock may leave the steady one between two looks."""
JUMP_TOLD: Final = 600.0
"""Seconds for which a jump is told."""
LATE: Final = 0.5
"""Seconds of delay of control's thread that are told."""
ALARM_SHARE: Final = 80
"""Percent of a budget that are told."""
NAMES: Final = 3
"""Names in one text; more are counted."""


class Severity(IntEnum):
    WARNING = 1
    CRITICAL = 2
    """The router does not do what it is for."""


@dataclass(frozen=True, slots=True)
class Condition:
    name: str
    severity: Severity
    text: str

    def as_dict(self) -> dict[str, str]:
        return {"name": self.name, "severity": self.severity.name.lower(), "text": self.text}


@dataclass(frozen=True, slots=True)
class Row:
    """A condition that one look shows: `find` has the text, or nothing while all is well."""

    name: str
    severity: Severity
    find: Callable[[Facts], str]


@dataclass(frozen=True, slots=True)
class Growth:
    """A condition that holds while a counter grows."""

    name: str
    severity: Severity
    what: str
    """What is counted, in the text behind the number."""
    count: Callable[[Facts], int]


def _listed(names: Iterable[str], what: str) -> str:
    """`what: a, b, c and 4 more`, or nothing."""
    every = list(names)
    if not every:
        return ""
    more = f" and {len(every) - NAMES} more" if len(every) > NAMES else ""
    return f"{what}: {', '.join(every[:NAMES])}{more}"


def _chassis(facts: Facts) -> Chassis:
    return facts.lns.manager.chassis


def _not_ready(facts: Facts) -> str:
    unready = _chassis(facts).state is ChassisState.INIT_INCOMPLETE
    return "the chassis accepts no triggers: initIncomplete" if unready else ""


def _restricted(facts: Facts) -> str:
    chassis = _chassis(facts)
    limit = f"{chassis.sessions} of {chassis.config.max_sessions} sessions"
    return f"the chassis is full: {limit}" if chassis.state is ChassisState.RESTRICTED else ""


def _routers(facts: Facts) -> str:
    return _listed(
        (
            f"{name} is {state_name(router.state)}"
            for name, router in _chassis(facts).routers.items()
            if router.state is not VirtualRouterState.IN_SERVICE
        ),
        "virtual routers out of service",
    )


def _targets_down(facts: Facts) -> str:
    down = sum(r.target_states[TargetState.DOWN.value] for r in _chassis(facts).routers.values())
    return f"{down} targets have no dial-out route in the data plane" if down else ""


def _queue_full(facts: Facts) -> str:
    chassis = _chassis(facts)
    if not chassis.queue_full(facts.now):
        return ""
    return f"{len(chassis.pending)} sessions wait, no new ones are made: targets are inhibited"


def _frozen(facts: Facts) -> str:
    if facts.lns.budget.is_frozen():
        return "an administrator stopped dialling"
    frozen = (name for name, router in _chassis(facts).routers.items() if router.frozen)
    return _listed(frozen, "an administrator stopped dialling of virtual routers")


def _dead(facts: Facts) -> Iterator[tuple[str, str, list[tuple[str, bool]]]]:
    """Group, purpose, and its servers with whether they live."""
    for group, client in facts.lns.radius_clients().items():
        for purpose, servers in (
            ("authentication", client.servers),
            ("accounting", client.accounting.servers),
        ):
            alive = servers.alive(facts.now)
            yield group, purpose, [(f"{host} port {port}", up) for (host, port), up in alive]


def _servers_dead(facts: Facts) -> str:
    found = (
        f"{server} ({group}, {purpose})"
        for group, purpose, servers in _dead(facts)
        for server, up in servers
        if not up
    )
    return _listed(found, "RADIUS servers do not answer")


def _groups_dead(facts: Facts) -> str:
    found = (
        f"{group} ({purpose})"
        for group, purpose, servers in _dead(facts)
        if not any(up for _, up in servers)
    )
    return _listed(found, "RADIUS groups without a server that answers")


def _lacs(facts: Facts) -> str:
    locked = facts.lns.manager.services.lacs.locked_out(facts.now)
    texts = (f"{address} for {left:.0f} s" for address, left in locked.items())
    return _listed(texts, "LACs locked out")


def _budget(facts: Facts, low: float, high: float) -> str:
    """Limits of which this share, in percent, is used."""
    used, limits = facts.lns.budget.as_dict(facts.now), facts.lns.config.budget
    found = []
    for what, count, limit in (
        ("calls", used["calls_today"], limits.calls_per_day),
        ("minutes", used["minutes_today"], limits.minutes_per_day),
    ):
        if limit and low <= count * 100 / limit < high:
            found.append(f"{count:g} of {limit} {what}")
    return _listed(found, "budget of the day used")


def _store(facts: Facts) -> str:
    works = facts.lns.budget.works
    return "" if works else "what is used of the budget cannot be saved: no call is placed"


def _no_state(facts: Facts) -> str:
    return "" if facts.state_kept else "without --state budgets begin anew with every start"


def _pools(facts: Facts) -> str:
    usage = facts.lns.manager.services.pools.usage().items()
    return _listed((name for name, (taken, size) in usage if taken >= size), "pools used up")


def _stalled(facts: Facts) -> str:
    texts = (
        f"{worker.worker} for {worker.stalled_ns / 1e9:.0f} s"
        for worker in facts.engine.workers()
        if worker.stalled_ns
    )
    return _listed(texts, "workers stalled")


def _gone(facts: Facts) -> str:
    gone = (str(worker.worker) for worker in facts.engine.workers() if worker.gone)
    return _listed(gone, "workers whose thread ended")


def _ports(facts: Facts) -> str:
    return _listed((port.name for port in facts.ports if not port.up), "ports down")


def _late(facts: Facts) -> str:
    late = facts.loop_delay
    return f"control answered {late:.1f} s late" if late >= LATE else ""


W, C = Severity.WARNING, Severity.CRITICAL

ROWS: Final = (
    Row("chassis-not-ready", C, _not_ready),
    Row("chassis-restricted", C, _restricted),
    Row("virtual-router-out-of-service", C, _routers),
    Row("radius-group-dead", C, _groups_dead),
    Row("budget-spent", C, lambda facts: _budget(facts, 100, float("inf"))),
    Row("budget-not-saved", C, _store),
    Row("worker-stalled", C, _stalled),
    Row("worker-gone", C, _gone),
    Row("port-down", C, _ports),
    Row("radius-server-dead", W, _servers_dead),
    Row("lac-locked-out", W, _lacs),
    Row("budget-used", W, lambda facts: _budget(facts, ALARM_SHARE, 100)),
    Row("frozen", W, _frozen),
    Row("targets-down", W, _targets_down),
    Row("pending-queue-full", W, _queue_full),
    Row("pool-used-up", W, _pools),
    Row("control-late", W, _late),
    Row("state-not-kept", W, _no_state),
)


def _count(name: str) -> Callable[[Facts], int]:
    return lambda facts: int(facts.engine.counters()[name])


GROWING: Final = (
    Growth("triggers-missed", W, "triggers found no room", _count("triggers_missed")),
    Growth("punt-ring-full", W, "packets for control found its ring full",
           lambda f: int(f.engine.counters()["reason"]["punt-full"])),
    Growth("packets-refused", W, "packets were not taken by a port", _count("send_refused")),
    Growth("accounting-lost", W, "accounting records were lost",
           lambda f: sum(c.accounting.counters.dropped for c in f.lns.clients.values())),
    Growth("log-suppressed", W, "lines of the log were left out", lambda f: f.log.suppressed),
    Growth("log-lost", W, "lines of the log found no reader", lambda f: f.log.lost),
)  # fmt: skip


class Watch:
    """What was seen by the looks so far."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, tuple[int, ...]]] = deque()
        self._offset: float | None = None
        self._jumped: tuple[float, float] | None = None
        """When, and by how much."""

    def look(self, facts: Facts) -> None:
        """To be called every LOOK_INTERVAL seconds."""
        now = facts.now
        self._looks.append((now, tuple(row.count(facts) for row in GROWING)))
        # One that is older than the window stays: growth since then is growth within it.
        while len(self._looks) > 1 and self._looks[1][0] <= now - WINDOW:
            self._looks.popleft()
        offset = facts.wall - now
        if self._offset is not None and abs(offset - self._offset) > JUMP:
            self._jumped = now, offset - self._offset
        self._offset = offset

    def conditions(self, facts: Facts) -> list[Condition]:
        """What holds now, the worst first."""
        found = [Condition(r.name, r.severity, text) for r in ROWS if (text := r.find(facts))]
        found += self._growth(facts)
        if self._jumped is not None and facts.now - self._jumped[0] < JUMP_TOLD:
            text = f"the wall clock jumped by {self._jumped[1]:+.1f} s"
            found.append(Condition("clock-jumped", W, text))
        return sorted(found, key=lambda condition: -condition.severity)

    def _growth(self, facts: Facts) -> Iterator[Condition]:
        if not self._looks:
            return
        since, before = self._looks[0]
        for row, old in zip(GROWING, before, strict=True):
            grew = row.count(facts) - old
            if grew > 0:
                text = f"{grew} {row.what} in {max(facts.now - since, 0.0):.0f} s"
                yield Condition(row.name, row.severity, text)


def status(conditions: Iterable[Condition]) -> str:
    """`ok`, `warning` or `critical`: the worst of them."""
    worst = max((condition.severity for condition in conditions), default=None)
    return "ok" if worst is None else worst.name.lower()


def report(conditions: list[Condition]) -> dict[str, object]:
    """For JSON."""
    return {"status": status(conditions), "conditions": [c.as_dict() for c in conditions]}
