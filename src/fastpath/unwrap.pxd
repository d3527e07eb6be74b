# The stage of the pipeline that takes packets out of sessions, and gives them a verdict.

from fastpath.adjacency cimport adjacency_t
from fastpath.packet cimport packet_t
from fastpath.punting cimport Punting
from fastpath.types cimport nh_t
from libc.stdint cimport uint8_t, uint16_t, uint32_t

cdef enum:
    CHUNK = 64                # packets that go from stage to stage together

cdef class Unwrap(Punting):
    cdef uint32_t _keys[2 * CHUNK]        # addresses to look up, in network order
    cdef uint8_t _keys6[2 * CHUNK * 16]
    cdef nh_t _found[2 * CHUNK]
    cdef uint16_t _inner[CHUNK]           # packets for tunnel addresses, of a chunk
    cdef void _enter(self, packet_t* p, const adjacency_t* a) noexcept nogil
    cdef void _decapsulate(self, packet_t* burst, int n) noexcept nogil
    cdef int _unwrap(self, packet_t* p) noexcept nogil
    cdef void _reclassify(self, packet_t* burst, int n) noexcept nogil
    cdef void _admit(self, packet_t* p, nh_t source, nh_t nh) noexcept nogil
    cdef bint _feasible(self, packet_t* p, nh_t found) noexcept nogil
