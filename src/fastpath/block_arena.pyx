"""Memory of a burst trie's blocks (the contract is in block_arena.pxd).

A block of a smaller class is split off a bigger one; halves are not joined again, so the memory of
each class is bounded by the most that was in use of it at one time.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memset
from posix.unistd cimport _SC_PAGESIZE, sysconf

cdef extern from "<sys/mman.h>" nogil:
    enum: PROT_NONE, PROT_READ, PROT_WRITE, MAP_PRIVATE, MAP_ANONYMOUS, MAP_NORESERVE
    void* MAP_FAILED
    void* mmap(void* base, size_t size, int protection, int flags, int fd, long offset)
    int munmap(void* base, size_t size)
    int mprotect(void* base, size_t size, int protection)

cdef enum:
    STEP = 1024               # lines made writable at a time
    BIGGEST = 1 << (BLOCK_CLASSES - 1)


cdef inline size_t _whole_pages(size_t size) noexcept nogil:
    cdef size_t page = sysconf(_SC_PAGESIZE)
    return (size + page - 1) // page * page


cdef inline size_t _words_size(uint32_t lines) noexcept nogil:
    return _whole_pages(<size_t> lines * LINE_WORDS * sizeof(uint32_t))


cdef inline size_t _side_size(uint32_t lines) noexcept nogil:
    return _whole_pages(<size_t> lines * SIDE_SIZE)


cdef void* _reserve(size_t size) noexcept nogil:
    cdef void* base = mmap(NULL, size, PROT_NONE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    return NULL if base == MAP_FAILED else base


cdef int blocks_open(block_arena_t* arena, uint32_t limit) noexcept nogil:
    memset(arena, 0, sizeof(block_arena_t))
    arena.limit = limit
    arena.used = BIGGEST                                # BLOCK_NONE, and blocks lie at their size
    arena.words = <uint32_t*> _reserve(_words_size(limit))
    arena.side = <uint8_t*> _reserve(_side_size(limit))
    if arena.words == NULL or arena.side == NULL:
        blocks_close(arena)
        return -1
    return 0


cdef void blocks_close(block_arena_t* arena) noexcept nogil:
    if arena.words != NULL:
        munmap(arena.words, _words_size(arena.limit))
    if arena.side != NULL:
        munmap(arena.side, _side_size(arena.limit))
    memset(arena, 0, sizeof(block_arena_t))


cdef int _grow(block_arena_t* arena) noexcept nogil:
    cdef uint32_t lines = min(arena.limit, arena.ready + STEP)
    if lines < arena.used + BIGGEST:
        return -1
    if mprotect(arena.words, _words_size(lines), PROT_READ | PROT_WRITE) != 0:
        return -1
    if mprotect(arena.side, _side_size(lines), PROT_READ | PROT_WRITE) != 0:
        return -1
    arena.ready = lines
    return 0


cdef void _put_aside(block_arena_t* arena, uint32_t block, int size_class) noexcept nogil:
    block_side(arena, block).stamp = 0
    block_side(arena, block).link = arena.free[size_class]
    arena.free[size_class] = block


cdef uint32_t _find(block_arena_t* arena, int size_class) noexcept nogil:
    cdef uint32_t block = arena.free[size_class]
    if block != BLOCK_NONE:
        arena.free[size_class] = block_side(arena, block).link
        return block
    if size_class == BLOCK_CLASSES - 1:
        if arena.used + BIGGEST > arena.ready and _grow(arena) < 0:
            return BLOCK_NONE
        block = arena.used
        arena.used += BIGGEST
        return block
    block = _find(arena, size_class + 1)
    if block != BLOCK_NONE:
        _put_aside(arena, block + (1 << size_class), size_class)
    return block


cdef uint32_t blocks_take(block_arena_t* arena, int size_class, uint64_t stamp) noexcept nogil:
    cdef uint32_t block = _find(arena, size_class)
    if block != BLOCK_NONE:
        block_side(arena, block).stamp = stamp
        block_side(arena, block).size_class = size_class
        arena.live += 1 << size_class
    return block


cdef void blocks_give(block_arena_t* arena, uint32_t block) noexcept nogil:
    cdef int size_class = block_side(arena, block).size_class
    _put_aside(arena, block, size_class)
    arena.live -= 1 << size_class


cdef size_t blocks_memory(const block_arena_t* arena) noexcept nogil:
    return <size_t> arena.live * LINE_SIZE
