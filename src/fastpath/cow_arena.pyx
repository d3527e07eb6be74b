"""Arena of copy-on-write blocks (the contract is in cow_arena.pxd).

The reservation of the blocks is PROT_NONE and becomes writable in steps that double: unlike a
writable MAP_NORESERVE mapping it costs nothing under strict overcommit, and running out of memory
is an error here, not a signal later. It starts on a 2 MiB boundary for the sake of large pages.
What only the writer looks at is on the heap and may move.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memset

cdef extern from "<sys/mman.h>" nogil:
    enum: PROT_NONE, PROT_READ, PROT_WRITE, MAP_PRIVATE, MAP_ANONYMOUS, MAP_NORESERVE
    enum: MADV_HUGEPAGE
    void* MAP_FAILED
    void* mmap(void* base, size_t size, int protection, int flags, int fd, long offset)
    int munmap(void* base, size_t size)
    int mprotect(void* base, size_t size, int protection)
    int madvise(void* base, size_t size, int advice)

cdef enum:
    BLOCKS_MIN = 64           # made writable at first
    LARGE_PAGE = 1 << 21
    MADV_COLLAPSE = 25        # Linux 6.1; older headers and kernels do not know it


cdef inline size_t _reserved(size_t size) noexcept nogil:
    return (size + LARGE_PAGE - 1) // LARGE_PAGE * LARGE_PAGE + LARGE_PAGE


cdef uint8_t* _reserve(size_t size) noexcept nogil:
    """Address space for `size` octets on a large page's boundary, NULL if there is none."""
    cdef uint8_t* base = <uint8_t*> mmap(NULL, _reserved(size), PROT_NONE,
                                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    cdef size_t before
    if base == MAP_FAILED:
        return NULL
    before = -<uintptr_t> base % LARGE_PAGE
    if before:
        munmap(base, before)
    munmap(base + _reserved(size) - (LARGE_PAGE - before), LARGE_PAGE - before)
    return base + before


cdef int blocks_open(cow_arena_t* arena, size_t size, size_t side_size,
                     uint32_t limit) noexcept nogil:
    memset(arena, 0, sizeof(cow_arena_t))
    arena.limit = limit
    arena.size = size
    arena.side_size = side_size
    arena.used = 1                                      # BLOCK_NONE
    arena.blocks = _reserve(limit * size)
    return -1 if arena.blocks == NULL else 0


cdef void blocks_close(cow_arena_t* arena) noexcept nogil:
    if arena.blocks != NULL:
        munmap(arena.blocks, _reserved(arena.limit * arena.size) - LARGE_PAGE)
    free(arena.meta)
    free(arena.side)
    memset(arena, 0, sizeof(cow_arena_t))


cdef int blocks_grow(cow_arena_t* arena) noexcept nogil:
    cdef uint32_t blocks = min(arena.limit, max(<uint32_t> BLOCKS_MIN, 2 * arena.ready))
    cdef void* moved
    if blocks == arena.ready:
        return -1
    moved = realloc(arena.meta, blocks * sizeof(block_meta_t))
    if moved == NULL:
        return -1
    arena.meta = <block_meta_t*> moved
    if arena.side_size:
        moved = realloc(arena.side, blocks * arena.side_size)
        if moved == NULL:
            return -1
        arena.side = <uint8_t*> moved
    if mprotect(arena.blocks, blocks * arena.size, PROT_READ | PROT_WRITE) != 0:
        return -1
    if blocks * arena.size >= LARGE_PAGE:
        # Whether there are any is the kernel's business; the table works without.
        madvise(arena.blocks, blocks * arena.size, MADV_HUGEPAGE)
    arena.ready = blocks
    return 0


cdef uint32_t blocks_copy(cow_arena_t* arena, uint32_t block, uint64_t transaction) noexcept nogil:
    cdef uint32_t copy = block_take(arena, transaction)
    if copy == BLOCK_NONE:
        return BLOCK_NONE
    memcpy(block_at(arena, copy), block_at(arena, block), arena.size)
    if arena.side_size:
        memcpy(side_at(arena, copy), side_at(arena, block), arena.side_size)
    block_drop(arena, block, transaction)
    return copy


cdef void blocks_publish(cow_arena_t* arena, uint64_t number) noexcept nogil:
    cdef uint32_t block = arena.replaced
    cdef uint32_t last = BLOCK_NONE
    arena.own = BLOCK_NONE
    if block == BLOCK_NONE:
        return
    if arena.limbo == BLOCK_NONE:
        arena.limbo = block
    else:
        arena.meta[arena.limbo_last].next = block
    while block != BLOCK_NONE:
        arena.meta[block].stamp = number
        arena.waiting += 1
        last = block
        block = arena.meta[block].next
    arena.limbo_last = last
    arena.replaced = BLOCK_NONE


cdef void blocks_revert(cow_arena_t* arena) noexcept nogil:
    cdef uint32_t block = arena.own
    cdef uint32_t following
    while block != BLOCK_NONE:
        following = arena.meta[block].next
        arena.meta[block].stamp = 0
        arena.meta[block].next = arena.free
        arena.free = block
        arena.live -= 1
        block = following
    arena.own = BLOCK_NONE
    arena.replaced = BLOCK_NONE


cdef void blocks_reclaim(cow_arena_t* arena, uint64_t safe) noexcept nogil:
    cdef uint32_t block = arena.limbo
    cdef uint32_t following
    while block != BLOCK_NONE and arena.meta[block].stamp <= safe:
        following = arena.meta[block].next
        arena.meta[block].stamp = 0
        arena.meta[block].next = arena.free
        arena.free = block
        arena.live -= 1
        arena.waiting -= 1
        block = following
    arena.limbo = block


cdef void blocks_settle(cow_arena_t* arena) noexcept nogil:
    cdef size_t size = arena.used * arena.size // LARGE_PAGE * LARGE_PAGE
    if size:
        madvise(arena.blocks, size, MADV_COLLAPSE)


cdef size_t blocks_memory(const cow_arena_t* arena) noexcept nogil:
    return arena.live * (arena.size + arena.side_size + sizeof(block_meta_t))


cdef size_t blocks_retired(const cow_arena_t* arena) noexcept nogil:
    return arena.waiting * (arena.size + arena.side_size + sizeof(block_meta_t))
