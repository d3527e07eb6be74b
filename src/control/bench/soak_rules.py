"""What a soak holds an LNS against, by arithmetic of its own: budgets, states that must end,
counters that must add up, and things that must be gone."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from typing import Final

from control.bench.world import EPOCH, World
from control.config import Budget
from control.dialout.counters import ROWS, SessionCounter
from control.dialout.events import CallPlaced
from control.dialout.session_table import SessionState
from control.lns import Lns

_DAY: Final = 86400.0
_SLACK: Final = 1e-6
_LIMITS: Final = {
    SessionState.AUTHENTICATING: 30.0,
    SessionState.PENDING: 600.0,
    SessionState.CONNECTING: 61.0,
    SessionState.IN_SERVICE: 3601.0,
    SessionState.INHIBITED: 8 * 60 + 1.0,
    SessionState.POST_INHIBITED: 8 * 60 + 1.0,
    SessionState.DORMANT: 301.0,
}
"""Seconds no session of a soak may be in a state; failed is for an administrator to end."""


class BudgetRule:
    """Counts calls of a day, and of every span that ends with one, as the budget allows them."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._day = -1
        self._calls: Counter[str] = Counter()
        self._recent: dict[str, deque[float]] = {}

    def placed(self, fact: CallPlaced) -> list[str]:
        budget = self._budget
        day = int((EPOCH + fact.time) // _DAY)
        if day != self._day:
            self._day = day
            self._calls.clear()
        self._calls[""] += 1
        self._calls[fact.target] += 1
        broken = []
        if self._calls[""] > budget.calls_per_day:
            broken.append(f"{self._calls['']} calls of a day")
        if self._calls[fact.target] > budget.target_calls_per_day:
            broken.append(f"{self._calls[fact.target]} calls of a day for {fact.target}")
        limits = {
            "": (budget.dial_rate, budget.dial_burst),
            fact.lac: (budget.lac_dial_rate, max(budget.dial_burst / 5, 1.0)),
        }
        for whose, (rate, burst) in limits.items():
            if self._too_fast(whose, fact.time, rate, burst):
                broken.append(f"calls come faster than the bucket allows {whose}")
        return broken

    def _too_fast(self, whose: str, now: float, rate: float, burst: float) -> bool:
        """Whether any span that ends now has more calls than the bucket could have had tokens."""
        recent = self._recent.setdefault(whose, deque(maxlen=4 * int(burst) + 16))
        recent.append(now)
        return any(
            count > burst + (now - since) * rate + _SLACK
            for count, since in enumerate(reversed(recent), 1)
        )


def stuck(lns: Lns, now: float) -> list[str]:
    """Sessions that have been in a state for longer than it can last."""
    return [
        f"the session to {session.destination} has been {session.state.name} for {age:.0f} s"
        for session in lns.manager.sessions.values()
        if (age := now - session.since) > _LIMITS.get(session.state, float("inf"))
    ]


def leftovers(world: World) -> list[str]:
    """What is left of calls that are over."""
    lns = world.lns
    services = lns.manager.services
    left = {
        "sessions": len(lns.manager.sessions),
        "pending sessions": len(lns.manager.chassis.pending),
        "known calls": len(services.calls),
        "known requests": len(services.requests),
        "known adjacencies": len(services.adjacencies),
        "L2TP calls": sum(len(endpoint.calls()) for endpoint in lns.endpoints.values()),
        "RADIUS requests": sum(client.pending for client in lns.clients.values()),
        "data-plane sessions": len(world.engine.forwarding.sessions),
        "buffered triggers": world.engine.triggers.counters()["enqueued"],
    }
    return [f"{count} {what} are left" for what, count in left.items() if count]


def counter_faults(lns: Lns, facts: Mapping[str, int]) -> list[str]:
    """What does not add up, when all sessions are gone: counters of the levels with each other, of
    a level in themselves, and with the facts that were told."""
    c = SessionCounter
    chassis = lns.manager.chassis
    total = chassis.counters
    faults = []
    for row in ROWS:
        if row.counter is c.TRIGGERS_MAX_ENQUEUED:
            continue
        below = sum(router.counters[row.counter] for router in chassis.routers.values())
        if below != total[row.counter]:
            faults.append(f"{row.name}: {total[row.counter]} in all, {below} of virtual routers")
    gone = total[c.TRIGGERS_DISCARDED] + total[c.TRIGGERS_FORWARDED]
    equal = {
        "sessions created and removed": (total[c.CREATED], total[c.REMOVED]),
        "triggers received and gone": (total[c.TRIGGERS_RECEIVED], gone),
        "triggers enqueued": (total[c.TRIGGERS_ENQUEUED], 0),
        "calls placed and told": (total[c.CALLS_PLACED], facts["CallPlaced"]),
        "established and torn down": (total[c.DIALOUTS_ESTABLISHED], total[c.DIALOUTS_TORN_DOWN]),
    }
    faults += [f"{what}: {one} and {other}" for what, (one, other) in equal.items() if one != other]
    return faults
