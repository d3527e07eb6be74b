# Blocks of the burst trie: one, two or four cache lines each, named by the index of their first
# line, in memory whose base never moves (as the nodes in node_arena). What only updates need, the
# items, stands apart from what lookups read.

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    BLOCK_NONE = 0            # line 0 is never handed out
    BLOCK_CLASSES = 3         # class k: 2^k lines
    LINE_WORDS = 16
    LINE_ITEMS = 16           # items beside a line: a block of class k has room for 16 << k

# A part of the span of a block: from `start` to the next item.
cdef struct item_t:
    uint32_t start            # of the 32 bits that the block decides
    uint32_t entry
    uint32_t painted          # prefix length the entry was painted with; PAINTED_CHILD

# Stands before the items of a block.
cdef struct block_side_t:
    uint64_t stamp            # transaction that made the block, 0 while it is free
    uint32_t link             # next of the list that the block is in
    uint16_t count            # items
    uint16_t size_class

cdef struct block_arena_t:
    uint32_t* words           # line i: LINE_WORDS words from 16 * i
    uint8_t* side             # side of line i: block_side_t and items, from SIDE_SIZE * i
    uint32_t limit            # lines reserved
    uint32_t ready            # lines whose memory is writable
    uint32_t used             # lines handed out at one time or another
    uint32_t free[3]          # by class: list of blocks that came back
    uint32_t live             # lines in use

cdef enum:
    SIDE_SIZE = 208           # sizeof(block_side_t) + LINE_ITEMS * sizeof(item_t)
    LINE_SIZE = 272           # of a line and its side

cdef int blocks_open(block_arena_t* arena, uint32_t limit) noexcept nogil   # -1: no address space
cdef void blocks_close(block_arena_t* arena) noexcept nogil
# A block with undefined contents, BLOCK_NONE without memory or at the limit.
cdef uint32_t blocks_take(block_arena_t* arena, int size_class, uint64_t stamp) noexcept nogil
cdef void blocks_give(block_arena_t* arena, uint32_t block) noexcept nogil
cdef size_t blocks_memory(const block_arena_t* arena) noexcept nogil


cdef inline uint32_t* block_words(const block_arena_t* arena, uint32_t block) noexcept nogil:
    return arena.words + <uint64_t> block * LINE_WORDS


cdef inline block_side_t* block_side(const block_arena_t* arena, uint32_t block) noexcept nogil:
    return <block_side_t*> (arena.side + <uint64_t> block * SIDE_SIZE)


cdef inline item_t* block_items(const block_arena_t* arena, uint32_t block) noexcept nogil:
    return <item_t*> (block_side(arena, block) + 1)
