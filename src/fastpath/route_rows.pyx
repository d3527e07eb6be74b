"""Arrays of routes (the contract is in route_rows.pxd)."""

from fastpath.hash cimport hash16, mix64
from fastpath.lpm cimport LPM_NO_MEMORY, Lpm
from fastpath.types cimport nh_t
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy

cdef enum:
    BULK_ROWS = 4096          # from so many on a table may build itself anew


cdef inline uint64_t _hash(const uint8_t* prefix, uint8_t length, int width) noexcept nogil:
    cdef uint32_t address
    if width == 4:
        memcpy(&address, prefix, 4)
        return mix64(<uint64_t> address << 8 | length)
    return hash16(prefix, length)


cdef bint _is_sorted(const uint8_t* prefixes, const uint8_t* lengths, size_t n,
                     int width) noexcept nogil:
    """Whether each row is greater than the one before, as routes often come."""
    cdef size_t row
    cdef int order
    for row in range(1, n):
        order = memcmp(prefixes + (row - 1) * width, prefixes + row * width, width)
        if order > 0 or (order == 0 and lengths[row - 1] >= lengths[row]):
            return False
    return True


cdef int64_t find_twin(const uint8_t* prefixes, const uint8_t* lengths, size_t n, int width,
                       int64_t* other) noexcept nogil:
    cdef uint32_t* rows                   # open addressing: row + 1
    cdef size_t places = 8
    cdef size_t row, at, before
    if n < 2 or _is_sorted(prefixes, lengths, n, width):
        return ROWS_DISTINCT
    while places < 2 * n:
        places *= 2
    rows = <uint32_t*> calloc(places, sizeof(uint32_t))
    if rows == NULL:
        return ROWS_NO_MEMORY
    for row in range(n):
        at = _hash(prefixes + row * width, lengths[row], width) & (places - 1)
        while rows[at]:
            before = rows[at] - 1
            if (lengths[before] == lengths[row]
                    and memcmp(prefixes + before * width, prefixes + row * width, width) == 0):
                free(rows)
                other[0] = <int64_t> before
                return <int64_t> row
            at = (at + 1) & (places - 1)
        rows[at] = <uint32_t> row + 1
    free(rows)
    return ROWS_DISTINCT


cdef int load_rows(void* lpm, const uint8_t* prefixes, const uint8_t* lengths, const nh_t* nhs,
                   size_t n) noexcept nogil:
    cdef int width = (<Lpm> lpm).width
    cdef int64_t* wide
    cdef int64_t result = 0
    cdef size_t row
    if n < BULK_ROWS:
        for row in range(n):
            result = (<Lpm> lpm).insert(prefixes + row * width, lengths[row], nhs[row])
            if result < 0:
                return <int> result
        return 0
    wide = <int64_t*> malloc(2 * n * sizeof(int64_t))
    if wide == NULL:
        return LPM_NO_MEMORY
    for row in range(n):
        wide[row] = lengths[row]
        wide[n + row] = nhs[row]
    result = (<Lpm> lpm).load_all(prefixes, wide, wide + n, n)
    free(wide)
    return <int> min(result, <int64_t> 0)
