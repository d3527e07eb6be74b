"""Every call of the C ABI that takes a handle, and how a test expects one to be refused."""

from __future__ import annotations

import pytest
from abi_rig import AbiError, Burst, call, ffi, prefix, route, session


def refused(code: int, match: str, name: str, *arguments) -> AbiError:
    with pytest.raises(AbiError, match=match) as caught:
        call(name, *arguments)
    assert caught.value.code == code, caught.value
    return caught.value


def calls_of_an_engine(engine, table=0) -> list[tuple]:
    """Every call that takes an engine, with arguments that are good otherwise."""
    room = ffi.new("uint8_t[64]")
    return [
        ("add_table", engine, b"again", ffi.NULL, ffi.NULL),
        ("add_port", engine, b"again", table),
        ("worker_register", engine, ffi.new("fp_worker_t *")),
        ("poll_punts", engine, ffi.new("fp_punt_t *"), 1, room, 64),
        ("poll_triggers", engine, ffi.new("fp_trigger_t *"), 1),
        ("inject", engine, 1, b"x", 1, 0),
        ("trigger_hold", engine, 1),
        ("trigger_discard", engine, 1),
        ("trigger_flush", engine, 1, 1, 0),
        ("trigger_drop", engine, 1, 1),
        ("begin", engine, ffi.new("fp_transaction_t *")),
        ("resolve", engine, table, prefix("192.0.2.1"), ffi.new("uint32_t *")),
        ("lookup", engine, table, 4, b"1234", ffi.new("uint32_t *"), 1),
        ("counters", engine, ffi.new("fp_counters_t *")),
        ("port_counters", engine, 0, ffi.new("fp_port_counters_t *")),
        ("session_counters", engine, 1, ffi.new("fp_session_counters_t *")),
        ("workers", engine, ffi.new("fp_worker_info_t *"), 1),
        ("trace", engine, 0, b"E", 1, 7, ffi.new("fp_trace_t *")),
        ("engine_destroy", engine),
    ]


def calls_of_a_worker(worker) -> list[tuple]:
    packets = Burst([b"E"]).packets
    return [
        ("attach_queue", worker, 0, ffi.new("fp_queue_t *")),
        ("attach_memory", worker, 0, ffi.new("fp_memory_t *"), ffi.NULL),
        ("process", worker, 0, packets, 1, ffi.NULL),
        ("process_slots", worker, 0, 0, ffi.new("uint32_t *"), 1, 0, ffi.NULL),
        ("poll", worker, 0, 1, 0, ffi.NULL),
        ("worker_unregister", worker),
    ]


def calls_of_a_transaction(transaction, table=0) -> list[tuple]:
    nh = ffi.new("uint32_t *")
    return [
        ("add_route", transaction, table, route("192.0.2.0/24", 0)),
        ("add_routes", transaction, table, route("192.0.2.0/24", 0), 1),
        ("delete_route", transaction, table, prefix("192.0.2.0/24")),
        ("add_adjacency", transaction, ffi.new("fp_adjacency_t *", {"kind": 1}), nh),
        ("add_session", transaction, session(), nh),
        ("update_session", transaction, 1, session()),
        ("set_sources", transaction, 1, prefix("192.0.2.0/24"), 1),
        ("hold", transaction, 1, 1),
        ("delete_adjacency", transaction, 1),
        ("resolve_open", transaction, table, prefix("192.0.2.1"), nh),
        ("commit", transaction),
        ("rollback", transaction),
    ]
