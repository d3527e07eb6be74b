# The pipeline: takes bursts from ports, classifies, and hands each packet to the handler of its
# verdict.

from fastpath.adjacency cimport adjacency_t
from fastpath.packet cimport packet_t
from fastpath.sampler cimport sampler_t
from fastpath.types cimport BURST_MAX
from fastpath.unwrap cimport Unwrap
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

# What one chunk adds to the counters, put there once.
cdef struct tally_t:
    uint64_t octets           # received
    uint32_t forwarded
    uint32_t delivered
    uint32_t decapsulated

cdef class Pipeline(Unwrap):
    cdef bint _stop_on_event
    cdef uint64_t _now            # time of the packet handled last, or as control set it
    cdef packet_t _burst[BURST_MAX]
    cdef sampler_t* _sampler      # NULL: none
    cdef int take_burst(self, int port, int most, uint64_t until) noexcept nogil
    cdef int handle_burst(self, int port, packet_t* burst, int n) noexcept nogil
    cdef int64_t take_bursts(self, int port, uint64_t until, uint64_t limit) noexcept nogil
    cdef void _ahead(self, const packet_t* burst, int n) noexcept nogil
    cdef void _find(self, int port, packet_t* burst, int n) noexcept nogil
    cdef void _find6(self, uint16_t table, const packet_t* burst, int n) noexcept nogil
    cdef uint32_t _parse(self, packet_t* p) noexcept nogil
    cdef void _judge(self, packet_t* burst, int n) noexcept nogil
    cdef int _carry_out(self, packet_t* burst, int n, tally_t* tally) noexcept nogil
    cdef void _leave6(self, packet_t* p, const adjacency_t* a, tally_t* tally) noexcept nogil
    cdef void _handle(self, packet_t* p) noexcept nogil
