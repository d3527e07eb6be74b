# Rings of octets: records of any length from one worker to the control plane, one writer and one
# reader on threads of their own. Full means the record is refused, never that an older one is lost.
# The punt ring is one.

from fastpath.types cimport addr_t, nh_t, table_t
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef struct punt_t:           # head of a record; `len` octets of packet follow
    uint64_t ts
    uint32_t size             # whole record, a multiple of 8
    uint32_t len
    addr_t source
    addr_t destination
    nh_t nh                   # session adjacency, for a PPP frame
    table_t table
    uint16_t source_port
    uint16_t destination_port
    uint8_t verdict           # which VERDICT_PUNT_* it is
    uint8_t spare

# Each end has two lines of its own: neighbouring lines are fetched together.
cdef struct ring_end_t:       # 128 octets
    uint64_t octets           # put in, or taken out, so far
    uint64_t other            # what this end knows of the other
    uint8_t lines[112]

cdef class OctetRing:
    cdef uint8_t* _base       # mapped twice, one copy behind the other
    cdef uint64_t _size       # power of two
    cdef ring_end_t* _head    # the writer's
    cdef ring_end_t* _tail    # the reader's
    # The writer's: room for `need` octets, a multiple of 8, or NULL; then they are the reader's.
    cdef uint8_t* room(self, uint64_t need) noexcept nogil
    cdef void publish(self, uint64_t need) noexcept nogil
    # The reader's: where the oldest record begins, or NULL; then its octets are the writer's.
    cdef const uint8_t* oldest(self) noexcept nogil
    cdef void release(self, uint64_t size) noexcept nogil

cdef class PuntRing(OctetRing):
    cdef int push(self, const punt_t* record, const uint8_t* data) noexcept nogil   # 0: full
    cdef const punt_t* peek(self) noexcept nogil                                    # NULL: empty
    cdef void pop(self) noexcept nogil
