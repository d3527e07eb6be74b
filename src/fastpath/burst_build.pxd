# Burst tries from runs and back: how a load builds one, a block bursts and a node shrinks.

from fastpath.burst cimport burst_t, cell_t, run_t, runs_t
from fastpath.block_arena cimport item_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t

# Appends what a cell at `depth` bits below hi:lo leads to. The first run begins at hi:lo.
cdef int collect(burst_t* trie, runs_t* runs, const cell_t* cell, int depth, uint64_t hi,
                 uint64_t lo) noexcept nogil
# The same of items that no block holds yet.
cdef int collect_items(burst_t* trie, runs_t* runs, const item_t* items, int count, int depth,
                       uint64_t hi, uint64_t lo) noexcept nogil
cdef int add_run(runs_t* runs, uint64_t hi, uint64_t lo, uint32_t entry,
                 uint32_t painted) noexcept nogil

# Makes runs first..last-1 what a cell leads to. Run `first` covers the begin of the cell, the
# others begin inside. What the cell led to before is the caller's to discard.
cdef int build_cell(burst_t* trie, cell_t* cell, const run_t* runs, size_t first, size_t last,
                    int depth) noexcept nogil
cdef int build_node(burst_t* trie, cell_t* cell, const run_t* runs, size_t first, size_t last,
                    int depth) noexcept nogil
# The same into 256 entries.
cdef int build_entries(burst_t* trie, uint32_t* entries, uint8_t* painted, const run_t* runs,
                       size_t first, size_t last, int depth) noexcept nogil


# Sets bits bit..bit+31 of an address, which are zero.
cdef inline void add_bits(uint64_t* hi, uint64_t* lo, uint32_t value, int bit) noexcept nogil:
    if bit <= 32:
        hi[0] |= <uint64_t> value << (32 - bit)
    elif bit >= 64:
        lo[0] |= <uint64_t> value << (96 - bit)
    else:
        hi[0] |= <uint64_t> value >> (bit - 32)
        lo[0] |= <uint64_t> value << (96 - bit)


# The halves of an address whose octet behind `depth` bits is this one, and the others zero.
cdef inline uint64_t high_octet(uint64_t octet, int depth) noexcept nogil:
    return octet << (56 - depth) if depth < 64 else 0


cdef inline uint64_t low_octet(uint64_t octet, int depth) noexcept nogil:
    return octet << (120 - depth) if depth >= 64 else 0
