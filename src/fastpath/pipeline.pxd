# The pipeline: takes bursts from ports, classifies, and hands each packet to the handler of its
# verdict.

from fastpath.forwarding cimport Forwarding
from fastpath.output cimport Output
from fastpath.packet cimport packet_t
from fastpath.ring cimport PuntRing
from fastpath.trigger cimport TriggerTable
from fastpath.types cimport BURST_MAX, nh_t
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef class Pipeline:
    cdef readonly Forwarding forwarding
    cdef readonly TriggerTable triggers
    cdef Output _output
    cdef PuntRing _punts
    cdef bint _stop_on_event
    cdef uint64_t _now            # time of the packet handled last, or as control set it
    cdef int _events              # punts and admitted triggers of the burst under way
    cdef packet_t _burst[BURST_MAX]
    cdef uint8_t _keys[BURST_MAX * 8]
    cdef nh_t _found[BURST_MAX * 2]
    cdef uint16_t _inner[BURST_MAX]
    cdef int _poll(self, int port, int most, uint64_t until) noexcept nogil
    cdef int64_t _run(self, int port, uint64_t until, uint64_t limit) noexcept nogil
    cdef void _classify(self, int port, int n) noexcept nogil
    cdef void _reclassify(self, int n) noexcept nogil
    cdef bint _feasible(self, packet_t* p, nh_t found) noexcept nogil
    cdef void _enter(self, packet_t* p) noexcept nogil
    cdef void _handle(self, packet_t* p) noexcept nogil
    cdef void _trigger(self, packet_t* p, int outcome, uint32_t waiting) noexcept nogil
    cdef void _punt(self, packet_t* p) noexcept nogil
    cdef void _count_punt(self, packet_t* p) noexcept nogil
