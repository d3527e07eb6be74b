# The pipeline: takes bursts from ports, classifies, and hands each packet to the handler of its
# verdict.

from fastpath.adjacency cimport adjacency_t
from fastpath.packet cimport packet_t
from fastpath.punting cimport Punting
from fastpath.types cimport BURST_MAX, nh_t
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    CHUNK = 64                # packets that go from stage to stage together

# What one chunk adds to the counters, put there once.
cdef struct tally_t:
    uint64_t octets           # received
    uint32_t forwarded
    uint32_t delivered
    uint32_t decapsulated

cdef class Pipeline(Punting):
    cdef bint _stop_on_event
    cdef uint64_t _now            # time of the packet handled last, or as control set it
    cdef packet_t _burst[BURST_MAX]
    cdef uint32_t _keys[2 * CHUNK]
    cdef nh_t _found[2 * CHUNK]
    cdef uint16_t _inner[CHUNK]
    cdef int take_burst(self, int port, int most, uint64_t until) noexcept nogil
    cdef int handle_burst(self, int port, packet_t* burst, int n) noexcept nogil
    cdef int64_t take_bursts(self, int port, uint64_t until, uint64_t limit) noexcept nogil
    cdef void _ahead(self, const packet_t* burst, int n) noexcept nogil
    cdef void _find(self, int port, packet_t* burst, int n) noexcept nogil
    cdef uint32_t _parse(self, packet_t* p) noexcept nogil
    cdef void _judge(self, packet_t* burst, int n) noexcept nogil
    cdef void _enter(self, packet_t* p, const adjacency_t* a) noexcept nogil
    cdef void _decapsulate(self, packet_t* burst, int n) noexcept nogil
    cdef int _unwrap(self, packet_t* p) noexcept nogil
    cdef void _reclassify(self, packet_t* burst, int n) noexcept nogil
    cdef bint _feasible(self, packet_t* p, nh_t found) noexcept nogil
    cdef int _carry_out(self, packet_t* burst, int n, tally_t* tally) noexcept nogil
    cdef void _handle(self, packet_t* p) noexcept nogil
