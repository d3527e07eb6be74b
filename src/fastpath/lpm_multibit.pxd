# Multibit trie with leaf pushing (Srinivasan and Varghese, "Fast Address Lookups Using Controlled
# Prefix Expansion", 1999): one step over 16 bits, then 8 bits a step. IPv4 needs at most 3 loads.
#
# Entry (32 bits):  1 | index of a child node (31)      the longest match is decided further down
#                   0 | next hop (24)                   the longest match

cimport cython
from fastpath.lpm cimport Lpm
from fastpath.node_arena cimport node_arena_t
from fastpath.types cimport nh_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum:
    ENTRY_CHILD = 0x80000000
    ENTRY_INDEX = 0x7FFFFFFF
    ROOT_ENTRIES = 65536
    PAINTED_CHILD = 255       # `painted` of an entry that leads to a child; lengths end at 128

# One version of the table, what fib.version points to. Versions share the nodes they both reach.
cdef struct root_t:
    const uint32_t* nodes               # base of the arena
    uint64_t stamp                      # transaction that made this version
    root_t* older                       # in limbo: the version replaced before this one
    uint64_t number                     # in limbo: under which this one was replaced
    uint32_t replaced                   # in limbo: the nodes replaced with it, a list
    uint8_t line[28]                    # entries begin on a cache line
    uint32_t entries[65536]
    uint8_t painted[65536]              # only updates look at it

# Which leaves a change takes (painted with low..high bits), and what it makes of them.
cdef struct paint_t:
    int low
    int high
    uint32_t entry
    uint8_t painted

@cython.final
cdef class Multibit(Lpm):
    cdef node_arena_t arena
    cdef root_t* root                   # the open transaction's, else the published one
    cdef root_t* spare                  # kept for the next transaction
    cdef root_t* limbo                  # replaced versions, the last one first
    cdef size_t retired                 # octets of them; nodes are small beside a root
    cdef uint32_t replaced              # nodes that the open transaction replaced, a list

    cdef root_t* _published(self) noexcept nogil
    cdef int _own_root(self) noexcept nogil
    cdef uint32_t _own_node(self, uint32_t node) noexcept nogil
    cdef uint32_t _new_node(self, uint32_t entry, uint8_t painted) noexcept nogil
    cdef uint32_t _step_down(self, uint32_t* entry, uint8_t* painted) noexcept nogil
    cdef int _paint_span(self, uint32_t* entries, uint8_t* painted, int first, int last,
                         const paint_t* paint) noexcept nogil
    cdef bint _takes_any(self, uint32_t node, const paint_t* paint) noexcept nogil
    cdef int _change(self, const uint8_t* prefix, int length,
                     const paint_t* paint) noexcept nogil
    cdef void _collapse(self, const uint8_t* prefix, int length) noexcept nogil
    cdef void _release(self, root_t* root) noexcept nogil
    cdef void _keep_spare(self, root_t* root) noexcept nogil
