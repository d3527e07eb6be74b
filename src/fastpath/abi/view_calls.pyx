"""Calls of the C ABI that look: names, routes, counters, and what would become of a packet."""

from fastpath.abi.fp_abi cimport (
    FP_ERROR_ARGUMENT, FP_ERROR_CLOSED, FP_ERROR_UNKNOWN, FP_OK, FP_PORT_INVALID, FP_TRACE_TEXT,
    fp_abi_t, fp_counters_t, fp_engine_t, fp_error_t, fp_port_counters_t, fp_prefix_t,
    fp_session_counters_t, fp_trace_t)
from fastpath.abi.handle cimport engine_of, engine_slot_t, enter, fail, fail_with, leave
from fastpath.adjacency cimport ADJ_SESSION
from fastpath.atomic cimport ATOMIC_ACQUIRE, atomic_load_u32, sched_yield
from fastpath.counters cimport COUNTER_COUNT, counters_t
from fastpath.engine cimport Engine
from fastpath.epoch cimport view_t
from fastpath.transmit cimport port_entry_t
from fastpath.packet cimport PKT_DECAPPED
from fastpath.session cimport session_count_t
from fastpath.types cimport INET, INET6
from fastpath.verdict cimport REASON_COUNT, VERDICT_COUNT
from fastpath.worker cimport Worker
from libc.stdint cimport uint8_t, uint32_t
from libc.stdio cimport snprintf
from libc.string cimport memset

from fastpath.counters import COUNTERS
from fastpath.trace import KINDS, trace
from fastpath.ports.linktype import LINKS
from fastpath.verdict import REASONS, VERDICTS

_LINKS = len(LINKS)
cdef list _names = [[name.encode() for name in names] for names in (VERDICTS, REASONS, COUNTERS)]
cdef const char* _verdict[VERDICT_COUNT]
cdef const char* _reason[REASON_COUNT]
cdef const char* _counter[COUNTER_COUNT]
for _i in range(VERDICT_COUNT):
    _verdict[_i] = _names[0][_i]
for _i in range(REASON_COUNT):
    _reason[_i] = _names[1][_i]
for _i in range(COUNTER_COUNT):
    _counter[_i] = _names[2][_i]


cdef const char* _verdict_name(int verdict) noexcept nogil:
    if 0 <= verdict < VERDICT_COUNT:
        return _verdict[verdict]
    return b"?"


cdef const char* _reason_name(int reason) noexcept nogil:
    if 0 <= reason < REASON_COUNT:
        return _reason[reason]
    return b"?"


cdef const char* _counter_name(int counter) noexcept nogil:
    if 0 <= counter < COUNTER_COUNT:
        return _counter[counter]
    return b"?"


# Routes -----------------------------------------------------------------------------------------

cdef int _look_up(fp_engine_t engine, int table, int family, const uint8_t* addresses,
                  uint32_t* nhs, uint32_t n, fp_error_t* error) noexcept nogil:
    cdef engine_slot_t* slot
    cdef const view_t* view
    cdef void* asker
    if family != INET and family != INET6:
        return fail(error, FP_ERROR_ARGUMENT, 0, b"address family %lld is neither 4 nor 6", family)
    if n > 0 and (addresses == NULL or nhs == NULL):
        return fail(error, FP_ERROR_ARGUMENT, 0, b"addresses or nhs is NULL")
    if n > 1 << 20:
        return fail(error, FP_ERROR_ARGUMENT, 0, b"%lld addresses are more than 2^20", n)
    slot = enter(engine, error)
    if slot == NULL:
        return FP_ERROR_CLOSED
    if table < 0 or table >= (<Engine>slot.engine).forwarding.tables:
        leave(slot)
        return fail(error, FP_ERROR_UNKNOWN, 0, b"table %lld does not exist", table)
    asker = <void*>(<Engine>slot.engine).asker
    while not (<Worker>asker).enter():
        sched_yield()
    view = &(<Worker>asker)._version.view[table]
    if family == INET:
        (<Engine>slot.engine).forwarding.table[table].v4.lookup(view.v4, addresses, nhs, <int>n)
    else:
        (<Engine>slot.engine).forwarding.table[table].v6.lookup(view.v6, addresses, nhs, <int>n)
    (<Worker>asker).leave()
    leave(slot)
    return FP_OK


cdef int _resolve(fp_engine_t engine, int table, const fp_prefix_t* address, uint32_t* nh,
                  fp_error_t* error) noexcept nogil:
    if address == NULL:
        return fail(error, FP_ERROR_ARGUMENT, 0, b"address is NULL")
    return _look_up(engine, table, address.family, address.octet, nh, 1, error)


# Counters ---------------------------------------------------------------------------------------

cdef void* _worker(engine_slot_t* slot, uint32_t i) noexcept nogil:
    """Worker i of an engine, NULL behind the last one."""
    if i < atomic_load_u32(&(<Engine>slot.engine).worker_count, ATOMIC_ACQUIRE):
        return (<Engine>slot.engine).worker_at[i]
    return NULL


cdef int _counters(fp_engine_t engine, fp_counters_t* counters,
                   fp_error_t* error) noexcept nogil:
    cdef engine_slot_t* slot
    cdef const counters_t* one
    cdef void* worker
    cdef int i
    cdef uint32_t k = 0
    if counters == NULL:
        return fail(error, FP_ERROR_ARGUMENT, 0, b"counters is NULL")
    slot = enter(engine, error)
    if slot == NULL:
        return FP_ERROR_CLOSED
    memset(counters, 0, sizeof(fp_counters_t))
    worker = _worker(slot, k)
    while worker != NULL:
        one = (<Worker>worker)._counters
        for i in range(<int>VERDICT_COUNT):
            counters.verdict[i] += one.verdict[i]
        for i in range(<int>REASON_COUNT):
            counters.reason[i] += one.reason[i]
        for i in range(<int>COUNTER_COUNT):
            counters.count[i] += one.count[i]
        k += 1
        worker = _worker(slot, k)
    leave(slot)
    return FP_OK


cdef int _port_counters(fp_engine_t engine, int port, fp_port_counters_t* counters,
                        fp_error_t* error) noexcept nogil:
    cdef engine_slot_t* slot
    cdef const port_entry_t* entry
    cdef void* worker
    cdef uint32_t k = 0
    cdef int ports
    if counters == NULL:
        return fail(error, FP_ERROR_ARGUMENT, 0, b"counters is NULL")
    slot = enter(engine, error)
    if slot == NULL:
        return FP_ERROR_CLOSED
    ports = (<Engine>slot.engine).worker.ports
    if port < 0 or port >= ports:
        leave(slot)
        return fail(error, FP_ERROR_UNKNOWN, 0, b"port %lld does not exist; there are %lld", port,
                    ports)
    memset(counters, 0, sizeof(fp_port_counters_t))
    worker = _worker(slot, k)
    while worker != NULL:
        entry = &(<Worker>worker).port[port]
        counters.rx_packets += entry.rx_packets
        counters.rx_octets += entry.rx_octets
        counters.tx_packets += entry.tx_packets
        counters.tx_octets += entry.tx_octets
        counters.tx_refused += entry.tx_refused
        k += 1
        worker = _worker(slot, k)
    leave(slot)
    return FP_OK


cdef int _session_counters(fp_engine_t engine, uint32_t nh, fp_session_counters_t* counters,
                           fp_error_t* error) noexcept nogil:
    cdef engine_slot_t* slot
    cdef session_count_t received, sent
    cdef uint32_t session
    if counters == NULL:
        return fail(error, FP_ERROR_ARGUMENT, 0, b"counters is NULL")
    slot = enter(engine, error)
    if slot == NULL:
        return FP_ERROR_CLOSED
    if (not (<Engine>slot.engine).forwarding.adjacencies.is_live(nh)
            or (<Engine>slot.engine).forwarding.adjacencies.at[nh].kind != ADJ_SESSION):
        leave(slot)
        return fail(error, FP_ERROR_UNKNOWN, 0, b"next hop %lld is not a session", nh)
    session = (<Engine>slot.engine).forwarding.adjacencies.at[nh].session
    received = (<Engine>slot.engine).forwarding.count_of(session, False)
    sent = (<Engine>slot.engine).forwarding.count_of(session, True)
    leave(slot)
    counters.packets_in = received.packets
    counters.octets_in = received.octets
    counters.refused = received.refused
    counters.packets_out = sent.packets
    counters.octets_out = sent.octets
    counters.last_ns = max(received.last_ns, sent.last_ns)
    return FP_OK


# Trace ------------------------------------------------------------------------------------------

cdef int _trace(fp_engine_t engine, int port, const uint8_t* frame, uint32_t len, int link,
                fp_trace_t* out, fp_error_t* error) noexcept with gil:
    cdef engine_slot_t* slot
    cdef int result = FP_OK
    if out == NULL or (frame == NULL and len > 0):
        return fail(error, FP_ERROR_ARGUMENT, 0, b"frame or trace is NULL")
    slot = enter(engine, error)
    if slot == NULL:
        return FP_ERROR_CLOSED
    try:
        if link not in range(1, _LINKS):
            raise ValueError(f"link type {link} is none of enum fp_link")
        _fill(out, trace(engine_of(slot), port, frame[:len], LINKS[link]))
    except BaseException as exception:
        result = fail_with(error, exception)
    leave(slot)
    return result


cdef int _fill(fp_trace_t* out, found) except -1:
    cdef bytes text = ("\n".join(found.lines) + "\n").encode()
    memset(out, 0, sizeof(fp_trace_t))
    out.verdict, out.reason, out.family, out.proto = found.numbers
    out.flags = 0 if found.session is None else PKT_DECAPPED
    out.kind = KINDS.index(found.kind)
    out.prefix_length = 0 if found.prefix is None else int(found.prefix.partition("/")[2])
    out.table = found.table
    out.port = FP_PORT_INVALID if found.port is None else found.port
    out.nh = found.nh
    out.session = found.session or 0
    snprintf(out.text, FP_TRACE_TEXT, b"%s", <const char*>text)
    return 0


cdef void fill_view_calls(fp_abi_t* abi) noexcept:
    abi.verdict_name = _verdict_name
    abi.reason_name = _reason_name
    abi.counter_name = _counter_name
    abi.resolve = _resolve
    abi.lookup = _look_up
    abi.counters = _counters
    abi.port_counters = _port_counters
    abi.session_counters = _session_counters
    abi.trace = _trace
