# Bursts of a worker as numpy arrays, without a copy: frames in the caller's array, descriptors in
# one that views the worker's memory.

from fastpath.handover cimport Bursts, list_t
from fastpath.packet cimport packet_t
from fastpath.worker cimport Worker
from libc.stdint cimport uint32_t

cdef class Batches:
    cdef readonly Worker worker
    cdef Bursts _bursts
    cdef list_t* _sent        # what left since the last burst, by port; NULL before the first one
    cdef list_t* _list(self, int port) except? NULL

cdef class Batch:
    cdef Batches _owner
    cdef int _port
    cdef uint32_t _slots
    cdef uint32_t _room       # octets of a frame at the most
    cdef packet_t* _at
    cdef const uint32_t* _lengths
    cdef readonly object frames
    cdef readonly object lengths
    cdef readonly object packets
