# Nodes of a burst trie: 256 entries each, named by index, in memory whose base never moves.
# Address space is reserved once and made writable as it is needed, so readers keep plain pointers
# while the trie grows. What only updates need stands apart from what lookups read.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum:
    NODE_NONE = 0             # index 0 is never handed out
    NODE_ENTRIES = 256

cdef struct node_meta_t:
    uint64_t stamp            # transaction that made the node, 0 while it is free
    uint32_t link             # next of the list that the node is in
    uint32_t unused
    uint8_t painted[256]      # prefix length each entry was painted with; PAINTED_CHILD

cdef struct node_arena_t:
    uint32_t* entries         # node i: NODE_ENTRIES words (1 KiB, 16 cache lines) from 256 * i
    node_meta_t* meta
    uint32_t limit            # nodes reserved
    uint32_t ready            # nodes whose memory is writable
    uint32_t used             # nodes handed out at one time or another
    uint32_t free             # list of those that came back
    uint32_t live             # nodes in use

cdef int arena_open(node_arena_t* arena, uint32_t limit) noexcept nogil    # -1: no address space
cdef void arena_close(node_arena_t* arena) noexcept nogil
# A node with undefined entries, NODE_NONE without memory or at the limit.
cdef uint32_t arena_take(node_arena_t* arena, uint64_t stamp) noexcept nogil
cdef void arena_give(node_arena_t* arena, uint32_t node) noexcept nogil
cdef size_t arena_memory(const node_arena_t* arena) noexcept nogil


cdef inline uint32_t* node_entries(const node_arena_t* arena, uint32_t node) noexcept nogil:
    return arena.entries + <uint64_t> node * NODE_ENTRIES
