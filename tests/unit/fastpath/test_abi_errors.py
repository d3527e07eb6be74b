"""What an embedder does wrong ends in an error that names the item, and changes nothing."""

from __future__ import annotations

import pytest
from abi_calls import (
    calls_of_a_transaction,
    calls_of_a_worker,
    calls_of_an_engine,
    refused,
)
from abi_rig import NUMBERS, Burst, Router, call, ffi
from packets import datagram

import fastpath.abi
from fastpath import Engine, MemPort

UNKNOWN = NUMBERS.FP_ERROR_UNKNOWN
ARGUMENT = NUMBERS.FP_ERROR_ARGUMENT
CLOSED = NUMBERS.FP_ERROR_CLOSED
FULL = NUMBERS.FP_ERROR_FULL
BUSY = NUMBERS.FP_ERROR_BUSY


@pytest.fixture
def router():
    made = Router(adjacencies=64, sessions=4)
    made.nhs = made.configure()
    yield made
    made.close()


@pytest.fixture
def open_one(router):
    transaction = router.begin()
    yield transaction
    call("rollback", transaction)


# --- handles --------------------------------------------------------------------------------------


def test_no_call_works_on_an_engine_that_is_closed():
    router = Router()
    router.close()
    for stale in (0, router.engine, router.engine + (1 << 32), 0xFFFFFFFFFFFFFFFF):
        for name, *arguments in calls_of_an_engine(stale):
            refused(CLOSED, "engine .* is closed, or never was", name, *arguments)
        with pytest.raises(KeyError, match="is closed, or never was"):
            fastpath.abi.engine_with(stale)


def test_no_call_works_on_a_worker_that_is_unregistered(router):
    call("worker_unregister", router.worker)
    for stale in (0, router.worker, router.worker + 1):
        for name, *arguments in calls_of_a_worker(stale):
            refused(CLOSED, "worker .* is not registered", name, *arguments)
    router.worker = router.register()


def test_no_call_works_on_a_transaction_that_has_ended(router):
    transaction = router.begin()
    call("commit", transaction)
    for stale in (0, transaction, transaction + (1 << 32)):
        for name, *arguments in calls_of_a_transaction(stale, router.table):
            refused(CLOSED, "transaction .* has ended, or never was", name, *arguments)


def test_a_new_engine_has_another_handle():
    first = Router()
    first.close()
    second = Router()
    assert second.engine != first.engine
    second.close()


def test_an_engine_with_workers_is_not_destroyed(router):
    refused(BUSY, "1 workers are registered", "engine_destroy", router.engine)
    assert router.process(router.home)[1] == [[], []]


def test_an_error_may_be_left_out(router):
    from abi_rig import FP

    assert FP.process(router.worker, 9, ffi.NULL, 0, ffi.NULL, ffi.NULL) == UNKNOWN
    assert FP.engine_destroy(0, ffi.NULL) == CLOSED


# --- set-up ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"size": 4}, "size 4 is not 40"),
        ({"adjacencies": 1}, "adjacencies: 1 is outside"),
        ({"sessions": 1 << 23}, "sessions: 8388608 is outside"),
        ({"punt_ring": 5000}, "ring: 5000 is not a power of two"),
    ],
)
def test_a_configuration_out_of_range_is_refused(fields, match):
    values = {"size": ffi.sizeof("fp_config_t"), **fields}
    out = ffi.new("fp_engine_t *")
    refused(ARGUMENT, match, "engine_create", ffi.new("fp_config_t *", values), out)
    assert out[0] == 0


def test_names_and_tables_are_checked(router):
    refused(
        ARGUMENT, "'default' exists", "add_table", router.engine, b"default", ffi.NULL, ffi.NULL
    )
    refused(ARGUMENT, "name is NULL", "add_table", router.engine, ffi.NULL, ffi.NULL, ffi.NULL)
    call("worker_unregister", router.worker)
    refused(UNKNOWN, "table 7 does not exist", "add_port", router.engine, b"x", 7)
    router.worker = router.register()


def test_ports_come_before_workers(router):
    refused(BUSY, "ports are added before", "add_port", router.engine, b"late", router.table)


# --- bursts ---------------------------------------------------------------------------------------


def test_arguments_of_a_burst_are_checked(router):
    packets = Burst([b"E"]).packets
    w, home = router.worker, router.home
    refused(UNKNOWN, "port 2 does not exist; there are 2", "process", w, 2, packets, 1, ffi.NULL)
    refused(UNKNOWN, "port -1 does not", "process", w, -1, packets, 1, ffi.NULL)
    refused(ARGUMENT, "257 packets is not 0..256", "process", w, home, packets, 257, ffi.NULL)
    refused(ARGUMENT, "-1 packets", "process", w, home, packets, -1, ffi.NULL)
    refused(ARGUMENT, "packets is NULL", "process", w, home, ffi.NULL, 1, ffi.NULL)
    refused(ARGUMENT, "queue is NULL", "attach_queue", w, home, ffi.NULL)
    refused(ARGUMENT, "a function", "attach_queue", w, home, ffi.new("fp_queue_t *"))
    assert router.counters().count[NUMBERS.FP_COUNTER_RECEIVED] == 0


def test_a_port_with_a_queue_of_pythons_keeps_it():
    engine = Engine()
    port = engine.attach(MemPort("home"), engine.add_table("default"))
    handle = fastpath.abi.handle_of(engine)
    worker = ffi.new("fp_worker_t *")
    call("worker_register", handle, worker)
    address = ffi.cast("void *", 8)
    queue = ffi.new("fp_queue_t *", {"state": address})
    for name in ("rx_burst", "rx_consume", "next_ns", "tx_burst"):
        setattr(queue, name, ffi.cast(ffi.typeof(getattr(queue, name)), 8))
    refused(BUSY, "port 0 has a queue of Python's", "attach_queue", worker[0], port, queue)
    call("worker_unregister", worker[0])
    call("engine_destroy", handle)


def test_slots_are_checked(router):
    octets = ffi.new("uint8_t[]", 1024)
    w, home = router.worker, router.home

    def memory(**fields):
        shape = {"base": octets, "stride": 256, "slots": 4, "headroom": 128, "link": 7}
        return ffi.new("fp_memory_t *", {**shape, **fields})

    for fields, match in [
        ({"base": ffi.NULL}, "base is NULL"),
        ({"slots": 0}, "slots 0 is not 1..65536"),
        ({"slots": 65537}, "slots 65537"),
        ({"stride": 128}, "a stride of 128 octets leaves no room"),
    ]:
        refused(ARGUMENT, match, "attach_memory", w, home, memory(**fields), ffi.NULL)
    refused(ARGUMENT, "memory is NULL", "attach_memory", w, home, ffi.NULL, ffi.NULL)
    call("attach_memory", w, home, memory(), ffi.NULL)
    lengths = ffi.new("uint32_t[]", [20, 129, 20, 20])
    slots = ("process_slots", w, home)
    refused(ARGUMENT, "2 frames from slot 3 on: there are 4", *slots, 3, lengths, 2, 0, ffi.NULL)
    refused(ARGUMENT, "lengths is NULL", *slots, 0, ffi.NULL, 1, 0, ffi.NULL)
    error = refused(ARGUMENT, "slot 1: a frame of 129 octets", *slots, 0, lengths, 4, 0, ffi.NULL)
    assert error.item == 1
    refused(ARGUMENT, "there are 0", "process_slots", w, router.tunnel, 0, lengths, 1, 0, ffi.NULL)


# --- control --------------------------------------------------------------------------------------


def test_keys_and_next_hops_of_orders_are_checked(router):
    for name, *rest in [("trigger_hold",), ("trigger_discard",), ("trigger_drop", 1)]:
        refused(UNKNOWN, "trigger key 77 is gone, or never was", name, router.engine, 77, *rest)
    refused(UNKNOWN, "trigger key 77", "trigger_flush", router.engine, 77, 1, 0)
    router.process(router.home, datagram())
    trigger = ffi.new("fp_trigger_t *")
    call("poll_triggers", router.engine, trigger, 1)
    home = router.nhs["home"]
    refused(UNKNOWN, "not a session", "trigger_flush", router.engine, trigger.key, home, 0)
    refused(UNKNOWN, "next hop 63 sends nothing", "inject", router.engine, 63, b"x", 1, 0)
    local = router.nhs["local"]
    refused(UNKNOWN, "sends nothing", "inject", router.engine, local, b"x", 1, 0)
    refused(ARGUMENT, "a frame of 0 octets", "inject", router.engine, home, b"", 0, 0)
    big = bytes([0x45, 0, 0x06, 0x40, 0, 0, 0x40]) + bytes(1593)
    refused(ARGUMENT, "1600 octets is over the MTU", "inject", router.engine, home, big, 1600, 0)


# --- views ----------------------------------------------------------------------------------------


def test_arguments_of_views_are_checked(router):
    trace = ffi.new("fp_trace_t *")
    refused(UNKNOWN, "port 5 is not attached", "trace", router.engine, 5, b"E", 1, 7, trace)
    refused(ARGUMENT, "link type 99", "trace", router.engine, 0, b"E", 1, 99, trace)
    counters = ffi.new("fp_port_counters_t *")
    refused(UNKNOWN, "port 5", "port_counters", router.engine, 5, counters)
    out = ffi.new("fp_session_counters_t *")
    home = router.nhs["home"]
    refused(UNKNOWN, f"next hop {home} is not a", "session_counters", router.engine, home, out)


def test_no_call_takes_null_where_it_needs_memory(router, open_one):
    engine, null = router.engine, ffi.NULL
    for name, *arguments in [
        ("engine_create", null, null),
        ("worker_register", engine, null),
        ("poll_punts", engine, null, 1, null, 0),
        ("poll_triggers", engine, null, 1),
        ("inject", engine, 1, null, 1, 0),
        ("begin", engine, null),
        ("resolve", engine, 0, null, null),
        ("lookup", engine, 0, 4, null, null, 1),
        ("counters", engine, null),
        ("port_counters", engine, 0, null),
        ("session_counters", engine, 1, null),
        ("workers", engine, null, 1),
        ("trace", engine, 0, null, 1, 7, null),
        ("add_route", open_one, 0, null),
        ("add_routes", open_one, 0, null, 1),
        ("delete_route", open_one, 0, null),
        ("add_adjacency", open_one, null, null),
        ("add_session", open_one, null, null),
        ("update_session", open_one, 1, null),
        ("set_sources", open_one, 1, null, 1),
        ("resolve_open", open_one, 0, null, null),
    ]:
        refused(ARGUMENT, "NULL", name, *arguments)
