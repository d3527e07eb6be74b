"""The budget's file: what was used survives kill -9, full disks and clocks (threats T11, T27)."""

import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import time

import pytest

from control.budget_store import SqliteBudgetStore
from control.config import Budget as BudgetConfig
from control.dialout.budget import ALL, DAY, HEARTBEAT, SHORTEST_DAY, Budget, StoreError
from control.dialout.call_record import CallRecord
from control.dialout.events import BudgetAlarm, BudgetStoreChanged

NOON = 100 * DAY + 43200
LOOSE = {"dial_rate": 1e6, "dial_burst": 10**6, "lac_dial_rate": 1e6}


def opened(path, wall=NOON, **limits):
    store = SqliteBudgetStore(str(path))
    return store, Budget(BudgetConfig(**(LOOSE | limits)), lambda: wall, store)


def record(number="49301234"):
    return CallRecord(
        *("home", "10.1.0.0/16", "10.1.2.3", "192.0.2.1", 17, 1024, 53),
        *("r", "granted, 1 LACs", 0.25, "10.9.0.1", number, NOON),
    )


def test_calls_survive_without_a_farewell(tmp_path):
    _, budget = opened(tmp_path / "b")
    for _ in range(3):
        assert budget.take("home 10.1.0.0/16", "lac", 0.0)
    assert budget.take("other", "lac", 0.0)
    _, again = opened(tmp_path / "b")
    assert again.used("home 10.1.0.0/16", 0.0) == (3, 0)
    assert again.used("other", 0.0) == (1, 0)
    assert again.as_dict(0.0)["calls_today"] == 4


def test_a_spent_budget_is_spent_after_a_restart_and_its_alarms_were_told(tmp_path):
    _, budget = opened(tmp_path / "b", target_calls_per_day=2)
    for _ in range(2):
        budget.take("t", "lac", 0.0)
    _, again = opened(tmp_path / "b", target_calls_per_day=2)
    assert again.refusal("t", "1", 0.0) == "calls of the day are spent for this target"
    told = []
    again.tell = told.append
    again.take("u", "lac", 0.0)
    assert [f for f in told if isinstance(f, BudgetAlarm) and f.scope == "t"] == []


def test_minutes_survive_and_a_call_that_was_cut_off_costs_until_the_heartbeat(tmp_path):
    wall = [NOON]
    store = SqliteBudgetStore(str(tmp_path / "b"))
    budget = Budget(BudgetConfig(**LOOSE), lambda: wall[0], store)
    ended = budget.connected("t", 0.0)
    budget.connected("t", 0.0)
    wall[0] += 60
    budget.disconnected(ended, 60.0)
    budget.handle_timer(60.0)
    wall[0] += 3600
    _, again = opened(tmp_path / "b", wall[0])
    assert again.used("t", 0.0) == (0, pytest.approx((60 + 60 + HEARTBEAT) / 60))
    assert again.used(ALL, 0.0) == (0, 0), "which is no target"
    _, third = opened(tmp_path / "b", wall[0])
    assert third.used("t", 0.0) == again.used("t", 0.0), "charged once"


def test_a_new_day_begins_anew_and_a_clock_set_back_does_not(tmp_path):
    _, budget = opened(tmp_path / "b")
    budget.take("t", "lac", 0.0)
    for wall, calls in ((NOON - 5 * DAY, 1), (NOON, 1), (NOON + DAY, 0)):
        _, again = opened(tmp_path / "b", wall)
        assert again.used("t", 0.0)[0] == calls


def test_records_are_appended_with_the_next_write_and_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("control.budget_store.KEPT_RECORDS", 5)
    store, budget = opened(tmp_path / "b")
    for number in range(8):
        made = record(str(number))
        made.connected(NOON, 0.0)
        made.end("cdn", None, NOON + 10, 10.0)
        budget.record(made)
    assert store.calls() == []
    store.close(NOON)
    store, _ = opened(tmp_path / "b")
    rows = store.calls()
    assert [row["called_number"] for row in rows] == ["7", "6", "5", "4", "3"]
    assert rows[0]["source"] == "192.0.2.1"
    assert (rows[0]["placed"], rows[0]["seconds"], rows[0]["result"]) == (NOON, 10.0, "cdn")


def test_numbers_are_hashed_on_demand(tmp_path):
    store = SqliteBudgetStore(str(tmp_path / "b"), private_key=b"k")
    for number in ("49301234", "49301234", "49305678"):
        store.record(record(number))
    store.heartbeat(NOON)
    first, second, third = (row["called_number"] for row in store.calls())
    assert second == third != first
    store.close(NOON)
    assert b"4930" not in b"".join(file.read_bytes() for file in tmp_path.iterdir())


def test_the_file_is_its_owners_only(tmp_path):
    opened(tmp_path / "b")
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o600


def test_a_file_that_is_none_of_ours_is_refused(tmp_path):
    (tmp_path / "text").write_text("this is no database " * 100)
    newer = sqlite3.connect(tmp_path / "newer")
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    for name, why in (("text", "not a database"), ("newer", "form 99"), ("no/such", "No such")):
        with pytest.raises(StoreError, match=why):
            SqliteBudgetStore(str(tmp_path / name))


def test_a_full_disk_stops_new_calls_until_there_is_room(tmp_path):
    store, budget = opened(tmp_path / "b")
    told = []
    budget.tell = told.append
    assert budget.take("t", "lac", 0.0)
    (pages,) = store._file.execute("PRAGMA page_count").fetchone()
    store._file.execute(f"PRAGMA max_page_count = {pages}").fetchall()
    placed = 1
    for number in range(2000):
        placed += budget.take(f"target {number} with a name that fills pages", "lac", 0.0)
    assert placed < 500
    assert "cannot be saved" in budget.refusal("t", "1", 0.0)
    changes = [fact for fact in told if isinstance(fact, BudgetStoreChanged)]
    assert [(fact.works, "full" in fact.why) for fact in changes] == [(False, True)]
    store._file.execute("PRAGMA max_page_count = 100000").fetchall()
    budget.handle_timer(HEARTBEAT)
    assert budget.refusal("t", "1", HEARTBEAT) == ""
    _, again = opened(tmp_path / "b")
    assert again.as_dict(0.0)["calls_today"] == placed


KINDS = ["call"] * 12 + ["jump"] * 3 + ["pass"] * 2


@pytest.mark.parametrize("crashes", [0, 1])
@pytest.mark.parametrize("seed", range(6))
def test_clocks_that_warp_and_crashes_never_give_a_budget_a_jump(tmp_path, seed, crashes):
    rng, limit = random.Random(seed), 4
    clock = {"wall": NOON, "now": 0.0}
    stores, placed, restarts = [], [], [0.0]

    def start():
        store = SqliteBudgetStore(str(tmp_path / "b"))
        stores.append(store)
        limits = BudgetConfig(**(LOOSE | {"target_calls_per_day": limit}))
        return Budget(limits, lambda: clock["wall"], store)

    budget = start()
    for _ in range(600):
        kind = rng.choice(KINDS + ["crash"] * crashes)
        if kind == "call":
            refused = budget.refusal("t", "1", clock["now"])
            if not refused and budget.take("t", "lac", clock["now"]):
                placed.append(clock["now"])
        elif kind == "pass":
            seconds = rng.expovariate(1 / 3600)
            clock["now"] += seconds
            clock["wall"] += seconds
        elif kind == "jump":
            clock["wall"] = max(clock["wall"] + rng.uniform(-2, 2) * DAY, NOON - 20 * DAY)
        else:
            stores[-1]._file.close()
            budget = start()
            restarts.append(clock["now"])
    # A start believes the clock once: it knows nothing of the time before.
    for when in placed:
        calls = sum(when <= other < when + SHORTEST_DAY for other in placed)
        starts = sum(when - SHORTEST_DAY <= at < when + SHORTEST_DAY for at in restarts)
        assert calls <= limit * (2 + starts)
    assert len(placed) > limit


CHILD = """
import sys
from control.budget_store import SqliteBudgetStore
from control.config import Budget as BudgetConfig
from control.dialout.budget import Budget
loose = dict(dial_rate=1e6, dial_burst=10**6, lac_dial_rate=1e6, calls_per_day=10**9)
budget = Budget(BudgetConfig(**loose), lambda: float(sys.argv[2]), SqliteBudgetStore(sys.argv[1]))
number = 0
meters = []
while True:
    number += 1
    assert budget.take(f"t{number % 7}", "lac", float(number))
    sys.stdout.write(".")  # the call is placed
    sys.stdout.flush()
    meters.append(budget.connected(f"t{number % 7}", float(number)))
    if len(meters) > 5:
        budget.disconnected(meters.pop(0), float(number))
    budget.handle_timer(float(number))
"""


def test_kill_9_at_random_points_never_gives_a_call_back(tmp_path):
    path, random_ = tmp_path / "b", random.Random(4)
    placed = 0
    for _ in range(12):
        with subprocess.Popen(
            [sys.executable, "-c", CHILD, str(path), str(NOON)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        ) as child:
            placed += len(child.stdout.read(1))  # it is at work
            time.sleep(random_.random() * 0.03)
            child.send_signal(signal.SIGKILL)
            placed += len(child.stdout.read())
        store, budget = opened(path)
        used = budget.as_dict(0.0)["calls_today"]
        assert placed <= used <= placed + 12, "a call charged and not yet placed counts as placed"
        assert store._file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert sum(budget.used(f"t{n}", 0.0)[0] for n in range(7)) == used
        store._file.close()
    assert placed > 100


def test_what_is_frozen_is_frozen_after_a_restart_until_somebody_thaws_it(tmp_path):
    _, budget = opened(tmp_path / "b")
    budget.freeze(ALL, True, 0.0)
    budget.freeze("home", True, 0.0)
    _, again = opened(tmp_path / "b", wall=NOON - 5 * DAY)
    assert again.is_frozen()
    assert again.is_frozen("home")
    assert again.refusal("home 10.1.0.0/16", "49301234", 0.0) == "dialling is frozen"
    again.freeze(ALL, False, 0.0)
    _, third = opened(tmp_path / "b")
    assert (third.is_frozen(), third.is_frozen("home")) == (False, True)
