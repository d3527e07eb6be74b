# The way out: handlers of packets that leave, and the slow path's answers.

from fastpath.adjacency cimport adjacency_t
from fastpath.packet cimport packet_t
from fastpath.transmit cimport Transmit
from libc.stdint cimport uint8_t, uint16_t, uint64_t

cdef enum Answer:             # ICMP errors
    ANSWER_EXPIRED            # TTL or hop limit
    ANSWER_NO_ROUTE
    ANSWER_PROHIBITED         # by a filter
    ANSWER_TOO_BIG            # and not to be cut

cdef class Output(Transmit):
    cdef uint8_t _whole[65536]    # source of fragments
    cdef void forward(self, packet_t* p, adjacency_t* a) noexcept nogil
    cdef void deliver(self, packet_t* p, adjacency_t* a) noexcept nogil
    cdef int forward_held(self, packet_t* p, adjacency_t* a, uint64_t now) noexcept nogil
    cdef uint8_t _pass(self, packet_t* p, adjacency_t* a) noexcept nogil
    cdef int send(self, packet_t* p, adjacency_t* a) noexcept nogil
    cdef void _clamp(self, packet_t* p, const adjacency_t* a) noexcept nogil
    cdef uint16_t _next_identification(self, const adjacency_t* a) noexcept nogil
    cdef uint16_t _next_sequence(self, const adjacency_t* a) noexcept nogil
    cdef void encapsulate(self, packet_t* p, adjacency_t* a) noexcept nogil
    cdef void answer(self, packet_t* p, int what, uint16_t mtu) noexcept nogil
    cdef void _send_whole(self, packet_t* p, adjacency_t* a) noexcept nogil
    cdef void _send_generated(self, packet_t* p, uint16_t table) noexcept nogil
    cdef int echo(self, packet_t* p) noexcept nogil
