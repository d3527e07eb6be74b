"""The adjacency table: allocation by index; number 0 is always there and drops (no route)."""

from fastpath.memory cimport map_zeroed, unmap
from fastpath.types cimport NH_DROP, nh_t
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memset


cdef enum:
    SHADOWS_MAX = 1 << 18     # sessions that change in one grace period


if sizeof(adjacency_t) != 64:
    raise ImportError(f"adjacency_t has {sizeof(adjacency_t)} octets, not 64: one cache line")
if sizeof(adjacency_side_t) != 32:
    raise ImportError(f"adjacency_side_t has {sizeof(adjacency_side_t)} octets, not 32")


cdef class AdjacencyTable:
    """A fixed number of adjacencies in one block, so that indexes and addresses stay.

    Plain next hops, of which there are few, get low indexes: a routing table can hold those in
    fewer bits. Sessions and gleans get the others; each kind takes what the other leaves.
    """

    def __cinit__(self, uint32_t capacity):
        if capacity < 2 or capacity > 1 << 24:
            raise ValueError(f"adjacencies: {capacity} is outside 2..{1 << 24}")
        self.capacity = capacity
        self.room = capacity + min(capacity, <uint32_t> SHADOWS_MAX)
        self.at = <adjacency_t*> map_zeroed(self.room * sizeof(adjacency_t), True)
        self.side = <adjacency_side_t*> map_zeroed(self.room * sizeof(adjacency_side_t), False)
        if self.at == NULL or self.side == NULL:
            raise MemoryError(f"no memory for {capacity} adjacencies")
        self.zone[0] = zone_t(NH_DROP + 1, min(capacity, <uint32_t> ZONE_PLAIN), NH_DROP)
        self.zone[1] = zone_t(self.zone[0].end, capacity, NH_DROP)
        self.zone[ZONE_SHADOWS] = zone_t(capacity, self.room, NH_DROP)
        self.at[NH_DROP].kind = ADJ_DROP
        self.side[NH_DROP].state = SIDE_LIVE

    def __dealloc__(self):
        unmap(self.at, self.room * sizeof(adjacency_t))
        unmap(self.side, self.room * sizeof(adjacency_side_t))

    cdef nh_t take(self, uint8_t kind) noexcept nogil:
        cdef int first = kind == ADJ_SESSION or kind == ADJ_GLEAN
        cdef nh_t nh = self._take_from(&self.zone[first])
        if nh == NH_DROP:
            nh = self._take_from(&self.zone[1 - first])
        if nh != NH_DROP:
            self.at[nh].kind = kind
            self.side[nh].state = SIDE_LIVE
        return nh

    cdef nh_t take_shadow(self) noexcept nogil:
        cdef nh_t nh = self._take_from(&self.zone[ZONE_SHADOWS])
        if nh != NH_DROP:
            self.side[nh].state = SIDE_SHADOW
        return nh

    cdef nh_t _take_from(self, zone_t* zone) noexcept nogil:
        cdef nh_t nh = zone.free
        if nh != NH_DROP:
            zone.free = self.side[nh].next
        elif zone.used < zone.end:
            nh = zone.used
            zone.used += 1
        else:
            return NH_DROP
        memset(&self.at[nh], 0, sizeof(adjacency_t))
        memset(&self.side[nh], 0, sizeof(adjacency_side_t))
        return nh

    cdef void give(self, nh_t nh) noexcept nogil:
        cdef zone_t* zone = &self.zone[ZONE_SHADOWS if nh >= self.capacity
                                       else nh >= self.zone[0].end]
        self.at[nh].kind = ADJ_FREE
        self.side[nh].state = SIDE_FREE
        self.side[nh].next = zone.free
        zone.free = nh

    cdef nh_t last(self, nh_t nh) noexcept nogil:
        while self.at[nh].flags & ADJ_PENDING or self.side[nh].marks & SIDE_FOLDED:
            nh = self.side[nh].next
        return nh

    cdef bint is_live(self, nh_t nh) noexcept nogil:
        return nh < self.capacity and self.side[nh].state == SIDE_LIVE

    cdef adjacency_t* get(self, object nh) except NULL:
        if not 0 <= nh < self.capacity or not self.is_live(nh):
            raise KeyError(f"next hop {nh} is not an adjacency")
        return &self.at[<nh_t> nh]
