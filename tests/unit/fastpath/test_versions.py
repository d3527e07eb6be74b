"""Versions under threads: readers see one at a time, and workers that do not pass hold back only
memory."""

from __future__ import annotations

import threading

import pytest
from engine_rig import Rig
from packets import datagram

from fastpath import Engine
from fastpath.torture import Torture

FIRST = 1  # number of the first worker beside the engine's own


@pytest.fixture
def engine():
    return Engine(adjacencies=4096, sessions=256, stall_ns=1)


def run(rack: Torture, *, swaps: int, lookups: int, readers: int = 1) -> dict[str, int]:
    """A writer here, readers elsewhere; what all have done."""
    results: list[dict[str, int]] = []
    threads = [
        threading.Thread(target=lambda: results.append(rack.read(lookups))) for _ in range(readers)
    ]
    for thread in threads:
        thread.start()
    try:
        done = rack.write(swaps)
    finally:
        rack.stop()
        for thread in threads:
            thread.join()
    assert len(results) == readers
    return done | {name: sum(r[name] for r in results) for name in results[0]}


@pytest.mark.parametrize("readers", [1, 3])
def test_bursts_see_one_version_while_linked_things_are_swapped(engine, readers):
    for _ in range(20):
        done = run(Torture(engine), swaps=3000, lookups=300_000, readers=readers)
        assert done["torn"] == 0
        assert done["made"] == 3000
        assert done["lookups"] >= 300_000
        assert done["rolled_back"] > 10
        if done["versions"] > 1:
            return
    # Once in a while readers are done before the writer has a processor, but not always.
    pytest.fail("the readers never ran beside the writer")


def test_readers_that_sleep_between_all_bursts_see_one_version(engine):
    rack = Torture(engine)
    results = []
    reader = threading.Thread(target=lambda: results.append(rack.read(100_000, 1, 1)))
    reader.start()
    rack.write(2000)
    rack.stop()
    reader.join()
    assert results[0]["torn"] == 0


def test_worker_is_online_only_while_it_handles_packets():
    rig = Rig()
    rig.hand_in(datagram(), datagram())
    (worker,) = rig.engine.workers()
    assert not worker.online
    assert worker.bursts >= 1
    assert worker.thread == threading.get_native_id()
    assert not worker.stalled_ns
    assert not worker.gone


def wait_for_the_clock() -> None:
    """The clock of the watch is some milliseconds coarse."""
    threading.Event().wait(0.03)


def test_worker_that_does_not_pass_is_told_and_recovers(engine):
    rack = Torture(engine)
    worker = rack.sleep_online()
    assert worker == FIRST
    rack.write(10)
    engine.workers()
    wait_for_the_clock()
    state = engine.workers()[FIRST]
    assert state.online
    assert state.behind == 10
    assert state.stalled_ns > 0
    rack.wake(FIRST, leave=False)
    state = engine.workers()[FIRST]
    assert (state.behind, state.stalled_ns) == (0, 0)
    rack.wake(FIRST)
    assert len(engine.workers()) == 1


def test_what_a_worker_holds_back_is_used_again_when_it_passes(engine):
    rack = Torture(engine)
    rack.write(100)
    before = engine.retired
    rack.sleep_online()
    rack.write(100)
    assert engine.retired > before + 100 * 1000
    rack.wake(FIRST)
    rack.write(1)
    assert engine.retired <= before


def test_memory_stays_where_it_is_under_churn_with_a_worker_that_passes(engine):
    rack = Torture(engine)
    worker = rack.sleep_online()
    sizes = []
    for _ in range(300):
        rack.write(7)
        rack.wake(worker, leave=False)
        sizes.append(engine.retired)
    assert max(sizes[20:]) <= 2 * max(sizes[:20])


def test_commits_beyond_the_limit_name_the_worker_and_change_nothing():
    engine = Engine(adjacencies=4096, sessions=256, retired=1 << 18)
    table = engine.add_table("red")
    rack = Torture(engine)
    with engine.transaction() as t:
        first, second = t.add_adjacency("drop"), t.add_adjacency("drop")
        t.add_route(table, "9.0.0.0/8", first)
    rack.sleep_online()

    def change(at: int) -> None:
        with engine.transaction() as t:
            t.add_route(table, "9.0.0.0/8", (second, first)[at % 2])
            t.add_route(table, f"8.{at}.0.0/16", second)

    message = r"octets, .* wait for worker 1 \(thread \d+\), which has not passed for \d+ ms"
    for at in range(250):
        before = engine.resolve(table, "9.1.1.1")
        if engine.retired > 1 << 18:
            break
        change(at)
    assert 3 < at < 249
    with pytest.raises(MemoryError, match=message):
        change(at)
    assert engine.resolve(table, "9.1.1.1") == before
    assert engine.resolve(table, f"8.{at}.0.1") == 0
    for _ in range(2):
        with pytest.raises(MemoryError, match="octets"), engine.transaction() as t:
            t.add_route(table, "9.0.0.0/8", second)
    rack.wake(FIRST)
    with engine.transaction() as t:
        t.add_route(table, "9.0.0.0/8", second)
    assert engine.resolve(table, "9.1.1.1") == second
    assert engine.retired < 1 << 20


def test_worker_whose_thread_has_ended_is_taken_off(engine):
    rack = Torture(engine)
    thread = threading.Thread(target=rack.sleep_online)
    thread.start()
    number = thread.native_id
    thread.join()
    rack.write(5)
    wait_for_the_clock()
    wait_for_the_clock()
    rack.write(5)
    state = engine.workers()[FIRST]
    assert (state.thread, state.online, state.gone) == (number, False, True)
    rack.write(5)
    assert engine.retired < 1 << 20
    rack.wake(FIRST)


def test_worker_that_starts_again_after_its_thread_ended_is_not_gone(engine):
    rack = Torture(engine)
    thread = threading.Thread(target=rack.sleep_online)
    thread.start()
    thread.join()
    rack.write(5)
    wait_for_the_clock()
    wait_for_the_clock()
    rack.write(5)
    assert engine.workers()[FIRST].gone
    rack.wake(FIRST, leave=False)
    rack.write(1)
    assert not engine.workers()[FIRST].gone
    rack.wake(FIRST)


def test_another_thread_waits_until_the_transaction_has_ended():
    engine = Engine()
    table = engine.add_table("red")
    order = []

    def second() -> None:
        with engine.transaction() as t:
            order.append("second")
            t.add_route(table, "9.0.0.0/8", t.add_adjacency("drop"))

    thread = threading.Thread(target=second)
    with engine.transaction() as t:
        thread.start()
        wait_for_the_clock()
        with pytest.raises(RuntimeError, match="open already"):
            engine.transaction()
        with pytest.raises(RuntimeError, match="open already"):
            engine.add_table("blue")
        order.append("first")
        t.add_adjacency("drop")
    thread.join()
    assert order == ["first", "second"]
    assert engine.resolve(table, "9.0.0.1") == 2


def test_transactions_of_many_threads_all_count():
    engine = Engine()
    table = engine.add_table("red")
    with engine.transaction() as t:
        nhs = [t.add_adjacency("drop") for _ in range(4)]

    def change(worker: int) -> None:
        for at in range(200):
            with engine.transaction() as t:
                t.add_route(table, f"10.{worker}.{at}.0/24", nhs[worker])

    threads = [threading.Thread(target=change, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for worker in range(4):
        for at in range(200):
            assert engine.resolve(table, f"10.{worker}.{at}.9") == nhs[worker]
