"""Calls of the C ABI that control makes: punts, triggers, injected frames. From any thread, without
the GIL."""

from fastpath.abi.fp_abi cimport (
    FP_ERROR_ARGUMENT, FP_ERROR_CLOSED, FP_ERROR_FULL, FP_ERROR_UNKNOWN, FP_OK, fp_abi_t,
    fp_engine_t, fp_error_t, fp_punt_t, fp_trigger_t)
from fastpath.abi.handle cimport engine_slot_t, enter, fail, leave
from fastpath.adjacency cimport ADJ_FREE, ADJ_IP, ADJ_SESSION
from fastpath.atomic cimport (
    ATOMIC_ACQUIRE, ATOMIC_RELEASE, atomic_exchange_u32, atomic_load_u32, atomic_store_u32)
from fastpath.engine cimport Engine
from fastpath.ring cimport punt_t
from fastpath.orders cimport ORDER_DROP, ORDER_FLUSH, ORDER_INJECT, order_t
from fastpath.trigger cimport TRIGGER_DISCARD, TRIGGER_HOLD, trigger_event_t
from fastpath.types cimport DATAGRAM_MAX
from fastpath.verdict cimport REASON_NONE
from fastpath.worker cimport Worker
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset


# Punts ------------------------------------------------------------------------------------------

cdef struct taken_t:          # what one poll_punts() has taken so far
    fp_punt_t* punts
    int n
    int most
    uint8_t* octets
    uint32_t used
    uint32_t room
    uint32_t refused          # octets of the first one that did not fit, 0: all did


cdef int _poll_punts(fp_engine_t engine, fp_punt_t* punts, int most, uint8_t* octets,
                     uint32_t room, fp_error_t* error) noexcept nogil:
    cdef engine_slot_t* slot
    cdef taken_t taken
    if most > 0 and (punts == NULL or octets == NULL):
        return fail(error, FP_ERROR_ARGUMENT, 0, b"punts or octets is NULL")
    slot = enter(engine, error)
    if slot == NULL:
        return FP_ERROR_CLOSED
    memset(&taken, 0, sizeof(taken))
    taken.punts = punts
    taken.most = most
    taken.octets = octets
    taken.room = room
    # A ring has one reader. Who finds another thread at it has nothing to take.
    if atomic_exchange_u32(&(<Engine>slot.engine).reading, 1, ATOMIC_ACQUIRE) == 0:
        _take_punts(slot, &taken)
        atomic_store_u32(&(<Engine>slot.engine).reading, 0, ATOMIC_RELEASE)
    leave(slot)
    if taken.n == 0 and taken.refused:
        return fail(error, FP_ERROR_FULL, taken.refused,
                    b"the next punt has %lld octets, there is room for %lld", taken.refused, room)
    return taken.n


cdef void _take_punts(engine_slot_t* slot, taken_t* taken) noexcept nogil:
    cdef uint32_t workers = atomic_load_u32(&(<Engine>slot.engine).worker_count, ATOMIC_ACQUIRE)
    cdef uint32_t i
    cdef void* worker
    cdef const punt_t* record
    for i in range(workers):
        worker = (<Engine>slot.engine).worker_at[i]
        while taken.n < taken.most:
            record = (<Worker>worker)._punts.peek()
            if record == NULL:
                break
            if record.len > taken.room - taken.used:
                taken.refused = record.len
                return
            _copy_punt(taken, record)
            (<Worker>worker)._punts.pop()


cdef void _copy_punt(taken_t* taken, const punt_t* record) noexcept nogil:
    cdef fp_punt_t* punt = &taken.punts[taken.n]
    punt.ts = record.ts
    punt.offset = taken.used
    punt.len = record.len
    punt.nh = record.nh
    memcpy(punt.source, record.source.octet, 16)
    memcpy(punt.destination, record.destination.octet, 16)
    punt.source_port = record.source_port
    punt.destination_port = record.destination_port
    punt.table = record.table
    punt.verdict = record.verdict
    memset(punt.unused, 0, sizeof(punt.unused))
    memcpy(taken.octets + taken.used, record + 1, record.len)
    taken.used += record.len
    taken.n += 1


# Triggers ---------------------------------------------------------------------------------------

cdef int _poll_triggers(fp_engine_t engine, fp_trigger_t* triggers, int most,
                        fp_error_t* error) noexcept nogil:
    cdef engine_slot_t* slot
    cdef trigger_event_t event
    cdef int n = 0
    if most > 0 and triggers == NULL:
        return fail(error, FP_ERROR_ARGUMENT, 0, b"triggers is NULL")
    slot = enter(engine, error)
    if slot == NULL:
        return FP_ERROR_CLOSED
    while n < most and (<Engine>slot.engine).triggers.take_event(&event):
        memset(&triggers[n], 0, sizeof(fp_trigger_t))
        triggers[n].key = <uint64_t>event.generation << 32 | event.key
        triggers[n].ts = event.ts
        memcpy(triggers[n].destination, event.destination.octet, 16)
        memcpy(triggers[n].source, event.source.octet, 16)
        triggers[n].glean = event.glean
        triggers[n].table = event.table
        triggers[n].source_port = event.source_port
        triggers[n].destination_port = event.destination_port
        triggers[n].proto = event.proto
        n += 1
    leave(slot)
    return n


cdef int _stale(uint64_t key, fp_error_t* error) noexcept nogil:
    return fail(error, FP_ERROR_UNKNOWN, 0, b"trigger key %lld is gone, or never was",
                <long long>key)


cdef int _trigger_hold(fp_engine_t engine, uint64_t key, fp_error_t* error) noexcept nogil:
    cdef engine_slot_t* slot = enter(engine, error)
    cdef bint live
    if slot == NULL:
        return FP_ERROR_CLOSED
    live = (<Engine>slot.engine).triggers.order(key, TRIGGER_HOLD)
    leave(slot)
    return FP_OK if live else _stale(key, error)


cdef int _trigger_discard(fp_engine_t engine, uint64_t key, fp_error_t* error) noexcept nogil:
    cdef engine_slot_t* slot = enter(engine, error)
    cdef bint live
    if slot == NULL:
        return FP_ERROR_CLOSED
    live = (<Engine>slot.engine).triggers.is_live(key)
    if live:
        (<Engine>slot.engine).triggers.order(key, TRIGGER_DISCARD)
    leave(slot)
    return FP_OK if live else _stale(key, error)


# Orders, which a worker carries out ---------------------------------------------------------------

cdef int _trigger_drop(fp_engine_t engine, uint64_t key, int forget,
                       fp_error_t* error) noexcept nogil:
    cdef engine_slot_t* slot = enter(engine, error)
    cdef order_t order
    cdef bint live
    if slot == NULL:
        return FP_ERROR_CLOSED
    live = (<Engine>slot.engine).triggers.is_live(key)
    if live:
        memset(&order, 0, sizeof(order))
        order.what = ORDER_DROP
        order.key = key
        order.forget = forget != 0
        (<Engine>slot.engine).worker.obey(&order)
    leave(slot)
    return <int>order.result if live else _stale(key, error)


cdef int _kind(engine_slot_t* slot, uint32_t nh) noexcept nogil:
    """AdjacencyKind of a next hop, ADJ_FREE if it names none."""
    if not (<Engine>slot.engine).forwarding.adjacencies.is_live(nh):
        return ADJ_FREE
    return (<Engine>slot.engine).forwarding.adjacencies.at[nh].kind


cdef int _trigger_flush(fp_engine_t engine, uint64_t key, uint32_t nh, uint64_t now_ns,
                        fp_error_t* error) noexcept nogil:
    cdef engine_slot_t* slot = enter(engine, error)
    cdef order_t order
    cdef int result
    if slot == NULL:
        return FP_ERROR_CLOSED
    if not (<Engine>slot.engine).triggers.is_live(key):
        result = _stale(key, error)
    elif _kind(slot, nh) != ADJ_SESSION:
        result = fail(error, FP_ERROR_UNKNOWN, 0, b"next hop %lld is not a session", nh)
    else:
        memset(&order, 0, sizeof(order))
        order.what = ORDER_FLUSH
        order.key = key
        order.nh = nh
        order.timed = True
        order.now = now_ns
        (<Engine>slot.engine).worker.obey(&order)
        result = <int>order.result
    leave(slot)
    return result


cdef int _inject(fp_engine_t engine, uint32_t nh, const uint8_t* frame, uint32_t len,
                 uint64_t now_ns, fp_error_t* error) noexcept nogil:
    cdef engine_slot_t* slot
    cdef order_t order
    cdef int kind
    cdef int result = FP_OK
    if frame == NULL:
        return fail(error, FP_ERROR_ARGUMENT, 0, b"frame is NULL")
    if not 1 <= len <= DATAGRAM_MAX - 64:
        return fail(error, FP_ERROR_ARGUMENT, 0, b"a frame of %lld octets is not 1..%lld", len,
                    DATAGRAM_MAX - 64)
    slot = enter(engine, error)
    if slot == NULL:
        return FP_ERROR_CLOSED
    kind = _kind(slot, nh)
    if kind != ADJ_IP and kind != ADJ_SESSION:
        result = fail(error, FP_ERROR_UNKNOWN, 0, b"next hop %lld sends nothing", nh)
    else:
        memset(&order, 0, sizeof(order))
        order.what = ORDER_INJECT
        order.nh = nh
        order.frame = frame
        order.length = len
        order.timed = True
        order.now = now_ns
        (<Engine>slot.engine).worker.obey(&order)
        if order.result != REASON_NONE:
            result = fail(error, FP_ERROR_ARGUMENT, 0, b"a packet of %lld octets is over the MTU of"
                          b" next hop %lld and cannot be cut: drop reason %lld", len, nh,
                          order.result)
    leave(slot)
    return result


cdef void fill_control_calls(fp_abi_t* abi) noexcept:
    abi.poll_punts = _poll_punts
    abi.poll_triggers = _poll_triggers
    abi.inject = _inject
    abi.trigger_hold = _trigger_hold
    abi.trigger_discard = _trigger_discard
    abi.trigger_flush = _trigger_flush
    abi.trigger_drop = _trigger_drop
