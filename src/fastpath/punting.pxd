# The stage of the pipeline that hands to control what it has to hear of: triggers, and packets that
# are for it.

from fastpath.filtering cimport Filtering
from fastpath.packet cimport packet_t
from fastpath.ring cimport PuntRing
from fastpath.trigger cimport TriggerTable
from libc.stdint cimport uint32_t

cdef class Punting(Filtering):
    cdef readonly TriggerTable triggers
    cdef PuntRing _punts
    cdef int _events              # punts and admitted triggers of the burst under way
    cdef void trigger(self, packet_t* p, int outcome, uint32_t waiting) noexcept nogil
    cdef void punt(self, packet_t* p) noexcept nogil
