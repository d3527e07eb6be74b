# Adjacencies and sessions in an open transaction (see update.pxd).

from fastpath.adjacency cimport adjacency_t
from fastpath.session cimport source_t
from fastpath.session_change cimport form_t, session_request_t
from fastpath.types cimport nh_t
from fastpath.update_routes cimport UpdateRoutes, marks_t
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef class UpdateAdjacencies(UpdateRoutes):
    cdef marks_t _made                # new adjacencies
    cdef marks_t _deleted
    cdef marks_t _staged              # next hops that have a new shadow
    cdef marks_t _policies            # sessions that have a new policy

    cdef int add_adjacency(self, int kind, int64_t table, int64_t port, int64_t mtu,
                           int64_t neighbour, bint tunnel, nh_t* nh) noexcept nogil
    cdef int delete_adjacency(self, nh_t nh) noexcept nogil
    cdef int add_session(self, const session_request_t* request, nh_t* nh) noexcept nogil
    cdef int update_session(self, nh_t nh, const form_t* form) noexcept nogil
    cdef int set_sources(self, nh_t nh, const source_t* sources, size_t n) noexcept nogil
    cdef int hold(self, nh_t nh, uint64_t key) noexcept nogil
    # Another neighbour for a plain next hop or a session; it leaves by the same port.
    cdef int set_neighbour(self, nh_t nh, int64_t neighbour) noexcept nogil
    # Rules that packets must pass: those that leave by a next hop, or those that come out of a
    # session; 0 = none.
    cdef int set_filter(self, nh_t nh, uint32_t filter, bint inbound) noexcept nogil

    cdef int _refuse_ids(self, const session_request_t* request) noexcept nogil
    cdef int _check_session(self, nh_t nh) noexcept nogil
    cdef int _writable(self, nh_t nh, adjacency_t** a, uint64_t** hold) noexcept nogil
    cdef int _new_policy(self, nh_t nh, const source_t* sources, int64_t n,
                         int64_t filter) noexcept nogil
