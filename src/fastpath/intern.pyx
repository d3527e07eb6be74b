"""Octet strings by number (contract in intern.pxd)."""

from fastpath.hash cimport mix64
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcmp, memcpy, memset


cdef uint64_t _hash(const uint8_t* octets, uint32_t size) noexcept nogil:
    cdef uint64_t sum = size
    cdef uint64_t word
    while size >= 8:
        memcpy(&word, octets, 8)
        sum = (sum ^ word) * <uint64_t> 0x9E3779B97F4A7C15ULL
        sum ^= sum >> 29
        octets += 8
        size -= 8
    word = 0
    memcpy(&word, octets, size)
    return mix64(sum ^ word)


cdef int _grow_slots(intern_t* names) noexcept nogil:
    cdef uint32_t mask = 2 * names.mask + 1 if names.slots != NULL else 255
    cdef uint32_t* slots = <uint32_t*> calloc(<size_t> mask + 1, sizeof(uint32_t))
    cdef uint32_t i, at
    if slots == NULL:
        return -1
    for i in range(names.count):
        at = names.items[i].hash & mask
        while slots[at]:
            at = (at + 1) & mask
        slots[at] = i + 1
    free(names.slots)
    names.slots = slots
    names.mask = mask
    return 0


cdef int _grow(intern_t* names, uint32_t size) noexcept nogil:
    """Room for one more string of this size."""
    cdef void* more
    cdef uint64_t room = names.room
    if names.count >= names.items_room:
        more = realloc(names.items, (2 * <size_t> names.items_room + 64) * sizeof(intern_item_t))
        if more == NULL:
            return -1
        names.items = <intern_item_t*> more
        names.items_room = 2 * names.items_room + 64
    if names.used + size + 8 > room:
        while names.used + size + 8 > room:
            room = 2 * room + 4096
        more = realloc(names.octets, room)
        if more == NULL:
            return -1
        names.octets = <uint8_t*> more
        names.room = room
    if names.slots == NULL or names.count >= names.mask // 2:
        return _grow_slots(names)
    return 0


cdef uint32_t intern_add(intern_t* names, const void* octets, uint32_t size) noexcept nogil:
    cdef uint64_t hash = _hash(<const uint8_t*> octets, size)
    cdef intern_item_t* item
    cdef uint32_t at
    if _grow(names, size) < 0:
        return INTERN_FULL
    at = hash & names.mask
    while names.slots[at]:
        item = &names.items[names.slots[at] - 1]
        if (item.hash == hash and item.size == size
                and memcmp(names.octets + item.at, octets, size) == 0):
            return names.slots[at] - 1
        at = (at + 1) & names.mask
    item = &names.items[names.count]
    item.hash = hash
    item.at = names.used
    item.size = size
    memcpy(names.octets + names.used, octets, size)
    names.used += (size + 7) & ~7
    names.count += 1
    names.slots[at] = names.count
    return names.count - 1


cdef void intern_close(intern_t* names) noexcept nogil:
    free(names.octets)
    free(names.items)
    free(names.slots)
    memset(names, 0, sizeof(intern_t))
