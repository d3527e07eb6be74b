# One transaction over routes, adjacencies and sessions of an engine.

from fastpath.forwarding cimport Forwarding
from fastpath.lpm cimport Lpm
from fastpath.types cimport nh_t

cdef class Transaction:
    cdef Forwarding _forwarding
    cdef object _close            # called once at the end, whatever it was
    cdef bint _open
    cdef dict _touched            # (table, family) -> Lpm with an open transaction
    cdef dict _references         # nh -> change of its route count
    cdef list _new_adjacencies
    cdef dict _new_sessions       # session key -> nh
    cdef dict _deleted            # nh -> key of a session that was committed, or None
    cdef list _staged             # functions applied at commit; they cannot fail
    cdef Lpm _lpm(self, int table, int family)
    cdef nh_t _take(self, int kind) except 0
    cdef int _check_open(self) except -1
    cdef nh_t _session_at(self, key) except? 0
    cdef int _check_next_hop(self, nh) except -1
    cdef int _commit(self) except -1
    cdef int _rollback(self) except -1
