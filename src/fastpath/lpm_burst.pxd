# IPv6 routing table as a burst trie (burst.pxd). What readers see is a root: the entries of the
# first octet, and where the nodes and blocks are that all versions share.

cimport cython
from fastpath.burst cimport burst_t, paint_t
from fastpath.lpm cimport Lpm
from fastpath.types cimport nh_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef extern from "simd/lpm6.h" nogil:
    ctypedef struct lpm6_t:
        const uint32_t* root
        const uint32_t* nodes
        const uint32_t* blocks

# One version of the table, what fib.version points to.
cdef struct burst_root_t:
    lpm6_t trie                         # the first member: all that a lookup looks at here
    uint64_t stamp                      # transaction that made this version
    burst_root_t* older                 # in limbo: the version replaced before this one
    uint64_t number                     # in limbo: under which this one was replaced
    uint32_t replaced_nodes             # in limbo: what was replaced with it, two lists
    uint32_t replaced_blocks
    uint32_t entries[256]               # begin on a cache line
    uint8_t painted[256]                # only updates look at it

@cython.final
cdef class BurstTrie(Lpm):
    cdef burst_t trie
    cdef burst_root_t* root             # the open transaction's, else the published one
    cdef burst_root_t* spare            # kept for the next transaction
    cdef burst_root_t* limbo            # replaced versions, the last one first

    cdef burst_root_t* _published(self) noexcept nogil
    cdef burst_root_t* _new_root(self) noexcept nogil
    cdef int _own_root(self) noexcept nogil
    cdef void _keep_spare(self, burst_root_t* root) noexcept nogil
    cdef int _paint(self, const paint_t* paint) noexcept nogil
    cdef int _rebuild(self, const uint8_t* keys, const int64_t* lengths, const int64_t* nhs,
                      Py_ssize_t n) noexcept nogil
    cdef Py_ssize_t _count_new(self, Py_ssize_t before) noexcept nogil
    cdef int _build(self) noexcept nogil
