"""Budget: what dialling may cost, so that neither a scan nor a hostile answer runs up a bill.

Specification 1.5; threats T10, T11, T27. Calls and minutes a UTC day, a target's and all together;
dial rates; number prefixes; freeze. A store keeps what was used over a restart: a call is written
down before it is placed, and one that cannot be written down is not placed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from control.config import Budget as BudgetConfig
from control.dialout.call_record import CallRecord
from control.dialout.dial_rates import DialRates
from control.dialout.events import BudgetAlarm, BudgetStoreChanged
from control.dialout.numbers import NumberRules
from control.dialout.usage import Meter, Usage
from control.errors import ResourceError

DAY: Final = 86400.0
SHORTEST_DAY: Final = 72000.0
"""Seconds of the steady clock between two days' beginnings: a wall clock that jumps from day to day
gives one budget in this time, not one a jump."""
HEARTBEAT: Final = 30.0
"""Seconds between two looks at minutes that running calls use. A crash charges a running call until
then."""
_AT_ONCE: Final = 1000
"""Targets looked at in one go."""
ALL: Final = ""
"""Names all targets together."""
_UNUSED: Final = Usage()
"""Of a target that has not called today: to look at, never to count in."""


class StoreError(ResourceError):
    """What was used cannot be written down."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What a store knows of the newest day."""

    day: int = 0
    """Days since 1970."""
    used: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    """Calls and seconds by target; `ALL` has the sum."""
    frozen: frozenset[str] = frozenset()
    """Scopes that were frozen: `ALL`, virtual routers, targets."""


class BudgetStore(Protocol):
    """control.budget_store writes a file. `charge`, `freeze` and `load` raise StoreError; what the
    others are told may be written later, with the next charge or heartbeat at the latest."""

    def load(self, wall: float) -> Saved: ...
    def charge(self, day: int, target: str) -> None:
        """One call of a target. Written down when this returns."""
        ...

    def freeze(self, scope: str, on: bool) -> None:
        """Written down when this returns: a restart must not thaw what somebody froze."""
        ...

    def connected(self, meter: int, target: str, wall: float) -> None:
        """A call that costs from now on."""
        ...

    def disconnected(self, meter: int, day: int, target: str, seconds: float) -> None:
        """Its end, and the seconds that fall into this day."""
        ...

    def record(self, record: CallRecord) -> None: ...
    def heartbeat(self, wall: float) -> bool:
        """Writes everything. False: it could not."""
        ...


def _nobody(fact: BudgetAlarm | BudgetStoreChanged) -> None:
    pass


class Budget:
    """`wall` tells seconds since 1970 UTC: days are real days, whatever the steady clock shows.

    Raises StoreError from its constructor if there is a store that cannot be read: a budget that
    nobody knows is no budget.
    """

    def __init__(
        self,
        config: BudgetConfig,
        wall: Callable[[], float],
        store: BudgetStore | None = None,
    ) -> None:
        self._config = config
        self._wall = wall
        self._store = store
        self._rates = DialRates(config)
        self._numbers = NumberRules(config)
        self._day = int(wall() // DAY)
        self._began: float | None = None
        """Steady clock at the first look, and at the latest one."""
        self._checked = 0.0
        self._rolled: float | None = None
        """Steady clock when the day began, once one began under our eyes."""
        self._total = Usage()
        self._targets: dict[str, Usage] = {}
        self._running: dict[str, Usage] = {}
        self._meters = 0
        self._heartbeat: float | None = None
        self._unseen: list[str] = []
        """Targets that this heartbeat has not looked at yet."""
        self._store_works = True
        self.tell: Callable[[BudgetAlarm | BudgetStoreChanged], None] = _nobody
        """Who wants to know: the timeline."""
        self._frozen: set[str] = set()
        if store is not None:
            self._restore(store.load(wall()))

    def configure(self, config: BudgetConfig, now: float) -> None:
        """Other limits, from now on. What was used stays used."""
        self._config = config
        self._rates.configure(config, now)
        self._numbers = NumberRules(config)

    def freeze(self, scope: str, on: bool, now: float) -> None:
        """No call of a scope is placed while it is frozen: `ALL`, the name of a virtual router or
        of a target. Only the first is looked at here; the others are remembered for their owners.
        """
        (self._frozen.add if on else self._frozen.discard)(scope)
        if self._store is not None:
            try:
                self._store.freeze(scope, on)
            except StoreError as error:
                self._store_changed(False, now, str(error))

    def is_frozen(self, scope: str = ALL) -> bool:
        return scope in self._frozen

    @property
    def works(self) -> bool:
        """False: what is used cannot be written down, and no call is placed."""
        return self._store_works

    # May a call be placed?

    def refusal(self, target: str, number: str | None, now: float) -> str:
        """Why `number` may not be called for `target` now; empty if it may. None: which one it will
        be is not known yet."""
        self._today(now)
        config, usage = self._config, self._targets.get(target, _UNUSED)
        if self._frozen and self.is_frozen():
            return "dialling is frozen"
        if not self._store_works:
            return "what is used of the budget cannot be saved"
        if number is not None and not self._numbers.allow(number):
            return "number not allowed"
        if self._total.calls >= config.calls_per_day:
            return "calls of the day are spent"
        if usage.calls >= config.target_calls_per_day:
            return "calls of the day are spent for this target"
        if 0 < config.minutes_per_day <= self._total.used(now) / 60:
            return "minutes of the day are spent"
        if usage.used(now) / 60 >= config.target_minutes_per_day:
            return "minutes of the day are spent for this target"
        return ""

    def tokens(self, now: float) -> int:
        """Calls that the dial rate allows now, all LACs together."""
        return self._rates.tokens(now)

    def next_token(self, lacs: tuple[str, ...], now: float) -> float | None:
        """When one of these LACs may be called at the earliest by the dial rates; None: never."""
        return self._rates.next_token(lacs, now)

    # What calls use.

    def take(self, target: str, lac: str, now: float) -> bool:
        """Charges one call, to be placed after this. False, and it must not be placed: a dial rate
        is used up, or the store cannot write it down."""
        self._today(now)
        if not self._rates.take(lac, now):
            return False
        if self._store is not None:
            try:
                self._store.charge(self._day, target)
            except StoreError as error:
                self._store_changed(False, now, str(error))
                return False
        self._total.calls += 1
        self._usage(target).calls += 1
        self._tell(target, now)
        return True

    def connected(self, target: str, now: float) -> Meter:
        """A call is answered: from here on it costs minutes."""
        self._today(now)
        usage = self._usage(target)
        for each in (self._total, usage):
            each.running += 1
            each.started += now
        self._running[target] = usage
        self._meters += 1
        if self._store is not None:
            self._store.connected(self._meters, target, self._wall())
        if self._heartbeat is None:
            self._heartbeat = now + HEARTBEAT
        return Meter(self._meters, target, now)

    def disconnected(self, meter: Meter, now: float) -> None:
        """Its end; a second end of the same call is ignored."""
        if meter.ended:
            return
        meter.ended = True
        self._today(now)
        start = meter.start if self._rolled is None else max(meter.start, self._rolled)
        usage, seconds = self._usage(meter.target), max(now - start, 0.0)
        for each in (self._total, usage):
            each.running -= 1
            each.started -= start
            each.seconds += seconds
        if not usage.running:
            self._running.pop(meter.target, None)
        if self._store is not None:
            self._store.disconnected(meter.number, self._day, meter.target, seconds)
            self._heartbeat = self._heartbeat or now + HEARTBEAT
        self._tell(meter.target, now)

    def record(self, record: CallRecord) -> None:
        """A call has ended."""
        if self._store is not None:
            self._store.record(record)

    # Time.

    def handle_timer(self, now: float) -> None:
        """Alarms of minutes that run, and what the store has to write."""
        if self._heartbeat is None or now < self._heartbeat:
            return
        self._today(now)
        if self._unseen:
            # The rest of the targets, bit by bit: calls that come up wait meanwhile.
            self._see_targets(now)
            return
        self._unseen = list(self._running)
        self._see_targets(now)
        if self._store is not None:
            self._store_changed(self._store.heartbeat(self._wall()), now, "it cannot be written")

    def get_timer(self) -> float | None:
        return self._heartbeat

    def _see_targets(self, now: float) -> None:
        """Alarms of minutes that running calls use; sets when to go on."""
        for target in self._unseen[-_AT_ONCE:]:
            self._tell(target, now)
        del self._unseen[-_AT_ONCE:]
        if self._unseen:
            self._heartbeat = now + HEARTBEAT / 100
        else:
            self._heartbeat = now + HEARTBEAT if self._running or not self._store_works else None

    def wall(self) -> float:
        """For records: seconds since 1970 UTC."""
        return self._wall()

    def as_dict(self, now: float) -> dict[str, float | bool]:
        self._today(now)
        return {
            "frozen": self.is_frozen(),
            "calls_today": self._total.calls,
            "minutes_today": round(self._total.used(now) / 60, 3),
            "saved": self._store is not None and self._store_works,
        }

    def used(self, target: str, now: float) -> tuple[int, float]:
        """Calls and minutes of one target today."""
        self._today(now)
        usage = self._targets.get(target, _UNUSED)
        return usage.calls, usage.used(now) / 60

    def _today(self, now: float) -> None:
        """Begins a new day when the wall clock says so and the steady clock believes it.

        A clock set back gives no budget back: only after a whole steady day its date is taken.
        """
        before = now if self._began is None else self._checked
        self._began = now if self._began is None else self._began
        self._checked = now
        wall = self._wall()
        day = int(wall // DAY)
        if day == self._day:
            return
        if self._rolled is not None:
            believed = now - self._rolled >= (SHORTEST_DAY if day > self._day else DAY)
        else:
            believed = day > self._day or now - self._began >= DAY
        if believed:
            # Midnight was after the latest look, whatever the wall clock says it was.
            self._begin_day(day, max(now - (wall - day * DAY), before))

    def _begin_day(self, day: int, midnight: float) -> None:
        self._day, self._rolled = day, midnight
        self._total.new_day(midnight)
        for usage in self._running.values():
            usage.new_day(midnight)
        self._targets = dict(self._running)

    def _restore(self, saved: Saved) -> None:
        """A day that is later than the wall clock's stays until it has come: the clock was set
        back."""
        self._frozen.update(saved.frozen)
        if saved.day < self._day:
            return
        self._day = saved.day
        for target, (calls, seconds) in saved.used.items():
            usage = self._total if target == ALL else self._usage(target)
            usage.calls, usage.seconds = calls, seconds
            # Told before the restart.
            limits = self._limits(target)
            list(usage.alarms(*limits, 0.0))

    def _usage(self, target: str) -> Usage:
        found = self._targets.get(target)
        if found is None:
            found = self._targets[target] = Usage()
        return found

    def _limits(self, target: str) -> tuple[int, int]:
        config = self._config
        if target == ALL:
            return config.calls_per_day, config.minutes_per_day
        return config.target_calls_per_day, config.target_minutes_per_day

    def _tell(self, target: str, now: float) -> None:
        for scope, usage in ((ALL, self._total), (target, self._usage(target))):
            for what, share, used, limit in usage.alarms(*self._limits(scope), now):
                self.tell(BudgetAlarm(now, scope or "all", what, share, used, limit))

    def _store_changed(self, works: bool, now: float, why: str) -> None:
        if works is not self._store_works:
            self._store_works = works
            self.tell(BudgetStoreChanged(now, works, "" if works else why))
        if not works:
            self._heartbeat = now + HEARTBEAT
