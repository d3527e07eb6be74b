"""The C ABI from many threads: who may call what, and that nothing gets lost between them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from abi_calls import calls_of_a_transaction, calls_of_a_worker
from abi_rig import NUMBERS, AbiError, Burst, Router, call, ffi, route
from packets import datagram

import fastpath.abi

BURSTS = 200


@pytest.fixture
def router() -> Iterator[Router]:
    made = Router(register=False)
    made.nhs = made.configure()
    yield made
    made.close()


def on_threads(*functions: Callable[[], object]) -> None:
    """Runs each on a thread of its own; an exception of one is raised here."""
    failures: list[BaseException] = []

    def guarded(function: Callable[[], object]) -> None:
        try:
            function()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(f,)) for f in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_a_workers_calls_are_for_its_own_thread(router):
    worker = router.register()

    def wrong() -> None:
        for name, *arguments in calls_of_a_worker(worker):
            with pytest.raises(AbiError, match="belongs to another thread") as caught:
                call(name, *arguments)
            assert caught.value.code == NUMBERS.FP_ERROR_THREAD

    on_threads(wrong)
    assert router.counters().count[NUMBERS.FP_COUNTER_RECEIVED] == 0
    call("worker_unregister", worker)


def test_a_worker_whose_thread_has_ended_is_taken_off(router):
    on_threads(router.register, router.register)
    infos = ffi.new("fp_worker_info_t[4]")
    # A thread is joined a moment before the kernel is done with it.
    for _ in range(5000):
        if call("workers", router.engine, infos, 4) == 0:
            break
        time.sleep(0.001)
    assert call("workers", router.engine, infos, 4) == 0
    worker = router.register()
    call("worker_unregister", worker)


def test_workers_on_threads_of_their_own_share_tables_and_lose_nothing(router):
    router.connect("203.0.113.0/24")
    sent = []

    def forward() -> None:
        worker = router.register()
        out = ffi.new("const fp_transmit_t **")
        left = 0
        for _ in range(BURSTS):
            burst = Burst([datagram(dst="203.0.113.1")] * 16)
            assert call("process", worker, router.home, burst.packets, 16, out) == 16
            left += out[0][router.tunnel].count
        sent.append(left)
        call("worker_unregister", worker)

    on_threads(forward, forward, forward)
    assert sent == [16 * BURSTS] * 3
    counters = router.counters()
    assert counters.verdict[NUMBERS.FP_VERDICT_FORWARD] == 48 * BURSTS
    assert counters.count[NUMBERS.FP_COUNTER_SENT] == 48 * BURSTS


def test_routes_change_while_workers_forward(router):
    """A burst sees one version: both halves of the prefix lead the same way, at any time."""
    nh = router.connect("203.0.113.0/24")
    other = router.connect("192.0.2.128/25", session=3, peer_session=5)
    stop = threading.Event()
    seen = set()
    pair = [datagram(dst="203.0.113.1"), datagram(dst="203.0.113.129")]

    def forward() -> None:
        worker = router.register()
        while not stop.is_set():
            burst = Burst(pair * 8)
            call("process", worker, router.home, burst.packets, 16, ffi.NULL)
            seen.add(tuple({p.nh for p in burst.packets[0:16]}))
        call("worker_unregister", worker)

    def change() -> None:
        try:
            for i in range(BURSTS):
                t = router.begin()
                to = (nh, other)[i & 1]
                call("add_route", t, router.table, route("203.0.113.0/25", to))
                call("add_route", t, router.table, route("203.0.113.128/25", to))
                call("commit", t)
        finally:
            stop.set()

    on_threads(forward, change)
    assert seen <= {(nh,), (other,)}


def test_control_works_while_a_worker_forwards(router):
    stop = threading.Event()
    frames = [datagram(dst=f"198.51.100.{i}") for i in range(1, 9)]
    tunnel = router.nhs["tunnel"]
    counted = {"injected": 0, "flushed": 0, "left": 0}

    def forward() -> None:
        worker = router.register()
        out = ffi.new("const fp_transmit_t **")
        last = False
        while not last:
            last = stop.is_set()
            burst = Burst(frames)
            call("process", worker, router.home, burst.packets, len(frames), out)
            made = out[0][router.tunnel]
            counted["left"] += sum(
                bool(made.packets[i].flags & NUMBERS.FP_PACKET_GENERATED) for i in range(made.count)
            )
        call("worker_unregister", worker)

    def inject() -> None:
        packet = datagram(src="10.88.0.1", dst="10.88.0.2")
        for i in range(BURSTS):
            call("inject", router.engine, tunnel, packet, len(packet), i)
            counted["injected"] += 1

    def answer() -> None:
        events = ffi.new("fp_trigger_t[8]")
        t = router.begin()
        nh = router.session(t)
        call("commit", t)
        keys = set()
        try:
            while len(keys) < 8:
                for trigger in events[0 : call("poll_triggers", router.engine, events, 8)]:
                    keys.add(trigger.key)
                    counted["flushed"] += call("trigger_flush", router.engine, trigger.key, nh, 1)
        finally:
            stop.set()

    on_threads(forward, inject, answer)
    assert counted["left"] + router_rest(router) == counted["injected"] + counted["flushed"]


def test_a_transaction_is_for_the_thread_that_began_it(router):
    transaction = router.begin()

    def wrong() -> None:
        for name, *arguments in calls_of_a_transaction(transaction, router.table):
            with pytest.raises(AbiError, match="belongs to thread") as caught:
                call(name, *arguments)
            assert caught.value.code == NUMBERS.FP_ERROR_THREAD

    on_threads(wrong)
    call("rollback", transaction)


def test_a_transaction_waits_for_that_of_another_thread(router):
    order = []
    mine = router.begin()

    def other() -> None:
        theirs = router.begin()
        order.append("theirs")
        call("commit", theirs)

    thread = threading.Thread(target=other)
    thread.start()
    time.sleep(0.01)
    order.append("mine")
    call("commit", mine)
    thread.join()
    assert order == ["mine", "theirs"]


def router_rest(router: Router) -> int:
    """What control sent and no burst handed out any more."""
    worker = router.register()
    out = ffi.new("const fp_transmit_t **")
    call("process", worker, router.home, ffi.NULL, 0, out)
    call("worker_unregister", worker)
    rest: int = out[0][router.tunnel].count
    return rest


def test_python_and_c_work_on_one_engine_at_once(router):
    engine = fastpath.abi.engine_with(router.engine)

    def forward() -> None:
        worker = router.register()
        for _ in range(BURSTS):
            burst = Burst([datagram(dst="192.0.2.1")] * 4)
            call("process", worker, router.home, burst.packets, 4, ffi.NULL)
            assert burst.verdicts() == ["DELIVER"] * 4
        call("worker_unregister", worker)

    def look() -> None:
        for i in range(BURSTS):
            with engine.transaction() as t:
                t.add_route(router.table, f"100.{i}.0.0/16", router.nhs["home"])
            assert engine.resolve(router.table, f"100.{i}.0.1") == router.nhs["home"]
            engine.counters()

    on_threads(forward, look)
    assert engine.counters()["received"] == 4 * BURSTS
