# A worker: one thread's part of an engine, with ports, counters and punts of its own.

cimport cython
from fastpath.packet cimport packet_t
from fastpath.pipeline cimport Pipeline
from fastpath.types cimport nh_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef enum Order:
    ORDER_INJECT
    ORDER_FLUSH
    ORDER_DROP
    ORDER_RESOLVE
    ORDER_RECORD
    ORDER_SAMPLE

# What control has a worker do. Control waits for it, so the worker may read what control owns.
cdef struct order_t:
    int what                  # enum Order
    nh_t nh
    uint64_t key              # of a trigger
    void* into                # ORDER_RECORD: capture_io; ORDER_SAMPLE: sampler_t; NULL: none
    const uint8_t* frame      # ORDER_RESOLVE: an address
    uint32_t length           # ORDER_RESOLVE: its family
    int table
    bint forget               # ORDER_DROP: the key goes too
    bint timed
    uint64_t now              # with `timed`: the time it is for the engine
    int64_t result            # packets sent or dropped; ORDER_INJECT: a drop reason; a next hop
    uint32_t done             # set last

cdef class Stop:
    cdef uint32_t _set

@cython.final
cdef class Worker(Pipeline):
    cdef list _attached           # Port by index
    cdef list _tables             # routing table by index of the port, the engine's
    cdef uint32_t _taken          # a thread is in it
    cdef order_t* _order          # what control waits for, or NULL
    cdef uint8_t _line[64]
    cdef bint enter(self) noexcept nogil          # False: another thread is in it
    cdef void leave(self) noexcept nogil
    cdef void obey(self, order_t* order) noexcept nogil
    cdef void _serve(self) noexcept nogil
    cdef void _carry(self, order_t* order) noexcept nogil
    cdef int64_t _inject(self, const order_t* order) noexcept nogil
    cdef int64_t _flush_trigger(self, const order_t* order) noexcept nogil
    cdef int64_t _drop_trigger(self, const order_t* order) noexcept nogil
    # Between two bursts, and waits for it: then nothing that was recorded into before is used any
    # more.
    cdef void look_on(self, int what, void* into) noexcept
    cdef nh_t _resolve(self, const order_t* order) noexcept nogil
    cdef packet_t* _take(self, uint32_t index, bint flushed) noexcept nogil
    cdef int64_t _round(self) noexcept nogil
    cdef int _check_port(self, port) except -1

# A burst for C code, without the GIL and on any one thread: how many packets were handled, -1 for a
# damaged port, -2 while another thread is in the worker.
cdef int poll_entry(void* worker, int port, int most) noexcept nogil
