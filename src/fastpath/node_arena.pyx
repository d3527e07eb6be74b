"""Arena of trie nodes (the contract is in node_arena.pxd).

The reservation is PROT_NONE and becomes writable in steps. Unlike a writable MAP_NORESERVE mapping
it costs nothing under strict overcommit, and running out of memory is an error here, not a signal
later.
"""

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

cdef extern from "<sys/mman.h>" nogil:
    enum: PROT_NONE, PROT_READ, PROT_WRITE, MAP_PRIVATE, MAP_ANONYMOUS, MAP_NORESERVE
    void* MAP_FAILED
    void* mmap(void* base, size_t size, int protection, int flags, int fd, long offset)
    int munmap(void* base, size_t size)
    int mprotect(void* base, size_t size, int protection)

cdef extern from "<unistd.h>" nogil:
    enum: _SC_PAGESIZE
    long sysconf(int name)

cdef enum:
    STEP = 256                # nodes made writable at a time


cdef inline size_t _whole_pages(size_t size) noexcept nogil:
    cdef size_t page = sysconf(_SC_PAGESIZE)
    return (size + page - 1) // page * page


cdef inline size_t _entries_size(uint32_t nodes) noexcept nogil:
    return _whole_pages(<size_t> nodes * NODE_ENTRIES * sizeof(uint32_t))


cdef inline size_t _meta_size(uint32_t nodes) noexcept nogil:
    return _whole_pages(<size_t> nodes * sizeof(node_meta_t))


cdef void* _reserve(size_t size) noexcept nogil:
    cdef void* base = mmap(NULL, size, PROT_NONE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    return NULL if base == MAP_FAILED else base


cdef int arena_open(node_arena_t* arena, uint32_t limit) noexcept nogil:
    memset(arena, 0, sizeof(node_arena_t))
    arena.limit = limit
    arena.used = 1                                      # NODE_NONE
    arena.entries = <uint32_t*> _reserve(_entries_size(limit))
    arena.meta = <node_meta_t*> _reserve(_meta_size(limit))
    if arena.entries == NULL or arena.meta == NULL:
        arena_close(arena)
        return -1
    return 0


cdef void arena_close(node_arena_t* arena) noexcept nogil:
    if arena.entries != NULL:
        munmap(arena.entries, _entries_size(arena.limit))
    if arena.meta != NULL:
        munmap(arena.meta, _meta_size(arena.limit))
    memset(arena, 0, sizeof(node_arena_t))


cdef int _grow(node_arena_t* arena) noexcept nogil:
    cdef uint32_t nodes = min(arena.limit, arena.ready + STEP)
    if nodes == arena.ready:
        return -1
    if mprotect(arena.entries, _entries_size(nodes), PROT_READ | PROT_WRITE) != 0:
        return -1
    if mprotect(arena.meta, _meta_size(nodes), PROT_READ | PROT_WRITE) != 0:
        return -1
    arena.ready = nodes
    return 0


cdef uint32_t arena_take(node_arena_t* arena, uint64_t stamp) noexcept nogil:
    cdef uint32_t node = arena.free
    if node != NODE_NONE:
        arena.free = arena.meta[node].link
    else:
        if arena.used >= arena.ready and _grow(arena) < 0:
            return NODE_NONE
        node = arena.used
        arena.used += 1
    arena.meta[node].stamp = stamp
    arena.live += 1
    return node


cdef void arena_give(node_arena_t* arena, uint32_t node) noexcept nogil:
    arena.meta[node].stamp = 0
    arena.meta[node].link = arena.free
    arena.free = node
    arena.live -= 1


cdef size_t arena_memory(const node_arena_t* arena) noexcept nogil:
    return arena.live * (NODE_ENTRIES * sizeof(uint32_t) + sizeof(node_meta_t))
