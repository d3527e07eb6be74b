# Copy-on-write blocks of one size, named by index, in memory whose base never moves, for tables
# that several threads read while one changes them. A transaction copies a block before it changes
# it (`own` blocks are its copies and what else it made); what it replaced waits in limbo until no
# reader looks at it.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum:
    BLOCK_NONE = 0            # index 0 is never handed out

# All blocks but those published and unchanged are in one list each.
cdef struct block_meta_t:
    uint64_t stamp            # own: the transaction; in limbo: the number it was replaced under
    uint32_t next
    uint32_t previous         # of own blocks only

cdef struct cow_arena_t:
    uint8_t* blocks           # block i from size * i
    uint8_t* side             # what only the writer needs: of block i from side_size * i; it moves
    block_meta_t* meta
    size_t size
    size_t side_size
    uint32_t limit            # blocks reserved
    uint32_t ready            # blocks whose memory is writable
    uint32_t used             # blocks handed out at one time or another
    uint32_t live             # blocks in use, those in limbo included
    uint32_t waiting          # blocks in limbo
    uint32_t free             # list of those that came back
    uint32_t own              # list of the open transaction's
    uint32_t replaced         # list of those that the open transaction replaced
    uint32_t limbo            # queue, the oldest first
    uint32_t limbo_last

# -1: no address space. side_size may be 0.
cdef int blocks_open(cow_arena_t* arena, size_t size, size_t side_size,
                     uint32_t limit) noexcept nogil
cdef void blocks_close(cow_arena_t* arena) noexcept nogil
cdef int blocks_grow(cow_arena_t* arena) noexcept nogil
# A copy of a block that the transaction then has in its place; BLOCK_NONE without memory.
cdef uint32_t blocks_copy(cow_arena_t* arena, uint32_t block, uint64_t transaction) noexcept nogil
# Ends of a transaction: what it replaced goes into limbo, or what it made is given back.
cdef void blocks_publish(cow_arena_t* arena, uint64_t number) noexcept nogil
cdef void blocks_revert(cow_arena_t* arena) noexcept nogil
cdef void blocks_reclaim(cow_arena_t* arena, uint64_t safe) noexcept nogil
# Asks for 2 MiB pages under all that is in use.
cdef void blocks_settle(cow_arena_t* arena) noexcept nogil
cdef size_t blocks_memory(const cow_arena_t* arena) noexcept nogil
cdef size_t blocks_retired(const cow_arena_t* arena) noexcept nogil             # of it, in limbo


cdef inline uint8_t* block_at(const cow_arena_t* arena, uint32_t block) noexcept nogil:
    return arena.blocks + block * arena.size


cdef inline uint8_t* side_at(const cow_arena_t* arena, uint32_t block) noexcept nogil:
    return arena.side + block * arena.side_size


cdef inline bint block_is_own(const cow_arena_t* arena, uint32_t block,
                              uint64_t transaction) noexcept nogil:
    return arena.meta[block].stamp == transaction


# A block of the open transaction, contents undefined; BLOCK_NONE without memory or at the limit.
cdef inline uint32_t block_take(cow_arena_t* arena, uint64_t transaction) noexcept nogil:
    cdef uint32_t block = arena.free
    if block != BLOCK_NONE:
        arena.free = arena.meta[block].next
    else:
        if arena.used >= arena.ready and blocks_grow(arena) < 0:
            return BLOCK_NONE
        block = arena.used
        arena.used += 1
    arena.meta[block].stamp = transaction
    arena.meta[block].next = arena.own
    arena.meta[block].previous = BLOCK_NONE
    if arena.own != BLOCK_NONE:
        arena.meta[arena.own].previous = block
    arena.own = block
    arena.live += 1
    return block


# The open transaction needs the block no more: an own one is free at once, another is replaced.
cdef inline void block_drop(cow_arena_t* arena, uint32_t block,
                            uint64_t transaction) noexcept nogil:
    cdef block_meta_t* meta = &arena.meta[block]
    if meta.stamp != transaction:
        meta.next = arena.replaced
        arena.replaced = block
        return
    if meta.previous != BLOCK_NONE:
        arena.meta[meta.previous].next = meta.next
    else:
        arena.own = meta.next
    if meta.next != BLOCK_NONE:
        arena.meta[meta.next].previous = meta.previous
    meta.stamp = 0
    meta.next = arena.free
    arena.free = block
    arena.live -= 1
