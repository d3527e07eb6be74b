# Runs of a whole table, from its prefixes.

from fastpath.burst cimport runs_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

# A prefix and its next hop. word: next hop (24 bits) | length (8 bits), as in the prefix store.
cdef struct route_t:
    uint64_t hi
    uint64_t lo
    uint32_t word
    uint32_t order            # of equal prefixes the one with the greatest counts

# Sorts routes by address, then length, then order. spare: room for as many.
cdef void sort_routes(route_t* routes, route_t* spare, size_t n) noexcept nogil
# Appends the runs of all of 0..2^128-1 that sorted routes make. -1: no memory.
cdef int runs_of(runs_t* runs, const route_t* routes, size_t n) noexcept nogil

# Routes of n rows as `Lpm.load_all` takes them, and of slots as `store_sorted` gives them.
cdef void routes_of_rows(route_t* routes, const uint8_t* keys, const int64_t* lengths,
                         const int64_t* nhs, size_t n) noexcept nogil
cdef void routes_of_slots(route_t* routes, const uint8_t* slots, size_t n) noexcept nogil
