# The stage of the pipeline that hands to control what it has to hear of: triggers, and packets that
# are for it.

from fastpath.filtering cimport Filtering
from fastpath.icmp cimport bucket_t
from fastpath.packet cimport packet_t
from fastpath.ring cimport PuntRing
from fastpath.trigger cimport TriggerTable
from libc.stdint cimport uint32_t

cdef class Punting(Filtering):
    cdef readonly TriggerTable triggers
    cdef PuntRing _punts
    cdef bucket_t _early          # first frames of sessions that are not there yet
    cdef int _events              # punts and admitted triggers of the burst under way
    cdef void trigger(self, packet_t* p, int outcome, uint32_t waiting) noexcept nogil
    cdef void punt(self, packet_t* p) noexcept nogil
    # Hands on a frame of no session that may be the first of one: control is about to set it up.
    # False: it is none, or there are too many. If True, nothing is counted yet.
    cdef bint punt_early(self, packet_t* p) noexcept nogil
