# Burst trie (Heinz, Zobel and Williams, "Burst tries", 2002) over the octets of an address: nodes
# of 256 entries where prefixes are many, and where they are few a block that decides 32 bits at
# once. A block with too many items bursts into a node, a node with few is a block again.
#
# Entry (32 bits):  0 | next hop (24)                          the longest match
#                   10 | index of a node (30)                  the next octet decides
#                   11 | class (2) | line of a block (28)      the next four octets decide
#
# Block of class k, 16 << k words: keys, sorted, (8 << k) - 1 of them in use, the rest repeats the
# last word; then as many values: entry i counts from key i - 1 to below key i. Values behind the
# last key repeat it.
# A block below 96 bits decides the last four octets of the address.

from fastpath.block_arena cimport block_arena_t, item_t
from fastpath.node_arena cimport node_arena_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum:
    ENTRY_CHILD = 0x80000000
    ENTRY_BLOCK = 0xC0000000
    ENTRY_NODE_INDEX = 0x3FFFFFFF
    ENTRY_LINE = 0x0FFFFFFF
    ENTRY_CLASS_SHIFT = 28
    PAINTED_CHILD = 255       # `painted` of what leads to a child; lengths end at 128
    BLOCK_BITS = 32
    BLOCK_END = 0xFFFFFFFF    # the greatest value of these
    BLOCK_LAST = 96           # blocks begin at this many bits at the most
    BLOCK_ITEMS = 64          # what updates remember of a block at the most
    BLOCK_VALUES = 32         # what is left of that when neighbours with equal entries are one
    SHRINK_ITEMS = 8          # a node with no more of them is a block again

# What leads from one level to the next.
cdef struct cell_t:
    uint32_t entry
    uint32_t painted

# A part of the address space, from `hi:lo` to the next run.
cdef struct run_t:
    uint64_t hi
    uint64_t lo
    uint32_t entry            # a next hop
    uint32_t painted

# What a transaction does: leaves below `prefix` that are painted with low..high bits become `leaf`.
cdef struct paint_t:
    const uint8_t* prefix
    int length
    uint32_t low
    uint32_t high
    cell_t leaf

cdef struct runs_t:
    run_t* runs
    size_t count
    size_t room

cdef struct burst_t:
    node_arena_t nodes
    block_arena_t blocks
    uint64_t stamp            # of the open transaction
    uint32_t* made            # entries of nodes and blocks that the open transaction took
    size_t made_count
    size_t made_room
    uint32_t replaced_nodes   # what the open transaction replaced, two lists
    uint32_t replaced_blocks
    runs_t scratch

# All that can fail return -1 without memory; what was taken until then is in `made`.
cdef int burst_open(burst_t* trie, uint32_t max_nodes, uint32_t max_lines) noexcept nogil
cdef void burst_close(burst_t* trie) noexcept nogil
# Nodes, blocks: the open transaction's own are taken back, those of others wait in `replaced`.
cdef void discard(burst_t* trie, uint32_t entry) noexcept nogil
cdef void discard_all(burst_t* trie, const cell_t* cell) noexcept nogil     # and all below
cdef uint32_t take_node(burst_t* trie) noexcept nogil                       # NODE_NONE: no memory
cdef int set_block(burst_t* trie, cell_t* cell, const item_t* items, int count) noexcept nogil
cdef int fitting_class(const item_t* items, int count) noexcept nogil       # -1: too many
cdef void keep_made(burst_t* trie) noexcept nogil
cdef void undo_made(burst_t* trie) noexcept nogil
cdef void free_scratch(burst_t* trie) noexcept nogil
# Takes back two lists of nodes and of blocks that no version reaches any more.
cdef void release(burst_t* trie, uint32_t nodes, uint32_t blocks) noexcept nogil
# Octets of what is in two such lists.
cdef size_t retired_of(const burst_t* trie, uint32_t nodes, uint32_t blocks) noexcept nogil


cdef inline bint is_block(uint32_t entry) noexcept nogil:
    return entry >= <uint32_t> ENTRY_BLOCK


cdef inline int block_class(uint32_t entry) noexcept nogil:
    return (entry >> ENTRY_CLASS_SHIFT) & 3


# The bit at which a block at this depth begins to decide.
cdef inline int block_bit(int depth) noexcept nogil:
    return depth if depth < BLOCK_LAST else BLOCK_LAST
