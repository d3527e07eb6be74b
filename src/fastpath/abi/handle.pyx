"""Handles of the C ABI, and its errors (contract in handle.pxd).

A call takes a handle, never an address, so that one which is stale, or was never given out, is told
apart without touching what it names.
"""

from fastpath.abi.fp_abi cimport (
    FP_ERROR_ARGUMENT, FP_ERROR_BUSY, FP_ERROR_CLOSED, FP_ERROR_FAILED, FP_ERROR_FULL,
    FP_ERROR_TEXT, FP_ERROR_THREAD, FP_ERROR_UNKNOWN, FP_OK, fp_error_t)
from fastpath.handover cimport Bursts
from fastpath.engine cimport Engine
from libc.stdint cimport uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memset

cdef extern from "<pthread.h>" nogil:
    ctypedef unsigned long pthread_t
    pthread_t pthread_self()

cdef extern from "<unistd.h>" nogil:
    int gettid()
    int getpid()

cdef extern from "<signal.h>" nogil:
    int tgkill(int process, int thread, int signal)

cdef extern from * nogil:
    int SEQ_CST "__ATOMIC_SEQ_CST"
    int ACQUIRE "__ATOMIC_ACQUIRE"
    uint64_t load_u64 "__atomic_load_n"(const uint64_t* at, int order)
    void store_u64 "__atomic_store_n"(uint64_t* at, uint64_t value, int order)
    uint32_t load_u32 "__atomic_load_n"(const uint32_t* at, int order)
    uint32_t add_u32 "__atomic_add_fetch"(uint32_t* at, uint32_t value, int order)
    uint32_t sub_u32 "__atomic_sub_fetch"(uint32_t* at, uint32_t value, int order)

cdef engine_slot_t _engine[ENGINES_MAX]
cdef worker_slot_t _worker[WORKERS_MAX]
memset(_engine, 0, sizeof(_engine))
memset(_worker, 0, sizeof(_worker))
# What keeps the objects alive, by handle: engines, (worker, its queues), lists of closed workers.
cdef dict _engines = {}
cdef dict _workers = {}
cdef dict _spare = {}


# Errors -----------------------------------------------------------------------------------------

cdef int fail(fp_error_t* error, int code, uint32_t item, const char* format, long long a=0,
              long long b=0, long long c=0) noexcept nogil:
    if error != NULL:
        error.code = code
        error.item = item
        snprintf(error.text, FP_ERROR_TEXT, format, a, b, c)
    return code


cdef int fail_with(fp_error_t* error, object exception, uint32_t item=0) noexcept:
    cdef int code = FP_ERROR_FAILED
    cdef bytes text
    if isinstance(exception, KeyError):
        code = FP_ERROR_UNKNOWN
    elif isinstance(exception, (ValueError, OverflowError, TypeError)):
        code = FP_ERROR_ARGUMENT
    elif isinstance(exception, MemoryError):
        code = FP_ERROR_FULL
    elif isinstance(exception, RuntimeError):
        code = FP_ERROR_BUSY
    if error != NULL:
        # A KeyError's own text is the repr of its argument.
        shown = exception.args[0] if exception.args else type(exception).__name__
        text = str(shown).encode("utf-8", "replace")
        error.code = code
        error.item = item
        snprintf(error.text, FP_ERROR_TEXT, b"%s", <const char*> text)
    return code


# Engines ----------------------------------------------------------------------------------------

cdef engine_slot_t* enter(uint64_t handle, fp_error_t* error) noexcept nogil:
    cdef engine_slot_t* slot = &_engine[<uint32_t> handle % ENGINES_MAX]
    # First counted, then looked at: close_engine() does it the other way round.
    add_u32(&slot.calls, 1, SEQ_CST)
    if handle != 0 and load_u64(&slot.handle, SEQ_CST) == handle:
        return slot
    sub_u32(&slot.calls, 1, SEQ_CST)
    fail(error, FP_ERROR_CLOSED, 0, b"engine %#llx is closed, or never was", <long long> handle)
    return NULL


cdef void leave(engine_slot_t* slot) noexcept nogil:
    sub_u32(&slot.calls, 1, SEQ_CST)


cdef engine_slot_t* enter_transaction(uint64_t handle, fp_error_t* error,
                                      int* code) noexcept nogil:
    cdef engine_slot_t* slot = &_engine[<uint32_t> handle % ENGINES_MAX]
    add_u32(&slot.calls, 1, SEQ_CST)
    if handle != 0 and load_u64(&slot.transaction, ACQUIRE) == handle:
        if slot.transaction_thread == gettid():
            return slot
        code[0] = fail(error, FP_ERROR_THREAD, 0, b"transaction %#llx belongs to thread %lld",
                       <long long> handle, slot.transaction_thread)
    else:
        code[0] = fail(error, FP_ERROR_CLOSED, 0, b"transaction %#llx has ended, or never was",
                       <long long> handle)
    sub_u32(&slot.calls, 1, SEQ_CST)
    return NULL


cdef uint64_t open_transaction(engine_slot_t* slot) noexcept nogil:
    slot.transactions += 1
    slot.transaction_thread = gettid()
    store_u64(&slot.transaction, <uint64_t> slot.transactions << 32 | <uint32_t> slot.handle,
              SEQ_CST)
    return slot.transaction


cdef void close_transaction(engine_slot_t* slot) noexcept nogil:
    store_u64(&slot.transaction, 0, SEQ_CST)


cdef uint64_t open_engine(object engine) except 0:
    cdef int i
    (<Engine> engine).asked()     # for calls without the GIL, which cannot make it
    cdef engine_slot_t* slot
    for i in range(ENGINES_MAX):
        if _engine[i].handle != 0 and _engine[i].engine == <void*> engine:
            return _engine[i].handle
    for i in range(ENGINES_MAX):
        slot = &_engine[i]
        if slot.handle == 0 and load_u32(&slot.calls, SEQ_CST) == 0:
            slot.generation += 1
            slot.engine = <void*> engine
            slot.transaction = 0
            slot.workers = slot.started = 0
            _engines[<uint64_t> slot.generation << 32 | i] = engine
            _spare[<uint64_t> slot.generation << 32 | i] = []
            store_u64(&slot.handle, <uint64_t> slot.generation << 32 | i, SEQ_CST)
            return slot.handle
    raise MemoryError(f"all {ENGINES_MAX} engines are open")


cdef object engine_of(engine_slot_t* slot):
    return <object> slot.engine


cdef int close_engine(uint64_t handle, fp_error_t* error) noexcept:
    cdef engine_slot_t* slot = &_engine[<uint32_t> handle % ENGINES_MAX]
    if handle == 0 or slot.handle != handle:
        return fail(error, FP_ERROR_CLOSED, 0, b"engine %#llx is closed, or never was",
                    <long long> handle)
    try:
        close_orphans(slot)
    except Exception as exception:
        return fail_with(error, exception)
    if slot.workers:
        return fail(error, FP_ERROR_BUSY, 0, b"%lld workers are registered", slot.workers)
    store_u64(&slot.handle, 0, SEQ_CST)
    if load_u32(&slot.calls, SEQ_CST):
        store_u64(&slot.handle, handle, SEQ_CST)
        return fail(error, FP_ERROR_BUSY, 0, b"calls of this engine are under way")
    slot.engine = NULL
    slot.transaction = 0
    _engines.pop(handle, None)
    _spare.pop(handle, None)
    return FP_OK


# Workers ----------------------------------------------------------------------------------------

cdef worker_slot_t* worker_here(uint64_t handle, fp_error_t* error, int* code) noexcept nogil:
    cdef worker_slot_t* slot = &_worker[<uint32_t> handle % WORKERS_MAX]
    if handle == 0 or load_u64(&slot.handle, ACQUIRE) != handle:
        code[0] = fail(error, FP_ERROR_CLOSED, 0, b"worker %#llx is not registered",
                       <long long> handle)
        return NULL
    if slot.thread != pthread_self():
        code[0] = fail(error, FP_ERROR_THREAD, 0, b"worker %#llx belongs to another thread",
                       <long long> handle)
        return NULL
    return slot


cdef uint64_t open_worker(engine_slot_t* slot, object worker, object bursts) except 0:
    cdef int i
    cdef worker_slot_t* entry
    for i in range(WORKERS_MAX):
        entry = &_worker[i]
        if entry.handle != 0:
            continue
        entry.generation += 1
        entry.thread = pthread_self()
        entry.thread_id = gettid()
        entry.engine = <uint32_t> (slot - _engine)
        entry.worker = <void*> worker
        entry.bursts = <void*> bursts
        _workers[<uint64_t> entry.generation << 32 | i] = (worker, bursts)
        slot.workers += 1
        store_u64(&entry.handle, <uint64_t> entry.generation << 32 | i, SEQ_CST)
        return entry.handle
    raise MemoryError(f"all {WORKERS_MAX} workers are registered")


cdef int close_worker(worker_slot_t* slot) except -1:
    cdef uint64_t handle = slot.handle
    store_u64(&slot.handle, 0, SEQ_CST)
    (<Bursts>slot.bursts).restore()
    _engine[slot.engine].workers -= 1
    _spare[_engine[slot.engine].handle].append(_workers.pop(handle))
    slot.thread = 0
    slot.worker = slot.bursts = NULL
    return 0


cdef tuple spare_worker(engine_slot_t* slot):
    cdef list spare = _spare[slot.handle]
    cdef Engine engine = <Engine> slot.engine
    for pair in spare:
        if pair[0] is engine.worker:
            spare.remove(pair)
            return pair
    return spare.pop() if spare else None


cdef int give_worker(engine_slot_t* slot, tuple worker) except -1:
    _spare[slot.handle].append(worker)
    return 0


cdef int close_orphans(engine_slot_t* slot) except -1:
    cdef int at = 0
    cdef worker_slot_t* entry = next_worker(slot, &at)
    while entry != NULL:
        if tgkill(getpid(), entry.thread_id, 0) != 0:
            close_worker(entry)
        entry = next_worker(slot, &at)
    return 0


cdef worker_slot_t* next_worker(engine_slot_t* slot, int* at) noexcept nogil:
    while at[0] < WORKERS_MAX:
        at[0] += 1
        if _worker[at[0] - 1].handle and &_engine[_worker[at[0] - 1].engine] == slot:
            return &_worker[at[0] - 1]
    return NULL
