"""Calls of the C ABI that make engines, tables, ports and workers. All of them take the GIL: they
are for set-up."""

from fastpath.abi.fp_abi cimport (
    FP_ERROR_ARGUMENT, FP_ERROR_CLOSED, FP_OK, fp_abi_t, fp_config_t, fp_engine_t,
    fp_error_t, fp_worker_info_t, fp_worker_t)
from fastpath.abi.handle cimport (
    close_engine, close_orphans, close_worker, engine_of, engine_slot_t, enter, fail, fail_with,
    give_worker, leave, next_worker, open_engine, open_worker, spare_worker, worker_here,
    worker_slot_t)
from fastpath.address cimport address_text
from fastpath.engine cimport Engine
from fastpath.handover cimport BurstQueue, Bursts
from fastpath.types cimport INET, INET6
from fastpath.worker cimport Worker
from libc.stdint cimport uint8_t
from libc.string cimport memset

from fastpath.worker_state import worker_states


cdef int _engine_create(const fp_config_t* config, fp_engine_t* engine,
                        fp_error_t* error) noexcept with gil:
    cdef dict values = {}
    if engine == NULL:
        return fail(error, FP_ERROR_ARGUMENT, 0, b"engine is NULL")
    if config != NULL and config.size != sizeof(fp_config_t):
        return fail(error, FP_ERROR_ARGUMENT, 0, b"config: size %lld is not %lld", config.size,
                    sizeof(fp_config_t))
    try:
        if config != NULL:
            values = {"adjacencies": config.adjacencies, "sessions": config.sessions,
                      "punt_ring": config.punt_ring, "trigger_keys": config.trigger_keys,
                      "error_rate": config.error_rate, "echo_rate": config.echo_rate,
                      "seed": config.seed}
        engine[0] = open_engine(Engine(**{name: n for name, n in values.items() if n}))
    except BaseException as exception:
        return fail_with(error, exception)
    return FP_OK


cdef int _engine_destroy(fp_engine_t engine, fp_error_t* error) noexcept with gil:
    return close_engine(engine, error)


cdef int _add_table(fp_engine_t engine, const char* name, const uint8_t* address,
                    const uint8_t* address6, fp_error_t* error) noexcept with gil:
    cdef engine_slot_t* slot = enter(engine, error)
    cdef int result
    if slot == NULL:
        return FP_ERROR_CLOSED
    try:
        if name == NULL:
            raise ValueError("name is NULL")
        result = (<Engine>engine_of(slot)).add_table(
            name.decode(), None if address == NULL else address_text(INET, address),
            None if address6 == NULL else address_text(INET6, address6))
    except BaseException as exception:
        result = fail_with(error, exception)
    leave(slot)
    return result


cdef int _add_port(fp_engine_t engine, const char* name, int table,
                   fp_error_t* error) noexcept with gil:
    cdef engine_slot_t* slot = enter(engine, error)
    cdef int result
    if slot == NULL:
        return FP_ERROR_CLOSED
    try:
        if name == NULL:
            raise ValueError("name is NULL")
        if slot.workers:
            raise RuntimeError("workers are registered: ports are added before them")
        result = _new_port(slot, name.decode(), table)
    except BaseException as exception:
        result = fail_with(error, exception)
    leave(slot)
    return result


cdef int _new_port(engine_slot_t* slot, str name, int table) except -1:
    """The engine's first worker has queues from the start: what control sends before a thread
    registers waits there."""
    cdef Engine engine = engine_of(slot)
    cdef tuple made = _first_worker(slot)
    cdef BurstQueue queue = (<Bursts>made[1]).queue(len(engine._tables))
    queue.name = name
    try:
        return engine.attach(queue, table)
    finally:
        give_worker(slot, made)


cdef tuple _first_worker(engine_slot_t* slot):
    cdef tuple made = spare_worker(slot)
    if made is not None:
        return made
    if slot.started:
        return None
    slot.started = 1
    return (<Engine>engine_of(slot)).worker, Bursts()


cdef int _worker_register(fp_engine_t engine, fp_worker_t* worker,
                          fp_error_t* error) noexcept with gil:
    cdef engine_slot_t* slot
    cdef int result = FP_OK
    if worker == NULL:
        return fail(error, FP_ERROR_ARGUMENT, 0, b"worker is NULL")
    slot = enter(engine, error)
    if slot == NULL:
        return FP_ERROR_CLOSED
    try:
        worker[0] = _new_worker(slot)
    except BaseException as exception:
        result = fail_with(error, exception)
    leave(slot)
    return result


cdef fp_worker_t _new_worker(engine_slot_t* slot) except 0:
    """The engine's first worker is the one that sends for control, so it is the first again."""
    cdef Engine engine = engine_of(slot)
    cdef tuple made
    cdef Worker worker
    cdef Bursts bursts
    close_orphans(slot)
    made = _first_worker(slot)
    if made is None:
        made = (engine.add_worker(), Bursts())
    worker, bursts = made
    for port in range(len(engine._tables)):
        if port >= len(worker._attached) or worker._attached[port] is None:
            worker.attach(port, bursts.queue(port))
    return open_worker(slot, worker, bursts)


cdef int _worker_unregister(fp_worker_t worker, fp_error_t* error) noexcept with gil:
    cdef int code = FP_OK
    cdef worker_slot_t* slot = worker_here(worker, error, &code)
    if slot == NULL:
        return code
    try:
        close_worker(slot)
    except BaseException as exception:
        return fail_with(error, exception)
    return FP_OK


cdef int _workers(fp_engine_t engine, fp_worker_info_t* workers, int most,
                  fp_error_t* error) noexcept with gil:
    cdef engine_slot_t* slot
    cdef worker_slot_t* entry
    cdef int at = 0
    cdef int n = 0
    if workers == NULL and most > 0:
        return fail(error, FP_ERROR_ARGUMENT, 0, b"workers is NULL")
    slot = enter(engine, error)
    if slot == NULL:
        return FP_ERROR_CLOSED
    try:
        close_orphans(slot)
        while n < most:
            entry = next_worker(slot, &at)
            if entry == NULL:
                break
            memset(&workers[n], 0, sizeof(fp_worker_info_t))
            workers[n].worker = entry.handle
            workers[n].tid = entry.thread_id
            _fill_state(&workers[n], <Worker>entry.worker)
            n += 1
    except BaseException as exception:
        n = fail_with(error, exception)
    leave(slot)
    return n


cdef int _fill_state(fp_worker_info_t* info, Worker worker) except -1:
    for state in worker_states(worker.forwarding):
        if state.worker == worker._slot - worker.forwarding.epoch.slot:
            info.bursts = state.bursts
            info.stalled_ns = state.stalled_ns
            info.online = state.online
    return 0


cdef void fill_engine_calls(fp_abi_t* abi) noexcept:
    abi.engine_create = _engine_create
    abi.engine_destroy = _engine_destroy
    abi.add_table = _add_table
    abi.add_port = _add_port
    abi.worker_register = _worker_register
    abi.worker_unregister = _worker_unregister
    abi.workers = _workers
