# The structure of IPv4 longest-prefix match in chunks: one octet a step (version -> page -> chunk
# -> ext block, 256 entries each), with cells as small as most tables allow.
#
# Root entry (32 bits, in a page)   0  | next hop (24)             the longest match
#                                   10 | index of a chunk (22) | 0 (8)
#                                   11 | index of a wide one (22) | 0 (8)
# Cell (16 bits, in a chunk)        0  | next hop (15)             the longest match
#                                   1  | index of an ext block (15)
# Wide cell (32 bits)               0  | length (7) | next hop (24)
#                                   1  | index of a wide ext block (31)
# Word (32 bits, in an ext block)   length (8) | next hop (24)
#
# A chunk is wide when one of its next hops, or of the indexes of its ext blocks, needs more than 15
# bits; wide chunks and the ext blocks below them are in one arena. `length` is that of the prefix
# an entry was painted with, which only updates look at; of root entries and cells it stands apart.

from fastpath.cow_arena cimport block_at, cow_arena_t
from fastpath.types cimport nh_t
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "simd/lpm4.h" nogil:
    enum: LPM4_NODE, LPM4_WIDE, LPM4_INDEX, LPM4_EXT, LPM4_NH
    struct lpm4_version:
        const uint32_t* roots
        const uint16_t* cells
        const uint32_t* ext
        const uint32_t* wide
        uint32_t page[256]
    ctypedef void (*lpm4_fn)(const void* version, const uint8_t* keys, uint32_t* out,
                             int n) noexcept
    uint32_t lpm4_one(const lpm4_version* version, const uint8_t* key)
    lpm4_fn lpm4_variant(int level)

cdef enum:
    ENTRIES = 256             # of a page, a chunk, an ext block
    PAINTED_CHILD = 255       # length of an entry that leads further down
    NARROW_NH = 1 << 15       # next hops below fit a cell
    NARROW_EXTS = 1 << 15     # and so do indexes of ext blocks
    MAX_NODES = 1 << 22

# A chunk of the open transaction, with the root entry that leads to it.
cdef struct chunk_t:
    uint32_t* entry
    uint32_t index
    uint16_t* cells           # NULL: it is wide
    uint8_t* painted          # of `cells`
    uint32_t* words           # wide cells

# `working` is the version of the open transaction, or the published one. Blocks of the open
# transaction, own ones, have its number as their stamp.
cdef struct chunk_table_t:
    cow_arena_t versions
    cow_arena_t pages
    cow_arena_t chunks
    cow_arena_t exts        # below 16-bit cells
    cow_arena_t wides
    uint32_t published        # index of a version
    uint32_t working
    uint32_t blank            # page of nothing, which any first octet may lead to
    uint64_t transaction
    lpm4_version* work        # `working`

cdef int table_open(chunk_table_t* table, uint32_t max_nodes) noexcept nogil     # -1: no memory
cdef void table_close(chunk_table_t* table) noexcept nogil
cdef void table_publish(chunk_table_t* table, uint64_t number) noexcept nogil
cdef void table_reclaim(chunk_table_t* table, uint64_t safe) noexcept nogil
cdef void table_revert(chunk_table_t* table) noexcept nogil
cdef void table_settle(chunk_table_t* table) noexcept nogil
cdef size_t table_memory(const chunk_table_t* table) noexcept nogil
cdef size_t table_retired(const chunk_table_t* table) noexcept nogil            # of it, in limbo

# -1 or NULL without memory. own_page: root entries of a first octet; *painted: their lengths.
cdef int own_version(chunk_table_t* table) noexcept nogil
cdef uint32_t* own_page(chunk_table_t* table, int octet, uint8_t** painted) noexcept nogil
# Opens the chunk under an own root entry: made own, made at all, and made wide if `nh` needs it.
cdef int own_chunk(chunk_table_t* table, uint32_t* entry, uint8_t* painted, nh_t nh,
                   chunk_t* chunk) noexcept nogil
# Words of the ext block of an own chunk's cell, made own or made at all. The chunk becomes wide if
# all indexes that fit its cells are in use.
cdef uint32_t* own_ext(chunk_table_t* table, chunk_t* chunk, int cell) noexcept nogil

# A chunk to look at, own or not; entry may be a copy of the root entry.
cdef void open_chunk(const chunk_table_t* table, uint32_t* entry, chunk_t* chunk) noexcept nogil


cdef inline uint32_t* words_of(const cow_arena_t* arena, uint32_t block) noexcept nogil:
    return <uint32_t*> block_at(arena, block)


cdef inline int word_length(uint32_t word) noexcept nogil:
    return word >> 24


cdef inline int wide_length(uint32_t word) noexcept nogil:
    return <int> PAINTED_CHILD if word & LPM4_NODE else <int> (word >> 24)


cdef inline int cell_length(const chunk_t* chunk, int cell) noexcept nogil:
    return wide_length(chunk.words[cell]) if chunk.cells == NULL else chunk.painted[cell]


cdef inline uint32_t cell_ext(const chunk_t* chunk, int cell) noexcept nogil:
    if chunk.cells == NULL:
        return chunk.words[cell] & LPM4_INDEX
    return chunk.cells[cell] & (LPM4_EXT - 1)


cdef inline nh_t cell_nh(const chunk_t* chunk, int cell) noexcept nogil:
    return chunk.words[cell] & LPM4_NH if chunk.cells == NULL else chunk.cells[cell]


cdef inline void set_leaf(chunk_t* chunk, int cell, nh_t nh, int length) noexcept nogil:
    if chunk.cells == NULL:
        chunk.words[cell] = <uint32_t> length << 24 | nh
    else:
        chunk.cells[cell] = <uint16_t> nh
        chunk.painted[cell] = <uint8_t> length


cdef inline void set_ext(chunk_t* chunk, int cell, uint32_t block) noexcept nogil:
    if chunk.cells == NULL:
        chunk.words[cell] = LPM4_NODE | block
    else:
        chunk.cells[cell] = <uint16_t> (LPM4_EXT | block)
        chunk.painted[cell] = PAINTED_CHILD


cdef inline uint32_t* ext_words(const chunk_table_t* table, const chunk_t* chunk,
                                int cell) noexcept nogil:
    return words_of(&table.wides if chunk.cells == NULL else &table.exts, cell_ext(chunk, cell))
