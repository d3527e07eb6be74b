# Routes in an open transaction (see update.pxd), and what all parts of one share.

from fastpath.adjacency cimport AdjacencyTable
from fastpath.forwarding cimport Forwarding
from fastpath.session cimport SessionTable
from fastpath.types cimport nh_t
from fastpath.update_error cimport update_error_t
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t

cdef struct marks_t:          # indexes, each at most once
    uint32_t* at
    size_t size               # octets mapped
    uint32_t count


cdef inline void mark(marks_t* marks, uint32_t index) noexcept nogil:
    marks.at[marks.count] = index
    marks.count += 1


cdef inline void* lpm_at(Forwarding forwarding, uint32_t index) noexcept nogil:
    """The table of a mark in UpdateRoutes._tables."""
    return (forwarding.table[index >> 1].lpm6 if index & 1
            else forwarding.table[index >> 1].lpm4)


cdef int map_marks(marks_t* marks, uint32_t most) except -1
cdef void unmap_marks(marks_t* marks) noexcept nogil

cdef class UpdateRoutes:
    cdef Forwarding forwarding
    cdef AdjacencyTable _adjacencies
    cdef SessionTable _sessions
    cdef update_error_t error
    cdef bint is_open
    cdef bint broken                  # memory ran out: it can only be rolled back
    cdef marks_t _tables              # 2 * table + (1 for IPv6)
    cdef marks_t _touched             # next hops whose number of routes changes

    # add replaces an equal prefix. Of arrays nothing is done if a row is refused, or two are equal.
    cdef int add_route(self, int64_t table, int family, const uint8_t* prefix, int length,
                       nh_t nh) noexcept nogil
    cdef int delete_route(self, int64_t table, int family, const uint8_t* prefix,
                          int length) noexcept nogil
    cdef int add_routes(self, int64_t table, int family, const uint8_t* prefixes,
                        const uint8_t* lengths, const nh_t* nhs, size_t n) noexcept nogil
    cdef int delete_routes(self, int64_t table, int family, const uint8_t* prefixes,
                           const uint8_t* lengths, size_t n) noexcept nogil
    # The open transaction is included; NH_DROP for no route.
    cdef int resolve(self, int64_t table, int family, const uint8_t* address,
                     nh_t* nh) noexcept nogil

    cdef int _require_open(self) noexcept nogil
    cdef int _check_next_hop(self, nh_t nh) noexcept nogil
    cdef int _check_table(self, int64_t table) noexcept nogil
    cdef int _open_table(self, int64_t table, int family, void** lpm) noexcept nogil
    cdef int _check_rows(self, int64_t table, int family, const uint8_t* prefixes,
                         const uint8_t* lengths, size_t n) noexcept nogil
    cdef int _break(self) noexcept nogil
    cdef void _count(self, nh_t nh, int change) noexcept nogil
    cdef int _promise(self, size_t n) noexcept nogil
