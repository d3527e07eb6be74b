# Handles of the C ABI: numbers that name engines and workers, and are never given out twice. Behind
# them stand Python objects, which calls without the GIL borrow as `void*`.

from fastpath.abi.fp_abi cimport fp_error_t
from libc.stdint cimport uint32_t, uint64_t

cdef enum:
    ENGINES_MAX = 64          # open at one time
    WORKERS_MAX = 1024

# generation << 32 | index: a slot's next handle differs from all it had before.
cdef struct engine_slot_t:
    uint64_t handle           # 0: free
    uint32_t generation
    uint32_t calls            # under way; the engine stays while there are any
    void* engine              # Engine; the registry holds the reference
    uint64_t transaction      # handle of the open one of the ABI, 0 for none
    uint32_t transactions     # generation of that handle
    int transaction_thread    # the kernel's number of the thread that began it
    uint32_t workers          # registered
    uint32_t started          # 1: the engine's first worker was registered once

# One cache line, which only its own thread writes once it is registered.
cdef struct worker_slot_t:
    uint64_t handle           # 0: free
    uint64_t thread           # pthread_self() of its owner
    void* worker              # Worker
    void* bursts              # Bursts
    uint32_t generation
    uint32_t engine           # its slot
    int thread_id             # the kernel's number of its owner
    uint32_t spare[5]

# An error that names an item; `format` takes up to three numbers. Returns `code`.
cdef int fail(fp_error_t* error, int code, uint32_t item, const char* format, long long a=*,
              long long b=*, long long c=*) noexcept nogil
# The error that an exception tells; KeyError is UNKNOWN, MemoryError FULL, and so on.
cdef int fail_with(fp_error_t* error, object exception, uint32_t item=*) noexcept

# The slot of an engine, which cannot be destroyed until leave(); NULL with an error if there is
# none.
cdef engine_slot_t* enter(uint64_t handle, fp_error_t* error) noexcept nogil
cdef void leave(engine_slot_t* slot) noexcept nogil
# The slot of the engine that an open transaction of this thread is of. *code says what is wrong if
# it is NULL.
cdef engine_slot_t* enter_transaction(uint64_t handle, fp_error_t* error,
                                      int* code) noexcept nogil
# A new handle for the transaction that this thread began, and its end.
cdef uint64_t open_transaction(engine_slot_t* slot) noexcept nogil
cdef void close_transaction(engine_slot_t* slot) noexcept nogil
# The slot of a worker of this thread. *code says what is wrong if it is NULL.
cdef worker_slot_t* worker_here(uint64_t handle, fp_error_t* error, int* code) noexcept nogil

# With the GIL. An engine gets one handle, however often it is asked for.
cdef uint64_t open_engine(object engine) except 0
cdef object engine_of(engine_slot_t* slot)
cdef int close_engine(uint64_t handle, fp_error_t* error) noexcept
cdef uint64_t open_worker(engine_slot_t* slot, object worker, object bursts) except 0
cdef int close_worker(worker_slot_t* slot) except -1
# A worker of the engine that was closed, with its counters and queues, the engine's first one above
# all; None: none was.
cdef tuple spare_worker(engine_slot_t* slot)
cdef int give_worker(engine_slot_t* slot, tuple worker) except -1     # puts it back
# Closes workers whose threads have ended without doing so.
cdef int close_orphans(engine_slot_t* slot) except -1
# Workers of an engine, from the slot `at` on; NULL at the end.
cdef worker_slot_t* next_worker(engine_slot_t* slot, int* at) noexcept nogil
