"""Limbo of an engine (the contract is in limbo.pxd)."""

from libc.stddef cimport size_t
from libc.stdlib cimport malloc, free
from libc.string cimport memset

cdef enum:
    PLACES_MIN = 256


cdef int limbo_open(limbo_t* limbo) noexcept nogil:
    memset(limbo, 0, sizeof(limbo_t))
    limbo.ring = <limbo_entry_t*> malloc(PLACES_MIN * sizeof(limbo_entry_t))
    limbo.mask = PLACES_MIN - 1
    return -1 if limbo.ring == NULL else 0


cdef int limbo_promise(limbo_t* limbo, size_t n) noexcept nogil:
    cdef size_t need = limbo_length(limbo) + limbo.owed + limbo.promised + n
    cdef size_t places = limbo.mask + 1
    cdef size_t at
    cdef limbo_entry_t* ring
    if need > places:
        while places < need:
            places *= 2
        ring = <limbo_entry_t*> malloc(places * sizeof(limbo_entry_t))
        if ring == NULL:
            return -1
        for at in range(limbo.tail, limbo.head):
            ring[at & (places - 1)] = limbo.ring[at & limbo.mask]
        free(limbo.ring)
        limbo.ring = ring
        limbo.mask = places - 1
    limbo.promised += n
    return 0
