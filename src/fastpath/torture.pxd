# A writer and readers that check each other, for tests and for who changes versions: see
# tests/torture.py. It uses what workers and transactions use and nothing else.

from fastpath.epoch cimport WORKERS_MAX, epoch_slot_t, version_t
from fastpath.forwarding cimport Forwarding
from fastpath.types cimport nh_t
from fastpath.update cimport Update
from fastpath.update_error cimport update_error_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef enum:
    PAIRS = 60                # linked routes: two of IPv4, one of IPv6 in another table
    KEYS4 = 2 * PAIRS + 1     # and the one that says which state all sessions are in
    STATES = 63               # of the sessions
    HOPS = 32                 # next hops that the linked routes take in turn

cdef class Torture:
    cdef Forwarding _forwarding
    cdef Update _update
    cdef uint32_t _tables[2]
    cdef nh_t _hop[HOPS]
    cdef nh_t _state_hop[STATES]
    cdef nh_t _session        # changed in place with each state
    cdef nh_t _current        # the session that only one state has
    cdef uint32_t _at[PAIRS]  # which hop each pair leads to
    cdef uint32_t _state
    cdef uint8_t _keys4[4 * KEYS4]
    cdef uint8_t _keys6[16 * PAIRS]
    cdef uint32_t _stop
    cdef const version_t* _held[WORKERS_MAX]    # by workers of sleep_online
    cdef str _text(self, const update_error_t* error)
    cdef int _fill(self) noexcept nogil
    cdef int _swap(self, uint32_t pair, bint sessions) noexcept nogil
    cdef int _swap_sessions(self, uint32_t state) noexcept nogil
    cdef int _new_session(self, uint32_t state, nh_t* nh) noexcept nogil
    cdef uint32_t _check_routes(self, const version_t* version, nh_t* found) noexcept nogil
    cdef uint32_t _check_sessions(self, const version_t* version, nh_t marker) noexcept nogil
