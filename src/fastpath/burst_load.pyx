"""Runs of a whole table, from its prefixes (the contract is in burst_load.pxd)."""

from fastpath.burst cimport runs_t
from fastpath.burst_build cimport add_run
from fastpath.prefix_store cimport slot_word, word_length, word_nh
from fastpath.types cimport NH_DROP
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport qsort
from libc.string cimport memcpy, memset

cdef enum:
    DIGIT_BITS = 11
    DIGITS = 1 << DIGIT_BITS
    ROUNDS = 6                # of 11 bits, for the upper 64
    NESTED = 130              # prefixes that cover an address, and none

# A prefix that covers what is looked at, and the last address in it.
cdef struct cover_t:
    uint64_t hi
    uint64_t lo
    uint32_t word


cdef int _order(const void* a, const void* b) noexcept nogil:
    cdef const route_t* one = <const route_t*> a
    cdef const route_t* other = <const route_t*> b
    if one.lo != other.lo:
        return 1 if one.lo > other.lo else -1
    if word_length(one.word) != word_length(other.word):
        return word_length(one.word) - word_length(other.word)
    return 1 if one.order > other.order else -1


cdef inline uint32_t _digit(const route_t* route, int turn) noexcept nogil:
    return (route.hi >> (turn * DIGIT_BITS)) & (DIGITS - 1)


cdef void sort_routes(route_t* routes, route_t* spare, size_t n) noexcept nogil:
    cdef size_t[DIGITS] begin
    cdef route_t* of = routes
    cdef route_t* into = spare
    cdef route_t* swap
    cdef size_t at
    cdef size_t count
    cdef size_t i
    cdef int digit
    cdef int turn
    if n == 0:
        return
    for turn in range(ROUNDS):
        memset(begin, 0, sizeof(begin))
        for i in range(n):
            begin[_digit(&of[i], turn)] += 1
        if begin[_digit(&of[0], turn)] == n:
            continue                                    # nothing to tell apart by
        at = 0
        for digit in range(DIGITS):
            count = begin[digit]
            begin[digit] = at
            at += count
        for i in range(n):
            into[begin[_digit(&of[i], turn)]] = of[i]
            begin[_digit(&of[i], turn)] += 1
        swap = of
        of = into
        into = swap
    if of != routes:
        memcpy(routes, of, n * sizeof(route_t))
    at = 0
    for i in range(1, n + 1):
        if i == n or routes[i].hi != routes[at].hi:
            if i - at > 1:
                qsort(routes + at, i - at, sizeof(route_t), _order)
            at = i


cdef inline cover_t _cover(const route_t* route) noexcept nogil:
    cdef int length = word_length(route.word)
    cdef cover_t cover = cover_t(route.hi, route.lo, route.word)
    if length < 64:
        cover.hi |= <uint64_t> 0xFFFFFFFFFFFFFFFFULL >> length
        cover.lo = 0xFFFFFFFFFFFFFFFFULL
    elif length < 128:
        cover.lo |= <uint64_t> 0xFFFFFFFFFFFFFFFFULL >> (length - 64)
    return cover


cdef inline bint _is_before(const cover_t* cover, const route_t* route) noexcept nogil:
    return cover.hi < route.hi or (cover.hi == route.hi and cover.lo < route.lo)


cdef int _uncover(runs_t* runs, const cover_t* covers, int depth) noexcept nogil:
    """Behind the last address of a prefix that ends, its own cover leads again."""
    cdef const cover_t* ended = &covers[depth]
    cdef uint64_t lo = ended.lo + 1
    cdef uint64_t hi = ended.hi + (lo == 0)
    if hi == 0 and lo == 0:
        return 0                                        # it ended with the address space
    return add_run(runs, hi, lo, word_nh(covers[depth - 1].word),
                   word_length(covers[depth - 1].word))


cdef int runs_of(runs_t* runs, const route_t* routes, size_t n) noexcept nogil:
    cdef cover_t[NESTED] covers
    cdef int depth = 0
    cdef size_t i
    covers[0] = cover_t(0xFFFFFFFFFFFFFFFFULL, 0xFFFFFFFFFFFFFFFFu, <uint32_t> NH_DROP << 8)
    if add_run(runs, 0, 0, NH_DROP, 0) < 0:
        return -1
    for i in range(n):
        if (i + 1 < n and routes[i].hi == routes[i + 1].hi and routes[i].lo == routes[i + 1].lo
                and word_length(routes[i].word) == word_length(routes[i + 1].word)):
            continue
        while depth and _is_before(&covers[depth], &routes[i]):
            if _uncover(runs, covers, depth) < 0:
                return -1
            depth -= 1
        depth += 1
        covers[depth] = _cover(&routes[i])
        if add_run(runs, routes[i].hi, routes[i].lo, word_nh(routes[i].word),
                   word_length(routes[i].word)) < 0:
            return -1
    while depth:
        if _uncover(runs, covers, depth) < 0:
            return -1
        depth -= 1
    return 0


cdef inline uint64_t _eight_octets(const uint8_t* octets) noexcept nogil:
    cdef uint64_t value = 0
    cdef int i
    for i in range(8):
        value = value << 8 | octets[i]
    return value


cdef void routes_of_rows(route_t* routes, const uint8_t* keys, const int64_t* lengths,
                         const int64_t* nhs, size_t n) noexcept nogil:
    cdef size_t i
    for i in range(n):
        routes[i] = route_t(_eight_octets(keys), _eight_octets(keys + 8),
                            <uint32_t> nhs[i] << 8 | <uint32_t> lengths[i], <uint32_t> i)
        keys += 16


cdef void routes_of_slots(route_t* routes, const uint8_t* slots, size_t n) noexcept nogil:
    cdef size_t i
    for i in range(n):
        routes[i] = route_t(_eight_octets(slots), _eight_octets(slots + 8), slot_word(slots, 16),
                            0)
        slots += 20
