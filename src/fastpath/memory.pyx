"""Zeroed memory of the kernel for tables of fixed capacity (the contract is in memory.pxd)."""

cdef extern from "<sys/mman.h>" nogil:
    enum: PROT_READ, PROT_WRITE, MAP_PRIVATE, MAP_ANONYMOUS, MADV_HUGEPAGE
    void* MAP_FAILED
    void* mmap(void* base, size_t size, int protection, int flags, int fd, long offset)
    int munmap(void* base, size_t size)
    int madvise(void* base, size_t size, int advice)

cdef enum:
    PAGE = 4096
    HUGE_PAGE = 1 << 21


cdef inline size_t _whole_pages(size_t size) noexcept nogil:
    return (size + PAGE - 1) // PAGE * PAGE


cdef void* map_zeroed(size_t size, bint huge) noexcept nogil:
    cdef size_t whole = _whole_pages(size)
    cdef size_t slack = HUGE_PAGE if huge and whole >= HUGE_PAGE else 0
    cdef char* base = <char*> mmap(NULL, whole + slack, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    cdef size_t before
    if base == MAP_FAILED:
        return NULL
    if slack == 0:
        return base
    # Aligned by hand: what is too much goes back at once.
    before = (HUGE_PAGE - <size_t> base % HUGE_PAGE) % HUGE_PAGE
    if before:
        munmap(base, before)
    if slack - before:
        munmap(base + before + whole, slack - before)
    madvise(base + before, whole, MADV_HUGEPAGE)
    return base + before


cdef void unmap(void* base, size_t size) noexcept nogil:
    if base != NULL:
        munmap(base, _whole_pages(size))
