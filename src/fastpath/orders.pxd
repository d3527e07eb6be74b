# Orders: what control has a worker do between two bursts.

from fastpath.packet cimport packet_t
from fastpath.pipeline cimport Pipeline
from fastpath.ports.port cimport port_io
from fastpath.types cimport nh_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef enum Order:
    ORDER_INJECT
    ORDER_SEND
    ORDER_FLUSH
    ORDER_DROP
    ORDER_RESOLVE
    ORDER_RECORD
    ORDER_SAMPLE
    ORDER_ATTACH
    ORDER_RESET
    ORDER_EARLY

cdef enum:
    FLUSHES_MAX = 64          # of a trigger's buffer, before its tail is closed

# Control waits for it, so the worker may read what control owns.
cdef struct order_t:
    int what                  # enum Order
    nh_t nh
    uint64_t key              # of a trigger
    void* into                # ORDER_RECORD: capture_io; ORDER_SAMPLE: sampler_t; NULL: none
    # ORDER_RESOLVE: an address and its family. ORDER_EARLY: an outer packet, and in the end the PPP
    # frame in it.
    const uint8_t* frame
    uint32_t length
    int table
    int port
    port_io* io               # ORDER_ATTACH: NULL takes the port away
    bint forget               # ORDER_DROP: the key goes too
    bint waits                # ORDER_INJECT: it leaves with the next burst or ORDER_SEND
    bint timed
    uint64_t now              # with `timed`: the time it is for the engine
    int64_t result            # packets sent or dropped; ORDER_INJECT: a drop reason; a next hop
    uint32_t done             # set last

cdef class Orders(Pipeline):
    cdef void _carry(self, order_t* order) noexcept nogil
    cdef int64_t _inject(self, const order_t* order) noexcept nogil
    cdef int64_t _flush_trigger(self, const order_t* order) noexcept nogil
    cdef int64_t _drop_trigger(self, const order_t* order) noexcept nogil
    cdef nh_t _resolve(self, const order_t* order) noexcept nogil
    cdef void _attach(self, const order_t* order) noexcept nogil
    cdef nh_t _judge_early(self, order_t* order) noexcept nogil
    cdef packet_t* _take(self, uint32_t index, bint flushed) noexcept nogil
