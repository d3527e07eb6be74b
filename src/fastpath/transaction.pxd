# One transaction over routes, adjacencies and sessions of an engine.

from fastpath.types cimport nh_t
from fastpath.update cimport Update
from libc.stdint cimport int64_t

cdef class Transaction:
    cdef Update _update
    cdef bint _open
    cdef int _check_open(self) except -1
    cdef nh_t _next_hop(self, object nh) except? 0xFFFFFFFF
    cdef int _checked(self, int code) except -1
